"""Parameters of estimators as plain values for files, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from fastrnn.cells import Cell
from fastrnn.layers import Gaussian
from fastrnn.layers.description import find_cell
from fastrnn.optimizers import OPTIMIZERS
from fastrnn.schedules import SCHEDULES

PLAIN = (type(None), bool, int, float, str, np.generic, np.ndarray)


def plain(name: str, value: Any) -> Any:
    """
    Return a parameter as strings, numbers, lists and dicts.

    Parameters
    ----------
    name : str
        Name of the parameter, for errors.
    value : object
        Its value; a dataclass instance becomes the name of its class and its fields.

    Returns
    -------
    object
        What `revive` takes.

    Raises
    ------
    TypeError
        If a file cannot hold the value, such as a function.
    """
    if isinstance(value, Cell):
        return {"cell": value.name}
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        if _known_classes().get(kind.__name__, kind) is not kind:
            raise TypeError(
                f"{name} is {value!r}, but fastrnn has another {kind.__name__}: give the class another name"
            )
        return {"object": kind.__name__} | {
            field.name: plain(f"{field.name} of {name}", getattr(value, field.name))
            for field in fields(value)
            if field.init
        }
    if name == "dtype":
        return np.dtype(value).name
    if isinstance(value, dict):  # class_weight: the keys are classes, which need not be strings
        return {"keys": list(value), "values": list(value.values())}
    if isinstance(value, np.ndarray) and value.dtype == object:  # words
        return value.tolist()
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return None
    if isinstance(value, list | tuple):
        return type(value)(plain(f"{name}[{index}]", item) for index, item in enumerate(value))
    if not isinstance(value, PLAIN):
        raise TypeError(
            f"{name} is {value!r}, which a file cannot hold: only names, numbers and dataclasses can be saved"
        )
    return value


def revive(name: str, value: Any, cells: Sequence[Cell] = (), classes: Sequence[type] = ()) -> Any:
    """
    Return the parameter that `plain` has described.

    Parameters
    ----------
    name : str
        Name of the parameter, for errors.
    value : object
        From `plain`.
    cells : sequence of Cell
        Custom cells.
    classes : sequence of type
        Custom classes.

    Returns
    -------
    object
        The parameter.

    Raises
    ------
    ValueError
        If a cell or a class is unknown.
    """
    if not isinstance(value, dict):
        return value
    if "keys" in value:
        return dict(zip(value["keys"], value["values"], strict=True))
    if "object" in value:
        arguments = {field: revive(f"{field} of {name}", item, cells, classes) for field, item in value.items()}
        kind = arguments.pop("object")
        known = {**_known_classes(), **{own.__name__: own for own in classes}}
        if kind not in known:
            raise ValueError(f"this model uses the custom {name} {kind!r}: pass it as classes=[{kind}]")
        return known[kind](**arguments)
    return find_cell(value["cell"], cells)


def _known_classes() -> Mapping[str, type]:
    """Return the classes of objects that a file may hold by name, those registered by the user among them."""
    return {kind.__name__: kind for kind in (*OPTIMIZERS.values(), *SCHEDULES.values(), Gaussian)}
