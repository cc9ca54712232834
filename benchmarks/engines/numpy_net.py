"""The baseline: recurrent nets, as fast as NumPy can run them.

*Design.*
1. Weights are merged and stored in the order in which the products read them; `Wh` is stored transposed as well. The
   biases are an additional row of `Wx`, for an additional input that is always 1.
2. A step has *blocks* of pre-activations (B, H). Blocks with the same operations are neighbours. The arrays of a step
   are contiguous: to set up a strided operation takes NumPy five times as long as a small operation itself. The
   products of all blocks are one stacked `matmul`, whose matrices are so small that OpenBLAS does not pack them.
3. sigmoid(a) = 0.5 + 0.5 tanh(a / 2), where the factor in a / 2 is part of the weights, which is exact. So there is one
   tanh for all sigmoids, and in the LSTM for all gates (NumPy's tanh is faster than its exp with a division).
4. All that does not depend on the previous step is computed for many steps at once, in stretches that stay in the
   cache: the product of the input, and all derivatives. In the backward pass, a step computes only the chain through h
   (and c).
5. Weight gradients are one product over all T B rows.
6. Every array, and every view of a step, is made once; all operations write in place. A step of the LSTM is 9 calls
   from Python in the forward pass and 7 in the backward pass, and nothing else.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import ClassVar

import numpy as np

from fastrnn import Weights
from fastrnn._typing import Array

CACHE = 1 << 18  # bytes of pre-activations in one stretch of steps: a quarter of a common second-level cache

Views = tuple[Array, ...]
Stretch = tuple[Array, Array, list[Views]]  # x, the array for its product, and the views of each step


class Net:
    """The base of all cells: the layout of weights and buffers, stretches of steps, and weight gradients.

    The first blocks of a step get a product of x, the last ones a product of h. `x_gates` and `h_gates` list the gates
    of these blocks, by their place on the axis G. A tape is (steps, blocks, B, H), deltas are (blocks, T, B, H).
    """

    x_gates: ClassVar[list[int]]
    h_gates: ClassVar[list[int]]
    sigmoids: ClassVar[list[int]] = []
    blocks: ClassVar[int]
    inferring: list[Stretch]
    training: list[Stretch]

    def __init__(self, x: Array, weights: Weights, dh: Array) -> None:
        B, T, I = x.shape
        G, H = weights.bx.shape
        self.size, self.dtype, self.final_dh = (B, T, H), x.dtype, dh
        self.half = self.array()
        self.half[...] = 0.5  # as an array: every call would convert a Python number
        scale = np.ones((G, 1), x.dtype)
        scale[self.sigmoids] = 0.5

        self.x = np.ones((T, 1, B, I + 1), x.dtype)
        self.x[:, 0, :, :I] = x.swapaxes(0, 1)
        Wx = np.concatenate((weights.Wx, self.bias(weights)[None]))
        self.Wx = np.ascontiguousarray((Wx * scale)[:, self.x_gates].swapaxes(0, 1))
        self.Wh = np.ascontiguousarray((weights.Wh * scale)[:, self.h_gates].swapaxes(0, 1))
        self.Wh_transposed = np.ascontiguousarray(weights.Wh[:, self.h_gates].transpose(1, 2, 0))

        self.h = self.array(T + 1, B, H)
        self.product = self.array(len(self.h_gates), B, H)
        self.dh, self.scratch = self.array(B, H), self.array(B, H)
        self.deltas = self.array(self.blocks, T, B, H)
        self.dWx, self.dWh = np.empty_like(self.Wx), np.empty_like(self.Wh)

        self.stretch = min(T, max(1, CACHE // (self.blocks * B * H * x.dtype.itemsize)))
        self.factors = self.array(self.stretch, self.blocks, B, H)

    def array(self, *shape: int) -> Array:
        """Return zeros, so that the memory is there before the first call."""
        return np.zeros(shape, self.dtype)

    @staticmethod
    def bias(weights: Weights) -> Array:
        """Return the biases (G, H) that belong to x."""
        return weights.bx + weights.bh

    def views(self, t: int, now: int, after: int) -> Views:
        """Return the views that `forward` needs at step t; on the tape, this step is at `now`, the next at `after`."""
        raise NotImplementedError

    def forward(self, stretches: Iterable[Stretch]) -> None:
        """Run all steps."""
        raise NotImplementedError

    def backward(self) -> None:
        """Fill the deltas of all steps."""
        raise NotImplementedError

    def cuts(self) -> Iterator[slice]:
        """Yield the steps of each stretch."""
        T = self.size[1]
        yield from (slice(*pair) for pair in pairwise([*range(0, T, self.stretch), T]))

    def stretches(self, tape: Array, length: int) -> list[Stretch]:
        """Return the stretches of a forward pass; its tape has `length` steps, which are used again if T is larger."""
        place = [t % length for t in range(self.size[1] + 1)]
        return [
            (
                self.x[cut],
                tape[place[cut.start] :][: cut.stop - cut.start, : len(self.x_gates)],
                [self.views(t, place[t], place[t + 1]) for t in range(cut.start, cut.stop)],
            )
            for cut in self.cuts()
        ]

    def infer(self) -> Array:
        """Return h of all steps (T, B, H)."""
        self.forward(self.inferring)
        return self.h[1:]

    def train(self) -> tuple[Array, Array]:
        """Return the gradients of Wx, which includes the bias, and of Wh, by blocks."""
        self.forward(self.training)
        self.backward()
        B, T, H = self.size
        deltas = self.deltas.reshape(self.blocks, T * B, H)
        np.matmul(self.x.reshape(T * B, -1).T, deltas[: len(self.x_gates)], out=self.dWx)
        np.matmul(self.h[:-1].reshape(T * B, H).T, deltas[-len(self.h_gates) :], out=self.dWh)
        return self.dWx, self.dWh

    def gradients(self) -> Weights:
        """Run a training call and return the gradients in fastrnn's layout."""
        dWx, dWh = self.train()
        dWx = dWx[np.argsort(self.x_gates)].swapaxes(0, 1)
        return Weights(dWx[:-1], dWh[np.argsort(self.h_gates)].swapaxes(0, 1), dWx[-1], self.dbh(dWx[-1]))

    def dbh(self, dbx: Array) -> Array:
        """Return the gradient of the biases that belong to h."""
        return dbx
