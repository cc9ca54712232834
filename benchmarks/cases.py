"""Define what is timed: cells, sizes and directions. All sizes are defined here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from operator import methodcaller
from typing import Any, ClassVar

import numpy as np

from benchmarks.epochs import EpochProblem, NGramCase, SumsCase, TextCase
from examples.custom_cell import COUPLED, MGU
from fastrnn import AutoencoderWeights, Weights
from fastrnn._typing import Array
from fastrnn.cells import Cell, get_cell
from fastrnn.testing import random_weights

RECURRENT = ("rnn", "lstm", "gru")
OWN = {cell.name: cell for cell in (MGU, COUPLED)}  # custom cells: no library has a kernel or a module for them
SEQUENTIAL = (*RECURRENT, *OWN)
CELLS = (*SEQUENTIAL, "autoencoder", *NGramCase.cells, *TextCase.cells, *SumsCase.cells)
DTYPES = ("float32", "float64")


def equations(cell: str) -> Cell:
    """Return the recurrent cell of this name."""
    return OWN[cell] if cell in OWN else get_cell(cell)


@dataclass(frozen=True)
class Case:
    """A size: B sequences of T steps (or of `shortest` to T steps), I inputs, H hidden units.

    `cells` are timed at this size, in these `directions`.
    """

    name: str
    B: int
    T: int
    I: int
    H: int
    shortest: int | None = None
    directions: tuple[str, ...] = ("infer", "train")
    cells: tuple[str, ...] = RECURRENT

    axes: ClassVar = ("B", "T", "I", "H", "shortest")

    def __str__(self) -> str:
        steps = self.T if self.shortest is None else f"{self.shortest}..{self.T}"
        return f"{self.name} ({self.B}, {steps}, {self.I}, {self.H})"

    def lengths(self) -> Array | None:
        """Draw the lengths of the sequences, the same at every call; None if all sequences have T steps."""
        if self.shortest is None:
            return None
        return np.random.default_rng(0).integers(self.shortest, self.T, self.B, endpoint=True)

    def problem(self, cell: str, dtype: str) -> "Problem":
        """Return the problem for a cell at this size."""
        return Problem(cell, self, dtype)


@dataclass(frozen=True)
class AutoencoderCase:
    """A size of the sparse autoencoder: N examples of F features, H hidden units."""

    name: str
    N: int
    F: int
    H: int

    cells: ClassVar = ("autoencoder",)
    axes: ClassVar = ("N", "F", "H")
    directions: ClassVar = ("cost",)

    def __str__(self) -> str:
        return f"{self.name} ({self.N}, {self.F}, {self.H})"

    def problem(self, cell: str, dtype: str) -> "AutoencoderProblem":
        """Return the problem at this size."""
        return AutoencoderProblem(cell, self, dtype)


CASES: dict[str, Case | AutoencoderCase | NGramCase | TextCase | SumsCase] = {
    case.name: case
    for case in (
        Case("seeds", 32, 150, 3, 128, cells=SEQUENTIAL),
        Case("latency", 1, 150, 3, 128, cells=SEQUENTIAL),
        Case("tiny", 1, 1000, 1, 32),
        Case("narrow", 32, 100, 64, 32, cells=SEQUENTIAL),
        Case("wide", 64, 100, 128, 512, cells=SEQUENTIAL),
        Case("wider", 64, 50, 500, 500),
        Case("batch", 128, 50, 256, 256, cells=SEQUENTIAL),
        Case("long", 8, 5000, 4, 64),
        Case("ragged", 32, 100, 64, 128, shortest=10),
        Case("tails-33", 7, 17, 5, 33),
        Case("tails-50", 6, 3, 36, 50),
        Case("digits", 32, 8, 8, 64, cells=tuple(OWN)),
        Case("step-16", 1, 200, 3, 16, directions=("step",)),
        Case("step-128", 1, 200, 3, 128, directions=("step",)),
        AutoencoderCase("patches", 10240, 256, 64),
        AutoencoderCase("minibatch", 128, 256, 64),
        NGramCase("words", 40_000, 3, 250, 32, 256, 200),
        TextCase("characters", 32 * 64 * 8 + 1, 65, 256, 32, 64),
        SumsCase("questions", 25 * 128, 128, 128),
    )
}


class Problem:
    """What every engine gets: a batch, weights in fastrnn's layout, and the gradient of each row's final h.

    `lengths` are the numbers of steps of the rows, or None. `x` is random in the padding, too: an engine that reads it
    there gets different results.
    """

    slack: ClassVar = 1  # results may differ by so many times the tolerance of fastrnn's gradients

    def __init__(self, cell: str, case: Case, dtype: str) -> None:
        rng = np.random.default_rng(0)
        self.cell, self.case, self.dtype = cell, case, dtype
        self.x = rng.normal(size=(case.B, case.T, case.I)).astype(dtype)
        self.weights: Weights = random_weights(equations(cell), case.I, case.H, rng, dtype)
        self.dh = rng.normal(size=(case.B, case.H)).astype(dtype)
        self.lengths = case.lengths()

    def masked(self, y: Array) -> Array:
        """Return y (B, T, H) with 0 in the padding."""
        if self.lengths is None:
            return y
        return np.where(np.arange(self.case.T)[:, None] < self.lengths[:, None, None], y, 0)

    def _products(self, width: int) -> int:
        """Count the operations that multiply `width` numbers by the weights of all gates, at all steps but padding."""
        case = self.case
        steps = case.B * case.T if self.lengths is None else int(self.lengths.sum())
        return 2 * steps * equations(self.cell).n_gates * case.H * width

    def infer_operations(self) -> int:
        """Count the multiplications and additions in the products of a forward pass."""
        return self._products(self.case.I + self.case.H)

    def train_operations(self) -> int:
        """Count the operations: forward pass, gradients of the weights (as many again) and of h at every step.

        The gradient of x is not computed: nothing needs it.
        """
        return 2 * self.infer_operations() + self._products(self.case.H)


class AutoencoderProblem:
    """What every engine gets for the cost and gradient of a sparse autoencoder: examples, weights and penalties."""

    slack: ClassVar = 1
    penalties: ClassVar = {"l2": 5e-4, "sparsity": 0.05, "sparsity_weight": 0.5}

    def __init__(self, cell: str, case: AutoencoderCase, dtype: str) -> None:
        rng = np.random.default_rng(0)
        self.cell, self.case, self.dtype = cell, case, dtype
        F, H = case.F, case.H
        limit = (6 / (F + H)) ** 0.5
        self.x = rng.uniform(0.1, 0.9, (case.N, F)).astype(dtype)
        self.weights = AutoencoderWeights(
            *(rng.uniform(-limit, limit, shape).astype(dtype) for shape in ((F, H), (H,), (H, F), (F,)))
        )

    def cost_operations(self) -> int:
        """Count the operations of the five products: two forward, two for the weights, one for the gradient of h."""
        return 10 * self.x.size * self.case.H


AnyProblem = Problem | AutoencoderProblem | EpochProblem

# What is timed, and how many operations it takes.
DIRECTIONS: dict[str, Callable[[Any], int]] = {
    "infer": Problem.infer_operations,
    "train": Problem.train_operations,
    "step": Problem.infer_operations,
    "cost": AutoencoderProblem.cost_operations,
    "epoch": methodcaller("epoch_operations"),
}


def pairs(
    cells: Iterable[str] = CELLS, cases: Iterable[str] = tuple(CASES), directions: Iterable[str] = tuple(DIRECTIONS)
) -> list[tuple[str, str]]:
    """Return all pairs of a cell and one of its cases, among these names, that have one of the directions."""
    return [
        (cell, case)
        for cell, case in product(cells, cases)
        if cell in CASES[case].cells and not set(directions).isdisjoint(CASES[case].directions)
    ]
