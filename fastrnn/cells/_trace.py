"""Record what `step` does: it is called with values that record every operation.

The result of a function becomes a new symbol, so an expression has only the sums and products since the last functions.
"""

import math
import operator
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, NamedTuple, NoReturn

import numpy as np

from fastrnn.cells import _pointwise

Statements = dict[str, tuple[str, Iterable[str]]]  # by the name that a statement defines: its text, and the names in it
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
# NumPy functions with an allowed meaning. Operators on NumPy numbers, and `np.tanh`, call these.
UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
    np.negative: operator.neg,
    np.tanh: _pointwise.tanh,
}


class Function(NamedTuple):
    """The result of a function: its symbol, the function's name, and its argument."""

    symbol: Any
    kind: str
    argument: Any


class Trace:
    """The statements of `step`, by the names that they define, and the results of functions in order."""

    def __init__(self, symbol: Callable[[str], Any], rational: Callable[[float], Any]) -> None:
        self.symbol, self.rational = symbol, rational  # of SymPy
        self.statements: Statements = {}
        self.functions: list[Function] = []

    def inputs(self, name: str, count: int) -> tuple["Value", ...]:
        """Return the values of one argument of `step`."""
        return tuple(self.add(f"{name}{i}", f"{name}[{i}]", (), self.symbol(f"{name}{i}")) for i in range(count))

    def combine(self, sign: str, left: Any, right: Any) -> Any:
        """Return the result of an operator. One of the operands may be a number."""
        like = left if isinstance(left, Value) else right
        texts, expressions = [], []
        for operand in (left, right):
            if isinstance(operand, Value):
                texts.append(operand.name)
                expressions.append(operand.expression)
            elif is_number(operand):
                if not math.isfinite(operand):
                    raise TypeError(f"it holds the number {operand}")
                texts.append(f"constant({like.name}, {float(operand)!r})")
                expressions.append(self.rational(float(operand)))
            else:
                return NotImplemented
        names = [operand.name for operand in (left, right) if isinstance(operand, Value)]
        return self.add(self.new_name("t"), f"{texts[0]} {sign} {texts[1]}", names, OPERATORS[sign](*expressions))

    def call(self, kind: str, argument: "Value") -> "Value":
        """Return the result of a function. A second call with the same argument returns the first result."""
        for known in self.functions:
            if known[1:] == (kind, argument.expression):
                return Value(self, known.symbol.name, known.symbol)
        name = self.new_name(f"{kind}_")
        self.functions.append(Function(self.symbol(name), kind, argument.expression))
        return self.add(name, f"{kind}({argument.name})", (argument.name,), self.symbol(name))

    def add(self, name: str, text: str, names: Iterable[str], expression: Any) -> "Value":
        """Add a statement and return the value that it defines."""
        self.statements[name] = text, names
        return Value(self, name, expression)

    def new_name(self, prefix: str) -> str:
        """Return a new name with this prefix."""
        return f"{prefix}{sum(name.startswith(prefix) for name in self.statements)}"


def is_number(value: Any) -> bool:
    """Say whether this is one real number of Python or NumPy."""
    return isinstance(value, int | float | np.integer | np.floating) or (
        isinstance(value, np.ndarray) and value.ndim == 0
    )


def _operator(sign: str) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """Return the method of an operator, and the method for a value on its right side."""
    return (
        lambda self, other: self.trace.combine(sign, self, other),
        lambda self, other: self.trace.combine(sign, other, self),
    )


def _refuse(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any) -> NoReturn:
        raise TypeError(what)

    return refuse


class Value:
    """A value of `step`: its name in the text, and its expression since the last functions."""

    def __init__(self, trace: Trace, name: str, expression: Any) -> None:
        self.trace, self.name, self.expression = trace, name, expression

    __add__, __radd__ = _operator("+")
    __sub__, __rsub__ = _operator("-")
    __mul__, __rmul__ = _operator("*")
    __truediv__, __rtruediv__ = _operator("/")

    def __pow__(self, exponent: Any) -> Any:
        if not isinstance(exponent, int | np.integer):
            raise TypeError(f"it raises a value to the power {exponent!r}")
        if exponent == 0:
            return _pointwise.zero(self) + 1
        power = reduce(operator.mul, [self] * abs(int(exponent)))
        return power if exponent > 0 else 1 / power

    def __pos__(self) -> "Value":
        return self

    def __neg__(self) -> "Value":
        return self.trace.add(self.trace.new_name("t"), f"-{self.name}", (self.name,), -self.expression)

    __lt__ = __le__ = __gt__ = __ge__ = _refuse("it compares values")
    __eq__ = __ne__ = _refuse("it compares values")
    __hash__ = object.__hash__
    __bool__ = _refuse("it branches on a value")
    __float__ = __int__ = __complex__ = __index__ = _refuse("it calls a function that needs a number")

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        if ufunc not in UFUNCS or method != "__call__" or options:
            raise TypeError(f"it calls numpy.{ufunc.__name__}")
        if not all(isinstance(v, Value) or is_number(v) for v in operands):
            raise TypeError("it computes with an array")
        # Python numbers in place of NumPy's, which would call this method again
        return UFUNCS[ufunc](*(float(v) if is_number(v) else v for v in operands))

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        raise TypeError(f"it calls numpy.{function.__name__}")


@_pointwise.zero.register
def _zero(x: Value) -> Value:
    return x.trace.add(x.trace.new_name("t"), f"zero({x.name})", (x.name,), x.trace.rational(0))


def _register(function: Any) -> None:
    function.register(Value, lambda x: x.trace.call(function.__name__, x))


for function in (_pointwise.tanh, _pointwise.sigmoid, _pointwise.relu, _pointwise.positive):
    _register(function)
