"""Whose outputs differ is not timed: every engine is held against the reference in float64."""

from benchmarks.cases import Problem
from benchmarks.engines import Engine
from fastrnn import Weights, recurrent_backward, recurrent_forward
from fastrnn._kernels.types import Array
from fastrnn.cells import get_cell
from fastrnn.testing import TOLERANCES, relative_error


def truth(problem: Problem) -> dict[str, Array]:
    """Return what every engine should: y and the gradients of the weights, by the reference in float64."""
    weights = Weights(*(array.astype(float) for array in problem.weights))
    y, _, tape = recurrent_forward(problem.cell, problem.x.astype(float), weights, backend="reference")
    dstate = (problem.dh.astype(float), *[None] * (get_cell(problem.cell).n_states - 1))
    _, dweights, _ = recurrent_backward(tape, None, dstate, need_dx=False)
    return {"y": y} | {f"d{name}": value for name, value in dweights._asdict().items()}


def disagreement(problem: Problem, engine: Engine, expected: dict[str, Array]) -> str | None:
    """Say where an engine's outputs differ from `truth` by more than fastrnn's own gradients may; None if nowhere.

    Outputs get no narrower bound here: sums of a thousand terms in float32 are off by 3e-6 whoever takes them.
    """
    _, tolerance = TOLERANCES[problem.dtype]
    results = engine.results()
    for name, value in expected.items():
        error = relative_error(results[name], value)
        if not error <= tolerance:
            return f"{name} differs from the reference by {error:.1e}, allowed {tolerance:.0e}"
    return None
