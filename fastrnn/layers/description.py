"""Layers as plain strings and numbers, and back, for files."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from fastrnn.cells import ALIASES, CELLS, Cell
from fastrnn.layers import LAYERS, Gaussian, Layer


def describe(layer: Layer) -> dict[str, Any]:
    """
    Describe a layer.

    Parameters
    ----------
    layer : Layer
        A layer of `LAYERS`, or a custom one.

    Returns
    -------
    dict
        ``"layer"``, the name of its class, and the arguments of its constructor, as strings, numbers, lists and dicts.
        The cell of a layer of `LAYERS` is its name, and ``Gaussian(0.1)`` is ``{"gaussian": 0.1}``.
    """
    arguments = _arguments(layer)
    if isinstance(arguments.get("cell"), dict) and type(layer) in LAYERS.values():
        arguments["cell"] = arguments["cell"]["cell"]
    if {"layer", "arguments"} & arguments.keys():  # a custom layer with arguments of these names
        arguments = {"arguments": arguments}
    return {"layer": type(layer).__name__} | arguments


def _arguments(value: Any) -> dict[str, Any]:
    """Return the arguments that a dataclass was made with."""
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.init}


def _plain(value: Any) -> Any:
    """Return an argument as strings, numbers, lists and dicts; each dict has a key that says what it stands for."""
    if isinstance(value, Layer):
        return describe(value)
    if isinstance(value, Cell):
        return {"cell": value.name}
    if isinstance(value, Gaussian):
        return {"gaussian": value.deviation}
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(map(_plain, value))
    if isinstance(value, dict):
        return {"dict": {name: _plain(item) for name, item in value.items()}}
    if is_dataclass(value) and not isinstance(value, type):
        return {"object": type(value).__name__, "arguments": _arguments(value)}
    return value


def rebuild(description: dict[str, Any], cells: Sequence[Cell] = (), classes: Sequence[type] = ()) -> Layer:
    """
    Make the layer that `describe` has described.

    Parameters
    ----------
    description : dict
        From `describe`.
    cells : sequence of Cell
        Custom cells that it may name.
    classes : sequence of type
        Classes of custom layers, and of dataclasses among their arguments, that it may name.

    Returns
    -------
    Layer
        The layer.

    Raises
    ------
    TypeError, ValueError
        If a custom cell or class is missing, or the constructor refuses an argument.
    """
    name, arguments = description.get("layer"), {key: item for key, item in description.items() if key != "layer"}
    if arguments.keys() == {"arguments"}:
        arguments = arguments["arguments"]
    custom = _named(name, classes)
    make = custom or LAYERS.get(str(name))
    if make is None:
        raise ValueError(f"this model uses the custom layer {name!r}: pass it as classes=[{name}]")
    arguments = {key: _revive(item, cells, classes) for key, item in arguments.items()}
    cell = arguments.get("cell")
    if custom is None and isinstance(cell, str) and cell not in (*CELLS, *ALIASES):
        arguments["cell"] = find_cell(cell, cells)
    return make(**arguments)


def _revive(value: Any, cells: Sequence[Cell], classes: Sequence[type]) -> Any:
    """Return the argument that `_plain` has described."""
    if isinstance(value, list | tuple):
        return type(value)(_revive(item, cells, classes) for item in value)
    if not isinstance(value, dict):
        return value
    if "layer" in value:
        return rebuild(value, cells, classes)
    if "cell" in value:
        return find_cell(value["cell"], cells)
    if "gaussian" in value:
        return Gaussian(value["gaussian"])
    items = value["dict"] if "dict" in value else value["arguments"]
    items = {name: _revive(item, cells, classes) for name, item in items.items()}
    if "dict" in value:
        return items
    kind = _named(value["object"], classes)
    if kind is None:
        raise ValueError(
            f"this model uses the custom class {value['object']!r}: pass it as classes=[{value['object']}]"
        )
    return kind(**items)


def _named(name: Any, classes: Sequence[type]) -> Any:
    return next((own for own in classes if own.__name__ == name), None)


def find_cell(name: str, cells: Sequence[Cell]) -> Cell:
    """
    Return a cell by the name that a file has for it.

    Parameters
    ----------
    name : str
        The name.
    cells : sequence of Cell
        Custom cells, beside those of fastrnn.

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
        raise ValueError(f"this model uses the custom cell {name!r}: pass it as cells=[{name}]")
    return known[name]
