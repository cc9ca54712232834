"""The sparse autoencoder in JAX: value and gradient of the cost under jit; weights and examples are arguments."""

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.agreement import named
from benchmarks.cases import AutoencoderProblem
from benchmarks.engines.jax_engine import prepare
from fastrnn._typing import Array


def cost(weights: Any, x: jax.Array, l2: float, sparsity: float, sparsity_weight: float) -> jax.Array:
    W1, b1, W2, b2 = weights
    h = jax.nn.sigmoid(x @ W1 + b1)
    x_hat = jax.nn.sigmoid(h @ W2 + b2)
    rho = h.mean(axis=0)
    divergence = sparsity * jnp.log(sparsity / rho) + (1 - sparsity) * jnp.log((1 - sparsity) / (1 - rho))
    error, squares = jnp.square(x_hat - x).sum(), jnp.square(W1).sum() + jnp.square(W2).sum()
    return error / (2 * len(x)) + l2 / 2 * squares + sparsity_weight * divergence.sum()


class JaxAutoencoder:
    """One function, which is compiled at its first call."""

    def __init__(self, problem: AutoencoderProblem, n_threads: int) -> None:
        prepare(problem.dtype, n_threads)
        self.weights, self.x = tuple(map(jnp.asarray, problem.weights)), jnp.asarray(problem.x)
        penalties = problem.penalties
        self.compiled = jax.jit(jax.value_and_grad(lambda weights, x: cost(weights, x, **penalties)))

    def cost(self) -> Any:
        return jax.block_until_ready(self.compiled(self.weights, self.x))

    def results(self, direction: str) -> dict[str, Array]:
        return named(*jax.device_get(self.cost()))
