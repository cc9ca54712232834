"""The most likely next words, and a map of words by their embeddings."""

import math
import textwrap
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fastrnn.plots._mosaic import BOLD, strip
from fastrnn.plots._style import MUTED, STYLE

__all__ = ["embedding_map", "next_words"]

_BAR, _TRUE = "#0072b2", "#d55e00"  # blue and vermilion: colour-blind readers can tell them apart
_MOST = 300  # the most words on a map
_SIZE = (11.0, 9.0)  # inches of a map
_PERPLEXITY = 15  # keeps the five nearest of 250 words together best; from 8 to 30 it hardly matters


@rc_context(STYLE)
def next_words(
    contexts: Sequence[str | Sequence[str]],
    words: Sequence[Sequence[str]],
    probabilities: ArrayLike,
    truths: Sequence[str] | None = None,
    title: str = "Most likely next words",
) -> Figure:
    """
    Draw the most likely next words of each context as bars. All contexts share one scale.

    Parameters
    ----------
    contexts : sequence of str or of sequence of str (N,)
        The context words.
    words : sequence of sequence of str (N, k)
        The most likely next words of each context, most likely first. Up to ten are readable.
    probabilities : array_like (N, k)
        Their probabilities.
    truths : sequence of str (N,), optional
        The word that came next in the text; it is marked. It need not be among the most likely words.
    title : str
        The title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each context.

    Raises
    ------
    ValueError
        When there is no context, or the arguments do not match.
    """
    shares = np.asarray(probabilities, dtype=float)
    n = len(contexts)
    sizes = [len(row) for row in words]
    if not shares.size or shares.ndim != 2 or len(shares) != n or sizes != [shares.shape[1]] * n:
        problem = f"probabilities has shape {shares.shape} and words rows of {sizes}"
        raise ValueError(f"{problem}, expected ({n}, k) for {n} contexts")
    if truths is not None and len(truths) != n:
        raise ValueError(f"there are {len(truths)} truths for {n} contexts, expected one for each")
    columns = n if n <= 3 else 2 if n == 4 else 3 if n <= 6 else 4
    rows = math.ceil(n / columns)
    titles = [textwrap.wrap(f"{x if isinstance(x, str) else ' '.join(x)} …", 26) for x in contexts]
    width = 2.4 + 0.07 * max(map(len, chain(*words, truths or ())))  # inches
    height = 0.6 + 0.17 * max(map(len, titles)) + 0.19 * shares.shape[1]
    figure = Figure(figsize=(columns * width, rows * height + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for i, axes in enumerate(grid[:n]):
        _draw_bars(axes, words[i], shares[i], None if truths is None else truths[i])
        axes.set_title("\n".join(titles[i]), parse_math=False)
    for axes in grid[n:]:
        axes.remove()
    figure.suptitle(title, x=0.01, ha="left", parse_math=False, **BOLD)
    return figure


def _draw_bars(axes: Axes, words: Sequence[str], shares: np.ndarray, truth: str | None) -> None:
    is_true = [word == truth for word in words]
    bars = axes.barh(range(len(words)), shares, height=0.72, color=[_TRUE if true else _BAR for true in is_true])
    percent = ["<0.1%" if 0 < share < 0.0005 else f"{share:.1%}" for share in shares]
    axes.bar_label(bars, percent, padding=3, fontsize=7.5, color=MUTED)
    axes.set_yticks(range(len(words)), list(map(_legible, words)), parse_math=False)
    axes.invert_yaxis()
    axes.tick_params("both", length=0)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.margins(x=0.18, y=0.02)
    for label, true in zip(axes.get_yticklabels(), is_true, strict=True):
        if true:
            label.set(fontweight="bold", color=_TRUE)
    if truth is not None:
        axes.set_xlabel(f"actual next word: “{truth}”", loc="left", color=_TRUE, parse_math=False)


@rc_context(STYLE)
def embedding_map(
    vectors: ArrayLike,
    words: Sequence[str],
    counts: ArrayLike | None = None,
    *,
    seed: int = 0,
    title: str = "Words by their embeddings",
) -> Figure:
    """
    Draw words on a map, so that words with similar embeddings are neighbours.

    The map is made by t-SNE (van der Maaten and Hinton 2008) with the cosine distance. Only neighbourhoods have a
    meaning; axes and large distances have none. Words are moved a little so that they do not hide each other.

    Parameters
    ----------
    vectors : array_like (V, D)
        The embedding of each word.
    words : sequence of str (V,)
        The words.
    counts : array_like (V,), optional
        How frequent each word is. Of more than 300 words, the 300 most frequent are drawn; without `counts`, the first
        300.
    seed : int
        The same seed gives the same map.
    title : str
        The title.

    Returns
    -------
    matplotlib.figure.Figure
        The map.

    Raises
    ------
    ValueError
        When the shapes do not match, or a vector is not finite.
    """
    vectors = np.asarray(vectors, dtype=float)
    n = len(words)
    if vectors.ndim != 2 or len(vectors) != n or not vectors.size:
        raise ValueError(f"vectors has shape {vectors.shape}, expected ({n}, D) for {n} words")
    if not np.isfinite(vectors).all():
        row = int(np.argmin(np.isfinite(vectors).all(axis=1)))
        raise ValueError(f"vectors is not finite in row {row}, {words[row]!r}, expected finite numbers")
    chosen = np.arange(n)
    if counts is not None:
        counts = np.asarray(counts, dtype=float)
        if counts.shape != (n,):
            raise ValueError(f"counts has shape {counts.shape}, expected ({n},) for {n} words")
        chosen = np.argsort(-counts, kind="stable")
    drawn = chosen[:_MOST].tolist()

    figure = Figure(figsize=_SIZE)
    heading = 0.4 / _SIZE[1]
    axes = figure.add_axes((0, 0, 1, 1 - heading))
    strip(axes)
    size = np.array(_SIZE) * (1, 1 - heading)
    axes.set(xlim=(0, size[0]), ylim=(0, size[1]))  # inches
    text: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False}
    font_size = float(np.interp(len(drawn), [100, 300], [10, 8]))
    labels = [axes.text(0, 0, _legible(words[i]), fontsize=font_size, **text) for i in drawn]
    figure.draw_without_rendering()
    boxes = np.array([label.get_window_extent().size for label in labels]) / figure.dpi
    places = _spread(_project(vectors[drawn], seed), boxes, size)
    for label, place in zip(labels, places, strict=True):
        label.set_position(tuple(place))
    figure.suptitle(title, x=0.01, ha="left", parse_math=False, **BOLD)
    return figure


def _project(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return places (n, 2) on a map, from 0 to 1."""
    from sklearn.manifold import TSNE

    if len(vectors) == 1:
        return np.full((1, 2), 0.5)
    # "exact", because the other method sums in parallel, in an order that may differ. "random", because the start by
    # principal components fails without any, as in one dimension, and does not keep neighbours better.
    tsne = TSNE(
        perplexity=min(_PERPLEXITY, (len(vectors) - 1) / 3),
        metric="cosine",
        init="random",
        method="exact",
        random_state=seed,
    )
    places = tsne.fit_transform(vectors)
    low, high = places.min(axis=0), places.max(axis=0)
    return (places - low) / (high - low)


def _spread(places: np.ndarray, boxes: np.ndarray, sheet: np.ndarray) -> np.ndarray:
    """Return centres (n, 2) for boxes (n, 2) on a sheet: each at the nearest free spot to its place (from 0 to 1)."""
    margin = boxes / 2 + 0.08
    turns = np.arange(6000)
    spiral = 0.02 * turns**0.65 * np.exp(1j * np.pi * (3 - math.sqrt(5)) * turns)  # all around, farther and farther
    steps = np.stack([spiral.real, spiral.imag], axis=1).reshape(60, -1, 2)  # few at once: most words need no more
    centres = margin + places * (sheet - 2 * margin)
    for i in range(1, len(boxes)):
        reach = (boxes[:i] + boxes[i]) / 2 + (0.04, 0.005)
        for spots in centres[i] + steps:
            spots = np.clip(spots, margin[i], sheet - margin[i])
            is_free = (np.abs(spots[:, np.newaxis] - centres[:i]) >= reach).any(axis=2).all(axis=1)
            if is_free.any():
                centres[i] = spots[is_free.argmax()]
                break
    return centres


def _legible(word: str) -> str:
    """Return a word, or a lone mark in quotes: a dot by itself is hard to see."""
    return word if any(map(str.isalnum, word)) else f"“{word}”"
