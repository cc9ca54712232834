"""fastrnn, called as its users call it: packing and allocation are inside the time."""

import numpy as np

from benchmarks.cases import Problem
from fastrnn import Weights, pack, recurrent_backward, recurrent_forward
from fastrnn._kernels.types import Array
from fastrnn.cells import get_cell


class FastrnnEngine:
    """The engine of one backend."""

    backend: str

    def __init__(self, problem: Problem, n_threads: int) -> None:
        self.arguments = (problem.cell, problem.x, problem.weights)
        self.options = {"n_threads": n_threads, "backend": self.backend}
        self.lengths = problem.lengths
        self.dstate = (problem.dh, *[None] * (get_cell(problem.cell).n_states - 1))

    def infer(self) -> Array:
        return recurrent_forward(*self.arguments, lengths=self.lengths, keep_tape=False, **self.options)[0]

    def train(self) -> Weights:
        _, _, tape = recurrent_forward(*self.arguments, lengths=self.lengths, **self.options)
        return recurrent_backward(tape, None, self.dstate, need_dx=False)[1]

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "train":
            return {f"d{name}": value for name, value in self.train()._asdict().items()}
        return {"y": self.infer()}


class Numba(FastrnnEngine):
    """The kernels that Numba compiles from a cell's equations."""

    backend = "numba"


class Native(FastrnnEngine):
    """The compiled kernels; step by step with weights that were packed once."""

    backend = "native"

    def __init__(self, problem: Problem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        self.packed = pack(problem.cell, problem.weights, backend=self.backend)

    def step(self) -> list[Array]:
        cell, x, _ = self.arguments
        state, outputs = None, []
        for t in range(x.shape[1]):
            y, state, _ = recurrent_forward(cell, x[:, t : t + 1], self.packed, state, keep_tape=False, **self.options)
            outputs.append(y[:, 0])
        return outputs

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "step":
            return {"y": np.stack(self.step(), axis=1)}
        return super().results(direction)
