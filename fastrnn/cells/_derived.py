"""A cell whose equations were written by `derive`. It keeps their source text, to be read and to be pickled."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fastrnn.cells import _pointwise
from fastrnn.cells._cell import Cell

VOCABULARY = ("constant", "one", "positive", "relu", "sigmoid", "tanh", "zero")


@dataclass(frozen=True)
class DerivedCell(Cell):
    """
    A cell from `derive`.

    Pickle stores only the source text, so loading the cell needs neither SymPy nor the original `step`. In one process
    equal text gives the same functions, so equal cells are compiled once.

    Parameters
    ----------
    name, gates, states, step, step_vjp
        As in `Cell`.
    source : str
        The source text of `step` and `step_vjp`.
    """

    source: str = field(repr=False, kw_only=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return from_source, (self.name, self.gates, self.states, self.source)


def from_source(name: str, gates: str, states: str, source: str) -> DerivedCell:
    """Return the cell whose equations have this text."""
    step, step_vjp = _functions(source)
    return DerivedCell(name, gates, states, step, step_vjp, source=source)


@cache
def _functions(source: str) -> tuple[Any, Any]:
    names = {name: getattr(_pointwise, name) for name in VOCABULARY}
    exec(compile(source, "<derived cell>", "exec"), names)
    return names["step"], names["step_vjp"]
