"""The native backend: finds the variants that were built, picks the instruction set, calls the one for the dtype."""

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from fastrnn._kernels.types import Run, Weights
from fastrnn._typing import Array
from fastrnn.cells import CELLS as ALL_CELLS
from fastrnn.cells import Cell
from fastrnn.cells.rnn import RNN_LINEAR

CELLS = {*ALL_CELLS.values(), RNN_LINEAR}
INSTRUCTION_SETS = ("avx512", "avx2", "baseline")  # best first


def _variants(name: str) -> dict[np.dtype[Any], ModuleType] | None:
    """Return the modules of an instruction set by dtype, or None where they were not built."""
    try:
        modules = [importlib.import_module(f"fastrnn._kernels.native_{name}_{p}") for p in ("f32", "f64")]
    except ImportError:
        return None
    return {module.DTYPE: module for module in modules}


def _supported() -> dict[str, dict[np.dtype[Any], ModuleType]]:
    """Return the variants that were built and that this CPU runs, best first."""
    baseline = _variants("baseline")
    if baseline is None:
        return {}
    config = baseline[np.dtype(np.float32)].config()
    found = {name: _variants(name) for name in INSTRUCTION_SETS if config.get(name, True)}
    return {name: variants for name, variants in found.items() if variants is not None}


def _choose(supported: dict[str, Any]) -> str:
    """Return the best instruction set, or the lower one that FASTRNN_INSTRUCTION_SET names."""
    asked = os.environ.get("FASTRNN_INSTRUCTION_SET")
    if not asked:
        return next(iter(supported), "")
    if asked not in supported:
        here = ", ".join(supported) or "none, for the kernels were not compiled"
        raise ImportError(f"FASTRNN_INSTRUCTION_SET is {asked!r}; this installation on this CPU runs: {here}")
    return asked


SUPPORTED = _supported()
instruction_set = _choose(SUPPORTED)


def variant(dtype: np.dtype[Any]) -> ModuleType:
    """Return the compiled module for this dtype."""
    return SUPPORTED[instruction_set][dtype]


def max_threads() -> int:
    """Return what OpenMP would take now; 1 where the compiler had none."""
    return variant(np.dtype(np.float32)).max_threads()


def has_openmp() -> bool:
    """Say whether the kernels were compiled with OpenMP."""
    return variant(np.dtype(np.float32)).config()["openmp"]


def pack(cell: Cell, weights: Weights) -> Any:
    """Return the weights in panels."""
    return variant(weights.Wx.dtype).Packed(cell.name, *weights)


def layout(cell: Cell, I: int, H: int, dtype: np.dtype[Any]) -> tuple[int, int, int, int]:
    """Return the numbers that a row takes: of a state, of a step's tape, of a step's deltas, of a step's dx."""
    G = cell.n_gates
    bias = np.zeros((G, H), dtype)
    return variant(dtype).Packed(cell.name, np.zeros((I, G, H), dtype), np.zeros((0, G, H), dtype), bias, None).layout


def forward(cell: Cell, packed: Any, run: Run, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...], Any]:
    """Return h of all steps (T + 1, B, H), the final states (B, H) and the tape."""
    return packed.forward(run, state)


def backward(
    cell: Cell, packed: Any, run: Run, saved: Any, dy: Array | None, dstate: tuple[Array, ...], need_dx: bool
) -> tuple[Array | None, Weights, tuple[Array, ...]]:
    """Return dx (B, T, I), the gradients of the weights, and those of the initial states (B, H)."""
    dx, dweights, dinitial = packed.backward(run, saved, dy, dstate, need_dx)
    return dx, Weights(*dweights), dinitial


def dense_forward(
    cell: Cell, W: Array, b: Array, x: Array, keep_tape: bool, n_threads: int
) -> tuple[Array, tuple[Any, Array, Array]]:
    """Return y (N, U) for x (N, I), and what `dense_backward` needs."""
    y, packed = variant(W.dtype).dense_forward(cell.name, W, b, x, n_threads)
    return y, (packed, x, y)


def dense_backward(
    tape: tuple[Any, Array, Array], dy: Array, dW: Array, db: Array, need_dx: bool, n_threads: int
) -> Array | None:
    """Return dx (N, I) or None for dy (N, U); add the gradients of W and b."""
    return variant(dy.dtype).dense_backward(*tape, dy, dW, db, need_dx, n_threads)


def autoencoder(
    W1: Array, b1: Array, W2: Array, b2: Array, x: Array, n_threads: int
) -> tuple[Array, Callable[[Array], Any]]:
    """Return the mean activations (H,), and what computes the squared error and the gradients (`autoencoder.py`)."""
    return variant(W1.dtype).autoencoder(W1, b1, W2, b2, x, n_threads)


# ---- what needs no cell ---------------------------------------------------------------------------------------------


def cross_entropy(y: Array, *arguments: Any) -> tuple[float, int, Array | None]:
    """Return loss, number of right answers, and gradient; see `reference.cross_entropy`."""
    return variant(y.dtype).cross_entropy(y, *arguments)


def take_rows(table: Array, numbers: Array, valid: Array | None) -> Array:
    """Return rows (N, D) of a contiguous table (V, D), 0 in place of those that are not valid."""
    return variant(table.dtype).take_rows(table, numbers, valid)


def add_rows(table: Array, numbers: Array, values: Array, valid: Array | None) -> None:
    """Add the valid rows of values (N, D) to those of a contiguous table (V, D), one after the other."""
    variant(table.dtype).add_rows(table, numbers, values, valid)


def squares(gradients: Array, n_threads: int) -> float:
    """Return the sum of the squares of a contiguous vector."""
    return variant(gradients.dtype).squares(gradients, n_threads)


def sgd(parameters: Array, *arguments: Any) -> None:
    """Update contiguous vectors by gradient descent; see `reference.sgd`."""
    variant(parameters.dtype).sgd(parameters, *arguments)


def adam(parameters: Array, *arguments: Any) -> None:
    """Update contiguous vectors by Adam; see `reference.adam`."""
    variant(parameters.dtype).adam(parameters, *arguments)
