"""An encoder and decoder as the trainer sees them.

The decoder predicts each symbol from the true symbols before it. If each of its most likely symbols is the true one,
greedy search follows the same symbols and finds the whole sequence. So the exact match of teacher forcing is that of
greedy search, and costs nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fastrnn._typing import Array
from fastrnn.losses import Loss
from fastrnn.models.encoder_decoder import EncoderDecoder
from fastrnn.training.batches import PADDING, Examples, check_examples, without_padding
from fastrnn.training.objectives import ModelObjective
from fastrnn.training.shuffle import file_order


class TeacherForcing(ModelObjective[EncoderDecoder]):
    """The loss of each symbol of the targets, predicted from the symbols before it; -1 is padding after the end."""

    def __init__(self, model: EncoderDecoder, loss: Loss, n_threads: int | None, checkpoint_every: int | None) -> None:
        super().__init__(model, n_threads, checkpoint_every)
        self.loss = loss
        self.measures = (*(("train_accuracy",) if loss.counts_accuracy else ()), "train_exact_match")

    def settings(self) -> dict[str, Any]:
        model = self.model
        shapes = f"{model.encoder.input_shape} to {model.n_symbols} symbols"
        return {"model": repr(model), "input_shape": shapes, "dtype": model.dtype.name, "loss": self.loss.name}

    def check(self, x: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Examples:
        if lengths is not None:
            self.model.encoder._check_has_steps()
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
            expected = "at least one symbol, and -1 only after the last one"
            raise ValueError(f"y[{unlike[0]}] is {y[unlike[0]]}, expected {expected}")
        return examples

    def check_window(self, window: int) -> None:
        raise ValueError(f"window is {window}, but an EncoderDecoder reads sequences as a whole; pass None")

    def batches(
        self, examples: Examples, order: Iterable[Array], batch_size: int, window: int | None = None, skip: int = 0
    ) -> Iterator[Examples]:
        for batch in super().batches(examples, order, batch_size, window, skip):
            longest = int((batch.y != PADDING).sum(axis=1).max())
            yield without_padding(batch._replace(y=batch.y[:, :longest]))

    def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        logits, backprop = self._forward(batch, training=True, rng=rng, checkpoint_every=self.checkpoint_every)
        loss, dlogits, right = self.loss.measure(logits, batch.y, batch.mask, batch.weights)
        self.model.zero_gradients()
        backprop(dlogits)
        shares = _count_exact(logits, batch) / len(batch.y) * batch.n_steps  # the trainer divides by steps
        sums = {"train_accuracy": right, "train_exact_match": shares}
        return loss, {name: sums[name] for name in self.measures}

    def evaluate(
        self, examples: Examples, batch_size: int, at_a_time: int | None = None, window: int | None = None
    ) -> tuple[float, dict[str, float]]:
        loss, right, steps, exact = 0.0, 0.0, 0, 0
        for batch in self.batches(examples, file_order(len(examples.x)), at_a_time or batch_size):
            logits, _ = self._forward(batch)
            value, _, some = self.loss.measure(logits, batch.y, batch.mask, batch.weights, gradient=False)
            loss += value * batch.n_steps
            right += some
            steps += batch.n_steps
            exact += _count_exact(logits, batch)
        means = {"accuracy": right / steps, "exact_match": exact / len(examples.x)}
        return loss / steps, {name: means[name] for name in self.validation_measures}

    def _forward(self, batch: Examples, **training: Any) -> Any:
        assert batch.mask is not None
        y = np.where(batch.mask, batch.y, 0)  # beyond the lengths nothing is read
        how: dict[str, Any] = {"lengths": batch.lengths, "y_lengths": batch.mask.sum(axis=1)}
        return self.model.forward(batch.x, y, **how, n_threads=self.n_threads, **training)


def _count_exact(logits: Array, batch: Examples) -> int:
    """Count the sequences whose symbols are all the most likely ones."""
    assert batch.mask is not None
    return int(np.count_nonzero(((logits.argmax(axis=-1) == batch.y) | ~batch.mask).all(axis=1)))
