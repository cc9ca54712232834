"""The equations of the cells, one file per cell. This package imports only NumPy.

To add a cell, write one file here and add its name to `CELLS`.
"""

from fastrnn.cells._cell import Cell
from fastrnn.cells._derived import DerivedCell
from fastrnn.cells._pointwise import constant, one, pointwise, positive, relu, sigmoid, tanh, zero
from fastrnn.cells._symbolic import derive
from fastrnn.cells.gru import GRU
from fastrnn.cells.lstm import LSTM
from fastrnn.cells.rnn import RNN_RELU, RNN_SIGMOID, RNN_TANH

CELLS: dict[str, Cell] = {  # a literal, whose names help texts read without importing it
    "rnn_tanh": RNN_TANH,
    "rnn_relu": RNN_RELU,
    "rnn_sigmoid": RNN_SIGMOID,
    "lstm": LSTM,
    "gru": GRU,
}
ALIASES = {"rnn": "rnn_tanh"}


def get_cell(cell: "str | Cell") -> Cell:
    """
    Return the cell of this name, or the cell itself.

    Parameters
    ----------
    cell : str or Cell
        A name in `CELLS`, a name in `ALIASES` (``"rnn"`` is ``"rnn_tanh"``), or a custom cell.

    Returns
    -------
    Cell
        The cell.

    Raises
    ------
    TypeError
        If `cell` is neither a name nor a Cell.
    ValueError
        If no cell has this name.
    """
    if isinstance(cell, Cell):
        return cell
    if not isinstance(cell, str):
        raise TypeError(f"cell must be a name or a fastrnn.cells.Cell, but is {cell!r}")
    name = ALIASES.get(cell, cell)
    if name not in CELLS:
        names = ", ".join(repr(known) for known in (*ALIASES, *CELLS))
        raise ValueError(f"cell {cell!r} is unknown; expected one of {names}, or a fastrnn.cells.Cell")
    return CELLS[name]


__all__ = [
    "ALIASES",
    "CELLS",
    "GRU",
    "LSTM",
    "RNN_RELU",
    "RNN_SIGMOID",
    "RNN_TANH",
    "Cell",
    "DerivedCell",
    "constant",
    "derive",
    "get_cell",
    "one",
    "pointwise",
    "positive",
    "relu",
    "sigmoid",
    "tanh",
    "zero",
]
