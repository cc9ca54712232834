"""Named views of flat vectors, which hold all parameters or gradients of a model."""

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any

from fastrnn._typing import Array
from fastrnn.layers import Parameters


def views_of(vector: Array, shapes: list[dict[str, tuple[int, ...]]]) -> list[Parameters]:
    """Return, layer by layer, named views of consecutive pieces of a vector."""
    views, start = [], 0
    for own in shapes:
        layer = {}
        for name, shape in own.items():
            layer[name] = vector[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
        views.append(layer)
    return views


def joined(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, layer by layer, the entries of both."""
    return [own | more for own, more in zip(one, other, strict=True)]


def named(views: list[dict[str, Any]]) -> Mapping[str, Any]:
    """Return the views by their names in the model; the mapping itself cannot be changed, so they stay views."""
    return MappingProxyType({f"{index}.{name}": view for index, own in enumerate(views) for name, view in own.items()})
