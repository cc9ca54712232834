"""fastrnn, called as its users call it: packing and allocation are inside the time."""

from benchmarks.cases import Problem
from fastrnn import Weights, recurrent_backward, recurrent_forward
from fastrnn._kernels.types import Array
from fastrnn.cells import get_cell


class FastrnnEngine:
    """The engine of one backend."""

    backend: str

    def __init__(self, problem: Problem, n_threads: int) -> None:
        self.arguments = (problem.cell, problem.x, problem.weights)
        self.options = {"n_threads": n_threads, "backend": self.backend}
        self.dstate = (problem.dh, *[None] * (get_cell(problem.cell).n_states - 1))

    def infer(self) -> Array:
        return recurrent_forward(*self.arguments, keep_tape=False, **self.options)[0]

    def train(self) -> Weights:
        _, _, tape = recurrent_forward(*self.arguments, **self.options)
        return recurrent_backward(tape, None, self.dstate, need_dx=False)[1]

    def results(self) -> dict[str, Array]:
        return {"y": self.infer()} | {f"d{name}": value for name, value in self.train()._asdict().items()}


class Numba(FastrnnEngine):
    """The kernels that Numba compiles from a cell's equations."""

    backend = "numba"
