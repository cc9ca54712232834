"""Compare every engine with the reference in float64: an engine whose outputs differ is not timed."""

from collections.abc import Iterable

import numpy as np

from benchmarks.cases import AnyProblem, AutoencoderProblem, Problem, equations
from benchmarks.epochs import EpochProblem
from benchmarks.plain_epochs import plain_epoch
from fastrnn import AutoencoderWeights, Weights, recurrent_backward, recurrent_forward, sparse_autoencoder_cost
from fastrnn._typing import Array
from fastrnn.testing import TOLERANCES, relative_error


def truth(problem: AnyProblem) -> dict[str, dict[str, Array]]:
    """Return the expected results of each direction from the reference: y, the gradients or the new weights."""
    if isinstance(problem, EpochProblem):
        return {"epoch": plain_epoch(problem)}
    return _autoencoder(problem) if isinstance(problem, AutoencoderProblem) else _recurrent(problem)


def _recurrent(problem: Problem) -> dict[str, dict[str, Array]]:
    weights = Weights(*(array.astype(float) for array in problem.weights))
    cell = equations(problem.cell)
    y, _, tape = recurrent_forward(cell, problem.x.astype(float), weights, lengths=problem.lengths, backend="reference")
    dstate = (problem.dh.astype(float), *[None] * (cell.n_states - 1))
    _, dweights, _ = recurrent_backward(tape, None, dstate, need_dx=False)
    return {"infer": {"y": y}, "train": gradients_by_name(dweights), "step": {"y": y}}


def gradients_by_name(gradients: Iterable[Array]) -> dict[str, Array]:
    """Return the results of `train`, given the gradients of Wx, Wh, bx and bh in this order."""
    return dict(zip(("dWx", "dWh", "dbx", "dbh"), gradients, strict=True))


def _autoencoder(problem: AutoencoderProblem) -> dict[str, dict[str, Array]]:
    weights = AutoencoderWeights(*(array.astype(float) for array in problem.weights))
    cost, _, gradients = sparse_autoencoder_cost(
        weights, problem.x.astype(float), **problem.penalties, backend="reference"
    )
    return {"cost": named(cost, gradients)}


def named(cost: float, gradients: Iterable[Array]) -> dict[str, Array]:
    """Return the results of `cost`: the cost, and the gradients by name."""
    return {"cost": np.array(cost), **dict(zip(("dW1", "db1", "dW2", "db2"), gradients, strict=True))}


def disagreement(results: dict[str, Array], expected: dict[str, Array], problem: AnyProblem) -> str | None:
    """Return a message that says where the results differ from the truth, or None if they agree.

    The tolerance is the one of fastrnn's own gradients, times the slack of the problem. Outputs get the same tolerance:
    any sum of a thousand terms in float32 is off by 3e-6.
    """
    tolerance = problem.slack * TOLERANCES[problem.dtype][1]
    for name, value in expected.items():
        error = relative_error(results[name], value)
        if not error <= tolerance:
            return f"{name} differs from the reference by {error:.1e}, allowed is {tolerance:.0e}"
    return None
