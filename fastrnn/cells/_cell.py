"""A cell as data: its name, gates, states and equations."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Values = tuple[Any, ...]

SHAPE = (3, 5)  # of the arrays that a cell is tested with: rows and units
ALONE = np.s_[1:2, 2:3]  # one unit of one row, with neighbours on all sides


@dataclass(frozen=True)
class Cell:
    """
    A recurrent cell: one step, pointwise in its pre-activations, and the vector-Jacobian product of this step.

    Every gate g has two pre-activations of shape (B, H): ``ax[g] = x Wx[:, g] + bx[g]`` from the input, and
    ``ah[g] = h Wh[:, g] + bh[g]`` from the hidden state of the step before. A kernel computes them and calls the
    equations. The equations get tuples of arrays, or of scalars or vectors when compiled.

    Parameters
    ----------
    name : str
        The name of the cell.
    gates : str
        One letter per gate, in the order of the axis G of the weights, such as ``"ifgo"``.
    states : str
        One letter per state, h first, such as ``"hc"``.
    step : callable
        ``step(ax, ah, s) -> (new, kept)``: takes G and G pre-activations and S states. Returns the S new states, and
        a tuple of the values that `step_vjp` needs. Kernels keep these values on the tape.
    step_vjp : callable
        ``step_vjp(kept, s, new, d) -> (dax, dah, ds)``: takes the gradients `d` of the new states. Returns the
        gradients of `ax`, `ah` and `s`. ``ds`` does not include the path from h through ``ah``, which the kernel
        handles. `derive` can write this function.

    Attributes
    ----------
    n_kept : int
        Number of values in `kept`.

    Raises
    ------
    ValueError
        If the name is no text; if `gates` or `states` is not a text of different letters; or if the equations fail, do
        not return tuples of the right lengths, shapes and dtype, are not pointwise, or change their arguments.

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
        """Call `step` or `step_vjp` on small arrays and check its result."""
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
                        f"{prefix}: {name}[{index}] of a single unit differs from that unit among others; it must be "
                        "pointwise, and the same for all units, rows and calls"
                    )
        return returned

    def _call(self, which: str, arguments: tuple[tuple[str, Values], ...]) -> Any:
        """Call `step` or `step_vjp`, and turn any error into a ValueError of one sentence."""
        try:
            with np.errstate(all="ignore"):  # such as division by the deviation of one unit, which is 0
                return getattr(self, which)(*(values for _, values in arguments))
        except Exception as error:
            if "truth value of an array" in str(error):
                raise ValueError(
                    f"cell {self.name!r}: {which} branches on a value (if, and, or, max, min); it must be pointwise: "
                    "use relu or positive of fastrnn.cells, which decide for each number"
                ) from error
            given = ", ".join(f"{len(values)} {name}" for name, values in arguments)
            raise ValueError(
                f"cell {self.name!r}: {which} fails for {given} of shape {arguments[-1][1][0].shape} "
                f"({type(error).__name__}: {' '.join(str(error).split())}); it must be pointwise, for any shape"
            ) from error


def _kind(value: Any) -> str:
    """Describe a returned value in a few words."""
    kind = f"a value of type {type(value).__name__}"
    return f"{kind} and length {len(value)}" if isinstance(value, tuple | list) else kind
