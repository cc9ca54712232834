"""The oracle: NumPy over `step` and `step_vjp`. Slow, obvious, for any dtype, also complex.

Like every backend it takes `Wh` of shape (K, G, H), where K is H, or 0 for a cell without recurrent product (a dense
layer), and sees rows sorted by length, longest first, each from its own first step: at step t the first `active[t]`
rows run (see `steps.py`). Arrays inside are time first.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastrnn._kernels.types import Run, Weights
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.cells._pointwise import sigmoid

instruction_set = "numpy"


def pack(cell: Cell, weights: Weights) -> Weights:
    """Return copies, so that the caller may change his own arrays."""
    bh = np.zeros_like(weights.bx) if weights.bh is None else weights.bh
    return Weights(weights.Wx.copy(), weights.Wh.copy(), weights.bx.copy(), bh.copy())


def masked(h: Array, run: Run, rows: slice) -> Array:
    """Return what passes between h and the recurrent product."""
    return h if run.mask is None else h * run.mask[rows]


def product(subscripts: str, a: Array, b: Array) -> Array:
    """Return `np.einsum`, and 0 where it sums over nothing: it may multiply what lies beyond arrays that are empty."""
    sums = np.einsum(subscripts, a, b)
    if not (a.size and b.size):
        sums[...] = 0
    return sums


def layout(cell: Cell, I: int, H: int, dtype: np.dtype[Any]) -> tuple[int, int, int, int]:
    """Return the numbers that a row takes: of a state, of a step's tape, of a step's deltas, of a step's dx."""
    return H, cell.n_kept * H, 2 * cell.n_gates * H, I


def forward(cell: Cell, weights: Weights, run: Run, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...], Any]:
    """Return h of all steps (T + 1, B, H), the final states (B, H) and the tape."""
    T, K = len(run.active), len(weights.Wh)
    assert weights.bh is not None  # as packed
    s = tuple(value.astype(weights.Wx.dtype) for value in state)
    h = np.empty((T + 1, *s[0].shape), weights.Wx.dtype)
    h[0] = s[0]
    tape = []
    for t in range(T):
        rows = slice(run.active[t])
        x_t = run.x[rows, t]
        x_product = weights.Wx[x_t].swapaxes(0, 1) if run.symbols else product("bi,igh->gbh", x_t, weights.Wx)
        ax = x_product + weights.bx[:, None]
        ah = product("bk,kgh->gbh", masked(s[0][rows], run, rows)[:, :K], weights.Wh) + weights.bh[:, None]
        before = tuple(value[rows] for value in s)
        new, kept = cell.step(tuple(ax), tuple(ah), before)
        tape.append((before, new, kept))
        s = tuple(np.concatenate([n, old[run.active[t] :]]) for n, old in zip(new, s, strict=True))
        h[t + 1] = s[0]
    return h, s, tape


def backward(
    cell: Cell, weights: Weights, run: Run, tape: Any, dy: Array | None, dstate: tuple[Array, ...], need_dx: bool
) -> tuple[Array | None, Weights, tuple[Array, ...]]:
    """Return dx (B, T, I), the gradients of the weights, and those of the initial states (B, H)."""
    dweights = Weights(*(np.zeros_like(w) for w in weights))
    dWx, dWh, dbx, dbh = dweights
    dx = np.zeros(run.x.shape, dWx.dtype) if need_dx else None
    d = [value.astype(dWx.dtype) for value in dstate]
    for t in reversed(range(len(run.active))):
        rows = slice(run.active[t])
        before, new, kept = tape[t]
        if dy is not None:
            d[0][rows] += dy[rows, t]
        dax, dah, ds = (
            np.stack(values) for values in cell.step_vjp(kept, before, new, tuple(value[rows] for value in d))
        )
        if run.symbols:
            np.add.at(dWx, run.x[rows, t], dax.swapaxes(0, 1))
        else:
            dWx += product("bi,gbh->igh", run.x[rows, t], dax)
        dWh += product("bk,gbh->kgh", masked(before[0], run, rows)[:, : len(dWh)], dah)
        dbx += dax.sum(1)
        dbh += dah.sum(1)
        if dx is not None:
            dx[rows, t] = product("gbh,igh->bi", dax, weights.Wx)
        for value, gradient in zip(d, ds, strict=True):
            value[rows] = gradient
        if len(dWh):
            d[0][rows] += masked(product("gbh,kgh->bk", dah, weights.Wh), run, rows)
    return dx, dweights, tuple(d)


def autoencoder(
    W1: Array, b1: Array, W2: Array, b2: Array, x: Array, n_threads: int
) -> tuple[Array, Callable[[Array], Any]]:
    """Return the mean activations (H,), and what computes the squared error and the gradients (`autoencoder.py`)."""
    h = sigmoid(x @ W1 + b1)

    def finish(slope: Array) -> tuple[Any, tuple[Array, ...]]:
        x_hat = sigmoid(h @ W2 + b2)
        error = x_hat - x
        d2 = error / len(x) * x_hat * (1 - x_hat)
        d1 = (d2 @ W2.T + slope) * h * (1 - h)
        return (error * error).sum(), (x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0))

    return h.mean(0), finish


# ---- what needs no cell ---------------------------------------------------------------------------------------------


def cross_entropy(
    y: Array,
    classes: Array,
    valid: Array | None,
    weights: Array | None,
    scale: float,
    gradient: bool,
    n_threads: int,
) -> tuple[Any, int, Array | None]:
    """Return the weighted and scaled sum of the losses of y (N, C), the number of right answers, and dy or None.

    IndexError with its place where a class is none of these.
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
    """Return rows (N, D) of a table (V, D), 0 in place of those that are not valid."""
    chosen = _inside(numbers, valid, len(table))
    out = np.zeros((len(numbers), table.shape[1]), table.dtype)
    out[chosen] = table[numbers[chosen]]
    return out


def add_rows(table: Array, numbers: Array, values: Array, valid: Array | None) -> None:
    """Add the valid rows of values (N, D) to those of a table (V, D), one after the other."""
    chosen = _inside(numbers, valid, len(table))
    np.add.at(table, numbers[chosen], values[chosen])


def _inside(numbers: Array, valid: Array | None, stop: int) -> Array:
    """Return which numbers count; IndexError with the place of the first of them that is not in 0..stop-1."""
    chosen = np.ones(len(numbers), bool) if valid is None else valid
    wrong = np.flatnonzero(chosen & ((numbers < 0) | (numbers >= stop)))
    if len(wrong):
        raise IndexError(int(wrong[0]))
    return chosen


def squares(gradients: Array, n_threads: int) -> float:
    """Return the sum of the squares of a vector; by NumPy, not by BLAS, whose sums depend on its number of threads."""
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
    """Update vectors; `velocity` is None without momentum."""
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
    """Update vectors."""
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
