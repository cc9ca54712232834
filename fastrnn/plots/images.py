"""Images before and after: patches and their preprocessing, originals and their reconstructions."""

import math

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fastrnn.plots._mosaic import BOLD, choose_columns, draw, gap_of, image_shape, mosaic, size_in_inches, stretch
from fastrnn.plots._style import MUTED, STYLE

__all__ = ["patches", "reconstructions"]


@rc_context(STYLE)
def patches(
    images: ArrayLike, preprocessed: ArrayLike, titles: tuple[str, str] = ("Patches", "Preprocessed")
) -> Figure:
    """
    Draw patches, and beside them the same patches after preprocessing.

    Parameters
    ----------
    images : array_like (N, h, w, 3) or (N, h, w)
        The patches, in colour or grey: uint8, or floats from 0 (black) to 1 (white).
    preprocessed : array_like (N, h, w) or (N, h * w)
        The preprocessed patches. The smallest of all numbers is drawn black, the largest white.
    titles : (str, str)
        The titles of the two grids.

    Returns
    -------
    matplotlib.figure.Figure
        Two grids with each patch at the same place.

    Raises
    ------
    ValueError
        When a shape is none of these, or the shapes do not match.
    """
    before, after = np.asarray(images), np.asarray(preprocessed)
    if before.ndim not in (3, 4) or not before.size or before.shape[3:] not in ((), (3,)):
        raise ValueError(f"images has shape {before.shape}, expected (N, h, w, 3) or (N, h, w)")
    n, height, width = before.shape[:3]
    if after.shape not in ((n, height, width), (n, height * width)):
        raise ValueError(f"preprocessed has shape {after.shape}, expected ({n}, {height}, {width}) like images")
    tiles = np.clip(before / 255 if before.dtype == np.uint8 else before, 0, 1)
    columns = choose_columns(n, height / width / 2)  # two grids, each twice as high as wide, form a square
    grids = [mosaic(x, columns) for x in (tiles, stretch(after, after).reshape(n, height, width))]
    figure = Figure(figsize=size_in_inches(grids[0], 4.0, panels=2), layout="constrained")
    for axes, grid, title in zip(figure.subplots(1, 2), grids, titles, strict=True):
        draw(axes, grid)
        axes.set_title(title, parse_math=False)
    return figure


@rc_context(STYLE)
def reconstructions(
    originals: ArrayLike,
    reconstructed: ArrayLike,
    shape: tuple[int, int] | None = None,
    *,
    peak: float = 1.0,
    title: str = "Originals (left) and reconstructions (right)",
) -> Figure:
    """
    Draw originals beside their reconstructions, with the peak signal-to-noise ratio (PSNR) of each and of all.

    Parameters
    ----------
    originals : array_like (N, F)
        Inputs, such as the pixels of images.
    reconstructed : array_like (N, F)
        The reconstructions. They are drawn on the scale of the originals: their minimum is black, their maximum white.
    shape : (int, int), optional
        The height and width of an image; the default is a square. If F is not a square number, inputs are drawn as rows
        of a matrix.
    peak : float
        The range of the numbers, which the PSNR compares the errors with.
    title : str
        The title; the PSNR of all is added to it.

    Returns
    -------
    matplotlib.figure.Figure
        Pairs of an original and its reconstruction.

    Raises
    ------
    ValueError
        When the two are not matrices of the same shape, or `shape` does not have F pixels.
    """
    before, after = np.asarray(originals, dtype=float), np.asarray(reconstructed, dtype=float)
    shape = image_shape("originals", before, 1, shape)
    if after.shape != before.shape:
        raise ValueError(f"reconstructed has shape {after.shape}, expected {before.shape} like originals")
    errors = ((after - before) ** 2).mean(axis=1)
    title = f"{title}, PSNR {_psnr(errors.mean(), peak)}"
    before, after = stretch(before, before), stretch(after, before)
    if shape:
        return _draw_pairs(
            before.reshape(-1, *shape), after.reshape(-1, *shape), [_psnr(e, peak) for e in errors], title
        )
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    for axes, rows in zip(figure.subplots(1, 2, sharey=True), (before, after), strict=True):
        draw(axes, rows)
        axes.set_xlabel("input")
    figure.axes[0].set_ylabel("example")
    figure.suptitle(title, x=0.02, ha="left", parse_math=False, **BOLD)
    return figure


def _draw_pairs(before: np.ndarray, after: np.ndarray, captions: list[str], title: str) -> Figure:
    """Draw two stacks of images (N, h, w) as pairs, with a caption below each pair."""
    n, height, width = before.shape
    slit = np.ones((n, height, gap_of(width)))
    line = math.ceil(0.4 * width)  # room for a caption
    pairs = np.concatenate([before, slit, after], axis=2)
    columns = choose_columns(n, height / width / 1.6)
    picture = mosaic(pairs, columns, gap=(line, 3 * gap_of(width)))
    picture = np.pad(picture, ((0, line), (0, 0), (0, 0)), constant_values=1)
    figure = Figure(figsize=size_in_inches(picture, min(7.6, max(5.0, 1.3 * columns))), layout="constrained")
    axes = figure.add_subplot()
    draw(axes, picture)
    axes.set_title(title, parse_math=False)
    for i, caption in enumerate(captions):
        row, column = divmod(i, columns)
        x = column * (pairs.shape[2] + 3 * gap_of(width)) + pairs.shape[2] / 2 - 0.5
        y = row * (height + line) + height - 0.5 + 0.5 * line
        axes.text(x, y, caption, ha="center", va="center", fontsize=7.5, color=MUTED)
    return figure


def _psnr(error: float, peak: float) -> str:
    return f"{10 * math.log10(peak**2 / error):.1f} dB" if error else "∞ dB"
