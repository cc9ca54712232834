"""The native backend: finds the compiled variants, chooses the instruction set, and calls the variant of a dtype."""

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from fastrnn._kernels.types import KernelCall, Weights
from fastrnn._typing import Array
from fastrnn.cells import Cell

INSTRUCTION_SETS = ("avx512", "avx2", "baseline")  # best first


def _variants(name: str) -> dict[np.dtype[Any], ModuleType] | None:
    """Return the modules of an instruction set by dtype, or None if they were not built."""
    try:
        modules = [importlib.import_module(f"fastrnn._kernels.native_{name}_{p}") for p in ("f32", "f64")]
    except ImportError:
        return None
    return {module.DTYPE: module for module in modules}


def _supported() -> dict[str, dict[np.dtype[Any], ModuleType]]:
    """Return the variants that were built and that this CPU can run, best first."""
    baseline = _variants("baseline")
    if baseline is None:
        return {}
    config = baseline[np.dtype(np.float32)].config()
    found = {name: _variants(name) for name in INSTRUCTION_SETS if config.get(name, True)}
    return {name: variants for name, variants in found.items() if variants is not None}


def _choose(supported: dict[str, Any]) -> str:
    """Return the best instruction set, or the one that the environment variable FASTRNN_INSTRUCTION_SET names."""
    asked = os.environ.get("FASTRNN_INSTRUCTION_SET")
    if not asked:
        return next(iter(supported), "")
    if asked not in supported:
        here = ", ".join(supported) or "none, because no kernels were compiled"
        raise ImportError(f"FASTRNN_INSTRUCTION_SET is {asked!r}; this installation on this CPU runs: {here}")
    return asked


SUPPORTED = _supported()
instruction_set = _choose(SUPPORTED)


def variant(dtype: np.dtype[Any]) -> ModuleType:
    """Return the compiled module for this dtype."""
    return SUPPORTED[instruction_set][dtype]


# The cells with a native kernel: exactly these objects, because another cell of the same name has other equations.
CELLS: frozenset[Cell] = frozenset(variant(np.dtype(np.float32)).CELLS) if SUPPORTED else frozenset()


def max_threads() -> int:
    """Return the number of threads that OpenMP would use now; 1 if the compiler had no OpenMP."""
    return variant(np.dtype(np.float32)).max_threads()


def has_openmp() -> bool:
    """Say whether the kernels were compiled with OpenMP."""
    return variant(np.dtype(np.float32)).config()["openmp"]


def pack(cell: Cell, weights: Weights) -> Any:
    """Return a copy of the weights in panels."""
    return variant(weights.Wx.dtype).Packed(cell.name, *weights)


def layout(cell: Cell, I: int, H: int, dtype: np.dtype[Any]) -> tuple[int, int, int, int]:
    """Return how many numbers a row has in a state, and in one step's tape, deltas and dx."""
    G = cell.n_gates
    bias = np.zeros((G, H), dtype)
    return variant(dtype).Packed(cell.name, np.zeros((I, G, H), dtype), np.zeros((0, G, H), dtype), bias, None).layout


def forward(
    cell: Cell, packed: Any, call: KernelCall, state: tuple[Array, ...]
) -> tuple[Array, tuple[Array, ...], Any]:
    """Return h of all steps (T + 1, B, H) or None, the final states (B, H), and the tape or None."""
    return packed.forward(call, state)


def backward(
    cell: Cell, packed: Any, call: KernelCall, saved: Any, dy: Array | None, dstate: tuple[Array, ...], need_dx: bool
) -> tuple[Array | None, Weights, tuple[Array, ...]]:
    """Return dx (B, T, I), the gradients of the weights, and those of the initial states (B, H)."""
    dx, dweights, dinitial = packed.backward(call, saved, dy, dstate, need_dx)
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
    """Return the mean activations (H,), and the function of the second pass; see `Passes` in `autoencoder.py`."""
    return variant(W1.dtype).autoencoder(W1, b1, W2, b2, x, n_threads)


# ---- calls without a cell -------------------------------------------------------------------------------------------


def cross_entropy(y: Array, *arguments: Any) -> tuple[float, int, Array | None]:
    """Return the loss, the number of correct rows, and the gradient; see `reference.cross_entropy`."""
    return variant(y.dtype).cross_entropy(y, *arguments)


def take_rows(table: Array, numbers: Array, valid: Array | None) -> Array:
    """Return rows (N, D) of a contiguous table (V, D), zeros in place of rows that are not valid."""
    return variant(table.dtype).take_rows(table, numbers, valid)


def add_rows(table: Array, numbers: Array, values: Array, valid: Array | None) -> None:
    """Add the valid rows of values (N, D) to rows of a contiguous table (V, D), one after the other."""
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
