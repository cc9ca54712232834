"""Whole models that are trained for an epoch: their sizes, and what every engine gets.

All engines start from the same weights, take the same batches and update with Adam.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastrnn import SGD, Dense, Sequential, Trainer, Weights
from fastrnn._typing import Array
from fastrnn.cells import get_cell
from fastrnn.data import arithmetic_questions
from fastrnn.testing import random_weights

READ, WRITTEN = "+-0123456789", "\n-0123456789"  # symbols of questions and of answers; the first one ends an answer
PADDING = -1


@dataclass(frozen=True)
class EpochCase:
    """A size of a model that is trained for an epoch."""

    name: str

    axes: ClassVar[tuple[str, ...]]
    cells: ClassVar[tuple[str, ...]]
    directions: ClassVar = ("epoch",)

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(str(getattr(self, axis)) for axis in self.axes)})"


@dataclass(frozen=True)
class NGramCase(EpochCase):
    """A size of the next-word model: N contexts of T words, V words, embedding size D, H hidden units, batches of B."""

    N: int
    T: int
    V: int
    D: int
    H: int
    B: int

    axes = ("N", "T", "V", "D", "H", "B")
    cells = ("ngram",)

    def problem(self, cell: str, dtype: str) -> "NGramProblem":
        """Return the problem at this size."""
        return NGramProblem(cell, self, dtype)


@dataclass(frozen=True)
class TextCase(EpochCase):
    """A size of the character model: N characters, V symbols, two layers of H units, B streams, windows of T steps."""

    N: int
    V: int
    H: int
    B: int
    T: int

    axes = ("N", "V", "H", "B", "T")
    cells = ("text",)

    def problem(self, cell: str, dtype: str) -> "TextProblem":
        """Return the problem at this size."""
        return TextProblem(cell, self, dtype)


@dataclass(frozen=True)
class SumsCase(EpochCase):
    """A size of the encoder-decoder that learns to add and subtract: N questions, H units, batches of B."""

    N: int
    H: int
    B: int

    axes = ("N", "H", "B")
    cells = ("arithmetic",)

    def problem(self, cell: str, dtype: str) -> "SumsProblem":
        """Return the problem at this size."""
        return SumsProblem(cell, self, dtype)


class EpochProblem(ABC):
    """What every engine gets for an epoch: inputs `x`, targets `y`, initial weights by name, and the settings of Adam.

    The slack is 10, because small gradients consist of rounding errors, and Adam gives them the same weight as large
    gradients.
    """

    slack: ClassVar = 10
    adam: ClassVar = {"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    clip_norm: float | None = None

    cell: str
    dtype: str
    x: Array
    y: Array
    weights: dict[str, Array]

    @abstractmethod
    def epoch_operations(self) -> int:
        """Count the operations of the products: forward pass, gradients of weights and of inputs."""


class NGramProblem(EpochProblem):
    """The next-word model ``softmax(sigmoid(e W1 + b1) W2 + b2)``: e holds the rows of E for the T words, side by side.

    Each row of `order` lists the examples of a batch.
    """

    def __init__(self, cell: str, case: NGramCase, dtype: str) -> None:
        rng = np.random.default_rng(0)
        self.cell, self.case, self.dtype = cell, case, dtype
        N, T, V, D, H, B = (getattr(case, axis) for axis in case.axes)
        words = symbols_of_language(rng, V, (N, T + 1))
        self.x, self.y = np.ascontiguousarray(words[:, :T]), np.ascontiguousarray(words[:, T])
        self.order = training_order(N, B)
        shapes = {"E": (V, D), "W1": (T * D, H), "b1": (H,), "W2": (H, V), "b2": (V,)}
        self.weights = {
            name: rng.uniform(-0.1, 0.1, shape).astype(dtype) if len(shape) == 2 else np.zeros(shape, dtype)
            for name, shape in shapes.items()
        }

    def epoch_operations(self) -> int:
        case = self.case
        return 6 * case.N * case.H * (case.T * case.D + case.V)


class TextProblem(EpochProblem):
    """The character model: two LSTMs, then a softmax over the symbols at every step.

    `x` (B, steps) holds symbols, and `y` the symbols that follow them. All rows form one batch. Each window of it is
    one update: the state is carried to the next window, but no gradient flows back. The weights are those of the lower
    and the upper LSTM, then W and b.
    """

    clip_norm = 1.0

    def __init__(self, cell: str, case: TextCase, dtype: str) -> None:
        rng = np.random.default_rng(0)
        self.cell, self.case, self.dtype = cell, case, dtype
        N, V, H, B, T = (getattr(case, axis) for axis in case.axes)
        symbols = symbols_of_language(rng, V, N)
        self.x, self.y = symbols[:-1].reshape(B, -1), symbols[1:].reshape(B, -1)
        if self.x.shape[1] % T:
            raise ValueError(f"streams have {self.x.shape[1]} characters, expected a multiple of the window, {T}")
        self.inputs = {"lower": V, "upper": H}
        self.weights = lstm_weights(self.inputs, H, V, rng, dtype)

    def epoch_operations(self) -> int:
        V, H = self.case.V, self.case.H
        return 6 * self.x.size * H * (3 * 4 * H + V)  # x of the lower layer is symbols: only h has a product there


class SumsProblem(EpochProblem):
    """The encoder-decoder: an LSTM reads a question backwards; another starts from its state and writes the answer.

    `x` (N, T) holds the symbols of the questions, with `lengths` for the rows. `y` (N, U) holds the symbols of the
    answers, then the end symbol, then -1 as padding. `before` is what the decoder reads: the start symbol V, then `y`
    without its last column. Each row of `order` lists the examples of a batch.
    """

    clip_norm = 1.0

    def __init__(self, cell: str, case: SumsCase, dtype: str) -> None:
        rng = np.random.default_rng(0)
        self.cell, self.case, self.dtype = cell, case, dtype
        data = arithmetic_questions(case.N + 1, test_fraction=1 / (case.N + 1))
        self.lengths = np.array(list(map(len, data.questions_train)))
        self.x = np.zeros((case.N, self.lengths.max()), int)
        self.y = np.full((case.N, 1 + max(map(len, data.answers_train))), PADDING)
        for x, y, question, answer in zip(self.x, self.y, data.questions_train, data.answers_train, strict=True):
            x[: len(question)] = [READ.index(symbol) for symbol in reversed(question)]
            y[: len(answer) + 1] = [WRITTEN.index(symbol) for symbol in answer + WRITTEN[0]]
        V = len(WRITTEN)
        self.before = np.concatenate([np.full((case.N, 1), V), np.where(self.y < 0, V, self.y)[:, :-1]], axis=1)
        self.order = training_order(case.N, case.B)
        self.inputs = {"encoder": len(READ), "decoder": V + 1}
        self.weights = lstm_weights(self.inputs, case.H, V, rng, dtype)

    def epoch_operations(self) -> int:
        H, V = self.case.H, len(WRITTEN)
        written = int((self.y != PADDING).sum())
        return 6 * H * ((int(self.lengths.sum()) + written) * 4 * H + written * V)


def symbols_of_language(rng: np.random.Generator, V: int, size: int | tuple[int, ...]) -> Array:
    """Draw numbers in 0..V-1 with the frequencies of words (Zipf 1949)."""
    frequencies = 1 / np.arange(1, V + 1)
    return rng.choice(V, size, p=frequencies / frequencies.sum())


def lstm_weights(inputs: dict[str, int], H: int, V: int, rng: np.random.Generator, dtype: str) -> dict[str, Array]:
    """Draw the weights of LSTMs, given their names and numbers of inputs, and of the last layer with V logits."""
    weights: dict[str, Array] = {}
    for name, I in inputs.items():
        weights |= lstm_named(name, random_weights(get_cell("lstm"), I, H, rng, dtype))
    return weights | {"W": rng.uniform(-0.1, 0.1, (H, V)).astype(dtype), "b": np.zeros(V, dtype)}


def lstm_named(name: str, weights: Weights) -> dict[str, Array]:
    """Return the weights of one LSTM by their names in the problem; `lstm_of` is the inverse."""
    return {f"{name}.{part}": array for part, array in weights._asdict().items()}


def lstm_of(weights: dict[str, Array], name: str) -> Weights:
    """Return the weights of one LSTM."""
    return Weights(*(weights[f"{name}.{part}"] for part in Weights._fields))


def training_order(N: int, batch_size: int) -> Array:
    """Return the order of the examples in the first epoch of `Trainer`, (batches, batch_size), as its loss sees it."""
    seen: list[Array] = []

    def loss(
        y: Array, target: Array, mask: Array | None = None, sample_weight: Array | None = None
    ) -> tuple[float, Array]:
        seen.append(target)
        return 0.0, np.zeros_like(y)

    trainer = Trainer(Sequential([Dense(1)]).build((1,)), loss, SGD(1.0))
    trainer.fit(np.zeros((N, 1), "float32"), np.arange(N), epochs=1, batch_size=batch_size)
    return np.stack(seen)
