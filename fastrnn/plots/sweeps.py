"""Results of a sweep over parameters."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fastrnn.plots._style import STYLE

__all__ = ["sweep"]


@rc_context(STYLE)
def sweep(points: Sequence[Mapping[str, str]], values: Sequence[float], measure: str) -> Figure:
    """
    Draw a result by the first swept parameter, with a line for each combination of the others.

    Parameters
    ----------
    points : sequence of mapping of str to str
        The swept parameters of each run, all in the same order. The first is the horizontal axis. Its values are evenly
        spaced, in the order in which they first occur, even if they are numbers.
    values : sequence of float
        The result of each run.
    measure : str
        The name of the result; an accuracy is drawn in percent.

    Returns
    -------
    matplotlib.figure.Figure
        The lines.

    Raises
    ------
    ValueError
        When there are no points, or not one value for each point.
    """
    if not points or len(points) != len(values):
        raise ValueError(f"there are {len(values)} values for {len(points)} points, expected equally many, at least 1")
    first, *others = points[0]
    places = {text: place for place, text in enumerate(dict.fromkeys(point[first] for point in points))}
    lines: dict[str, list[tuple[int, float]]] = {}
    for point, value in zip(points, values, strict=True):
        label = ", ".join(f"{name.replace('_', ' ')} = {point[name]}" for name in others)
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
