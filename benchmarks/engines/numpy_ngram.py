"""The baseline: an epoch of the next-word model, as fast as NumPy can do it.

*Design.*
1. Parameters, gradients and the means of Adam are flat vectors, and the matrices are views of them. Products write into
   the gradients, and the optimizer goes over the vectors in blocks that stay in the cache.
2. Every array is allocated once; all operations write in place.
3. sigmoid(a) = 0.5 + 0.5 tanh(a / 2): NumPy's tanh is faster than its exp with a division.
4. For the gradient of the embedding, rows are sorted by word, and the rows of each word are summed: `add.at` takes
   several times as long.
"""

import numpy as np
import threadpoolctl

from benchmarks.epochs import NGramProblem
from fastrnn._typing import Array

CACHE = 1 << 15  # numbers of each vector in one block of the optimizer


class NumpyNGram:
    """A net with buffers for one batch; NumPy's BLAS is limited to the number of threads."""

    def __init__(self, problem: NGramProblem, n_threads: int) -> None:
        threadpoolctl.threadpool_limits(n_threads, user_api="blas")
        case = problem.case
        self.problem = problem
        self.initial = np.concatenate([W.ravel() for W in problem.weights.values()])
        self.vector, self.gradient, self.mean, self.square = (np.zeros_like(self.initial) for _ in range(4))
        self.scratch = np.empty(CACHE, problem.dtype)
        self.weights, self.gradients = (self._views(vector) for vector in (self.vector, self.gradient))

        def array(*shape: int) -> Array:
            return np.zeros(shape, problem.dtype)

        self.e, self.de = array(case.B, case.T, case.D), array(case.B, case.T * case.D)
        self.h, self.dh, self.slope = (array(case.B, case.H) for _ in range(3))
        self.p, self.column = array(case.B, case.V), array(case.B, 1)
        self.ones, self.each = np.ones(case.B, problem.dtype), np.arange(case.B)

    def _views(self, vector: Array) -> list[Array]:
        """Return the matrices in a vector, as views."""
        shapes = [W.shape for W in self.problem.weights.values()]
        ends = np.cumsum([W.size for W in self.problem.weights.values()])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(vector, ends), shapes, strict=True)]

    def epoch(self) -> float:
        problem = self.problem
        self.vector[:] = self.initial
        self.mean[:] = self.square[:] = 0
        total = 0.0
        for step, rows in enumerate(problem.order, start=1):
            total += self._gradient(problem.x.take(rows, axis=0), problem.y.take(rows))
            self._update(step)
        return total / len(problem.order)

    def _gradient(self, x: Array, y: Array) -> float:
        """Fill the gradient of a batch and return its loss."""
        E, W1, b1, W2, b2 = self.weights
        dE, dW1, db1, dW2, db2 = self.gradients
        h, p, dh, slope, column = self.h, self.p, self.dh, self.slope, self.column
        B = len(x)
        e = E.take(x, axis=0, out=self.e, mode="clip").reshape(B, -1)

        np.matmul(e, W1, h)
        np.add(h, b1, h)
        np.multiply(h, 0.5, h)
        np.tanh(h, h)
        np.multiply(h, 0.5, h)
        np.add(h, 0.5, h)

        np.matmul(h, W2, p)
        np.add(p, b2, p)
        np.max(p, axis=1, keepdims=True, out=column)
        np.subtract(p, column, p)
        chosen = p[self.each, y].sum(dtype=float)
        np.exp(p, p)
        np.sum(p, axis=1, keepdims=True, out=column)
        loss = (np.log(column).sum(dtype=float) - chosen) / B

        np.multiply(column, B, column)
        np.divide(p, column, p)
        p[self.each, y] -= 1 / B
        np.matmul(h.T, p, dW2)
        np.matmul(self.ones, p, db2)
        np.matmul(p, W2.T, dh)
        np.subtract(1, h, slope)
        np.multiply(slope, h, slope)
        np.multiply(dh, slope, dh)
        np.matmul(e.T, dh, dW1)
        np.matmul(self.ones, dh, db1)
        np.matmul(dh, W1.T, self.de)

        words = x.ravel()
        order = words.argsort(kind="stable")
        ordered = words.take(order)
        first = np.flatnonzero(np.diff(ordered, prepend=-1))
        dE[:] = 0
        dE[ordered.take(first)] = np.add.reduceat(self.de.reshape(-1, E.shape[1]).take(order, axis=0), first, axis=0)
        return loss

    def _update(self, step: int) -> None:
        """Make a step of Adam."""
        rate, beta1, beta2, epsilon = self.problem.adam.values()
        rate, over = rate / (1 - beta1**step), 1 / (1 - beta2**step)
        for start in range(0, self.vector.size, CACHE):
            part = slice(start, start + CACHE)
            w, g, m, v = self.vector[part], self.gradient[part], self.mean[part], self.square[part]
            scratch = self.scratch[: len(w)]
            np.multiply(m, beta1, m)
            np.multiply(g, 1 - beta1, scratch)
            np.add(m, scratch, m)
            np.multiply(v, beta2, v)
            np.multiply(scratch, g, scratch)
            np.multiply(scratch, (1 - beta2) / (1 - beta1), scratch)
            np.add(v, scratch, v)
            np.multiply(v, over, scratch)
            np.sqrt(scratch, scratch)
            np.add(scratch, epsilon, scratch)
            np.divide(m, scratch, scratch)
            np.multiply(scratch, rate, scratch)
            np.subtract(w, scratch, w)

    def results(self, direction: str) -> dict[str, Array]:
        loss = np.array(self.epoch())
        return {"loss": loss} | {
            name: array.copy() for name, array in zip(self.problem.weights, self.weights, strict=True)
        }
