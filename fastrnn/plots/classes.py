"""The confusion matrix of a classifier."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from fastrnn.plots._style import INK, MUTED, STYLE

__all__ = ["confusion_matrix"]


@rc_context(STYLE)
def confusion_matrix(counts: ArrayLike, classes: Sequence[str], title: str = "Confusion matrix") -> Figure:
    """
    Draw how often examples of each true class were predicted as each class.

    A cell shows its count, and its share of all examples of the true class, which its colour shows, too. With more than
    12 classes, the shares are not written; with more than 25, the counts are not written either.

    Parameters
    ----------
    counts : array_like of int (C, C)
        The number of examples by true class (rows) and predicted class (columns).
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
        When `counts` does not have one row and one column for each class.
    """
    counts = np.asarray(counts)
    n = len(classes)
    if counts.shape != (n, n) or not n:
        raise ValueError(f"counts has shape {counts.shape}, expected ({n}, {n}) for {n} classes")
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
    axes.set(xlabel="predicted class", ylabel="true class")
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
        colour = "white" if share > 0.66 else INK if count else MUTED
        axes.text(column, row, text, color=colour, fontsize=font_size, ha="center", va="center", linespacing=1.3)


def _percent(share: float) -> str:
    """Return a share in percent; only exactly 0 and 1 give 0% and 100%."""
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{share:.0%}"
