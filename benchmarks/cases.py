"""What is timed: cells, sizes and directions. The only place for sizes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastrnn import Weights
from fastrnn.cells import get_cell
from fastrnn.testing import random_weights

CELLS = ("rnn", "lstm", "gru")
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Case:
    """A size: B sequences of T steps, I inputs, H hidden units."""

    name: str
    B: int
    T: int
    I: int
    H: int

    def __str__(self) -> str:
        return f"{self.name} ({self.B}, {self.T}, {self.I}, {self.H})"


CASES = {
    case.name: case
    for case in (
        Case("seeds", 32, 150, 3, 128),
        Case("latency", 1, 150, 3, 128),
        Case("tiny", 1, 1000, 1, 32),
        Case("narrow", 32, 100, 64, 32),
        Case("wide", 64, 100, 128, 512),
        Case("wider", 64, 50, 500, 500),
        Case("batch", 128, 50, 256, 256),
        Case("long", 8, 5000, 4, 64),
        Case("tails-33", 7, 17, 5, 33),
        Case("tails-50", 6, 3, 36, 50),
    )
}


class Problem:
    """What every engine gets: a batch, weights in fastrnn's layout, and the gradient of the final h."""

    def __init__(self, cell: str, case: Case, dtype: str) -> None:
        rng = np.random.default_rng(0)
        self.cell, self.case, self.dtype = cell, case, dtype
        self.x = rng.normal(size=(case.B, case.T, case.I)).astype(dtype)
        self.weights: Weights = random_weights(cell, case.I, case.H, rng, dtype)
        self.dh = rng.normal(size=(case.B, case.H)).astype(dtype)

    def infer_operations(self) -> int:
        """Multiplications and additions of the products of a forward pass."""
        case = self.case
        return 2 * case.B * case.T * get_cell(self.cell).n_gates * case.H * (case.I + case.H)

    def train_operations(self) -> int:
        """Forward, gradients of the weights (as many again), and of h at every step; none of x, which nobody needs."""
        case = self.case
        return 2 * self.infer_operations() + 2 * case.B * case.T * get_cell(self.cell).n_gates * case.H * case.H


# What is timed of an engine, and the operations it takes.
DIRECTIONS: dict[str, Callable[[Problem], int]] = {
    "infer": Problem.infer_operations,
    "train": Problem.train_operations,
}
