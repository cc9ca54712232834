"""fastrnn's models, trained for an epoch as users train them.

The time includes all that `Trainer` does: it draws the order of the examples, takes the batches and sums losses and
accuracy.
"""

from typing import Any

import numpy as np

from benchmarks.epochs import EpochProblem, NGramProblem, SumsProblem, TextProblem
from fastrnn import (
    LSTM,
    Adam,
    Dense,
    Embedding,
    EncoderDecoder,
    Flatten,
    History,
    Sequential,
    Trainer,
    set_num_threads,
)
from fastrnn._typing import Array


class Native:
    """A model, and the arguments of `Trainer.fit` besides inputs and targets."""

    model: Any
    batches: dict[str, Any]

    def __init__(self, problem: EpochProblem, n_threads: int) -> None:
        set_num_threads(n_threads)  # an upper limit: small problems use fewer
        self.problem = problem

    def epoch(self) -> History:
        problem, model = self.problem, self.model
        for parameter, initial in zip(model.parameters.values(), problem.weights.values(), strict=True):
            parameter[...] = initial
        trainer = Trainer(model, "cross_entropy", Adam(**problem.adam), clip_norm=problem.clip_norm)
        return trainer.fit(problem.x, problem.y, epochs=1, **self.batches)

    def results(self, direction: str) -> dict[str, Array]:
        history = self.epoch()
        weights = zip(self.problem.weights, self.model.parameters.values(), strict=True)
        return {"loss": np.array(history["train_loss"][0])} | {name: array.copy() for name, array in weights}


class NativeNGram(Native):
    """The next-word model."""

    def __init__(self, problem: NGramProblem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        case = problem.case
        layers = [Embedding(case.V, case.D), Flatten(), Dense(case.H, "sigmoid"), Dense(case.V)]
        self.model = Sequential(layers).build((case.T, case.V), problem.dtype)
        self.batches = {"batch_size": case.B}


class NativeText(Native):
    """The character model, with truncated backpropagation."""

    def __init__(self, problem: TextProblem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        case = problem.case
        layers = [LSTM(case.H, layers=2, return_sequences=True), Dense(case.V)]
        self.model = Sequential(layers).build((None, case.V), problem.dtype)
        self.batches = {"batch_size": case.B, "window": case.T}


class NativeSums(Native):
    """The encoder-decoder, with teacher forcing."""

    def __init__(self, problem: SumsProblem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        H, (read, written) = problem.case.H, (problem.inputs["encoder"], problem.inputs["decoder"] - 1)
        nets = [LSTM(H)], [LSTM(H, return_sequences=True), Dense(written)]
        self.model = EncoderDecoder(*nets).build((None, read), written, problem.dtype)
        self.batches = {"batch_size": problem.case.B, "lengths": problem.lengths}
