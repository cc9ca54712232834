"""An encoder and decoder as the trainer sees them.

A sequence all of whose symbols are the likeliest ones after the true symbols before is what greedy search finds, as it
follows the same symbols. So the exact match of teacher forcing is that of greedy search, and costs nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fastrnn._typing import Array
from fastrnn.losses import count_cross_entropy
from fastrnn.models.encoder_decoder import EncoderDecoder
from fastrnn.training.batches import PADDING, Examples, check_examples, without_padding
from fastrnn.training.objectives import Objective
from fastrnn.training.shuffle import file_order


class TeacherForcing(Objective):
    """The cross-entropy of each symbol of the targets, predicted from those before it; -1 is padding after the end."""

    measures = ("train_accuracy", "train_exact_match")

    def __init__(self, model: EncoderDecoder, n_threads: int | None, checkpoint_every: int | None) -> None:
        self.model = model
        self.n_threads = n_threads
        self.checkpoint_every = checkpoint_every

    @property
    def flat_parameters(self) -> Array:
        return self.model.flat_parameters

    @property
    def flat_gradients(self) -> Array:
        return self.model.flat_gradients

    def settings(self) -> dict[str, Any]:
        model = self.model
        shapes = f"{model.encoder.input_shape} to {model.n_symbols} symbols"
        return {"model": repr(model), "input_shape": shapes, "dtype": model.dtype.name, "loss": "cross_entropy"}

    def check(self, x: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Examples:
        examples = check_examples(False, x, np.asarray(y), lengths, sample_weight)
        y, V = examples.y, self.model.n_symbols
        if y.ndim != 2 or y.dtype.kind not in "iu":
            raise TypeError(f"y has shape {y.shape} and dtype {y.dtype}, expected symbols: integers (N, U)")
        wrong = np.argwhere((y < PADDING) | (y >= V))
        if len(wrong):
            row, step = map(int, wrong[0])
            raise ValueError(f"y[{row}, {step}] is {y[row, step]}, expected a symbol in 0..{V - 1}, or -1 for padding")
        written = y != PADDING
        in_front = np.arange(y.shape[1]) < written.sum(axis=1)[:, None]
        unlike = np.flatnonzero((written != in_front).any(axis=1) | ~written.any(axis=1))
        if len(unlike):
            expected = "at least one symbol, and -1 after the last one alone"
            raise ValueError(f"y[{unlike[0]}] is {y[unlike[0]]}, expected {expected}")
        return examples

    def check_window(self, window: int) -> None:
        raise ValueError(f"window is {window}, but an EncoderDecoder reads sequences as a whole; expected None")

    def batches(
        self, examples: Examples, order: Iterable[Array], batch_size: int, window: int | None = None, skip: int = 0
    ) -> Iterator[Examples]:
        for batch in super().batches(examples, order, batch_size, window, skip):
            longest = int((batch.y != PADDING).sum(axis=1).max())
            yield without_padding(batch._replace(y=batch.y[:, :longest]))

    def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        logits, backprop = self._forward(batch, training=True, rng=rng, checkpoint_every=self.checkpoint_every)
        loss, dlogits, correct = count_cross_entropy(logits, batch.y, batch.mask, batch.weights)
        self.model.zero_gradients()
        backprop(dlogits)
        shares = _count_exact(logits, batch) / len(batch.y) * batch.n_steps  # the trainer divides by steps
        return loss, {"train_accuracy": correct, "train_exact_match": shares}

    def evaluate(
        self, examples: Examples, batch_size: int, at_a_time: int | None = None, window: int | None = None
    ) -> tuple[float, dict[str, float]]:
        loss, correct, steps, exact = 0.0, 0.0, 0, 0
        for batch in self.batches(examples, file_order(len(examples.x)), at_a_time or batch_size):
            logits, _ = self._forward(batch)
            value, _, right = count_cross_entropy(logits, batch.y, batch.mask, batch.weights, gradient=False)
            loss += value * batch.n_steps
            correct += right
            steps += batch.n_steps
            exact += _count_exact(logits, batch)
        return loss / steps, {"accuracy": correct / steps, "exact_match": exact / len(examples.x)}

    def _forward(self, batch: Examples, **training: Any) -> Any:
        assert batch.mask is not None
        y = np.where(batch.mask, batch.y, 0)  # beyond the lengths nothing is read
        how: dict[str, Any] = {"lengths": batch.lengths, "y_lengths": batch.mask.sum(axis=1)}
        return self.model.forward(batch.x, y, **how, n_threads=self.n_threads, **training)


def _count_exact(logits: Array, batch: Examples) -> int:
    """Count the sequences whose symbols are all the likeliest ones."""
    assert batch.mask is not None
    return int(np.count_nonzero(((logits.argmax(axis=-1) == batch.y) | ~batch.mask).all(axis=1)))
