"""fastrnn's next-word model, trained as its users train it."""

import numpy as np

from benchmarks.cases import NGramProblem
from fastrnn import Adam, Dense, Embedding, Flatten, History, Sequential, Trainer, set_num_threads
from fastrnn._kernels.types import Array


class Native:
    """`Trainer`, which draws the order of the examples, takes its batches and sums losses and accuracy; inside of the
    time, as all else is.
    """

    def __init__(self, problem: NGramProblem, n_threads: int) -> None:
        case = problem.case
        set_num_threads(n_threads)  # as offered: small problems take fewer
        layers = [Embedding(case.V, case.D), Flatten(), Dense(case.H, "sigmoid"), Dense(case.V)]
        self.problem = problem
        self.model = Sequential(layers).build((case.T, case.V), problem.dtype)

    def epoch(self) -> History:
        problem, model = self.problem, self.model
        for parameter, initial in zip(model.parameters.values(), problem.weights.values(), strict=True):
            parameter[...] = initial
        trainer = Trainer(model, "cross_entropy", Adam(**problem.adam))
        return trainer.fit(problem.x, problem.y, epochs=1, batch_size=problem.case.B)

    def results(self, direction: str) -> dict[str, Array]:
        history = self.epoch()
        weights = zip(self.problem.weights, self.model.parameters.values(), strict=True)
        return {"loss": np.array(history["train_loss"][0])} | {name: array.copy() for name, array in weights}
