"""Checks of arguments. Every error names the argument, what it is, and what is expected."""

from typing import Any

import numpy as np

from fastrnn._kernels.types import Weights
from fastrnn._typing import Array
from fastrnn.cells import Cell

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def check_array(name: str, value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return `value` as an array of this shape and dtype. An axis of any size is -1 in `shape`."""
    array = np.asarray(value)
    if array.dtype != dtype:
        raise TypeError(f"{name} has dtype {array.dtype}, expected {dtype}, the dtype of the weights")
    if array.shape == shape:
        return array
    if array.ndim != len(shape) or any(want not in (-1, got) for got, want in zip(array.shape, shape, strict=True)):
        sizes = ", ".join("any" if size == -1 else str(size) for size in shape)
        raise ValueError(f"{name} has shape {array.shape}, expected ({sizes}{',' if len(shape) == 1 else ''})")
    return array


def check_weights(cell: Cell, weights: Any) -> Weights:
    """Return the weights; refuse them if their shapes do not fit together or do not fit the cell."""
    if not isinstance(weights, tuple) or len(weights) not in (3, 4):
        raise TypeError(f"weights must be a fastrnn.Weights or made by fastrnn.pack, but is {type(weights).__name__}")
    Wx, Wh, bx, bh = Weights(*weights)
    Wx = np.asarray(Wx)
    if Wx.dtype not in DTYPES:
        raise TypeError(f"weights.Wx has dtype {Wx.dtype}, expected float32 or float64")
    if Wx.ndim != 3:
        raise ValueError(f"weights.Wx has shape {Wx.shape}, expected 3 axes (I, G, H)")
    G, H = cell.n_gates, Wx.shape[2]
    if Wx.shape[1] != G:
        raise ValueError(f"weights.Wx has shape {Wx.shape}, but cell {cell.name!r} has {G} gates: expected (I, {G}, H)")
    if H == 0:
        raise ValueError(f"weights.Wx has shape {Wx.shape}, expected at least one hidden unit")
    return Weights(
        Wx,
        check_array("weights.Wh", Wh, (H, G, H), Wx.dtype),
        check_array("weights.bx", bx, (G, H), Wx.dtype),
        None if bh is None else check_array("weights.bh", bh, (G, H), Wx.dtype),
    )


def check_x(x: Any, I: int, dtype: np.dtype[Any]) -> Array:
    """Return x as floats (B, T, I) or integers (B, T). `check_symbols` checks the range of the integers."""
    array = np.asarray(x)
    if array.dtype == dtype and array.ndim == 3 and array.shape[2] == I:
        return array
    if array.dtype.kind in "iu":
        if array.ndim != 2:
            raise ValueError(f"x holds integers and has shape {array.shape}, expected (B, T): one symbol a step")
        return array
    return check_array("x", array, (-1, -1, I), dtype)


def check_symbols(x: Array, lengths: Array, I: int) -> None:
    """Refuse symbols outside of 0..I-1 in the valid steps; x is in the order of the kernel."""
    valid = np.arange(x.shape[1]) < lengths[:, None]
    wrong = valid & ((x < 0) | (x >= I))
    if wrong.any():
        raise ValueError(f"x holds the symbol {x[wrong][0]}, expected whole numbers in 0..{I - 1} (Wx has {I} rows)")


def check_lengths(lengths: Any, B: int, T: int) -> Array:
    """Return lengths as (B,) integers in 0..T."""
    array = np.asarray(lengths)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"lengths has dtype {array.dtype}, expected whole numbers of an integer dtype")
    if array.shape != (B,):
        raise ValueError(f"lengths has shape {array.shape}, expected ({B},): one for each row of x")
    wrong = np.flatnonzero((array < 0) | (array > T))
    if len(wrong):
        raise ValueError(f"lengths[{wrong[0]}] is {array[wrong[0]]}, expected 0..{T}, the number of steps in x")
    return array.astype(np.int64)


def check_state(name: str, cell: Cell, state: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> tuple[Array, ...]:
    """Return S arrays (B, H). None becomes zeros, and a single array a tuple of one."""
    if state is None:
        return tuple([np.zeros(shape, dtype) for _ in cell.states])
    if isinstance(state, np.ndarray) and state.ndim == 2:
        state = (state,)
    if not isinstance(state, tuple | list) or len(state) != cell.n_states:
        count = f"{len(state)} entries" if isinstance(state, tuple | list) else type(state).__name__
        raise ValueError(
            f"{name} has {count}, expected a tuple of {cell.n_states} ({', '.join(cell.states)}) for cell {cell.name!r}"
        )
    return tuple(
        np.zeros(shape, dtype) if value is None else check_array(f"{name}[{index}]", value, shape, dtype)
        for index, value in enumerate(state)
    )


def check_count(name: str, value: Any) -> int:
    """Return a whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} is {value!r}, expected a whole number or None")
    if value < 1:
        raise ValueError(f"{name} is {value}, expected at least 1")
    return int(value)
