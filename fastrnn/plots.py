"""Every figure, one function each: figures without pyplot, hence without windows, global state or a display."""

import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from fastrnn._files import replace_file

__all__ = ["confusion_matrix", "learning_curves", "save", "sweep"]

_INK, _MUTED, _GRID = "#262626", "#737373", "#e5e5e5"
_PARTS = {"train": "#0072b2", "validation": "#d55e00"}  # blue and vermilion: distinct for every kind of colour vision
_MEASURES = ("loss", "accuracy")
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure everywhere
    "font.size": 9,
    "text.color": _INK,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.08,
    "axes.labelcolor": _INK,
    "axes.labelsize": 9,
    "axes.edgecolor": _MUTED,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
}


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """
    Write a figure as PNG, 150 dots an inch; the same figure gives the same file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : path-like
        The file, replaced only when the new one is complete; its folder must exist.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=150, metadata={"Software": None})
    replace_file(path, image.getbuffer())


@rc_context(_STYLE)
def learning_curves(history: Mapping[str, Sequence[float]], best_epoch: int | None = None) -> Figure:
    """
    Draw loss and accuracy by epoch, for training and validation.

    Parameters
    ----------
    history : mapping of str to sequence of float
        The columns epoch, train_loss, validation_loss, train_accuracy and validation_accuracy; others are not drawn.
        Any may be absent: epochs are then counted from 1, and a panel without curves is left out.
    best_epoch : int, optional
        The epoch whose weights were kept, to be marked.

    Returns
    -------
    matplotlib.figure.Figure
        A panel each for loss and accuracy.

    Raises
    ------
    ValueError
        When `history` has nothing to draw.
    """
    measures = [measure for measure in _MEASURES if any(f"{part}_{measure}" in history for part in _PARTS)]
    if not measures:
        raise ValueError(f"a history with a loss or an accuracy was expected, not one of {list(history)}")
    figure = Figure(figsize=(4.4 * len(measures), 3.3), layout="constrained")
    for axes, measure in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
        _draw_curves(axes, history, measure)
        if best_epoch is not None:
            label = f"best epoch ({best_epoch})"
            axes.axvline(best_epoch, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1, label=label)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    figure.legend(handles=list(lines.values()), loc="outside upper center", ncols=len(lines))
    return figure


def _draw_curves(axes: Axes, history: Mapping[str, Sequence[float]], measure: str) -> None:
    for part, colour in _PARTS.items():
        if (values := history.get(f"{part}_{measure}")) is None:
            continue
        epochs = history.get("epoch", range(1, len(values) + 1))
        marker = "o" if len(values) <= 15 else ""  # one epoch alone is no line
        axes.plot(epochs, values, color=colour, label=part, linewidth=1.6, marker=marker, markersize=3.5)
    axes.set_title(measure.capitalize())
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(x=0.02)
    axes.grid(axis="y")
    if measure == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1))


@rc_context(_STYLE)
def confusion_matrix(counts: ArrayLike, classes: Sequence[str], title: str = "Confusion matrix") -> Figure:
    """
    Draw how often examples of each class were taken for each class.

    A cell shows its count and its share of all examples of the true class, which is also its colour. With more than 12
    classes the shares are left to the colour, with more than 25 the counts too.

    Parameters
    ----------
    counts : array_like of int (C, C)
        The examples by true class (rows) and predicted class (columns).
    classes : sequence of str
        The names of the C classes.
    title : str
        The title.

    Returns
    -------
    matplotlib.figure.Figure
        The matrix.

    Raises
    ------
    ValueError
        When `counts` has not as many rows and columns as there are names.
    """
    counts = np.asarray(counts)
    n = len(classes)
    if counts.shape != (n, n) or not n:
        raise ValueError(f"counts has shape {counts.shape}, but ({n}, {n}) was expected for {n} classes")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    cell = float(np.interp(n, [2, 6, 12, 25, 40], [0.9, 0.7, 0.56, 0.36, 0.22]))  # sizes in inches
    font_size = float(np.interp(n, [12, 25, 40], [8.5, 7.5, 6.5]))
    name = 0.0095 * font_size * max(map(len, classes))
    is_tilted = name > 0.9 * cell
    width, height = n * cell + name + 1.6, n * cell + (0.75 * name if is_tilted else 0.15) + 0.8
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if n <= 25:
        digits = len(str(counts.max()))
        _write_cells(axes, counts, shares, min(font_size, 100 * cell / digits), with_shares=n <= 12)
    axes.set_title(title, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(n), classes, fontsize=font_size, parse_math=False)
    axes.set_yticks(range(n), classes, fontsize=font_size, parse_math=False)
    if is_tilted:
        axes.tick_params("x", labelrotation=45)
        for label in axes.get_xticklabels():
            label.set(horizontalalignment="right", rotation_mode="anchor")
    axes.set_xticks(np.arange(1, n) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, n) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, label="share of the true class", format=PercentFormatter(1), shrink=0.8, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    return figure


def _write_cells(axes: Axes, counts: np.ndarray, shares: np.ndarray, font_size: float, *, with_shares: bool) -> None:
    for (row, column), count in np.ndenumerate(counts):
        share = float(shares[row, column])
        text = f"{count}\n{_percent(share)}" if with_shares else f"{count}"
        colour = "white" if share > 0.66 else _INK if count else _MUTED
        axes.text(column, row, text, color=colour, fontsize=font_size, ha="center", va="center", linespacing=1.3)


def _percent(share: float) -> str:
    """Return a share in percent, where a little is not nothing and almost all not all."""
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{share:.0%}"


@rc_context(_STYLE)
def sweep(points: Sequence[Mapping[str, str]], values: Sequence[float], measure: str) -> Figure:
    """
    Draw a result over a swept parameter, a line for each combination of the others.

    Parameters
    ----------
    points : sequence of mapping of str to str
        The swept parameters of each run, in the same order: the first is the horizontal axis. Its values stand side by
        side in the order in which they come, be they numbers or not.
    values : sequence of float
        The result of each run.
    measure : str
        What the result is; shares of 1 are drawn in percent if it is an accuracy.

    Returns
    -------
    matplotlib.figure.Figure
        The lines.

    Raises
    ------
    ValueError
        When there are no points, or not as many values.
    """
    if not points or len(points) != len(values):
        raise ValueError(f"there are {len(values)} values for {len(points)} points, but one for each was expected")
    first, *others = points[0]
    places = {text: place for place, text in enumerate(dict.fromkeys(point[first] for point in points))}
    lines: dict[str, list[tuple[int, float]]] = {}
    for point, value in zip(points, values, strict=True):
        label = ", ".join(f"{name} {point[name]}" for name in others)
        lines.setdefault(label, []).append((places[point[first]], value))
    figure = Figure(figsize=(5.4, 3.5), layout="constrained")
    axes = figure.add_subplot()
    for colour, (label, line) in zip(
        colormaps["viridis"](np.linspace(0, 0.85, len(lines))), lines.items(), strict=True
    ):
        axes.plot(*zip(*sorted(line), strict=True), color=colour, label=label, linewidth=1.6, marker="o", markersize=4)
    axes.set_xticks(range(len(places)), list(places), parse_math=False)
    axes.set_xlabel(first.replace("_", " "), parse_math=False)
    axes.set_title(measure.capitalize())
    axes.margins(x=0.06, y=0.1)
    axes.grid(axis="y")
    if measure.endswith("accuracy"):
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    if others:
        figure.legend(loc="outside right upper", fontsize=8)
    return figure
