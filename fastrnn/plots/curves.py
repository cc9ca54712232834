"""Learning curves: losses and other measures by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from fastrnn.plots._style import INK, MUTED, STYLE

__all__ = ["bits_per_character", "cost_by_epoch", "learning_curves"]

_PARTS = {"train": "#0072b2", "validation": "#d55e00"}  # blue and vermilion: colour-blind readers can tell them apart
_MEASURES = {"loss": "Loss", "accuracy": "Accuracy", "exact_match": "Exact match"}
_COSTS = {"cost": INK, "reconstruction": "#0072b2", "l2": "#d55e00", "sparsity": "#009e73"}


@rc_context(STYLE)
def learning_curves(history: Mapping[str, Sequence[float]], best_epoch: int | None = None) -> Figure:
    """
    Draw loss, accuracy and exact match by epoch, for training and validation.

    Parameters
    ----------
    history : mapping of str to sequence of float
        The columns epoch, train_loss and validation_loss, and likewise for accuracy and exact_match. Other columns are
        ignored, and any may be missing: without epoch, epochs count from 1; a panel without curves is left out.
    best_epoch : int, optional
        The epoch whose weights were kept; it is marked.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each measure.

    Raises
    ------
    ValueError
        When `history` has nothing to draw.
    """
    measures = [measure for measure in _MEASURES if any(f"{part}_{measure}" in history for part in _PARTS)]
    if not measures:
        raise ValueError(f"history has {list(history)}, expected a loss or an accuracy")
    figure = Figure(figsize=(4.4 * len(measures), 3.3), layout="constrained")
    for axes, measure in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
        _draw_curves(axes, history, measure)
        _label_epochs(axes, best_epoch)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    figure.legend(handles=list(lines.values()), loc="outside upper center", ncols=len(lines))
    return figure


@rc_context(STYLE)
def cost_by_epoch(history: Mapping[str, Sequence[float]], best_epoch: int | None = None) -> Figure:
    """
    Draw the cost of a sparse autoencoder and its parts by epoch. The scale is logarithmic unless values are close.

    Parameters
    ----------
    history : mapping of str to sequence of float
        The columns epoch, cost, reconstruction, l2 and sparsity. Other columns are ignored, and any may be missing:
        without epoch, epochs count from 1. A part that is always 0 is left out.
    best_epoch : int, optional
        The epoch whose weights were kept; it is marked.

    Returns
    -------
    matplotlib.figure.Figure
        The curves.

    Raises
    ------
    ValueError
        When `history` has nothing to draw.
    """
    drawn = {name: history[name] for name in _COSTS if any(value > 0 for value in history.get(name, ()))}
    if not drawn:
        raise ValueError(f"history has {list(history)}, expected a cost or a part above 0")
    figure = Figure(figsize=(6.0, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for name, values in drawn.items():
        _draw_curve(axes, history, values, label=name, color=_COSTS[name], linewidth=2.2 if name == "cost" else 1.6)
    _label_epochs(axes, best_epoch)
    _scale_costs(axes, list(drawn.values()))
    axes.set_title("Cost")
    figure.legend(loc="outside upper center", ncols=len(axes.lines))
    return figure


@rc_context(STYLE)
def bits_per_character(history: Mapping[str, Sequence[float]], best_epoch: int | None = None) -> Figure:
    """
    Draw the loss of a character model by epoch, in bits per character and as perplexity.

    Parameters
    ----------
    history : mapping of str to sequence of float
        The columns epoch, train_loss and validation_loss, in nats per character. Other columns are ignored.
    best_epoch : int, optional
        The epoch whose weights were kept; it is marked.

    Returns
    -------
    matplotlib.figure.Figure
        A panel of bits per character and one of perplexity.

    Raises
    ------
    ValueError
        When `history` has nothing to draw.
    """
    losses = {part: history[f"{part}_loss"] for part in _PARTS if f"{part}_loss" in history}
    if not losses:
        raise ValueError(f"history has {list(history)}, expected a loss")
    figure = Figure(figsize=(8.8, 3.3), layout="constrained")
    for axes, title in zip(figure.subplots(1, 2), ("Bits per character", "Perplexity"), strict=True):
        for part, values in losses.items():
            shown = np.exp(values) if title == "Perplexity" else np.array(values) / np.log(2)
            _draw_curve(axes, history, shown.tolist(), color=_PARTS[part], label=part, linewidth=1.6)
        axes.set_title(title)
        _label_epochs(axes, best_epoch)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    figure.legend(handles=list(lines.values()), loc="outside upper center", ncols=len(lines))
    return figure


def _scale_costs(axes: Axes, curves: Sequence[Sequence[float]]) -> None:
    positive = [np.array([value for value in values if value > 0]) for values in curves]
    top, bottom = max(values.max() for values in positive), min(values.min() for values in positive)
    if top < 5 * bottom:
        return
    # Where a unit's activation crosses its target, the sparsity drops by decades. Shown in full, that would squeeze
    # all other curves.
    bottom = max(bottom, min(min(0.1 * np.median(values), values[-1]) for values in positive))
    axes.set_yscale("log")
    axes.set_ylim(0.8 * bottom, 1.25 * top)
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if top > 100 * bottom else (1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_curves(axes: Axes, history: Mapping[str, Sequence[float]], measure: str) -> None:
    for part, colour in _PARTS.items():
        if (values := history.get(f"{part}_{measure}")) is None:
            continue
        _draw_curve(axes, history, values, color=colour, label=part, linewidth=1.6)
    axes.set_title(_MEASURES[measure])
    if measure != "loss":
        axes.yaxis.set_major_formatter(PercentFormatter(1))


def _draw_curve(axes: Axes, history: Mapping[str, Sequence[float]], values: Sequence[float], **line: Any) -> None:
    epochs = history.get("epoch", range(1, len(values) + 1))
    marker = "o" if len(values) <= 15 else ""  # a single epoch gives no line
    axes.plot(epochs, values, marker=marker, markersize=3.5, **line)


def _label_epochs(axes: Axes, best_epoch: int | None) -> None:
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(x=0.02)
    axes.grid(axis="y")
    if best_epoch is not None:
        label = f"best epoch ({best_epoch})"
        axes.axvline(best_epoch, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1, label=label)
