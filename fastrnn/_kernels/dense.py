"""Dense layers on the recurrent kernels.

``f(x W + b)`` is one step of an Elman cell without a recurrent product (``Wh`` of shape (0, 1, U)). The N examples are
laid out as steps of up to ROWS rows, the last step shorter, so that deltas and their products meet in the cache, rows
and columns are shared out among threads, and the promise about equal bits holds here too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn._kernels import backends
from fastrnn._kernels.checks import DTYPES, check_array
from fastrnn._kernels.threads import choose_threads, threads_here
from fastrnn._kernels.types import Array, PackedWeights, Run, Weights
from fastrnn.cells.rnn import RNN_LINEAR, RNN_RELU, RNN_SIGMOID, RNN_TANH

ACTIVATIONS = {None: RNN_LINEAR, "linear": RNN_LINEAR, "relu": RNN_RELU, "tanh": RNN_TANH, "sigmoid": RNN_SIGMOID}
ROWS = 256


@dataclass(frozen=True, eq=False)
class DenseTape:
    """What `dense_backward` needs of a forward call; it refers to the caller's `x`."""

    packed: PackedWeights
    run: Run
    saved: Any
    shape: tuple[int, ...]


def _as_steps(a: Array) -> Array:
    """(N, K) to (rows, steps, K) without copying what is contiguous; the last step may have fewer valid rows."""
    N, K = a.shape
    rows = max(1, min(N, ROWS))
    steps = -(-N // rows)
    if rows * steps != N:
        a = np.concatenate([a, np.zeros((rows * steps - N, K), a.dtype)])
    return a.reshape(steps, rows, K).swapaxes(0, 1)


def _as_examples(a: Array, shape: tuple[int, ...]) -> Array:
    """(rows, steps, K) back to (..., K), undoing `_as_steps`."""
    N = int(np.prod(shape[:-1], dtype=int))
    return a.swapaxes(0, 1).reshape(-1, a.shape[2])[:N].reshape(*shape[:-1], a.shape[2])


def pack_dense(W: Array, b: Array, activation: str | None = None, *, backend: str | None = None) -> PackedWeights:
    """
    Lay the weights of a dense layer out as the kernels read them.

    Parameters
    ----------
    W : ndarray (I, U)
        Weights, float32 or float64; copied.
    b : ndarray (U,)
        Bias; copied.
    activation, backend
        As in `dense_forward`.

    Returns
    -------
    PackedWeights
        A net without a recurrent product: one step of it is the layer.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape or dtype, or `activation` is unknown.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r} is unknown; expected one of {', '.join(map(repr, ACTIVATIONS))}")
    cell = ACTIVATIONS[activation]
    W = np.asarray(W)
    if W.dtype not in DTYPES or W.ndim != 2:
        raise TypeError(f"W has dtype {W.dtype} and shape {W.shape}, expected float32 or float64 and (I, U)")
    I, U = W.shape
    b = check_array("b", b, (U,), W.dtype)
    module = backends.choose(backend, cell)
    weights = Weights(W[:, None], np.zeros((0, 1, U), W.dtype), b[None], None)
    return PackedWeights(cell, (I, 1, U), W.dtype, False, module, module.instruction_set, module.pack(cell, weights))


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
    packed = pack_dense(W, b, activation, backend=backend)
    cell, module, (I, _, U) = packed.cell, packed.backend, packed.shape
    x = np.asarray(x)
    x = check_array("x", x, (-1,) * (x.ndim - 1) + (I,), packed.dtype)
    N = int(np.prod(x.shape[:-1], dtype=int))
    steps = _as_steps(x.reshape(N, I))
    B, T = steps.shape[:2]
    active = np.full(T, B, np.int32)
    active[-1:] = N - B * (T - 1)
    run = Run(
        x=steps,
        active=active,
        lengths=(np.arange(B) < active[:, None]).sum(0, dtype=np.int32),
        mask=None,
        n_threads=choose_threads(n_threads, 2 * N * I * U),
        sequences=True,
        keep_tape=keep_tape,
    )
    h, _, saved = module.forward(cell, packed.payload, run, (np.zeros((B, U), packed.dtype),))
    y = _as_examples(h[1:].swapaxes(0, 1), x.shape)
    y.flags.writeable = not keep_tape
    return y, DenseTape(packed, run, saved, x.shape) if keep_tape else None


def dense_backward(tape: DenseTape, dy: Array, *, need_dx: bool = True) -> tuple[Array | None, Array, Array]:
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

    Returns
    -------
    dx : ndarray (..., I) or None
        Gradient of `x`.
    dW : ndarray (I, U)
        Gradient of `W`.
    db : ndarray (U,)
        Gradient of `b`.

    Raises
    ------
    TypeError, ValueError
        If `dy` has the wrong shape or dtype.
    """
    packed, run = tape.packed, tape.run._replace(n_threads=threads_here(tape.run.n_threads))
    U = packed.shape[2]
    dy = check_array("dy", dy, (*tape.shape[:-1], U), packed.dtype)
    state = (np.zeros((run.x.shape[0], U), packed.dtype),)
    dx, dweights, _ = packed.backend.backward(
        packed.cell, packed.payload, run, tape.saved, _as_steps(dy.reshape(-1, U)), state, need_dx
    )
    return None if dx is None else _as_examples(dx, tape.shape), dweights.Wx[:, 0], dweights.bx[0]
