"""The register tile for Numba: what `tile.h` is for the native kernels, with every sum in the same order.

    out[r, c] = start[r, c] + sum over s, k of  left[s, r, k] * right[s, k, c]
                                                                r: rows, c: vectors, s: segments, k: steps

Design
 1. An operand is an address and its strides in bytes. Nothing is transposed or copied.
 2. Sums of up to TILE_ROWS rows by TILE_COLS vectors stay in registers over all s and k. LLVM gets this loop with the
    vectors written out: one function for each number of rows and columns.
 3. The sum of an element has one order, whatever the tile, the rows and the columns: the same bits for any split.
    Long sums are cut into blocks, whose part of `right` stays in the cache while all rows use it. A block continues the
    sum of the last block. With `apart` each block has its own sum, which is then added: this keeps a sum over thousands
    of steps accurate.
"""

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.core import cgutils

from fastrnn._kernels.vector import BYTES, FEATURES, Vector, address, intrinsic, multiply_add, splat

TILE_ROWS = 6
TILE_COLS = 4 if BYTES == 64 or "+neon" in FEATURES else 2  # 24 sums in 32 registers, or 12 in 16
BLOCK_BYTES = 24576


@intrinsic
def at(typingctx, array, indices):  # type: ignore[no-untyped-def]
    """Return the address of an element of an array."""

    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = cgutils.unpack_tuple(builder, arguments[1])
        pointer = address(context, builder, array, arguments[0], places, ir.IntType(8))
        return builder.ptrtoint(pointer, context.get_value_type(types.intp))

    return types.intp(array, types.UniTuple(types.intp, array.ndim)), write


def write_tile(module: Any, vector: Vector, R: int, C: int) -> Any:
    """Write the tile of R rows by C vectors. It is a function of its own, so that it has all registers."""
    integer, size = ir.IntType(64), vector.dtype.bitwidth // 8
    kind = ir.FunctionType(ir.VoidType(), [integer] * 13 + [ir.IntType(1)])
    function = ir.Function(module, kind, f"tile_{R}_{C}_{vector.dtype}")
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    out, ld, start, start_ld, a, a_segment, a_row, a_step, p, p_segment, p_step, segments, steps, apart = function.args

    def place(base: Any, offset: Any, pointee: Any = vector.llvm) -> Any:
        return builder.inttoptr(builder.add(base, offset), pointee.as_pointer())

    def places(begin: Any, stride: Any) -> list[Any]:
        lines = [builder.add(begin, builder.mul(stride, integer(r))) for r in range(R)]
        return [place(line, integer(c * BYTES)) for line in lines for c in range(C)]

    rows = [builder.mul(a_row, integer(r)) for r in range(R)]
    sums = [cgutils.alloca_once(builder, vector.llvm) for _ in range(R * C)]  # LLVM turns these into registers
    for total, begin in zip(sums, places(start, start_ld), strict=True):
        zero = splat(builder, vector, 0)
        builder.store(builder.select(apart, zero, builder.load(begin, align=size)), total)
    with cgutils.for_range(builder, segments) as segment:
        a_begin = builder.add(a, builder.mul(a_segment, segment.index))
        p_begin = builder.add(p, builder.mul(p_segment, segment.index))
        with cgutils.for_range(builder, steps) as step:
            a_now = builder.add(a_begin, builder.mul(a_step, step.index))
            p_now = builder.add(p_begin, builder.mul(p_step, step.index))
            weights = [builder.load(place(p_now, integer(c * BYTES)), align=size) for c in range(C)]
            for r, row in enumerate(rows):
                x = splat(builder, vector, builder.load(place(a_now, row, vector.llvm.element)))
                for total, weight in zip(sums[r * C : r * C + C], weights, strict=True):
                    builder.store(multiply_add(builder, vector, x, weight, builder.load(total)), total)
    for total, begin, end in zip(sums, places(start, start_ld), places(out, ld), strict=True):
        added = builder.fadd(builder.load(begin, align=size), builder.load(total))
        builder.store(builder.select(apart, added, builder.load(total)), end, align=size)
    builder.ret_void()
    return function


@intrinsic
def tile(typingctx, like, rows, cols, out, start, left, right, segments, steps, apart):  # type: ignore[no-untyped-def]
    """Compute one tile.

    `like` is a number of the right dtype. out and start are (address, row), left is (address, segment, row, step), and
    right is (address, segment, step): an address and its strides.
    """

    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, rows, cols, *arrays, segments, steps, apart = arguments
        operands = [value for array in arrays for value in cgutils.unpack_tuple(builder, array)]
        end = builder.append_basic_block("end")
        choice = builder.switch(builder.add(builder.mul(rows, rows.type(16)), cols), end)
        for R in range(1, TILE_ROWS + 1):
            for C in range(1, (2 if R == 1 else 1) * TILE_COLS + 1):
                block = builder.append_basic_block(f"tile_{R}_{C}")
                choice.add_case(rows.type(16 * R + C), block)
                with builder.goto_block(block):
                    function = write_tile(builder.module, Vector(like), R, C)
                    builder.call(function, [*operands, segments, steps, apart])
                    builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(like, rows, cols, out, start, left, right, segments, steps, apart), write


def product(  # type: ignore[no-untyped-def]
    like,
    rows,
    cols,
    out,
    ld,
    start,
    start_ld,
    a,
    a_segment,
    a_row,
    a_step,
    p,
    p_segment,
    p_step,
    segments,
    steps,
    apart,
):
    """Compute `rows` rows of `cols` vectors."""
    if rows == 0:
        return
    fit = BLOCK_BYTES // (TILE_COLS * BYTES)
    if not apart and rows <= TILE_ROWS:  # a block would not be read twice
        fit = max(1, segments * steps)
    s_block, k_block = max(1, fit // max(1, steps)), min(max(1, steps), fit)
    tiles = (rows + TILE_ROWS - 1) // TILE_ROWS
    width = 2 * TILE_COLS if rows == 1 else TILE_COLS  # few sums of a single row would wait for each other
    for s in range(0, segments, s_block):
        for k in range(0, max(1, steps), k_block):
            for c in range(0, cols, width):
                r = 0
                for q in range(tiles):  # evenly divided: 16 rows are tiles of 6 + 5 + 5
                    R = (rows - r + tiles - q - 1) // (tiles - q)
                    tile(
                        like,
                        R,
                        min(width, cols - c),
                        (out + r * ld + c * BYTES, ld),
                        (start + r * start_ld + c * BYTES, start_ld),
                        (a + s * a_segment + k * a_step + r * a_row, a_segment, a_row, a_step),
                        (p + s * p_segment + k * p_step + c * BYTES, p_segment, p_step),
                        min(s_block, segments - s),
                        min(k_block, steps - k),
                        apart != 0,
                    )
                    r += R
            start, start_ld = out, ld


@cache
def compiled(dtype: np.dtype[Any]) -> Any:
    """Return the product for numbers of this dtype.

    Call it by its address: then it is compiled once, and not again inside of every function that calls it.
    """
    like = types.float32 if dtype == np.float32 else types.float64
    return cfunc(types.void(like, *[types.intp] * 16), cache=True)(product)


@intrinsic
def multiply(typingctx, function, like, rows, cols, out, start, left, right, segments, steps, apart):  # type: ignore[no-untyped-def]
    """Call the product at an address. The operands are those of `tile`."""

    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, like, rows, cols, *arrays, segments, steps, apart = arguments
        operands = [value for array in arrays for value in cgutils.unpack_tuple(builder, array)]
        values = [like, rows, cols, *operands, segments, steps, builder.zext(apart, place.type)]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(builder.inttoptr(place, kind.as_pointer()), values)
        return context.get_dummy_value()

    n, arrays = types.intp, (types.UniTuple(types.intp, count) for count in (2, 2, 4, 3))
    return types.void(n, like, n, n, *arrays, n, n, types.boolean), write


@njit(nogil=True, cache=True)
def weight_gradient(product, one, x, h, dax, dah, active, dWx, dWh, dbx, dbh, t0, v0, v1):  # type: ignore[no-untyped-def]
    """Add the gradients of columns v0..v1, counted in vectors, over the deltas (chunk, B, G * H) from step t0 on.

    x (B, T, I) and h (chunk, B, K) are the inputs of the two products at each step; one (1,) is the bias's feature.
    """
    begin, end = t0, t0 + len(dax)
    while begin < end:  # steps with the same number of rows make one product
        rows, until = active[begin], begin + 1
        while until < end and active[until] == rows:
            until += 1
        i, n = begin - t0, until - begin
        of_x = (at(x, (0, begin, 0)), x.strides[1], x.strides[2], x.strides[0])
        of_h = (at(h, (i, 0, 0)), h.strides[0], h.strides[2], h.strides[1])
        always = (at(one, (0,)), 0, 0, 0)
        add(product, one, dax[i:], of_x, n, rows, dWx, v0, v1)
        add(product, one, dax[i:], always, n, rows, dbx, v0, v1)
        add(product, one, dah[i:], of_h, n, rows, dWh, v0, v1)
        add(product, one, dah[i:], always, n, rows, dbh, v0, v1)
        begin = until


@njit(nogil=True, cache=True)
def add(product, one, deltas, features, steps, rows, out, v0, v1):  # type: ignore[no-untyped-def]
    """Add the product of features and deltas to out (features, G * H)."""
    right = (at(deltas, (0, 0, 0)) + v0 * BYTES, deltas.strides[0], deltas.strides[1])
    to = (at(out, (0, 0)) + v0 * BYTES, out.strides[0])
    multiply(product, one[0], len(out), v1 - v0, to, to, features, right, steps, rows, True)
