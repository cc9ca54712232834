"""Curves by epoch."""

from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fastrnn.plots._style import MUTED, STYLE

__all__ = ["learning_curves"]

_PARTS = {"train": "#0072b2", "validation": "#d55e00"}  # blue and vermilion: distinct for every kind of colour vision
_MEASURES = ("loss", "accuracy")


@rc_context(STYLE)
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
            axes.axvline(best_epoch, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1, label=label)
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
