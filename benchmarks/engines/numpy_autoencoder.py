"""The baseline: cost and gradient of the sparse autoencoder, as fast as NumPy can do it.

*Design.*
1. sigmoid(a) = (1 + tanh(a / 2)) / 2. So the net is rewritten with tanh units and inputs y = 2 x - 1: the weights are
   divided by 4, and the biases absorb the constants. At the very end, the chain rule gives the gradients of the
   original weights. This saves two passes for each sigmoid, and NumPy's tanh is faster than its exp with a division.
2. Rows are processed in blocks, which stay in the cache from a product to the last pass over its output.
3. Products are stacks of small matrices, so small that OpenBLAS does not pack them, which is up to 1.5 times as fast in
   float64. The small matrices are groups of rows. For the gradients of the weights, which are sums over all rows of a
   block, they are groups of columns.
4. Every array is allocated once; all operations write in place.
5. Each thread has its own rows and does all passes over them. BLAS's threads would leave the passes to one thread, and
   OpenBLAS uses no threads for products that it does not pack.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import threadpoolctl

from benchmarks.agreement import named
from benchmarks.cases import AutoencoderProblem
from fastrnn._typing import Array

CACHE = 1 << 18  # bytes of outputs in one block: a quarter of a common second-level cache
SMALL = 10**6  # OpenBLAS does not pack for products with up to so many multiplications


def group(size: int, limit: int) -> int:
    """Return the largest divisor of a size that is not above a limit."""
    return max(n for n in range(1, size + 1) if size % n == 0 and n <= max(1, limit))


class Layer:
    """A layer of tanh units that replaces sigmoid units with `weights` and `bias` (point 1)."""

    def __init__(self, weights: Array, bias: Array) -> None:
        self.weights = weights / 4
        self.transposed = np.ascontiguousarray(self.weights.T)
        self.bias = bias / 2 + weights.sum(axis=0) / 4

    def forward(self, x: Array, out: Array) -> None:
        np.matmul(x, self.weights, out)
        np.add(out, self.bias, out)
        np.tanh(out, out)


class Rows:
    """The rows of one thread, y in groups (K, rows, F), and sums over the rows: the layers' `gradients`, times 4 N.

    The gradients of both layers' weights are (F, H), so that `columns` of y and of the outputs are rows of them.
    """

    def __init__(self, hidden: Layer, output: Layer, y: Array) -> None:
        groups, rows, F = y.shape
        H = hidden.weights.shape[1]
        self.hidden, self.output, self.y = hidden, output, y
        self.length = max(1, min(groups, CACHE // (rows * F * y.itemsize)))  # groups in one block
        self.columns = group(F, SMALL // (self.length * rows * H))

        def array(*shape: int) -> Array:
            return np.zeros(shape, y.dtype)

        self.t, self.ones, self.one = array(groups, rows, H), np.ones(groups * rows, y.dtype), np.ones((), y.dtype)
        self.buffers = array(self.length, rows, F), array(self.length, rows, F), array(self.length, rows, H)
        shapes = (F, H), (H,), (F, H), (F,)
        self.gradients, self.of_block = ([array(*shape) for shape in shapes] for _ in range(2))

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield y and the hidden activations t of each block."""
        for k in range(0, len(self.y), self.length):
            yield self.y[k : k + self.length], self.t[k : k + self.length]

    def forward(self) -> Array:
        """Fill t and return its sum over the rows."""
        for y, t in self.blocks():
            self.hidden.forward(y, t)
        return self.ones @ self.t.reshape(-1, self.t.shape[2])

    def backward(self, slope: Array) -> float:
        """Fill the gradients and return the squared error, times 4; overwrite t.

        `slope` is what the penalty adds to the gradient of t.
        """
        error = 0.0
        for k, (y, t) in enumerate(self.blocks()):
            dA1, da1, dA2, da2 = sums = self.of_block if k else self.gradients
            u, difference, dt = (buffer[: len(t)] for buffer in self.buffers)
            self.output.forward(t, u)
            np.subtract(u, y, difference)
            error += np.vdot(difference, difference)
            self._through_tanh(u, difference, u)
            self._sum_products(u, t, dA2)
            self._sum(u, da2)
            np.matmul(u, self.output.transposed, dt)
            np.add(dt, slope, dt)
            self._through_tanh(t, dt, dt)
            self._sum_products(y, dt, dA1)
            self._sum(dt, da1)
            if k:
                for gradient, of_block in zip(self.gradients, sums, strict=True):
                    np.add(gradient, of_block, gradient)
        return error

    def _through_tanh(self, t: Array, dt: Array, out: Array) -> None:
        """Turn the gradient of the outputs t into that of the pre-activations; overwrite t."""
        np.multiply(t, t, t)
        np.subtract(self.one, t, t)
        np.multiply(t, dt, out)

    def _sum(self, delta: Array, out: Array) -> None:
        """Sum over all rows."""
        delta = delta.reshape(-1, len(out))
        np.matmul(self.ones[: len(delta)], delta, out)

    def _sum_products(self, wide: Array, narrow: Array, out: Array) -> None:
        """Sum the products of F numbers and H numbers over all rows."""
        F, H = out.shape
        stack = wide.reshape(-1, F // self.columns, self.columns).transpose(1, 2, 0)
        np.matmul(stack, narrow.reshape(-1, H), out.reshape(-1, self.columns, H))


class NumpyAutoencoder:
    """The rows of all threads; cost and gradients come from their sums."""

    def __init__(self, problem: AutoencoderProblem, n_threads: int) -> None:
        threadpoolctl.threadpool_limits(1, user_api="blas")
        N, F, H = (getattr(problem.case, axis) for axis in problem.case.axes)
        self.problem = problem
        W1, b1, W2, b2 = problem.weights
        self.weights, self.decay = (W1, np.ascontiguousarray(W2.T)), np.empty_like(W1)
        layers = Layer(W1, b1), Layer(W2, b2)
        y = (2 * problem.x - 1).reshape(-1, group(N, SMALL // (F * H)), F)
        self.shares = [Rows(*layers, part) for part in np.array_split(y, n_threads)]
        self.map: Any = map if n_threads == 1 else ThreadPoolExecutor(n_threads).map

    def cost(self) -> tuple[float, list[Array]]:
        """Return the cost and the gradients; both matrices are (F, H)."""
        N, (W1, W2) = self.problem.case.N, self.weights
        l2, sparsity, sparsity_weight = self.problem.penalties.values()
        rho = 0.5 + 0.5 / N * np.sum(list(self.map(Rows.forward, self.shares)), axis=0, dtype=float)
        divergence = sparsity * np.log(sparsity / rho) + (1 - sparsity) * np.log((1 - sparsity) / (1 - rho))
        slope = 2 * sparsity_weight * ((1 - sparsity) / (1 - rho) - sparsity / rho)
        error = sum(self.map(partial(Rows.backward, slope=slope.astype(W1.dtype)), self.shares))
        dA1, da1, dA2, da2 = gradients = self.shares[0].gradients
        for share in self.shares[1:]:
            for gradient, other in zip(gradients, share.gradients, strict=True):
                np.add(gradient, other, gradient)
        for W, dA, da in ((W1, dA1, da1), (W2, dA2, da2[:, None])):
            np.add(dA, da, dA)
            np.multiply(dA, 1 / (16 * N), dA)
            np.multiply(W, l2, self.decay)
            np.add(dA, self.decay, dA)
        for da in (da1, da2):
            np.multiply(da, 1 / (8 * N), da)
        cost = error / (8 * N) + l2 / 2 * (np.vdot(W1, W1) + np.vdot(W2, W2)) + sparsity_weight * divergence.sum()
        return cost, gradients

    def results(self, direction: str) -> dict[str, Array]:
        cost, (dW1, db1, dW2, db2) = self.cost()
        return named(cost, [gradient.copy() for gradient in (dW1, db1, dW2.T, db2)])
