"""What hidden units look for: the weights of one net, or of several nets side by side, as images."""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fastrnn.plots._mosaic import BOLD, TITLE, choose_columns, draw, image_shape, mosaic, size_in_inches, stretch, strip
from fastrnn.plots._style import STYLE

__all__ = ["feature_grids", "features"]


@rc_context(STYLE)
def features(weights: ArrayLike, shape: tuple[int, int] | None = None, title: str = "Learned features") -> Figure:
    """
    Draw the weights of each hidden unit as an image, from the smallest (black) to the largest (white).

    Parameters
    ----------
    weights : array_like (F, H)
        The weights from F inputs to H hidden units.
    shape : (int, int), optional
        The height and width of an image; the default is a square. If F is not a square number, units are drawn as rows
        of a matrix.
    title : str
        The title.

    Returns
    -------
    matplotlib.figure.Figure
        A tile for each hidden unit, in rows from the top left.

    Raises
    ------
    ValueError
        When `weights` is not a matrix, or `shape` does not have F pixels.
    """
    picture = _features_picture("weights", np.asarray(weights), shape)
    figure = Figure(figsize=size_in_inches(picture, 5.0) if picture.ndim == 3 else (5.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    draw(axes, picture)
    if picture.ndim == 2:
        axes.set(xlabel="input", ylabel="hidden unit")
    axes.set_title(title, parse_math=False)
    return figure


@rc_context(STYLE)
def feature_grids(
    weights: Sequence[ArrayLike],
    parameters: Sequence[Mapping[str, object]],
    shape: tuple[int, int] | None = None,
    title: str | None = None,
) -> Figure:
    """
    Draw the learned features of several nets side by side, each as `features` does and with its parameters.

    With two parameters, the nets form a table: its columns are the values of the first, its rows those of the second,
    in the order in which they first occur. A pair without a net leaves an empty place. With any other number of
    parameters, all of them stand above each net.

    Parameters
    ----------
    weights : sequence of array_like (F, H)
        The weights from inputs to hidden units of each net. H may differ.
    parameters : sequence of mapping
        The parameters of each net, values by name. All nets have the same names.
    shape : (int, int), optional
        The height and width of an image, as in `features`.
    title : str, optional
        The title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        The grids.

    Raises
    ------
    ValueError
        When there is no net, when weights and parameters do not match, or as for `features`.
    """
    n = len(weights)
    if not n or n != len(parameters):
        raise ValueError(f"there are {n} weights and {len(parameters)} parameters, expected equally many, at least 1")
    for i, values in enumerate(parameters):
        if list(values) != list(parameters[0]):
            raise ValueError(
                f"parameters[{i}] has the names {list(values)}, expected {list(parameters[0])} as in parameters[0]"
            )
    pictures = [_features_picture(f"weights[{i}]", np.asarray(x), shape) for i, x in enumerate(weights)]
    labels = [[f"{name} = {_plain(value)}" for name, value in values.items()] for values in parameters]
    figure = _draw_table(pictures, labels) if len(labels[0]) == 2 else _draw_list(pictures, labels)
    if title is not None:
        figure.suptitle(title, x=0.01, ha="left", parse_math=False, **BOLD)
    return figure


def _draw_table(pictures: list[np.ndarray], labels: list[list[str]]) -> Figure:
    """Draw pictures in a table: columns by their first label, rows by their second."""
    columns, rows = (list(dict.fromkeys(values)) for values in zip(*labels, strict=True))
    figure, grid = _panels(len(rows), len(columns), heading=0.3)
    taken = set()
    for picture, (column, row) in zip(pictures, labels, strict=True):
        if (row, column) in taken:
            raise ValueError(f"parameters has {column}, {row} twice, expected each pair once")
        taken.add((row, column))
        draw(grid[rows.index(row), columns.index(column)], picture)
    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_title(column, parse_math=False)
    for axes, row in zip(grid[:, 0], rows, strict=True):
        axes.set_ylabel(row, parse_math=False, **BOLD)
    return figure


def _draw_list(pictures: list[np.ndarray], labels: list[list[str]]) -> Figure:
    """Draw pictures one after another, each below its labels."""
    columns = len(pictures) if len(pictures) <= 4 else choose_columns(len(pictures))
    rows = math.ceil(len(pictures) / columns)
    figure, grid = _panels(rows, columns, heading=rows * (0.1 + 0.18 * len(labels[0])))
    for axes, picture, label in zip(grid.flat, pictures, labels, strict=False):
        draw(axes, picture)
        axes.set_title("\n".join(label), parse_math=False)
    return figure


def _panels(rows: int, columns: int, heading: float) -> tuple[Figure, np.ndarray]:
    """Return a figure and its empty panels (rows, columns), with `heading` inches for their titles."""
    side = min(2.6, max(1.3, 9 / columns))
    figure = Figure(figsize=(columns * side + TITLE, rows * side + heading + TITLE), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        strip(axes)
    return figure, grid


def _features_picture(name: str, weights: np.ndarray, shape: tuple[int, int] | None) -> np.ndarray:
    """Return weights (F, H) as a mosaic or as a matrix (H, F), with each column stretched to 0 ... 1."""
    shape = image_shape(name, weights, 0, shape)
    rows = np.stack([stretch(unit, unit) for unit in weights.T])
    return rows if shape is None else mosaic(rows.reshape(-1, *shape), choose_columns(len(rows), shape[0] / shape[1]))


def _plain(value: object) -> str:
    """Return a value as text, floats in a short form: 5e-4 instead of 0.0005 or 5e-04."""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:g}" if value == 0 or 0.01 <= abs(value) < 1e5 else f"{value:.6e}"
    return re.sub(r"\.?0*e([+-])0*", lambda match: "e" + match[1].replace("+", ""), text)
