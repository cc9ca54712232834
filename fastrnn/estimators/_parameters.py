"""Parameters of estimators as plain strings and numbers, and back, for files."""

from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from fastrnn.cells import Cell
from fastrnn.layers import Gaussian
from fastrnn.layers.description import find_cell
from fastrnn.optimizers import SGD, Adam
from fastrnn.schedules import CosineSchedule, PlateauSchedule, StepSchedule

OBJECTS = {kind.__name__: kind for kind in (SGD, Adam, StepSchedule, CosineSchedule, PlateauSchedule, Gaussian)}


def plain(value: Any) -> Any:
    """Return a parameter as strings, numbers, lists and dicts."""
    if isinstance(value, Cell):
        return {"cell": value.name}
    if is_dataclass(value) and type(value).__name__ in OBJECTS:
        return {"object": type(value).__name__} | asdict(value)  # type: ignore[arg-type]
    if isinstance(value, np.dtype | type):
        return np.dtype(value).name
    if isinstance(value, dict):  # class_weight: classes are keys, and need not be strings
        return {"keys": list(value), "values": list(value.values())}
    if isinstance(value, np.ndarray) and value.dtype == object:  # words
        return value.tolist()
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return None
    if callable(value):
        raise TypeError(f"a file cannot hold the parameter {value!r}; expected a name or a number")
    return value


def revive(value: Any, cells: Sequence[Cell]) -> Any:
    """Return the parameter that `plain` has described."""
    if not isinstance(value, dict):
        return value
    if "keys" in value:
        return dict(zip(value["keys"], value["values"], strict=True))
    if "object" in value:
        arguments = dict(value)
        return OBJECTS[arguments.pop("object")](**arguments)
    return find_cell(value["cell"], cells)
