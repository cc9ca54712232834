"""Write `step_vjp` from `step`, by symbolic differentiation with SymPy.

Design
 1. `step` is called once with values that record every operation on them (`_trace.py`). The result of a function is a
    symbol, because the derivatives of tanh, sigmoid and relu are computed from their values.
 2. The backward pass goes from the last function to the first. The gradient of the argument of each function follows
 from
    the gradients of later arguments. SymPy differentiates the sums and products in between, factors them, and computes
    common parts once.
 3. `step` is written again, operation by operation as it was recorded, because its `kept` must hold what `step_vjp`
 reads:
    results of functions and pre-activations. Sums and products of these are cheaper to compute again than to keep.
 4. Both functions use only the functions of `fastrnn.cells`, and every number is a `constant`, so float32 stays float32
    when they are compiled.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastrnn.cells._cell import Cell, Values
from fastrnn.cells._derived import DerivedCell, from_source
from fastrnn.cells._trace import Statements, Trace, Value

ALLOWED = "expected only + - * /, whole powers, and functions of fastrnn.cells (sigmoid, tanh, relu, ...)"
TOLERANCE = 1e-6  # of the check: loose, because 1 - v * v is inexact where tanh saturates; a wrong term is larger


def derive(name: str, gates: str, states: str, step: Callable[[Values, Values, Values], Any]) -> DerivedCell:
    """
    Make a cell from `step` alone. `step_vjp` is derived by symbolic differentiation.

    This function needs SymPy (``pip install 'fastrnn[symbolic]'``); the cell does not. The equations of the cell are
    plain functions that use the functions of `fastrnn.cells`, and are compiled like those of any cell. Before the cell
    is returned, its gradients are compared with the complex-step derivative of `step`. `fastrnn.testing.check_cell`
    also checks the compiled cell.

    Parameters
    ----------
    name, gates, states
        As in `Cell`.
    step : callable
        As in `Cell`, but `kept` may be empty: it is replaced by the values that the derived `step_vjp` needs.

    Returns
    -------
    DerivedCell
        The cell. Its `source` is the text of both functions. It can be pickled even if `step` cannot.

    Raises
    ------
    ImportError
        If SymPy is not installed.
    ValueError
        If `step` is wrong, as in `Cell`, or cannot be differentiated symbolically because it branches or calls a
        function that is not in `fastrnn.cells`.

    Examples
    --------
    >>> from fastrnn.cells import derive, tanh
    >>> def step(ax, ah, s):
    ...     return (tanh(ax[0] + ah[0]),), ()
    >>> print(derive("elman", "h", "h", step).source)
    def step(ax, ah, s):
        ax0 = ax[0]
        ah0 = ah[0]
        t0 = ax0 + ah0
        tanh_0 = tanh(t0)
        return (tanh_0,), ()
    <BLANKLINE>
    <BLANKLINE>
    def step_vjp(kept, s, new, d):
        d0 = d[0]
        tanh_0 = new[0]
        da_tanh_0 = d0*(one(d0) - tanh_0**2)
        return (da_tanh_0,), (da_tanh_0,), (zero(d0),)
    <BLANKLINE>
    """
    try:
        import sympy
    except ImportError:
        raise ImportError(
            "derive needs SymPy (pip install 'fastrnn[symbolic]'); without it, write step_vjp yourself and make a Cell "
            "from both functions"
        ) from None
    # `Cell` checks `step` on numbers. If `step` fails later, the reason is that it gets no numbers.
    Cell(name, gates, states, step, lambda _, s, new, d: ((d[0],) * len(gates), (d[0],) * len(gates), d))
    G, S = len(gates), len(states)
    trace = Trace(sympy.Symbol, sympy.Rational)
    try:
        new, _ = step(trace.inputs("ax", G), trace.inputs("ah", G), trace.inputs("s", S))
        expressions = [value.expression for value in new] + [function.argument for function in trace.functions]
        if any(e.has(sympy.oo, sympy.zoo, sympy.nan) for e in expressions):
            raise TypeError("it divides by zero")
    except Exception as error:  # whatever `step` raises for values that are no numbers
        raise ValueError(f"cell {name!r}: step cannot be differentiated symbolically: {error}; {ALLOWED}") from error
    cell = from_source(name, gates, states, _write(trace, new, G, S))
    _check_derived(cell, step)
    return cell


# ---- gradients ------------------------------------------------------------------------------------------------------


def _gradients(trace: Trace, new: tuple[Value, ...], G: int, S: int) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Return the gradients of the arguments of functions, as symbols and expressions, and those of ax, ah and s."""
    from sympy import Function, Symbol, factor_terms

    derivatives: dict[str, Callable[[Any], Any]] = {
        "tanh": lambda v: 1 - v**2,
        "sigmoid": lambda v: v * (1 - v),
        "relu": Function("positive"),
        "positive": lambda v: 0,
    }
    # Pairs of a gradient and the expression that it belongs to, from the new states on.
    sources = [(Symbol(f"d{k}"), value.expression) for k, value in enumerate(new)]
    arguments = []

    def reaching(symbol: Any) -> Any:
        return factor_terms(sum(gradient * expression.diff(symbol) for gradient, expression in sources))

    for function in reversed(trace.functions):
        gradient = factor_terms(reaching(function.symbol) * derivatives[function.kind](function.symbol))
        if gradient != 0:
            symbol = Symbol(f"da_{function.symbol}")
            arguments.append((symbol, gradient))
            sources.append((symbol, function.argument))
    names = [f"{kind}{i}" for kind, count in (("ax", G), ("ah", G), ("s", S)) for i in range(count)]
    return arguments, [reaching(Symbol(name)) for name in names]


# ---- writing --------------------------------------------------------------------------------------------------------


def _write(trace: Trace, new: tuple[Value, ...], G: int, S: int) -> str:
    """Return the text of `step` and `step_vjp`."""
    from sympy import cse, numbered_symbols

    arguments, gradients = _gradients(trace, new, G, S)
    shared, reduced = cse([e for _, e in arguments] + gradients, numbered_symbols("x"))
    defined = [*shared, *zip((symbol for symbol, _ in arguments), reduced, strict=False)]
    statements: Statements = {f"{name}{k}": (f"{name}[{k}]", ()) for name in ("d", "s") for k in range(S)}
    statements |= {symbol.name: (_text(e), sorted(map(str, e.free_symbols))) for symbol, e in defined}
    results = []
    for name, e in zip(_names("dax", G) + _names("dah", G) + _names("ds", S), reduced[len(arguments) :], strict=True):
        if e.is_Symbol or e == 0:
            results.append(e.name if e else "zero(d0)")
        else:
            results.append(name)
            statements[name] = _text(e), sorted(map(str, e.free_symbols))
    ends = [value.name for value in new]
    read = {name for _, names in statements.values() for name in names} | set(results)
    inputs = [function.symbol.name for function in trace.functions] + _names("ax", G) + _names("ah", G)
    kept = [name for name in inputs if name in read and name not in ends]
    statements |= {name: (f"kept[{i}]", ()) for i, name in enumerate(kept)}
    statements |= {name: (f"new[{k}]", ()) for k, name in enumerate(ends) if name not in statements}
    roots = ["d0", *(result for result in results if result in statements)]
    dax, dah, ds = results[:G], results[G : 2 * G], results[2 * G :]
    return (
        f"def step(ax, ah, s):\n{_lines(trace.statements, kept + ends)}"
        f"    return {_tuple(ends)}, {_tuple(kept)}\n\n\n"
        f"def step_vjp(kept, s, new, d):\n{_lines(statements, roots)}"
        f"    return {_tuple(dax)}, {_tuple(dah)}, {_tuple(ds)}\n"
    )


def _names(name: str, count: int) -> list[str]:
    return [f"{name}{i}" for i in range(count)]


def _tuple(names: list[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def _lines(statements: Statements, roots: list[str]) -> str:
    """Return the statements that the roots need: arguments first, then every statement after those that it needs."""
    lines: dict[str, str] = {}

    def visit(name: str) -> None:
        if name not in lines:
            text, names = statements[name]
            for other in names:
                visit(other)
            lines[name] = f"    {name} = {text}\n"

    for root in roots:
        visit(root)
    arguments = [name for name in statements if name in lines and not statements[name][1]]
    return "".join(lines.pop(name) for name in arguments) + "".join(lines.values())


def _text(expression: Any) -> str:
    """Write an expression of `step_vjp`. Constants take their dtype from d0, which always exists."""
    from sympy.printing.precedence import PRECEDENCE
    from sympy.printing.pycode import PythonCodePrinter

    class Printer(PythonCodePrinter):
        def _print_Rational(self, number: Any) -> str:
            return "one(d0)" if number == 1 else f"constant(d0, {float(number)!r})"

        _print_Integer = _print_Rational

        def _print_Pow(self, power: Any, **options: Any) -> str:
            base, n = self.parenthesize(power.base, PRECEDENCE["Pow"]), int(power.exp)
            text = base if abs(n) == 1 else f"{base}**{abs(n)}"
            return text if n > 0 else f"one(d0)/{text}"

        def parenthesize(self, item: Any, level: int, strict: bool = False) -> str:
            return self._print(item) if item.is_Number else super().parenthesize(item, level, strict)

    return Printer({"user_functions": {"positive": "positive"}}).doprint(expression)


# ---- check ----------------------------------------------------------------------------------------------------------


def _check_derived(cell: Cell, step: Callable[[Values, Values, Values], Any]) -> None:
    """Compare the cell with `step` and its complex-step derivative, at random numbers."""
    rng = np.random.default_rng(0)
    G, S = cell.n_gates, cell.n_states
    arguments = [rng.normal(size=(n, 8, 16)) for n in (G, G, S)]
    d = tuple(rng.normal(size=(S, 8, 16)))
    ax, ah, s = map(tuple, arguments)
    new, kept = cell.step(ax, ah, s)
    _compare(cell, new, step(ax, ah, s)[0])
    gradients = cell.step_vjp(kept, s, new, d)
    for k, i in [(k, i) for k, values in enumerate(arguments) for i in range(len(values))]:
        shifted = [values.astype(complex) for values in arguments]
        shifted[k][i] += 1e-30j
        ends, _ = step(*map(tuple, shifted))
        expected = sum(value * np.imag(end) / 1e-30 for value, end in zip(d, ends, strict=True))
        _compare(cell, gradients[k][i : i + 1], (expected,))


def _compare(cell: Cell, got: Values, expected: Values) -> None:
    for a, b in zip(got, expected, strict=True):
        if not np.abs(a - b).max() <= TOLERANCE * max(1.0, np.abs(b).max()):
            raise ValueError(
                f"cell {cell.name!r}: the derived functions differ from step or its derivative at random numbers; step "
                "must do the same at every call"
            )
