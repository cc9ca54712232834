"""The table that `Sequential.summary` prints."""

from typing import TYPE_CHECKING

from fastrnn.layers import Shape

if TYPE_CHECKING:
    from fastrnn.models.sequential import Sequential

HEADER = ("", "layer", "output", "parameters", "tape bytes")


def summarize(model: "Sequential") -> str:
    """Return a line for each layer, and the sums; tapes are those of one example, of one step where T is not known."""
    model._check_built()
    rows, shape = [HEADER], model.input_shape
    sizes, tapes = [], []
    for index, (layer, own) in enumerate(zip(model.layers, model._parameters, strict=True)):
        sizes.append(sum(view.size for view in own.values()))
        tapes.append(layer.tape_size(shape) * model.dtype.itemsize)
        shape = layer.output_shape(shape)
        rows.append((str(index), repr(layer), _text(shape), f"{sizes[-1]:,}", f"{tapes[-1]:,}"))
    rows.append(("", "", "", f"{sum(sizes):,}", f"{sum(tapes):,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = ["  ".join(_align(cells, widths)).rstrip() for cells in rows]
    per = "example of one step" if model.input_shape[0] is None else "example"
    foot = f"input {_text(model.input_shape)}, {model.dtype}; tape bytes are those of an {per}"
    return "\n".join((lines[0], rule, *lines[1:-1], rule, lines[-1], foot))


def _align(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    """Put text to the left, numbers to the right."""
    texts = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]
    return texts + [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]


def _text(shape: Shape) -> str:
    return "(" + ", ".join("T" if size is None else str(size) for size in shape) + ")"
