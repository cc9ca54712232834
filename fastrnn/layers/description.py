"""Layers as plain strings and numbers, and back, for files."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from fastrnn.cells import ALIASES, CELLS, Cell
from fastrnn.layers import LAYERS, Gaussian, Layer


def describe(layer: Layer) -> dict[str, Any]:
    """
    Describe a layer.

    Parameters
    ----------
    layer : Layer
        Any layer of `LAYERS`.

    Returns
    -------
    dict
        ``"layer"``, the name of its class, and the arguments of its constructor; a cell is its name, and
        ``Gaussian(0.1)`` is ``{"gaussian": 0.1}``.
    """
    arguments = {field.name: getattr(layer, field.name) for field in fields(layer) if field.init}
    return {"layer": type(layer).__name__} | {name: _plain(value) for name, value in arguments.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Cell):
        return value.name
    return {"gaussian": value.deviation} if isinstance(value, Gaussian) else value


def rebuild(description: dict[str, Any], cells: Sequence[Cell] = ()) -> Layer:
    """
    Make the layer that `describe` has described.

    Parameters
    ----------
    description : dict
        From `describe`.
    cells : sequence of Cell
        Cells of one's own that it may name.

    Returns
    -------
    Layer
        The layer.

    Raises
    ------
    TypeError, ValueError
        If the layer or its cell are unknown, or the constructor refuses an argument.
    """
    arguments = dict(description)
    name = arguments.pop("layer", None)
    if name not in LAYERS:
        raise ValueError(f"layer {name!r} is unknown; expected one of {', '.join(LAYERS)}")
    initializer = arguments.get("initializer")
    if isinstance(initializer, dict):
        arguments["initializer"] = Gaussian(initializer["gaussian"])
    cell = arguments.get("cell")
    if cell is not None and cell not in (*CELLS, *ALIASES):
        arguments["cell"] = find_cell(cell, cells)
    return LAYERS[name](**arguments)


def find_cell(name: str, cells: Sequence[Cell]) -> Cell:
    """
    Return a cell by the name that a file has for it.

    Parameters
    ----------
    name : str
        The name.
    cells : sequence of Cell
        Cells of one's own, beside those of fastrnn.

    Returns
    -------
    Cell
        The cell.

    Raises
    ------
    ValueError
        If there is no such cell.
    """
    known = CELLS | {cell.name: cell for cell in cells}
    if name not in known:
        raise ValueError(f"cell {name!r} is one of the model's maker; give it as cells=(...), expected its Cell")
    return known[name]
