"""Whose outputs differ is not timed: every engine is held against the reference in float64."""

from collections.abc import Iterable

import numpy as np

from benchmarks.cases import AnyProblem, AutoencoderProblem, NGramProblem, Problem, equations
from fastrnn import AutoencoderWeights, Weights, recurrent_backward, recurrent_forward, sparse_autoencoder_cost
from fastrnn._kernels.types import Array
from fastrnn.testing import TOLERANCES, relative_error


def truth(problem: AnyProblem) -> dict[str, dict[str, Array]]:
    """Return, by direction, what every engine should: y, the gradients or the new weights, by the reference."""
    if isinstance(problem, NGramProblem):
        return _ngram(problem)
    return _autoencoder(problem) if isinstance(problem, AutoencoderProblem) else _recurrent(problem)


def _recurrent(problem: Problem) -> dict[str, dict[str, Array]]:
    weights = Weights(*(array.astype(float) for array in problem.weights))
    cell = equations(problem.cell)
    y, _, tape = recurrent_forward(cell, problem.x.astype(float), weights, lengths=problem.lengths, backend="reference")
    dstate = (problem.dh.astype(float), *[None] * (cell.n_states - 1))
    _, dweights, _ = recurrent_backward(tape, None, dstate, need_dx=False)
    gradients = {f"d{name}": value for name, value in dweights._asdict().items()}
    return {"infer": {"y": y}, "train": gradients, "step": {"y": y}}


def _autoencoder(problem: AutoencoderProblem) -> dict[str, dict[str, Array]]:
    weights = AutoencoderWeights(*(array.astype(float) for array in problem.weights))
    cost, _, gradients = sparse_autoencoder_cost(
        weights, problem.x.astype(float), **problem.penalties, backend="reference"
    )
    return {"cost": named(cost, gradients)}


def _ngram(problem: NGramProblem) -> dict[str, dict[str, Array]]:
    """Train in float64, one plain line after the other."""
    weights = {name: array.astype(float) for name, array in problem.weights.items()}
    means, squares = ({name: np.zeros_like(array) for name, array in weights.items()} for _ in range(2))
    rate, beta1, beta2, epsilon = problem.adam.values()
    losses = []
    for step, rows in enumerate(problem.order, start=1):
        E, W1, b1, W2, b2 = weights.values()
        x, y, each = problem.x[rows], problem.y[rows], np.arange(len(rows))
        e = E[x].reshape(len(rows), -1)
        h = 1 / (1 + np.exp(-(e @ W1 + b1)))
        p = np.exp(h @ W2 + b2)
        p /= p.sum(axis=1, keepdims=True)
        losses.append(-np.log(p[each, y]).mean())
        p[each, y] -= 1
        d2 = p / len(rows)
        d1 = d2 @ W2.T * h * (1 - h)
        dE = np.zeros_like(E)
        np.add.at(dE, x, (d1 @ W1.T).reshape(*x.shape, -1))
        for name, gradient in zip(weights, (dE, e.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)), strict=True):
            means[name] = beta1 * means[name] + (1 - beta1) * gradient
            squares[name] = beta2 * squares[name] + (1 - beta2) * gradient**2
            root = np.sqrt(squares[name] / (1 - beta2**step)) + epsilon
            weights[name] = weights[name] - rate * means[name] / (1 - beta1**step) / root
    return {"epoch": {"loss": np.mean(losses), **weights}}


def named(cost: float, gradients: Iterable[Array]) -> dict[str, Array]:
    """Return the results of `cost`: the cost itself, and the gradients by the names of the weights."""
    return {"cost": np.array(cost), **dict(zip(("dW1", "db1", "dW2", "db2"), gradients, strict=True))}


def disagreement(results: dict[str, Array], expected: dict[str, Array], problem: AnyProblem) -> str | None:
    """Say where results differ from the truth by more than fastrnn's own gradients may, or the problem's slack times
    as much; None if nowhere.

    Outputs get no narrower bound here: sums of a thousand terms in float32 are off by 3e-6 whoever takes them.
    """
    tolerance = problem.slack * TOLERANCES[problem.dtype][1]
    for name, value in expected.items():
        error = relative_error(results[name], value)
        if not error <= tolerance:
            return f"{name} differs from the reference by {error:.1e}, allowed {tolerance:.0e}"
    return None
