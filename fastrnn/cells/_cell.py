"""A cell as data: its name, its gates and states, and its equations."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Values = tuple[Any, ...]

SHAPE = (3, 5)  # of the arrays that a cell is tried with: rows and units
ALONE = np.s_[1:2, 2:3]  # a unit and row that has others on all sides


@dataclass(frozen=True)
class Cell:
    """
    A recurrent cell: one step, pointwise in its pre-activations, and the step's vector-Jacobian product.

    Every gate g has two pre-activations, ``ax[g] = x Wx[:, g] + bx[g]`` from the input and ``ah[g] = h Wh[:, g] +
    bh[g]`` from the hidden state before, all of shape (B, H). A kernel computes them and calls the equations, which
    see tuples of arrays, or of scalars when compiled.

    Parameters
    ----------
    name : str
        What the cell is called.
    gates : str
        One letter a gate, in the order of the axis G of the weights: ``"ifgo"``.
    states : str
        One letter a state, h first: ``"hc"``.
    step : callable
        ``step(ax, ah, s) -> (new, kept)``: from G and G pre-activations and S states the S new states, and a tuple
        of the values that `step_vjp` needs; kernels keep these on the tape.
    step_vjp : callable
        ``step_vjp(kept, s, new, d) -> (dax, dah, ds)``: from the gradients `d` of the new states the gradients of
        `ax`, `ah` and `s`; what reaches h through ``ah`` is the kernel's part, not of ``ds``. `derive` finds it.

    Attributes
    ----------
    n_kept : int
        Number of values in `kept`.

    Raises
    ------
    ValueError
        If the name is no text; if `gates` or `states` is not one of different letters; or if the equations fail, do not
        return tuples of the right lengths, shapes and dtype, are not pointwise, or change their arguments.

    Examples
    --------
    >>> from fastrnn.cells import Cell, tanh, one
    >>> def step(ax, ah, s):
    ...     return (tanh(ax[0] + ah[0]),), ()
    >>> def step_vjp(kept, s, new, d):
    ...     da = d[0] * (one(new[0]) - new[0] * new[0])
    ...     return (da,), (da,), (da - da,)
    >>> Cell("elman", "h", "h", step, step_vjp).n_kept
    0
    """

    name: str
    gates: str
    states: str
    step: Callable[[Values, Values, Values], tuple[Values, Values]] = field(repr=False)
    step_vjp: Callable[[Values, Values, Values, Values], tuple[Values, Values, Values]] = field(repr=False)
    n_kept: int = field(init=False, repr=False, compare=False)

    @property
    def n_gates(self) -> int:
        """G, the number of gates."""
        return len(self.gates)

    @property
    def n_states(self) -> int:
        """S, the number of states."""
        return len(self.states)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"the name of a cell is {self.name!r}, expected a text")
        for what, letters in (("gates", self.gates), ("states", self.states)):
            if not isinstance(letters, str) or not letters or len(set(letters)) < len(letters):
                raise ValueError(
                    f"cell {self.name!r}: {what} is {letters!r}, expected a text of at least one letter, all different"
                )
        rng = np.random.default_rng(0)

        def values(count: int) -> Values:
            return tuple(rng.uniform(0.1, 0.9, SHAPE).astype(np.float32) for _ in range(count))

        ax, ah, s, d = values(self.n_gates), values(self.n_gates), values(self.n_states), values(self.n_states)
        new, kept = self._check("step", (("ax", ax), ("ah", ah), ("s", s)), (("new", self.n_states), ("kept", None)))
        object.__setattr__(self, "n_kept", len(kept))
        self._check(
            "step_vjp",
            (("kept", kept), ("s", s), ("new", new), ("d", d)),
            (("dax", self.n_gates), ("dah", self.n_gates), ("ds", self.n_states)),
        )

    def _check(
        self, which: str, arguments: tuple[tuple[str, Values], ...], results: tuple[tuple[str, int | None], ...]
    ) -> tuple[Values, ...]:
        """Call one of the two equations on small arrays and hold its result against what is promised."""
        before = [[value.copy() for value in values] for _, values in arguments]
        returned = self._call(which, arguments)
        prefix = f"cell {self.name!r}: {which}"
        for (name, values), old in zip(arguments, before, strict=True):
            if any(not np.array_equal(a, b) for a, b in zip(values, old, strict=True)):
                raise ValueError(f"{prefix} changes its argument {name}; it must be pure")
        if not isinstance(returned, tuple) or len(returned) != len(results):
            names = ", ".join(name for name, _ in results)
            raise ValueError(
                f"{prefix} must return the {len(results)} tuples ({names}), but returned {_kind(returned)}"
            )
        for (name, count), values in zip(results, returned, strict=True):
            if not isinstance(values, tuple) or (count is not None and len(values) != count):
                expected = "a tuple" if count is None else f"a tuple of {count}"
                raise ValueError(f"{prefix} must return {name} as {expected}, but returned {_kind(values)}")
            for index, value in enumerate(values):
                if np.shape(value) != SHAPE or np.asarray(value).dtype != np.float32:
                    raise ValueError(
                        f"{prefix}: {name}[{index}] has shape {np.shape(value)} and dtype {np.asarray(value).dtype}, "
                        f"expected {SHAPE} and float32; it must be pointwise and keep the dtype"
                    )
        alone = self._call(which, tuple((name, tuple(value[ALONE] for value in values)) for name, values in arguments))
        for (name, _), values, parts in zip(results, returned, alone, strict=True):
            for index, (value, part) in enumerate(zip(values, parts, strict=True)):
                if np.shape(part) != (1, 1) or not np.allclose(value[ALONE], part, rtol=1e-4, equal_nan=True):
                    raise ValueError(
                        f"{prefix}: {name}[{index}] of a unit alone is not what it is among others; it must be "
                        "pointwise, and the same for all units, rows and calls"
                    )
        return returned

    def _call(self, which: str, arguments: tuple[tuple[str, Values], ...]) -> Any:
        """Call one of the two equations; whatever it raises becomes one sentence."""
        try:
            with np.errstate(all="ignore"):  # such as a deviation over one unit, which is 0
                return getattr(self, which)(*(values for _, values in arguments))
        except Exception as error:
            if "truth value of an array" in str(error):
                raise ValueError(
                    f"cell {self.name!r}: {which} branches on a value (if, and, or, max, min); it must be pointwise: "
                    "relu and positive of fastrnn.cells choose for each number by itself"
                ) from error
            given = ", ".join(f"{len(values)} {name}" for name, values in arguments)
            raise ValueError(
                f"cell {self.name!r}: {which} fails for {given} of shape {arguments[-1][1][0].shape} "
                f"({type(error).__name__}: {' '.join(str(error).split())}); it must be pointwise, for any shape"
            ) from error


def _kind(value: Any) -> str:
    """Say in a few words what was returned."""
    kind = f"a value of type {type(value).__name__}"
    return f"{kind} and length {len(value)}" if isinstance(value, tuple | list) else kind
