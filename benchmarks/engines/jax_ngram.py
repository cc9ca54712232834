"""The next-word model in JAX: a whole epoch is one compiled function, a `lax.scan` over the batches."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.engines.jax_engine import prepare
from benchmarks.epochs import NGramProblem
from fastrnn._typing import Array


def loss(weights: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    E, W1, b1, W2, b2 = weights
    h = jax.nn.sigmoid(E[x].reshape(len(x), -1) @ W1 + b1)
    logits = h @ W2 + b2
    chosen = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return (jax.nn.logsumexp(logits, axis=1) - chosen).mean()


def epoch(weights: Any, x: jax.Array, y: jax.Array, order: jax.Array, adam: dict[str, float]) -> Any:
    """Return the weights after an epoch, and the losses of the batches."""
    rate, beta1, beta2, epsilon = adam.values()

    def batch(state: Any, rows: jax.Array) -> Any:
        weights, means, squares, step = state
        value, gradients = jax.value_and_grad(loss)(weights, x[rows], y[rows])
        step += 1
        means = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, means, gradients)
        squares = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, squares, gradients)
        sum1, sum2 = 1 - beta1**step, 1 - beta2**step
        weights = jax.tree.map(
            lambda w, m, v: w - rate / sum1 * m / (jnp.sqrt(v / sum2) + epsilon), weights, means, squares
        )
        return (weights, means, squares, step), value

    zeros = jax.tree.map(jnp.zeros_like, weights)
    (weights, *_), losses = jax.lax.scan(batch, (weights, zeros, zeros, jnp.zeros((), weights[0].dtype)), order)
    return weights, losses


class JaxNGram:
    """One function, which is compiled at its first call."""

    def __init__(self, problem: NGramProblem, n_threads: int) -> None:
        prepare(problem.dtype, n_threads)
        self.problem = problem
        self.weights = tuple(map(jnp.asarray, problem.weights.values()))
        self.examples = tuple(map(jnp.asarray, (problem.x, problem.y, problem.order)))
        self.compiled = jax.jit(partial(epoch, adam=problem.adam))

    def epoch(self) -> Any:
        return jax.block_until_ready(self.compiled(self.weights, *self.examples))

    def results(self, direction: str) -> dict[str, Array]:
        weights, losses = jax.device_get(self.epoch())
        return {"loss": losses.mean(dtype=float)} | dict(zip(self.problem.weights, weights, strict=True))
