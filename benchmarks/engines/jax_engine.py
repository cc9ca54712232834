"""JAX: `lax.scan` under jit; weights are arguments, and time is the first axis.

JAX uses as many threads as the process has CPUs, and there is no other setting: pin the process first.
"""

import os
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.agreement import gradients_by_name
from benchmarks.cases import Problem
from benchmarks.engines import LeftOut
from benchmarks.timing import seconds_of
from fastrnn._typing import Array

sigmoid, tanh = jax.nn.sigmoid, jnp.tanh
Gates = list[jax.Array]


def rnn(a: Gates, ah: Gates, bh: jax.Array, h: jax.Array) -> tuple[jax.Array]:
    return (tanh(a[0] + ah[0]),)


def lstm(a: Gates, ah: Gates, bh: jax.Array, h: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    i, f, g, o = (x + y for x, y in zip(a, ah, strict=True))
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def gru(a: Gates, ah: Gates, bh: jax.Array, h: jax.Array) -> tuple[jax.Array]:
    n = tanh(a[2] + sigmoid(a[0] + ah[0]) * (ah[2] + bh[2]))
    return (n + sigmoid(a[1] + ah[1]) * (h - n),)


STEPS: dict[str, Callable[..., tuple[jax.Array, ...]]] = {"rnn": rnn, "lstm": lstm, "gru": gru}


def fused(v: jax.Array, W: jax.Array) -> Gates:
    """Return the products of all gates, computed as one product."""
    return jnp.split(v @ W.reshape(len(W), -1), W.shape[1], axis=-1)


def gate_by_gate(v: jax.Array, W: jax.Array) -> Gates:
    """Return the products of all gates, with one product for each gate."""
    return [v @ W[:, k] for k in range(W.shape[1])]


# How products are computed, and whether x has one product for all steps, before the scan. None is always the fastest.
LAYOUTS: tuple[tuple[Callable[..., Gates], bool], ...] = ((fused, False), (gate_by_gate, False), (fused, True))


def forward(
    cell: str, layout: tuple[Callable[..., Gates], bool], weights: Any, x: jax.Array, valid: jax.Array | None
) -> Any:
    """Return the final h, and h of all steps."""
    product, before = layout
    Wx, Wh, bx, bh = weights
    b = bx.at[:2].add(bh[:2]) if cell == "gru" else bx + bh

    def add_x(x: jax.Array) -> Gates:
        return [a + bias for a, bias in zip(product(x, Wx), b, strict=True)]

    def step(state: Any, inputs: Any) -> Any:
        x, valid = inputs
        new = STEPS[cell](x if before else add_x(x), product(state[0], Wh), bh, *state)
        if valid is not None:
            new = tuple(jnp.where(valid, a, b) for a, b in zip(new, state, strict=True))
        return new, new[0]

    state = (jnp.zeros((x.shape[1], len(Wh)), x.dtype),) * (2 if cell == "lstm" else 1)
    state, y = jax.lax.scan(step, state, (add_x(x) if before else x, valid))
    return state[0], y


def prepare(dtype: str, n_threads: int) -> None:
    """Set up JAX for a precision; raise LeftOut if JAX would use another number of threads."""
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) != n_threads:
        raise LeftOut(f"needs a process with {n_threads} CPUs: it has no setting for threads")
    jax.config.update("jax_enable_x64", dtype == "float64")
    jax.config.update("jax_platforms", "cpu")


class JaxEngine:
    """The fastest of the layouts, tried here for each direction; beyond its length a row keeps its state."""

    def __init__(self, problem: Problem, n_threads: int) -> None:
        prepare(problem.dtype, n_threads)
        self.problem = problem
        self.weights = tuple(map(jnp.asarray, problem.weights))
        self.x, self.dh = jnp.asarray(problem.x.swapaxes(0, 1)), jnp.asarray(problem.dh)
        self.valid = None
        if problem.lengths is not None:
            self.valid = jnp.asarray(np.arange(problem.case.T)[:, None, None] < problem.lengths[:, None])

    @cached_property
    def infer(self) -> Callable[[], Any]:
        return self._fastest(lambda run, weights, x, valid: run(weights, x, valid)[1])

    @cached_property
    def train(self) -> Callable[[], Any]:
        def loss(run: Any, weights: Any, x: jax.Array, valid: jax.Array | None) -> jax.Array:
            return (run(weights, x, valid)[0] * self.dh).sum()

        return self._fastest(jax.grad(loss, argnums=1))

    def _fastest(self, function: Callable[..., Any]) -> Callable[[], Any]:
        """Compile a function with each layout and return the call of the fastest one, by the best of three calls."""
        calls = []
        for layout in LAYOUTS:
            compiled = jax.jit(partial(function, partial(forward, self.problem.cell, layout)))
            call = partial(self._wait, compiled)
            call()
            calls.append((min(seconds_of(call) for _ in range(3)), call))
        return min(calls, key=lambda pair: pair[0])[1]

    def _wait(self, compiled: Callable[..., Any]) -> Any:
        return jax.block_until_ready(compiled(self.weights, self.x, self.valid))

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "train":
            return gradients_by_name(map(np.array, self.train()))
        return {"y": self.problem.masked(np.array(self.infer()).swapaxes(0, 1))}
