"""Dense layers on the recurrent kernels.

``f(x W + b)`` is one step of an Elman cell without a recurrent product (``Wh`` of shape (0, 1, U)). The native backend
has a loop for just this step (`dense.pxi`). For other backends the N examples become steps of up to CHUNK_ROWS rows;
the last step may be shorter. So deltas are still in cache when they are multiplied, rows and columns are divided among
threads, and the promise about equal bits holds here, too.
"""

from dataclasses import dataclass
from functools import partial
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from fastrnn._kernels import backends
from fastrnn._kernels.checks import DTYPES, check_array
from fastrnn._kernels.ragged import CHUNK_ROWS
from fastrnn._kernels.threads import choose_threads, threads_here
from fastrnn._kernels.types import KernelCall, PackedWeights, Weights
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.cells.rnn import RNN_LINEAR, RNN_RELU, RNN_SIGMOID, RNN_TANH

ACTIVATIONS = {None: RNN_LINEAR, "linear": RNN_LINEAR, "relu": RNN_RELU, "tanh": RNN_TANH, "sigmoid": RNN_SIGMOID}


@dataclass(eq=False, slots=True)
class DenseTape:
    """What `dense_backward` needs from a forward call. It refers to the caller's `x`."""

    backend: ModuleType
    dtype: np.dtype[Any]
    shape: tuple[int, ...]  # of x
    U: int
    n_threads: int
    saved: Any


def pack_dense(W: Array, b: Array, activation: str | None = None, *, backend: str | None = None) -> PackedWeights:
    """
    Copy the weights of a dense layer into the layout of the kernels.

    Parameters
    ----------
    W : ndarray (I, U)
        Weights, float32 or float64. They are copied.
    b : ndarray (U,)
        Bias. It is copied.
    activation, backend
        As in `dense_forward`.

    Returns
    -------
    PackedWeights
        A net without a recurrent product. One step of this net is the layer.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape or dtype, or `activation` is unknown.
    """
    cell, W, b = _check(W, b, activation)
    return _pack(backends.choose(backend, cell), cell, W, b)


def dense_forward(
    x: Array,
    W: Array,
    b: Array,
    activation: str | None = None,
    *,
    keep_tape: bool = True,
    n_threads: int | None = None,
    backend: str | None = None,
) -> tuple[Array, DenseTape | None]:
    """
    Compute ``f(x W + b)``.

    Parameters
    ----------
    x : ndarray (..., I)
        Inputs in the dtype of the weights.
    W : ndarray (I, U)
        Weights, float32 or float64.
    b : ndarray (U,)
        Bias.
    activation : {None, "linear", "relu", "tanh", "sigmoid"}
        The function f; None is linear.
    keep_tape, n_threads, backend
        As in `recurrent_forward`.

    Returns
    -------
    y : ndarray (..., U)
        Outputs.
    tape : DenseTape or None
        For `dense_backward`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape or dtype, or `activation` is unknown.
    """
    cell, W, b = _check(W, b, activation)
    I, U = W.shape
    x = np.asarray(x)
    if x.dtype != W.dtype or x.shape[-1:] != (I,):
        check_array("x", x, (-1,) * (x.ndim - 1) + (I,), W.dtype)
    N = prod(x.shape[:-1])
    module, threads = backends.choose(backend, cell), choose_threads(n_threads, 2 * N * I * U)
    forward = getattr(module, "dense_forward", None) or partial(_forward_by_steps, module)
    y, saved = forward(cell, W, b, x.reshape(N, I), keep_tape, threads)
    y = y.reshape(*x.shape[:-1], U)
    if not keep_tape:
        return y, None
    y.flags.writeable = False
    return y, DenseTape(module, W.dtype, x.shape, U, threads, saved)


def dense_backward(
    tape: DenseTape, dy: Array, *, need_dx: bool = True, add_to: tuple[Array, Array] | None = None
) -> tuple[Array | None, Array, Array]:
    """
    Backpropagate through `dense_forward`.

    Parameters
    ----------
    tape : DenseTape
        From `dense_forward`.
    dy : ndarray (..., U)
        Gradient of `y`.
    need_dx : bool
        Compute the gradient of `x`.
    add_to : tuple of ndarray (I, U) and ndarray (U,), optional
        Contiguous arrays to which the gradients of `W` and `b` are added. None makes new arrays.

    Returns
    -------
    dx : ndarray (..., I) or None
        Gradient of `x`.
    dW : ndarray (I, U)
        Gradient of `W`, or the array that it was added to.
    db : ndarray (U,)
        Gradient of `b`, likewise.

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong shape, dtype or layout.
    """
    I, U = tape.shape[-1], tape.U
    dy = check_array("dy", dy, (*tape.shape[:-1], U), tape.dtype).reshape(-1, U)
    if add_to is None:
        add_to = np.zeros((I, U), tape.dtype), np.zeros(U, tape.dtype)
    for name, array, shape in (("dW", add_to[0], (I, U)), ("db", add_to[1], (U,))):
        if not check_array(name, array, shape, tape.dtype).flags.carray:
            raise ValueError(f"{name} is not contiguous, aligned and writeable, so nothing can be added to it")
    backward = getattr(tape.backend, "dense_backward", _backward_by_steps)
    dx = backward(tape.saved, dy, *add_to, need_dx, threads_here(tape.n_threads))
    return None if dx is None else dx.reshape(tape.shape), *add_to


def _check(W: Array, b: Array, activation: str | None) -> tuple[Cell, Array, Array]:
    """Return the cell of an activation, and the weights; refuse weights whose shapes do not fit together."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r} is unknown; expected one of {', '.join(map(repr, ACTIVATIONS))}")
    W = np.asarray(W)
    if W.dtype not in DTYPES or W.ndim != 2:
        raise TypeError(f"W has dtype {W.dtype} and shape {W.shape}, expected float32 or float64 and (I, U)")
    if W.shape[1] == 0:
        raise ValueError(f"W has shape {W.shape}, expected (I, U) with at least one unit")
    return ACTIVATIONS[activation], W, check_array("b", b, W.shape[1:], W.dtype)


def _pack(module: ModuleType, cell: Cell, W: Array, b: Array) -> PackedWeights:
    """Return the layer as a net of one backend."""
    I, U = W.shape
    weights = Weights(W[:, None], W[:0, None], b[None], None)
    return PackedWeights(cell, (I, 1, U), W.dtype, False, module, module.instruction_set, module.pack(cell, weights))


def _forward_by_steps(
    module: ModuleType, cell: Cell, W: Array, b: Array, x: Array, keep_tape: bool, n_threads: int
) -> tuple[Array, Any]:
    """Return y (N, U) for x (N, I), and the tape for `_backward_by_steps`."""
    packed, steps = _pack(module, cell, W, b), _as_steps(x)
    B, T = steps.shape[:2]
    active = np.full(T, B, np.int32)
    active[-1:] = len(x) - B * (T - 1)
    call = KernelCall(
        x=steps,
        active=active,
        lengths=(np.arange(B) < active[:, None]).sum(0, dtype=np.int32),
        mask=None,
        n_threads=n_threads,
        sequences=True,
        keep_tape=keep_tape,
    )
    h, _, saved = module.forward(cell, packed.payload, call, (_zeros(packed, B),))
    return _as_examples(h[1:].swapaxes(0, 1), len(x)), (packed, call, saved)


def _backward_by_steps(tape: Any, dy: Array, dW: Array, db: Array, need_dx: bool, n_threads: int) -> Array | None:
    """Return dx (N, I) or None for dy (N, U); add the gradients of W and b."""
    packed, call, saved = tape
    call = call._replace(n_threads=n_threads)
    dx, dweights, _ = packed.backend.backward(
        packed.cell, packed.payload, call, saved, _as_steps(dy), (_zeros(packed, call.x.shape[0]),), need_dx
    )
    dW += dweights.Wx[:, 0]
    db += dweights.bx[0]
    return None if dx is None else _as_examples(dx, len(dy))


def _zeros(packed: PackedWeights, rows: int) -> Array:
    """Return a state. A backend requires one, but this cell does not use it."""
    return np.zeros((rows, packed.shape[2]), packed.dtype)


def _as_steps(a: Array) -> Array:
    """Turn (N, K) into (rows, steps, K). The last step may have fewer valid rows; if it has, the array is copied."""
    N, K = a.shape
    rows = max(1, min(N, CHUNK_ROWS))
    steps = -(-N // rows)
    if rows * steps != N:
        a = np.concatenate([a, np.zeros((rows * steps - N, K), a.dtype)])
    return a.reshape(steps, rows, K).swapaxes(0, 1)


def _as_examples(a: Array, N: int) -> Array:
    """Turn (rows, steps, K) back into (N, K), the reverse of `_as_steps`."""
    rows, steps, K = a.shape
    return a.swapaxes(0, 1).reshape(rows * steps, K)[:N]
