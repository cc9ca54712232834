"""Vectors for Numba: a type whose values fill a register. The equations of a cell work on them as on numbers.

This module is for Numba what `simd.h` is for the native kernels. LLVM vectorises neither a loop that calls tanh, nor a
loop over as many arrays as a cell has. With vectors as values it need not vectorise anything.

Design
 1. `Vector(dtype)` has + - * /, unary minus, whole powers, and the vocabulary of the cells. Nothing else compiles, not
    even literals: cells that need more run on scalars (`loops.py`).
 2. Vectors are read from arrays with three axes, and written to them, as the tuples that equations take and return. A
    tuple has one vector for each index of an axis. The numbers of the last axis are side by side.
 3. tanh and sigmoid are those of `simd.h`: exp is 2^n, from the bits of a rounded number, times a polynomial.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import lower_builtin, models, overload, register_jitable, register_model

from fastrnn.cells import _pointwise

FEATURES = cpu_target.target_context.codegen().magic_tuple()[2].split(",")  # CPU features that Numba compiles for
BYTES = 64 if "+avx512f" in FEATURES else 32 if "+avx" in FEATURES else 16

intrinsic: Any = numba.extending.intrinsic  # its annotations lack the first argument, which Numba adds


class Vector(types.Type):
    """The type of a register full of numbers."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        self.lanes = BYTES * 8 // dtype.bitwidth
        self.llvm = ir.VectorType(ir.FloatType() if dtype == types.float32 else ir.DoubleType(), self.lanes)
        super().__init__(name=f"Vector({dtype})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """A vector is passed by value."""

    def __init__(self, manager: Any, fe_type: Vector) -> None:
        super().__init__(manager, fe_type, fe_type.llvm)


# ---- code for vectors -----------------------------------------------------------------------------------------------


def splat(builder: Any, vector: Vector, number: Any) -> Any:
    """Write a number to all lanes. A Python number becomes a constant."""
    if isinstance(number, float | int):
        return ir.Constant(vector.llvm, [float(number)] * vector.lanes)
    first = builder.insert_element(ir.Constant(vector.llvm, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), vector.lanes), None))


def llvm_call(builder: Any, vector: Vector, name: str, *vectors: Any) -> Any:
    """Call one of LLVM's intrinsic functions on vectors."""
    signature = ir.FunctionType(vector.llvm, [vector.llvm] * len(vectors))
    function = cgutils.get_or_insert_function(
        builder.module, signature, f"llvm.{name}.v{vector.lanes}f{vector.dtype.bitwidth}"
    )
    return builder.call(function, vectors)


def multiply_add(builder: Any, vector: Vector, a: Any, b: Any, c: Any) -> Any:
    """Write a * b + c, rounded only once if the CPU has an instruction for it."""
    return llvm_call(builder, vector, "fmuladd", a, b, c)


def address(context: Any, builder: Any, array_type: Any, array: Any, indices: Any, pointee: Any) -> Any:
    """Write the address of an element of an array."""
    struct = context.make_array(array_type)(context, builder, array)
    offset = None
    for index, stride in zip(indices, cgutils.unpack_tuple(builder, struct.strides), strict=True):
        step = builder.mul(index, stride)
        offset = step if offset is None else builder.add(offset, step)
    return cgutils.pointer_add(builder, struct.data, offset, pointee.as_pointer())


def reader(n: int, vectors: bool, axis: int = 0) -> Any:
    """Return a function (a, r, j) for Numba, which returns a tuple of n vectors, or of n numbers.

    Entry k is the vector, or number, that begins at a[k, r, j], or at a[r, k, j] if `axis` is 1.
    """

    @intrinsic
    def read(typingctx, a, r, j):  # type: ignore[no-untyped-def]
        value = Vector(a.dtype) if vectors else a.dtype

        def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places = addresses(context, builder, a, arguments[0], n, axis, arguments[1:], value)
            loaded = [builder.load(place, align=a.dtype.bitwidth // 8) for place in places]
            return context.make_tuple(builder, signature.return_type, loaded)

        return (types.UniTuple(value, n) if n else types.Tuple(()))(a, types.intp, types.intp), write

    return read


def writer(n: int, vectors: bool, axis: int = 0) -> Any:
    """Return a function (values, a, r, j) for Numba, which writes such a tuple to where `reader` reads it."""

    @intrinsic
    def write(typingctx, values, a, r, j):  # type: ignore[no-untyped-def]
        value = Vector(a.dtype) if vectors else a.dtype

        def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places = addresses(context, builder, a, arguments[1], n, axis, arguments[2:], value)
            given = cgutils.unpack_tuple(builder, arguments[0])
            for place, number, kind in zip(places, given, values.types, strict=True):
                builder.store(context.cast(builder, number, kind, value), place, align=a.dtype.bitwidth // 8)
            return context.get_dummy_value()

        return types.void(values, a, types.intp, types.intp), write

    return write


def addresses(
    context: Any, builder: Any, array_type: Any, array: Any, n: int, axis: int, others: Any, value: Any
) -> list[Any]:
    """Write the addresses of n values, one for each index of the axis."""
    pointee = context.get_value_type(value)
    indices = ([*others[:axis], context.get_constant(types.intp, k), *others[axis:]] for k in range(n))
    return [address(context, builder, array_type, array, index, pointee) for index in indices]


# ---- arithmetic -----------------------------------------------------------------------------------------------------


class Binary(AbstractTemplate):
    """An operator on two vectors of the same type."""

    def generic(self, arguments: Any, keywords: Any) -> Any:
        if len(arguments) == 2 and isinstance(arguments[0], Vector) and arguments[0] == arguments[1]:
            return arguments[0](*arguments)
        return None


class Unary(AbstractTemplate):
    """An operator on one vector."""

    def generic(self, arguments: Any, keywords: Any) -> Any:
        return arguments[0](*arguments) if len(arguments) == 1 and isinstance(arguments[0], Vector) else None


def _operator(function: Callable[..., Any], name: str, template: Any, arity: int) -> None:
    infer_global(function)(type(template.__name__, (template,), {"key": function}))

    @lower_builtin(function, *[Vector] * arity)
    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, name)(*arguments)


for _function, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_function, _name, Binary, 2)
_operator(operator.neg, "fneg", Unary, 1)


@overload(operator.pow)
def _pow(x, n):  # type: ignore[no-untyped-def]
    if isinstance(x, Vector) and isinstance(n, types.Integer):
        return power
    return None


@register_jitable
def power(x, n):  # type: ignore[no-untyped-def]
    """Return x^n, computed with |n| products."""
    result = _pointwise.one(x)
    for _ in range(abs(n)):
        result = result * x
    return result if n >= 0 else _pointwise.one(x) / result


@intrinsic
def broadcast(typingctx, like, number):  # type: ignore[no-untyped-def]
    """Return a vector of the type of `like` with a number in all lanes."""

    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splat(builder, like, context.cast(builder, arguments[1], number, like.dtype))

    return like(like, number), write


@intrinsic
def greater(typingctx, x, y, yes, no):  # type: ignore[no-untyped-def]
    """Return, lane by lane, `yes` where x > y, and else `no`, also where x or y is NaN."""

    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, y, yes, no = arguments
        return builder.select(builder.fcmp_ordered(">", x, y), yes, no)

    return x(x, x, x, x), write


@intrinsic
def copy_sign(typingctx, x, sign):  # type: ignore[no-untyped-def]
    """Return |x| with the sign of `sign`."""

    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return llvm_call(builder, x, "copysign", *arguments)

    return x(x, x), write


# ---- exp ------------------------------------------------------------------------------------------------------------

LOG2_E = 1.44269504088896340736
# By dtype: ln 2 in two parts, the bits of the mantissa, the bias of the exponent; (e^r - 1 - r) / r^2, highest power
# first.
EXP = {
    types.float32: (
        (0.693359375, -2.12194440e-4, 23, 127),
        (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
    ),
    types.float64: (
        (6.93145751953125e-1, 1.42860682030941723212e-6, 52, 1023),
        tuple(1 / math.factorial(n) for n in range(14, 1, -1)),
    ),
}
# By dtype: beyond the first bound sigmoid is 0 or 1, because 2^n would overflow. tanh is -1 or 1 where twice its
# argument is beyond the second.
BOUNDS = {types.float32: (87.0, 20.0), types.float64: (708.0, 40.0)}


@intrinsic
def expm1_parts(typingctx, x):  # type: ignore[no-untyped-def]
    """Return (2^n, e^r - 1) for x = n ln 2 + r within bounds; e^x - 1 is 2^n (e^r - 1) + (2^n - 1)."""
    (ln2_high, ln2_low, mantissa, bias), coefficients = EXP[x.dtype]
    integer = ir.IntType(x.dtype.bitwidth)
    integers = ir.VectorType(integer, x.lanes)

    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments

        def constant(number: float) -> Any:
            return splat(builder, x, number)

        to_whole = constant(1.5 * 2.0**mantissa)  # after adding it, the lowest bits are the rounded number
        shifted = multiply_add(builder, x, value, constant(LOG2_E), to_whole)
        n = builder.fsub(shifted, to_whole)
        r = multiply_add(builder, x, n, constant(-ln2_high), value)
        r = multiply_add(builder, x, n, constant(-ln2_low), r)
        q = constant(coefficients[0])
        for coefficient in coefficients[1:]:
            q = multiply_add(builder, x, q, r, constant(coefficient))
        p = multiply_add(builder, x, q, builder.fmul(r, r), r)
        exponent = builder.shl(builder.bitcast(shifted, integers), ir.Constant(integers, [mantissa] * x.lanes))
        one = ir.Constant(integers, [bias << mantissa] * x.lanes)
        scale = builder.bitcast(builder.add(exponent, one), x.llvm)
        return context.make_tuple(builder, signature.return_type, (scale, p))

    return types.UniTuple(x, 2)(x), write


@register_jitable
def clamp(x, bound):  # type: ignore[no-untyped-def]
    """Return x clipped to -bound..bound. NaN stays NaN."""
    return greater(-bound, x, -bound, greater(x, bound, bound, x))


def tanh(bound: float) -> Callable[[Any], Any]:
    """Return tanh for vectors: m / (m + 2) with m = e^2x - 1, which is accurate near 0, too."""

    def of_vectors(x: Any) -> Any:
        scale, p = expm1_parts(clamp(x + x, broadcast(x, bound)))
        m = scale * p + (scale - broadcast(x, 1))
        return copy_sign(m / (m + broadcast(x, 2)), x)

    return of_vectors


def sigmoid(bound: float) -> Callable[[Any], Any]:
    """Return 1 / (1 + e^-x) for vectors."""

    def of_vectors(x: Any) -> Any:
        limit, one, zero = broadcast(x, bound), broadcast(x, 1), broadcast(x, 0)
        scale, p = expm1_parts(clamp(-x, limit))
        return greater(-limit, x, zero, one / (one + (scale * p + scale)))

    return of_vectors


# ---- the vocabulary of the cells, for vectors and for scalars -------------------------------------------------------


@overload(_pointwise.constant)
def _constant(x, value):  # type: ignore[no-untyped-def]
    if isinstance(x, Vector):
        return lambda x, value: broadcast(x, value)
    return lambda x, value: type(x)(value)


@overload(_pointwise.one)
def _one(x):  # type: ignore[no-untyped-def]
    return lambda x: _pointwise.constant(x, 1)


@overload(_pointwise.zero)
def _zero(x):  # type: ignore[no-untyped-def]
    return lambda x: _pointwise.constant(x, 0)


@overload(_pointwise.relu)
def _relu(x):  # type: ignore[no-untyped-def]
    if isinstance(x, Vector):
        return lambda x: greater(broadcast(x, 0), x, broadcast(x, 0), x)
    return lambda x: type(x)(0) if x <= type(x)(0) else x


@overload(_pointwise.positive)
def _positive(x):  # type: ignore[no-untyped-def]
    if isinstance(x, Vector):
        return lambda x: greater(x, broadcast(x, 0), broadcast(x, 1), broadcast(x, 0))
    return lambda x: type(x)(x > type(x)(0))


@overload(_pointwise.tanh, strict=False)
def _tanh(x):  # type: ignore[no-untyped-def]
    return tanh(BOUNDS[x.dtype][1]) if isinstance(x, Vector) else _pointwise.tanh.dispatch(object)


@overload(_pointwise.sigmoid, strict=False)
def _sigmoid(x):  # type: ignore[no-untyped-def]
    return sigmoid(BOUNDS[x.dtype][0]) if isinstance(x, Vector) else _pointwise.sigmoid.dispatch(object)
