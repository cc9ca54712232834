"""fastrnn, called as users call it: the time of training includes packing and allocation.

For inference the weights are packed once, as the other libraries do when they load a model.
"""

import numpy as np

from benchmarks.agreement import gradients_by_name
from benchmarks.cases import Problem, equations
from fastrnn import (
    GRU,
    LSTM,
    RNN,
    Sequential,
    Stream,
    Weights,
    pack,
    recurrent_backward,
    recurrent_forward,
    set_num_threads,
)
from fastrnn._typing import Array

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


class FastrnnEngine:
    """fastrnn with one backend."""

    backend: str

    def __init__(self, problem: Problem, n_threads: int) -> None:
        self.problem, self.cell = problem, equations(problem.cell)
        self.packed = pack(self.cell, problem.weights, backend=self.backend)
        set_num_threads(n_threads)  # an upper limit: small problems use fewer
        self.options = {"lengths": problem.lengths, "backend": self.backend}
        self.dstate = (problem.dh, *[None] * (self.cell.n_states - 1))

    def infer(self) -> Array:
        return recurrent_forward(self.cell, self.problem.x, self.packed, keep_tape=False, **self.options)[0]

    def train(self) -> Weights:
        problem = self.problem
        _, _, tape = recurrent_forward(self.cell, problem.x, problem.weights, **self.options)
        return recurrent_backward(tape, None, self.dstate, need_dx=False)[1]

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "train":
            return gradients_by_name(self.train())
        return {"y": self.infer()}


class Numba(FastrnnEngine):
    """The kernels that Numba compiles from the equations of a cell."""

    backend = "numba"


class Native(FastrnnEngine):
    """The compiled kernels; `step` uses a `Stream`."""

    backend = "native"

    def __init__(self, problem: Problem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        case = problem.case
        model = Sequential([LAYERS[problem.cell](case.H, return_sequences=True)]).build((None, case.I), problem.dtype)
        for parameter, weights in zip(model.parameters.values(), problem.weights, strict=True):
            parameter[...] = weights
        self.stream = Stream(model, case.B)
        self.steps = np.ascontiguousarray(problem.x.swapaxes(0, 1))

    def step(self) -> list[Array]:
        self.stream.reset()
        return [self.stream.step(x) for x in self.steps]

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "step":
            return {"y": np.stack(self.step(), axis=1)}
        return super().results(direction)
