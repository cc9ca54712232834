"""The loop over time for Numba, compiled for each cell, also for custom cells.

Design
 1. The equations get vectors (`vector.py`) if they compile for them, and otherwise scalars.
 2. All products are those of `tile.py`, whose sums have one order: the same bits for any split of the rows.
 3. The hidden units of all arrays are padded to whole vectors. The padding may hold anything, because no sum over
    hidden units includes it.
"""

from functools import cache, lru_cache
from typing import Any, NamedTuple

from numba import njit, types
from numba.core.errors import NumbaError
from numba.extending import register_jitable

from fastrnn._kernels import vector
from fastrnn._kernels.tile import at, multiply
from fastrnn._kernels.vector import BYTES
from fastrnn.cells import Cell, _pointwise

_register = cache(register_jitable)


class Compiled(NamedTuple):
    """The compiled equations and loops of a cell. `vectors`: do the equations run on vectors?"""

    step: Any
    step_vjp: Any
    vectors: bool
    forward_rows: Any
    backward_rows: Any


@njit
def multiply_rows(a, b, out, b0, b1):  # type: ignore[no-untyped-def]
    for r in range(b0, b1):
        for j in range(b.shape[1]):
            out[r, j] = a[r, j] * b[r, j]


@lru_cache(maxsize=64)
def compiled(cell: Cell) -> Compiled:
    """Return the loops of a cell. Numba compiles them for a dtype at the first call."""
    for function in _pointwise.POINTWISE:
        _register(function)
    step, step_vjp = njit(cell.step), njit(cell.step_vjp)
    G, S = cell.n_gates, cell.n_states
    try:
        results = results_of(cell, step, step_vjp, vector.Vector(types.float32))
        vectors = all(isinstance(result, vector.Vector) for result in results.values())
    except NumbaError:  # a literal, or a function that does not exist for vectors
        vectors = False
    read_gates, write_gates = vector.reader(G, vectors, axis=1), vector.writer(G, vectors, axis=1)
    read_states, write_states = vector.reader(S, vectors), vector.writer(S, vectors)
    read_kept, write_kept = vector.reader(cell.n_kept, vectors), vector.writer(cell.n_kept, vectors)

    @njit(nogil=True)
    def forward_rows(  # type: ignore[no-untyped-def]
        product, x, Wx, bx, Wh, bh, mask, ax, ah, hm, states, kept, active, first, t0, t1, b0, b1
    ):
        """Run rows b0..b1 of x (B, T, I), or of symbols (B, T), through steps t0..t1.

        states (slots, S, B, H) and kept (slots, n_kept, B, H) begin with step `first`. An empty mask means no mask. ax,
        ah (B, G, H) and hm (B, K) are scratch arrays of one step: the caller makes them, because Numba takes seconds to
        compile an allocation.
        """
        H, cols = states.shape[3], len(bx) * bx.itemsize // BYTES
        width = BYTES // bx.itemsize if vectors else 1  # hidden units per call of the equations
        like, to_x, to_h = bx[0], (at(ax, (b0, 0, 0)), ax.strides[0]), (at(ah, (b0, 0, 0)), ah.strides[0])
        bias_x, bias_h = (at(bx, (0,)), 0), (at(bh, (0,)), 0)
        right_x, right_h = (at(Wx, (0, 0)), 0, Wx.strides[0]), (at(Wh, (0, 0)), 0, Wh.strides[0])
        for t in range(t0, t1):
            rows = min(b1, active[t]) - b0
            if rows <= 0:
                break
            now = t - first
            s, new, keep = states[now % len(states)], states[(now + 1) % len(states)], kept[now % len(kept)]
            if x.ndim == 2:
                for b in range(b0, b0 + rows):
                    weights = Wx[x[b, t]]
                    for g in range(G):
                        for j in range(H):
                            ax[b, g, j] = bx[g * H + j] + weights[g * H + j]
            else:
                left = (at(x, (b0, t, 0)), 0, x.strides[0], x.strides[2])
                multiply(product, like, rows, cols, to_x, bias_x, left, right_x, 1, len(Wx), False)
            left = (at(s, (0, b0, 0)), 0, s.strides[1], s.strides[2])
            if mask.size:
                multiply_rows(s[0], mask, hm, b0, b0 + rows)
                left = (at(hm, (b0, 0)), 0, hm.strides[0], hm.strides[1])
            multiply(product, like, rows, cols, to_h, bias_h, left, right_h, 1, len(Wh), False)
            for b in range(b0, b0 + rows):
                for j in range(0, H, width):
                    after, k = step(read_gates(ax, b, j), read_gates(ah, b, j), read_states(s, b, j))
                    write_states(after, new, b, j)
                    write_kept(k, keep, b, j)

    @njit(nogil=True)
    def backward_rows(  # type: ignore[no-untyped-def]
        product, Wx_t, Wh_t, mask, states, kept, active, dy, d, dm, dax, dah, hm, dx, units, first, t0, t1, b0, b1
    ):
        """Run rows b0..b1 back through steps t1..t0 of a chunk.

        This writes the deltas dax, dah (chunk, B, G, H), dx (B, T, I), and the gradients d (S, B, H) at t0. With a mask
        it also writes h times the mask to hm (chunk, B, K), and uses dm (B, K) for the gradient of that. H is padded;
        `units` is the number of hidden units.
        """
        H, like, size = d.shape[2], d[0, 0, 0], d.itemsize
        width = BYTES // size if vectors else 1  # hidden units per call of the equations
        right_x = (at(Wx_t, (0, 0)), units * Wx_t.strides[0], Wx_t.strides[0])
        right_h = (at(Wh_t, (0, 0)), units * Wh_t.strides[0], Wh_t.strides[0])
        cols_x, cols_h = Wx_t.shape[1] * size // BYTES, Wh_t.shape[1] * size // BYTES
        for t in range(t1 - 1, t0 - 1, -1):
            rows = min(b1, active[t]) - b0
            if rows <= 0:
                continue
            s, new, keep = states[t - first], states[t - first + 1], kept[t - first]
            for b in range(b0, b0 + rows):
                if dy.size:
                    for j in range(units):
                        d[0, b, j] += dy[b, t, j]
                for j in range(0, H, width):
                    gx, gh, ds = step_vjp(
                        read_kept(keep, b, j), read_states(s, b, j), read_states(new, b, j), read_states(d, b, j)
                    )
                    write_gates(gx, dax[t - t0], b, j)
                    write_gates(gh, dah[t - t0], b, j)
                    write_states(ds, d, b, j)
            left = (at(dah, (t - t0, b0, 0, 0)), dah.strides[2], dah.strides[1], size)
            to = (at(d, (0, b0, 0)), d.strides[1])
            if mask.size:
                for b in range(b0, b0 + rows):
                    for j in range(dm.shape[1]):
                        dm[b, j] = 0
                to = (at(dm, (b0, 0)), dm.strides[0])
            multiply(product, like, rows, cols_h, to, to, left, right_h, G, units, False)
            if mask.size:
                multiply_rows(s[0], mask, hm[t - t0], b0, b0 + rows)
                for b in range(b0, b0 + rows):
                    for j in range(units):
                        d[0, b, j] += dm[b, j] * mask[b, j]
            if dx.size:
                left = (at(dax, (t - t0, b0, 0, 0)), dax.strides[2], dax.strides[1], size)
                to = (at(dx, (b0, t, 0)), dx.strides[0])
                multiply(product, like, rows, cols_x, to, to, left, right_x, G, units, False)

    return Compiled(step, step_vjp, vectors, forward_rows, backward_rows)


# ---- the types that the equations compile for -----------------------------------------------------------------------


def results_of(cell: Cell, step: Any, step_vjp: Any, number: Any) -> dict[str, Any]:
    """Compile the equations for arguments of one type. Return the types of their results by name."""

    def values(count: int) -> types.BaseTuple:
        return types.UniTuple(number, count) if count else types.Tuple(())

    G, S = cell.n_gates, cell.n_states
    results: dict[str, Any] = {}
    for which, function, counts, names in (
        ("step", step, (G, G, S), ("new", "kept")),
        ("step_vjp", step_vjp, (cell.n_kept, S, S, S), ("dax", "dah", "ds")),
    ):
        arguments = tuple(values(count) for count in counts)
        function.compile(arguments)
        returned = function.overloads[arguments].signature.return_type
        for name, types_of in zip(names, returned, strict=True):
            results |= {f"{which}: {name}[{i}]": result for i, result in enumerate(types_of)}
    return results


def double_results(cell: Cell) -> list[str]:
    """Return the names of the results that are not float32 when the equations are compiled for float32."""
    loops = compiled(cell)
    try:
        results = results_of(cell, loops.step, loops.step_vjp, types.float32)
    except NumbaError as error:
        raise compile_error(cell, error) from error
    return [name for name, result in results.items() if result != types.float32]


def compile_error(cell: Cell, error: NumbaError) -> TypeError:
    """Return the error to raise, with the first meaningful line of Numba's message."""
    lines = [line.strip() for line in str(error).splitlines()]
    reason = next(line for line in lines if line and not line.startswith("Failed in "))
    return TypeError(
        f"Numba cannot compile cell {cell.name!r}: {reason:.300} (its equations may only call functions of "
        "fastrnn.cells or NumPy, or functions decorated with fastrnn.cells.pointwise)"
    )
