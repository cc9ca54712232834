"""The Numba backend: compiles and runs `step` and `step_vjp` of any cell.

It runs all cells if there was no C compiler, and otherwise the cells without a native kernel. Like every backend it
gets rows sorted by length (see `ragged.py`), and its functions return the same as those of `reference.py`. The loop
over time is in `loops.py`, the products are in `tile.py`.

Work is done in chunks of steps. In each chunk the threads own rows for the loop over time, and then columns of the
weight gradients. They are Python threads that call `nogil` functions, because Numba's own thread layers kill forked
children or abort on concurrent calls.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import njit
from numba.core.errors import NumbaError

from fastrnn._kernels import tile
from fastrnn._kernels.loops import compile_error, compiled
from fastrnn._kernels.pool import empty
from fastrnn._kernels.ragged import chunk_bounds, row_shares, segment_bounds
from fastrnn._kernels.tile import weight_gradient
from fastrnn._kernels.types import KernelCall, Weights
from fastrnn._kernels.vector import BYTES
from fastrnn._typing import Array
from fastrnn.cells import Cell

instruction_set = f"numba {numba.__version__}"


def lanes(dtype: np.dtype[Any]) -> int:
    """Return how many numbers a vector has."""
    return BYTES // dtype.itemsize


def padded(count: int, dtype: np.dtype[Any]) -> int:
    """Return `count` rounded up to whole vectors."""
    return -(-count // lanes(dtype)) * lanes(dtype)


@njit(nogil=True, cache=True)
def symbol_gradient(symbols, dax, dWx, c0, c1):  # type: ignore[no-untyped-def]
    """Add the deltas (n, G * H) of sorted symbols (n,) to the rows of dWx. The deltas of a symbol are summed first."""
    total = np.empty_like(dWx[0, c0:c1])
    i = 0
    while i < len(symbols):
        symbol = symbols[i]
        total[:] = 0
        while i < len(symbols) and symbols[i] == symbol:
            total += dax[i, c0:c1]
            i += 1
        dWx[symbol, c0:c1] += total


class Packed(NamedTuple):
    """Weights as matrices (I, G * H), (K, G * H) and (G * H,), and transposed. H is padded; `units` is the true H."""

    units: int
    Wx: Array
    bx: Array
    Wh: Array
    bh: Array
    Wx_t: Array
    Wh_t: Array


class Saved(NamedTuple):
    """The tape: all states, or the states at the start of each segment. Backward then computes the rest again."""

    x: Array
    states: Array
    kept: Array
    mask: Array
    segments: Array | None = None


@lru_cache(maxsize=8)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="fastrnn")


def _share(cell: Cell, function: Callable[[int, int], None], bounds: Array) -> None:
    """Call function(begin, end) for every share. If there are several, each one runs in its own thread."""
    shares = [(int(begin), int(end)) for begin, end in pairwise(bounds) if begin < end]
    try:
        if len(shares) > 1:
            list(_pool(len(shares)).map(lambda share: function(*share), shares))
        else:
            for share in shares:
                function(*share)
    except NumbaError as error:  # raised by the first call, which compiles
        raise compile_error(cell, error) from error


def _matrix(a: Array) -> Array:
    """Return a copy (K, J), J padded. There is one more vector between rows, or wide rows would share cache sets."""
    cols = padded(a.shape[1], a.dtype)
    matrix = np.zeros((len(a), cols + lanes(a.dtype)), a.dtype)[:, :cols]
    matrix[:, : a.shape[1]] = a
    return matrix


def _by_gates(a: Array) -> Array:
    """Return a copy (..., G, H) with H padded."""
    wide = np.zeros((*a.shape[:-1], padded(a.shape[-1], a.dtype)), a.dtype)
    wide[..., : a.shape[-1]] = a
    return wide


def pack(cell: Cell, weights: Weights) -> Packed:
    """Return copies of the weights as matrices."""
    I, G, H = weights.Wx.shape
    K = len(weights.Wh)
    Wx, Wh, bx = _by_gates(weights.Wx), _by_gates(weights.Wh), _by_gates(weights.bx).reshape(-1)
    bh = np.zeros_like(bx) if weights.bh is None else _by_gates(weights.bh).reshape(-1)
    return Packed(
        H,
        _matrix(Wx.reshape(I, len(bx))),
        bx,
        _matrix(Wh.reshape(K, len(bx))),
        bh,
        _matrix(weights.Wx.reshape(I, G * H).T),
        _matrix(weights.Wh.reshape(K, G * H).T),
    )


def layout(cell: Cell, I: int, H: int, dtype: np.dtype[Any]) -> tuple[int, int, int, int]:
    """Return how many numbers a row has in a state, and in one step's tape, deltas and dx."""
    H = padded(H, dtype)
    return H, cell.n_kept * H, 2 * cell.n_gates * H, padded(I, dtype)


def forward(
    cell: Cell, packed: Packed, call: KernelCall, state: tuple[Array, ...]
) -> tuple[Array, tuple[Array, ...], Any]:
    """Return h of the steps that were kept (T + 1 or 2, B, H), the final states (B, H), and the tape or None."""
    T, (B, H), dtype = len(call.active), state[0].shape, packed.Wx.dtype
    keep = call.keep_tape and call.checkpoint_every is None
    slots = T + 1 if call.sequences or keep else 2
    states = empty((slots, cell.n_states, B, padded(H, dtype)), dtype)
    states[0, :, :, :H], states[0, :, :, H:] = state, 0
    kept = empty((max(T, 1) if keep else 1, cell.n_kept, *states.shape[2:]), dtype)
    mask = np.empty((0, 0), dtype) if call.mask is None else np.ascontiguousarray(call.mask)
    x = np.ascontiguousarray(call.x, np.int64 if call.symbols else dtype)
    tape = Saved(x, states, kept, mask)
    if call.keep_tape and call.checkpoint_every is not None:
        segments = segment_bounds(call.active, call.checkpoint_every)
        marks = np.empty((len(segments) - 1, *states.shape[1:]), dtype)
        for mark, (t0, t1) in zip(marks, pairwise(segments), strict=True):
            mark[:] = states[t0 % slots]
            _forward(cell, packed, call, tape, 0, t0, t1)
        tape = Saved(x, marks, kept, mask, segments)
    else:
        _forward(cell, packed, call, tape, 0, 0, T)
    final = states[call.lengths % slots, :, np.arange(B), :H].swapaxes(0, 1).copy()
    return states[:, 0, :, :H], tuple(final), tape if call.keep_tape else None


def _forward(cell: Cell, packed: Packed, call: KernelCall, tape: Saved, first: int, t0: int, t1: int) -> None:
    """Run steps t0..t1 of all rows. `first` is the first step on the tape."""
    _, Wx, bx, Wh, bh, *_ = packed
    product, B = tile.compiled(bx.dtype).address, len(tape.x)
    ax, ah = (np.empty((B, cell.n_gates, tape.states.shape[3]), bx.dtype) for _ in range(2))
    scratch = (ax, ah, np.empty_like(tape.mask))
    tapes = (tape.states, tape.kept, call.active, first, t0, t1)
    steps = (product, tape.x, Wx, bx, Wh, bh, tape.mask, *scratch, *tapes)
    shares = row_shares(call.lengths, max(1, min(call.n_threads, B)))
    _share(cell, partial(compiled(cell).forward_rows, *steps), shares)


def backward(
    cell: Cell,
    packed: Packed,
    call: KernelCall,
    saved: Saved,
    dy: Array | None,
    dstate: tuple[Array, ...],
    need_dx: bool,
) -> tuple[Array | None, Weights, tuple[Array, ...]]:
    """Return dx (B, T, I), the gradients of the weights, and those of the initial states (B, H)."""
    (B, H), I, K, J, G = dstate[0].shape, len(packed.Wx), len(packed.Wh), len(packed.bx), cell.n_gates
    dtype, active = packed.bx.dtype, call.active
    x, states, kept, mask, segments = saved
    dy = np.empty((0, 0, 0), dtype) if dy is None else np.ascontiguousarray(dy)
    d = _by_gates(np.stack(dstate).astype(dtype, copy=False))
    dx = np.zeros((*x.shape[:2], padded(I, dtype)) if need_dx else (0, 0, 0), dtype)
    dWx, dWh, dbx, dbh = (np.zeros((rows, J), dtype) for rows in (I, K, 1, 1))
    # `symbol_gradient` computes the gradient of symbols; the dense product gets no features then.
    x_dense, dWx_dense = (np.empty((*x.shape, 0), dtype), dWx[:0]) if call.symbols else (x, dWx)
    loops, one = compiled(cell), np.ones(1, dtype)
    product = tile.compiled(dtype).address
    shares = row_shares(call.lengths, max(1, min(call.n_threads, B)))
    vectors = J // lanes(dtype) * np.arange(call.n_threads + 1) // call.n_threads
    first = 0
    if segments is not None:
        left = list(zip(segments[:-1], segments[1:], states, strict=True))
        longest = int(np.diff(segments).max(initial=0))
        states = empty((longest + 1, *states.shape[1:]), dtype)
        kept = empty((max(longest, 1), cell.n_kept, *states.shape[2:]), dtype)
        first = len(active)
    chunks = chunk_bounds(active)
    most = int(-np.diff(chunks).min(initial=0))
    deltas_x, deltas_h = (empty((most, B, G, J // G), dtype) for _ in range(2))
    masked = np.empty((most, *mask.shape), dtype)
    dm = np.empty((len(mask), padded(K, dtype)), dtype)
    for t1, t0 in pairwise(chunks):
        if t1 == first:  # the segment that was computed again is used up
            first, end, states[0] = left.pop()
            _forward(cell, packed, call, Saved(x, states, kept, mask), first, first, end)
        dax, dah, hm = deltas_x[: t1 - t0], deltas_h[: t1 - t0], masked[: t1 - t0]
        weights = (product, packed.Wx_t, packed.Wh_t, mask, states, kept, active)
        _share(cell, partial(loops.backward_rows, *weights, dy, d, dm, dax, dah, hm, dx, H, first, t0, t1), shares)
        h = hm if mask.size else states[t0 - first : t1 - first, 0, :, :K]
        dax, dah = (a.reshape(t1 - t0, B, J) for a in (dax, dah))
        sums = (product, one, x_dense, h, dax, dah, active, dWx_dense, dWh, dbx, dbh, t0)
        _share(cell, partial(weight_gradient, *sums), vectors)
        if call.symbols:
            valid = np.arange(B) < active[t0:t1, None]
            symbols = x[:, t0:t1].T[valid]
            order = np.argsort(symbols, kind="stable")
            _share(cell, partial(symbol_gradient, symbols[order], dax[valid][order], dWx), vectors * lanes(dtype))
    dWx, dWh, dbx, dbh = (np.ascontiguousarray(w.reshape(len(w), G, J // G)[:, :, :H]) for w in (dWx, dWh, dbx, dbh))
    return dx[:, :, :I] if need_dx else None, Weights(dWx, dWh, dbx[0], dbh[0]), tuple(d[:, :, :H].copy())
