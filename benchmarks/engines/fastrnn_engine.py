"""fastrnn, called as its users call it: packing and allocation are inside the time of training.

Weights are packed once for inference, as the other libraries do when they load a model.
"""

import numpy as np

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
    """The engine of one backend."""

    backend: str

    def __init__(self, problem: Problem, n_threads: int) -> None:
        self.problem, self.cell = problem, equations(problem.cell)
        self.packed = pack(self.cell, problem.weights, backend=self.backend)
        set_num_threads(n_threads)  # as offered: small problems take fewer
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
            return {f"d{name}": value for name, value in self.train()._asdict().items()}
        return {"y": self.infer()}


class Numba(FastrnnEngine):
    """The kernels that Numba compiles from a cell's equations."""

    backend = "numba"


class Native(FastrnnEngine):
    """The compiled kernels; step by step as a stream."""

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
