"""The Numba backend: compiles `step` and `step_vjp` of any cell, also a user's own.

It stands in where no C compiler was, and runs the cells that have no native kernel. Like every backend it sees rows
sorted by length (see `steps.py`); its results have the meaning of those in `reference.py`.

Design
 1. `accumulate` is the one product. A sum runs in one order whatever the rows it is called for, and LLVM is not
    allowed to fuse or reorder it: the same bits for any split of rows or columns.
 2. The equations see scalars. Tuples of them are read from arrays and written to them by functions that are built
    recursively for each length, because Numba wants the length of a tuple at compile time.
 3. Threads own rows in the loop over time, and columns in the weight gradients, chunk by chunk. They are Python
    threads over `nogil` functions: Numba's own thread layers kill forked children or abort on concurrent calls.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import njit, types
from numba.core.errors import NumbaError
from numba.extending import overload, register_jitable

from fastrnn._kernels.pool import empty
from fastrnn._kernels.steps import chunk_bounds, row_shares, segment_bounds
from fastrnn._kernels.types import Array, Run, Weights
from fastrnn.cells import Cell, _pointwise

instruction_set = f"numba {numba.__version__}"

# ---- the vocabulary of the cells, for scalars -----------------------------------------------------------------------


overload(_pointwise.constant, inline="always")(lambda x, value: lambda x, value: type(x)(value))
overload(_pointwise.one, inline="always")(lambda x: lambda x: type(x)(1))
overload(_pointwise.zero, inline="always")(lambda x: lambda x: type(x)(0))
overload(_pointwise.relu)(lambda x: lambda x: type(x)(0) if x <= type(x)(0) else x)
overload(_pointwise.positive)(lambda x: lambda x: type(x)(x > type(x)(0)))
_register = lru_cache(maxsize=None)(register_jitable)


# ---- products -------------------------------------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def accumulate(A: Array, P: Array, out: Array) -> None:
    """Add A (R, K) times P (K, J) to out (R, J); four terms at a visit of out, added one after the other."""
    R, K = A.shape
    whole = K - K % 4
    for r in range(R):
        row = out[r]
        for k in range(0, whole, 4):
            a, b, c, d = A[r, k], A[r, k + 1], A[r, k + 2], A[r, k + 3]
            p, q, s, t = P[k], P[k + 1], P[k + 2], P[k + 3]
            for j in range(len(row)):
                row[j] = (((row[j] + a * p[j]) + b * q[j]) + c * s[j]) + d * t[j]
        for k in range(whole, K):
            a, p = A[r, k], P[k]
            for j in range(len(row)):
                row[j] += a * p[j]


@njit(nogil=True, cache=True)
def fill(rows: int, bias: Array, out: Array) -> None:
    """Begin the pre-activations of some rows with their bias."""
    for r in range(rows):
        out[r] = bias


@njit(nogil=True, cache=True)
def weight_gradient(x, h, mask, dax, dah, active, dWx, dWh, dbx, dbh, t0, c0, c1):  # type: ignore[no-untyped-def]
    """Add the gradients of columns c0..c1 over the deltas (chunk, B, G * H) from t0 on; h[0] is that before t0."""
    x_sum, h_sum = np.zeros_like(dWx[:, c0:c1]), np.zeros_like(dWh[:, c0:c1])
    bx_sum, bh_sum = np.zeros_like(dbx[c0:c1]), np.zeros_like(dbh[c0:c1])
    K = len(dWh)
    for i in range(len(dax)):
        rows = active[t0 + i]
        before = h[i, :rows, :K]
        if mask.size:
            before = before * mask[:rows, :K]
        accumulate(x[:rows, t0 + i].T, dax[i, :rows, c0:c1], x_sum)
        accumulate(before.T, dah[i, :rows, c0:c1], h_sum)
        for r in range(rows):
            bx_sum += dax[i, r, c0:c1]
            bh_sum += dah[i, r, c0:c1]
    dWx[:, c0:c1] += x_sum
    dWh[:, c0:c1] += h_sum
    dbx[c0:c1] += bx_sum
    dbh[c0:c1] += bh_sum


@njit(nogil=True, cache=True)
def symbol_gradient(symbols, dax, dWx, c0, c1):  # type: ignore[no-untyped-def]
    """Add the deltas (n, G * H) of sorted symbols (n,) to the rows of dWx; the sum of each symbol first."""
    total = np.empty_like(dWx[0, c0:c1])
    i = 0
    while i < len(symbols):
        symbol = symbols[i]
        total[:] = 0
        while i < len(symbols) and symbols[i] == symbol:
            total += dax[i, c0:c1]
            i += 1
        dWx[symbol, c0:c1] += total


# ---- the loop over time, compiled for each cell ---------------------------------------------------------------------


def tuple_reader(n: int) -> Callable[[Array, int, int], tuple[Any, ...]]:
    """Return a compiled function that reads the tuple a[0, r, j] .. a[n-1, r, j]."""
    if n == 0:
        return njit(lambda a, r, j: (), inline="always")
    before, last = tuple_reader(n - 1), n - 1
    return njit(lambda a, r, j: (*before(a, r, j), a[last, r, j]))


def tuple_writer(n: int) -> Callable[[tuple[Any, ...], Array, int, int], None]:
    """Return a compiled function that writes a tuple to a[0, r, j] .. a[n-1, r, j]."""
    if n == 0:
        return njit(lambda values, a, r, j: None)
    before, last = tuple_writer(n - 1), n - 1

    @njit
    def write(values: tuple[Any, ...], a: Array, r: int, j: int) -> None:
        before(values, a, r, j)
        a[last, r, j] = values[last]

    return write


class Compiled(NamedTuple):
    """A cell's compiled equations and loops."""

    step: Any
    step_vjp: Any
    forward_rows: Any
    backward_rows: Any


@lru_cache(maxsize=64)
def compiled(cell: Cell) -> Compiled:
    """Return the loops of a cell; Numba compiles them for a dtype at the first call."""
    for function in _pointwise.POINTWISE:
        _register(function)
    step, step_vjp = njit(cell.step), njit(cell.step_vjp)
    G = cell.n_gates
    read_gates, read_states, read_kept = tuple_reader(G), tuple_reader(cell.n_states), tuple_reader(cell.n_kept)
    write_gates, write_states, write_kept = tuple_writer(G), tuple_writer(cell.n_states), tuple_writer(cell.n_kept)

    @njit(nogil=True)
    def forward_rows(x, Wx, bx, Wh, bh, mask, states, kept, active, first, t0, t1, b0, b1):  # type: ignore[no-untyped-def]
        """x (B, T, I) or symbols (B, T); from step `first` on, states (slots, S, B, H), kept (slots, n_kept, B, H)."""
        H, K = states.shape[3], len(Wh)
        ax = np.empty((b1 - b0, len(bx)), Wx.dtype)
        ah = np.empty_like(ax)
        for t in range(t0, t1):
            rows = min(b1, active[t]) - b0
            if rows <= 0:
                break
            now = t - first
            s, new, keep = states[now % len(states)], states[(now + 1) % len(states)], kept[now % len(kept)]
            fill(rows, bx, ax)
            fill(rows, bh, ah)
            if x.ndim == 2:
                for r in range(rows):
                    ax[r] += Wx[x[b0 + r, t]]
            else:
                accumulate(x[b0 : b0 + rows, t], Wx, ax)
            h = s[0, b0 : b0 + rows, :K]
            if mask.size:
                h = h * mask[b0 : b0 + rows, :K]
            accumulate(h, Wh, ah)
            for r in range(rows):
                b = b0 + r
                gates_x, gates_h = ax[r].reshape(G, 1, H), ah[r].reshape(G, 1, H)
                for j in range(H):
                    after, k = step(read_gates(gates_x, 0, j), read_gates(gates_h, 0, j), read_states(s, b, j))
                    write_states(after, new, b, j)
                    write_kept(k, keep, b, j)

    @njit(nogil=True)
    def backward_rows(Wx_t, Wh_t, mask, states, kept, active, dy, d, dax, dah, dx, first, t0, t1, b0, b1):  # type: ignore[no-untyped-def]
        """Leave the deltas of a chunk in dax, dah (chunk, B, G * H), dx (B, T, I), and d (S, B, H) at t0."""
        H, K = d.shape[2], Wh_t.shape[1]
        dh = np.empty((b1 - b0, K), d.dtype)
        for t in range(t1 - 1, t0 - 1, -1):
            rows = min(b1, active[t]) - b0
            if rows <= 0:
                continue
            s, new, keep = states[t - first], states[t - first + 1], kept[t - first]
            for b in range(b0, b0 + rows):
                if dy.size:
                    d[0, b] += dy[b, t]
                gates_x, gates_h = dax[t - t0, b].reshape(G, 1, H), dah[t - t0, b].reshape(G, 1, H)
                for j in range(H):
                    gx, gh, ds = step_vjp(
                        read_kept(keep, b, j), read_states(s, b, j), read_states(new, b, j), read_states(d, b, j)
                    )
                    write_gates(gx, gates_x, 0, j)
                    write_gates(gh, gates_h, 0, j)
                    write_states(ds, d, b, j)
            dh[:] = 0
            accumulate(dah[t - t0, b0 : b0 + rows], Wh_t, dh[:rows])
            if mask.size:
                dh[:rows] *= mask[b0 : b0 + rows, :K]
            d[0, b0 : b0 + rows, :K] += dh[:rows]
            if dx.size:
                accumulate(dax[t - t0, b0 : b0 + rows], Wx_t, dx[b0 : b0 + rows, t])

    return Compiled(step, step_vjp, forward_rows, backward_rows)


# ---- the backend ----------------------------------------------------------------------------------------------------


class Packed(NamedTuple):
    """Weights as matrices (I, G * H), (K, G * H), (G * H,), and transposed."""

    Wx: Array
    Wh: Array
    bx: Array
    bh: Array
    Wx_t: Array
    Wh_t: Array


class Saved(NamedTuple):
    """The tape: all states, or those with which segments of time begin; backward computes the rest once more."""

    x: Array
    states: Array
    kept: Array
    mask: Array
    segments: Array | None = None


@lru_cache(maxsize=8)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="fastrnn")


def _share(function: Callable[[int, int], None], bounds: Array) -> None:
    """Call function(begin, end) for every share, each in its own thread where there are several."""
    shares = [(int(begin), int(end)) for begin, end in pairwise(bounds) if begin < end]
    if len(shares) > 1:
        list(_pool(len(shares)).map(lambda share: function(*share), shares))
    else:
        for share in shares:
            function(*share)


def _compile_error(cell: Cell, error: NumbaError) -> TypeError:
    reason = str(error).strip().splitlines()
    return TypeError(
        f"Numba cannot compile cell {cell.name!r} (functions that its equations call must be decorated with "
        f"fastrnn.cells.pointwise): {' '.join(reason[:4]):.400}"
    )


def pack(cell: Cell, weights: Weights) -> Packed:
    """Return copies as matrices."""
    I, G, H = weights.Wx.shape
    Wx = weights.Wx.reshape(I, G * H).copy()
    Wh = weights.Wh.reshape(-1, G * H).copy()
    bx = weights.bx.reshape(-1).copy()
    bh = np.zeros_like(bx) if weights.bh is None else weights.bh.reshape(-1).copy()
    return Packed(Wx, Wh, bx, bh, np.ascontiguousarray(Wx.T), np.ascontiguousarray(Wh.T))


def layout(cell: Cell, I: int, H: int, dtype: np.dtype[Any]) -> tuple[int, int, int, int]:
    """Return the numbers that a row takes: of a state, of a step's tape, of a step's deltas, of a step's dx."""
    return H, cell.n_kept * H, 4 * cell.n_gates * H, I  # dax and dah, and those of the chunk before


def forward(cell: Cell, packed: Packed, run: Run, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...], Any]:
    """Return h of all steps (T + 1, B, H) where it was kept, the final states (B, H) and the tape."""
    T, (B, H), dtype = len(run.active), state[0].shape, packed.Wx.dtype
    keep = run.keep_tape and run.checkpoint_every is None
    slots = T + 1 if run.sequences or keep else 2
    states = empty((slots, cell.n_states, B, H), dtype)
    states[0] = state
    kept = empty((max(T, 1) if keep else 1, cell.n_kept, B, H), dtype)
    mask = np.empty((0, 0), dtype) if run.mask is None else np.ascontiguousarray(run.mask)
    x = np.ascontiguousarray(run.x, np.int64 if run.symbols else dtype)
    tape = Saved(x, states, kept, mask)
    if run.keep_tape and run.checkpoint_every is not None:
        segments = segment_bounds(run.active, run.checkpoint_every)
        marks = np.empty((len(segments) - 1, cell.n_states, B, H), dtype)
        for mark, (t0, t1) in zip(marks, pairwise(segments), strict=True):
            mark[:] = states[t0 % slots]
            _forward(cell, packed, run, tape, 0, t0, t1)
        tape = Saved(x, marks, kept, mask, segments)
    else:
        _forward(cell, packed, run, tape, 0, 0, T)
    final = states[run.lengths % slots, :, np.arange(B)].swapaxes(0, 1).copy()
    return states[:, 0], tuple(final), tape if run.keep_tape else None


def _forward(cell: Cell, packed: Packed, run: Run, tape: Saved, first: int, t0: int, t1: int) -> None:
    """Run steps t0..t1 of all rows, on a tape that begins with step `first`."""
    Wx, Wh, bx, bh = packed[:4]
    steps = (tape.x, Wx, bx, Wh, bh, tape.mask, tape.states, tape.kept, run.active, first, t0, t1)
    shares = row_shares(run.lengths, max(1, min(run.n_threads, len(tape.x))))
    try:
        _share(partial(compiled(cell).forward_rows, *steps), shares)
    except NumbaError as error:
        raise _compile_error(cell, error) from error


def backward(
    cell: Cell, packed: Packed, run: Run, saved: Saved, dy: Array | None, dstate: tuple[Array, ...], need_dx: bool
) -> tuple[Array | None, Weights, tuple[Array, ...]]:
    """Return dx (B, T, I), the gradients of the weights, and those of the initial states (B, H)."""
    (B, H), I, J, K = dstate[0].shape, len(packed.Wx), len(packed.bx), len(packed.Wh)
    dtype, active = packed.Wx.dtype, run.active
    x, states, kept, mask, segments = saved
    dy = np.empty((0, 0, 0), dtype) if dy is None else np.ascontiguousarray(dy)
    d = np.stack(dstate).astype(dtype)
    dx = np.zeros((*x.shape[:2], I) if need_dx else (0, 0, 0), dtype)
    dWx, dWh, dbx, dbh = (np.zeros_like(w) for w in packed[:4])
    # Symbols have a gradient of their own, and are no features of the dense one.
    x_dense, dWx_dense = (np.empty((*x.shape, 0), dtype), dWx[:0]) if run.symbols else (x, dWx)
    loops = compiled(cell)
    shares = row_shares(run.lengths, max(1, min(run.n_threads, B)))
    columns = J * np.arange(run.n_threads + 1) // run.n_threads
    first = 0
    if segments is not None:
        left = list(zip(segments[:-1], segments[1:], states, strict=True))
        longest = int(np.diff(segments).max(initial=0))
        states = empty((longest + 1, cell.n_states, B, H), dtype)
        kept = empty((max(longest, 1), cell.n_kept, B, H), dtype)
        first = len(active)
    for t1, t0 in pairwise(chunk_bounds(active)):
        if t1 == first:  # all that was computed once more is used up
            first, end, states[0] = left.pop()
            _forward(cell, packed, run, Saved(x, states, kept, mask), first, first, end)
        dax = np.zeros((t1 - t0, B, J), dtype)
        dah = np.zeros_like(dax)
        deltas = (packed.Wx_t, packed.Wh_t, mask, states, kept, active, dy, d, dax, dah, dx, first, t0, t1)
        _share(partial(loops.backward_rows, *deltas), shares)
        sums = (x_dense, states[t0 - first :, 0], mask, dax, dah, active, dWx_dense, dWh, dbx, dbh, t0)
        _share(partial(weight_gradient, *sums), columns)
        if run.symbols:
            valid = np.arange(B) < active[t0:t1, None]
            symbols = x[:, t0:t1].T[valid]
            order = np.argsort(symbols, kind="stable")
            _share(partial(symbol_gradient, symbols[order], dax[valid][order], dWx), columns)
    G = J // H
    dweights = Weights(dWx.reshape(I, G, H), dWh.reshape(K, G, H), dbx.reshape(G, H), dbh.reshape(G, H))
    return dx if need_dx else None, dweights, tuple(d)


def double_results(cell: Cell) -> list[str]:
    """Name the results of the equations that, compiled for float32, do not stay float32."""

    def values(count: int) -> types.BaseTuple:
        return types.UniTuple(types.float32, count) if count else types.Tuple(())

    loops, G, S = compiled(cell), cell.n_gates, cell.n_states
    equations = {
        "step": (loops.step, (G, G, S), ("new", "kept")),
        "step_vjp": (loops.step_vjp, (cell.n_kept, S, S, S), ("dax", "dah", "ds")),
    }
    wrong = []
    for which, (function, counts, names) in equations.items():
        try:
            function.compile(tuple(values(count) for count in counts))
        except NumbaError as error:
            raise _compile_error(cell, error) from error
        returned = function.overloads[tuple(values(count) for count in counts)].signature.return_type
        for name, result in zip(names, returned, strict=True):
            wrong += [f"{which}: {name}[{i}]" for i, value in enumerate(result) if value != types.float32]
    return wrong
