"""Forecasts with the true values, and errors by step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from fastrnn.plots._style import INK, MUTED, STYLE

__all__ = ["errors_by_step", "forecasts", "forecasts_of_several"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73")  # blue, vermilion and green: colour-blind readers can tell them apart


@rc_context(STYLE)
def forecasts(
    series: ArrayLike, origins: ArrayLike, models: Mapping[str, ArrayLike], title: str = "Forecasts"
) -> Figure:
    """
    Draw a series with forecasts, and the residuals below.

    Parameters
    ----------
    series : array_like (T,)
        The true values. The figure begins up to two horizons before the first forecast.
    origins : array_like of int (n,)
        The last step that each forecast knows, in ascending order; best one horizon apart.
    models : mapping of str to array_like (n, H)
        The forecasts of the H steps after each origin, by the name of the model. The first model is drawn on top.
    title : str
        The title.

    Returns
    -------
    matplotlib.figure.Figure
        A panel of values and one of residuals: true value minus forecast.

    Raises
    ------
    ValueError
        When there is no forecast, or the shapes do not match.
    """
    figure = Figure(figsize=(8.8, 5.0), layout="constrained")
    top = _draw(figure, series, origins, models, title)
    figure.legend(*top.get_legend_handles_labels(), loc="outside upper right", ncols=len(models) + 1)
    return figure


@rc_context(STYLE)
def forecasts_of_several(parts: Mapping[str, tuple[ArrayLike, ArrayLike, Mapping[str, ArrayLike]]]) -> Figure:
    """
    Draw forecasts of several series, in two columns.

    Parameters
    ----------
    parts : mapping of str to tuple (series, origins, models)
        The arguments of `forecasts`, by title. All series have the same models.

    Returns
    -------
    matplotlib.figure.Figure
        A panel of values and one of residuals for each series, with separate scales.

    Raises
    ------
    ValueError
        When there are no series, their models differ, or as for `forecasts`.
    """
    names = {tuple(models) for _, _, models in parts.values()}
    if len(names) != 1:
        raise ValueError(f"parts has forecasts of {sorted(names)}, expected the same models in every part")
    rows, columns = -(-len(parts) // 2), min(2, len(parts))
    figure = Figure(figsize=(6.0 * columns, 3.9 * rows + 0.3), layout="constrained")
    places = figure.subfigures(rows, columns, squeeze=False).ravel()
    tops = [_draw(place, *part, title) for place, (title, part) in zip(places, parts.items(), strict=False)]
    figure.legend(*tops[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(names.pop()) + 1)
    return figure


def _draw(
    figure: FigureBase, series: ArrayLike, origins: ArrayLike, models: Mapping[str, ArrayLike], title: str
) -> Axes:
    """Draw a panel of values and one of residuals; return the panel of values."""
    values, at = np.asarray(series, float), np.asarray(origins)
    rows = {name: np.asarray(model, float) for name, model in models.items()}
    shapes = {one.shape for one in rows.values()}
    if not rows or len(shapes) > 1 or not at.size or values.ndim != 1 or next(iter(shapes))[:1] != at.shape:
        problem = f"series has shape {values.shape}, origins {at.shape} and models {sorted(shapes)}"
        raise ValueError(f"{problem}, expected (T,), (n,) and (n, H), with n at least 1")
    H = next(iter(shapes))[1]
    if at.min() < 0 or at.max() + H >= len(values):
        raise ValueError(f"origins are {at.min()} to {at.max()}, expected 0 to T - H - 1 = {len(values) - H - 1}")
    first, last = max(0, int(at[0]) - 2 * H + 1), int(at[-1]) + H
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    steps = np.arange(first, last + 1)
    top.plot(steps, values[steps], color=INK, linewidth=1.2, label="true values", zorder=2)
    styles = list(zip(_COLOURS, ("-", "--", ":"), strict=True))
    for order, (name, model) in enumerate(rows.items()):
        colour, line = styles[order % len(styles)]
        for place, (origin, row) in enumerate(zip(at, model, strict=True)):
            ahead = origin + np.arange(1, H + 1)
            label = {"label": name} if place == 0 else {}
            look: dict[str, Any] = {"color": colour, "linestyle": line, "zorder": 4 - order}
            look["marker"] = "." if H == 1 else ""
            top.plot(ahead, row, linewidth=1.8 if order == 0 else 1.1, **label, **look)
            residuals = values[ahead] - row
            if order == 0:
                bottom.vlines(ahead, 0, residuals, color=colour, linewidth=max(0.6, min(3.0, 300 / len(steps))))
            else:
                bottom.plot(ahead, residuals, linewidth=1.0, **look)
    for axes in (top, bottom):
        for origin in at:
            axes.axvline(origin + 0.5, color=MUTED, linewidth=0.6, linestyle=(0, (2, 3)), zorder=1)
        axes.grid(axis="y")
        axes.margins(x=0.01)
    bottom.axhline(0, color=MUTED, linewidth=0.8)
    bottom.set_xlabel("step (dotted lines: forecasts begin)")
    bottom.set_ylabel("true minus\nforecast")
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    top.set_title(title, parse_math=False)
    return top


@rc_context(STYLE)
def errors_by_step(errors: Mapping[str, ArrayLike], measure: str = "mean absolute error") -> Figure:
    """
    Draw the errors of forecasts by the number of steps ahead.

    Parameters
    ----------
    errors : mapping of str to array_like (H,)
        The error at each step of the horizon, by model.
    measure : str
        The name of the error.

    Returns
    -------
    matplotlib.figure.Figure
        A line for each model.

    Raises
    ------
    ValueError
        When there are no errors, or models have different numbers of steps.
    """
    lengths = {np.size(values) for values in errors.values()}
    if len(lengths) != 1 or not max(lengths):
        raise ValueError(f"errors has {sorted(lengths)} steps, expected the same number for every model, at least 1")
    figure = Figure(figsize=(5.8, 3.5), layout="constrained")
    axes = figure.add_subplot()
    steps = np.arange(1, max(lengths) + 1)
    for order, (name, values) in enumerate(errors.items()):
        colour, marker = _COLOURS[order % len(_COLOURS)], "o" if len(steps) <= 24 else ""
        width = 2.0 if order == 0 else 1.4
        axes.plot(steps, values, color=colour, linewidth=width, marker=marker, markersize=3.5, label=name)
    axes.set_xlabel("steps ahead")
    axes.set_title(measure.capitalize())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_ylim(bottom=0)
    axes.margins(x=0.03)
    axes.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=len(errors))
    return figure
