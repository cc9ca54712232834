"""The reference: `step` and `step_vjp` on NumPy arrays. It is slow and simple, and takes any dtype, also complex.

Like every backend it takes `Wh` of shape (K, G, H). K is H, or 0 without a recurrent product (a dense layer). The rows
of a call are sorted by length, longest first, and each starts at its own first step, so at step t the first `active[t]`
rows run (see `ragged.py`). Arrays inside are time first.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastrnn._kernels.types import KernelCall, Weights
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.cells._pointwise import sigmoid

instruction_set = "numpy"


def pack(cell: Cell, weights: Weights) -> Weights:
    """Return copies, so that the caller may change the originals."""
    bh = np.zeros_like(weights.bx) if weights.bh is None else weights.bh
    return Weights(weights.Wx.copy(), weights.Wh.copy(), weights.bx.copy(), bh.copy())


def masked(h: Array, call: KernelCall, rows: slice) -> Array:
    """Return h times the recurrent mask, if there is one."""
    return h if call.mask is None else h * call.mask[rows]


def product(subscripts: str, a: Array, b: Array) -> Array:
    """Return `np.einsum`, or zeros if an array is empty: `np.einsum` may then read beyond its end."""
    sums = np.einsum(subscripts, a, b)
    if not (a.size and b.size):
        sums[...] = 0
    return sums


def layout(cell: Cell, I: int, H: int, dtype: np.dtype[Any]) -> tuple[int, int, int, int]:
    """Return how many numbers a row has in a state, and in one step's tape, deltas and dx."""
    return H, cell.n_kept * H, 2 * cell.n_gates * H, I


def forward(
    cell: Cell, weights: Weights, call: KernelCall, state: tuple[Array, ...]
) -> tuple[Array, tuple[Array, ...], Any]:
    """Return h of all steps (T + 1, B, H), the final states (B, H) and the tape."""
    T, K = len(call.active), len(weights.Wh)
    assert weights.bh is not None  # `pack` made it
    s = tuple(value.astype(weights.Wx.dtype) for value in state)
    h = np.empty((T + 1, *s[0].shape), weights.Wx.dtype)
    h[0] = s[0]
    tape = []
    for t in range(T):
        rows = slice(call.active[t])
        x_t = call.x[rows, t]
        x_product = weights.Wx[x_t].swapaxes(0, 1) if call.symbols else product("bi,igh->gbh", x_t, weights.Wx)
        ax = x_product + weights.bx[:, None]
        ah = product("bk,kgh->gbh", masked(s[0][rows], call, rows)[:, :K], weights.Wh) + weights.bh[:, None]
        before = tuple(value[rows] for value in s)
        new, kept = cell.step(tuple(ax), tuple(ah), before)
        tape.append((before, new, kept))
        s = tuple(np.concatenate([n, old[call.active[t] :]]) for n, old in zip(new, s, strict=True))
        h[t + 1] = s[0]
    return h, s, tape


def backward(
    cell: Cell,
    weights: Weights,
    call: KernelCall,
    tape: Any,
    dy: Array | None,
    dstate: tuple[Array, ...],
    need_dx: bool,
) -> tuple[Array | None, Weights, tuple[Array, ...]]:
    """Return dx (B, T, I), the gradients of the weights, and those of the initial states (B, H)."""
    dweights = Weights(*(np.zeros_like(w) for w in weights))
    dWx, dWh, dbx, dbh = dweights
    dx = np.zeros(call.x.shape, dWx.dtype) if need_dx else None
    d = [value.astype(dWx.dtype) for value in dstate]
    for t in reversed(range(len(call.active))):
        rows = slice(call.active[t])
        before, new, kept = tape[t]
        if dy is not None:
            d[0][rows] += dy[rows, t]
        dax, dah, ds = (
            np.stack(values) for values in cell.step_vjp(kept, before, new, tuple(value[rows] for value in d))
        )
        if call.symbols:
            np.add.at(dWx, call.x[rows, t], dax.swapaxes(0, 1))
        else:
            dWx += product("bi,gbh->igh", call.x[rows, t], dax)
        dWh += product("bk,gbh->kgh", masked(before[0], call, rows)[:, : len(dWh)], dah)
        dbx += dax.sum(1)
        dbh += dah.sum(1)
        if dx is not None:
            dx[rows, t] = product("gbh,igh->bi", dax, weights.Wx)
        for value, gradient in zip(d, ds, strict=True):
            value[rows] = gradient
        if len(dWh):
            d[0][rows] += masked(product("gbh,kgh->bk", dah, weights.Wh), call, rows)
    return dx, dweights, tuple(d)


def autoencoder(
    W1: Array, b1: Array, W2: Array, b2: Array, x: Array, n_threads: int
) -> tuple[Array, Callable[[Array], Any]]:
    """Return the mean activations (H,), and the function of the second pass; see `Passes` in `autoencoder.py`."""
    h = sigmoid(x @ W1 + b1)

    def finish(slope: Array) -> tuple[Any, tuple[Array, ...]]:
        x_hat = sigmoid(h @ W2 + b2)
        error = x_hat - x
        d2 = error / len(x) * x_hat * (1 - x_hat)
        d1 = (d2 @ W2.T + slope) * h * (1 - h)
        return (error * error).sum(), (x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0))

    return h.mean(0), finish


# ---- calls without a cell -------------------------------------------------------------------------------------------


def cross_entropy(
    y: Array,
    classes: Array,
    valid: Array | None,
    weights: Array | None,
    scale: float,
    gradient: bool,
    n_threads: int,
) -> tuple[Any, int, Array | None]:
    """Return the sum of the losses of y (N, C), weighted and scaled, the number of correct rows, and dy or None.

    A class that is not in 0..C-1 raises IndexError with the position of that class.
    """
    chosen = _inside(classes, valid, y.shape[1])
    y_valid, target = y[chosen], classes[chosen]
    weights = np.ones(len(target)) if weights is None else weights[chosen]
    rows = np.arange(len(target))
    logits = y_valid - y_valid.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    sums = exponentials.sum(axis=1)
    loss = scale * ((np.log(sums) - logits[rows, target]) * weights).sum()
    right = int(np.count_nonzero((y_valid.argmax(axis=1) == target) & ~np.isnan(y_valid).any(axis=1)))
    if not gradient:
        return loss, right, None
    d = exponentials / sums[:, None]
    d[rows, target] -= 1
    dy = np.zeros(y.shape, y.dtype)
    dy[chosen] = d * (scale * weights)[:, None].astype(y.dtype)
    return loss, right, dy


def take_rows(table: Array, numbers: Array, valid: Array | None) -> Array:
    """Return rows (N, D) of a table (V, D), zeros in place of rows that are not valid."""
    chosen = _inside(numbers, valid, len(table))
    out = np.zeros((len(numbers), table.shape[1]), table.dtype)
    out[chosen] = table[numbers[chosen]]
    return out


def add_rows(table: Array, numbers: Array, values: Array, valid: Array | None) -> None:
    """Add the valid rows of values (N, D) to rows of a table (V, D), one after the other."""
    chosen = _inside(numbers, valid, len(table))
    np.add.at(table, numbers[chosen], values[chosen])


def _inside(numbers: Array, valid: Array | None, stop: int) -> Array:
    """Return the mask of valid numbers. One that is not in 0..stop-1 raises IndexError with its position."""
    chosen = np.ones(len(numbers), bool) if valid is None else valid
    wrong = np.flatnonzero(chosen & ((numbers < 0) | (numbers >= stop)))
    if len(wrong):
        raise IndexError(int(wrong[0]))
    return chosen


def squares(gradients: Array, n_threads: int) -> float:
    """Return the sum of the squares of a vector. BLAS is not used: its sums depend on its number of threads."""
    return float(np.square(gradients, dtype=np.float64).sum())


def sgd(
    parameters: Array,
    gradients: Array,
    velocity: Array | None,
    form: str,
    rate: float,
    momentum: float,
    decay: float,
    n_threads: int,
) -> None:
    """Update vectors by gradient descent. `velocity` is None without momentum."""
    step = gradients + decay * parameters if decay else gradients
    if velocity is not None:
        velocity *= momentum
        velocity += (1 - momentum) * step if form == "averaged" else step
        step = step + momentum * velocity if form == "nesterov" else velocity
    parameters -= rate * step


def adam(
    parameters: Array,
    gradients: Array,
    mean: Array,
    square: Array,
    rate: float,
    keep: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    sum2: float,
    n_threads: int,
) -> None:
    """Update vectors by Adam."""
    mean *= beta1
    mean += (1 - beta1) * gradients
    square *= beta2
    square += (1 - beta2) * gradients**2
    step = np.sqrt(square / sum2)
    step += epsilon
    np.divide(mean, step, out=step)
    step *= rate
    parameters *= keep
    parameters -= step
