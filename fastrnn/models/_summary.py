"""The table that `Sequential.summary` prints."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastrnn.layers import Layer, Parameters, Shape

HEADER = ("", "layer", "output", "parameters", "tape bytes")


def summarize(
    layers: Sequence[Layer], parameters: Sequence[Parameters], input_shape: Shape, dtype: np.dtype[Any]
) -> str:
    """Return a line for each layer, and the sums; tapes are those of one example, or of one step if T is None."""
    rows, shape = [HEADER], input_shape
    sizes, tapes = [], []
    for index, (layer, own) in enumerate(zip(layers, parameters, strict=True)):
        sizes.append(sum(view.size for view in own.values()))
        tapes.append(layer.tape_size(shape) * dtype.itemsize)
        shape = layer.output_shape(shape)
        rows.append((str(index), repr(layer), _text(shape), f"{sizes[-1]:,}", f"{tapes[-1]:,}"))
    rows.append(("", "", "", f"{sum(sizes):,}", f"{sum(tapes):,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = ["  ".join(_align(cells, widths)).rstrip() for cells in rows]
    per = "example of one step" if input_shape[0] is None else "example"
    foot = f"input {_text(input_shape)}, {dtype}; tape bytes are those of an {per}"
    return "\n".join((lines[0], rule, *lines[1:-1], rule, lines[-1], foot))


def _align(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    """Align text to the left, and numbers to the right."""
    texts = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]
    return texts + [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]


def _text(shape: Shape) -> str:
    return "(" + ", ".join("T" if size is None else str(size) for size in shape) + ")"
