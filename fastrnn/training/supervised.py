"""A loss that compares the outputs of a model with targets, as the trainer sees it."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from fastrnn._typing import Array
from fastrnn.data.lazy_array import as_lazy
from fastrnn.layers import RowGradient
from fastrnn.losses import Loss
from fastrnn.models.sequential import Sequential
from fastrnn.training.batches import PADDING, Examples, check_examples, without_padding
from fastrnn.training.objectives import ModelObjective
from fastrnn.training.shuffle import file_order


class Supervised(ModelObjective[Sequential]):
    """A loss that compares the outputs of a model with targets."""

    def __init__(self, model: Sequential, loss: Loss, n_threads: int | None, checkpoint_every: int | None) -> None:
        super().__init__(model, n_threads, checkpoint_every)
        self.loss = loss
        self.measures = ("train_accuracy",) if loss.counts_accuracy else ()
        self.sequences = len(model.output_shape) == 2  # is there a target at each step, of x or of the output's own?
        own_steps = any(layer.own_steps for layer in model.layers)
        self.steps = self.sequences and model.has_steps and not own_steps

    @property
    def tables(self) -> Mapping[str, tuple[Array, RowGradient]]:
        return {name: (self.model.parameters[name], rows) for name, rows in self.model.row_gradients.items()}

    def settings(self) -> dict[str, Any]:
        model = self.model
        shape, dtype = str(model.input_shape), model.dtype.name
        return {"model": repr(model), "input_shape": shape, "dtype": dtype, "loss": self.loss.name}

    def check(self, x: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Examples:
        if lengths is not None:
            self.model._check_has_steps()
        examples = check_examples(self.steps, x, y, lengths, sample_weight)
        own = self.model.output_shape[:1]
        if self.sequences and not self.steps and examples.y.shape[1:2] != own:
            giver = next((layer for layer in self.model.layers if layer.own_steps), self.model)
            expected = f"({len(examples.y)}, {own[0]}) and more: the steps that {giver!r} gives"
            raise ValueError(f"y has shape {examples.y.shape}, expected {expected}")
        return examples

    def has_targets(self, examples: Examples) -> bool:
        if not self.sequences:
            return True
        steps = np.full(len(examples.x), examples.y.shape[1])
        if self.steps and examples.lengths is not None:
            steps = examples.lengths
        if examples.weights is not None:
            steps = steps * (examples.weights > 0)
        if not self._may_be_padded or examples.y.ndim != 2:
            return bool(steps.any())
        return any(
            ((np.arange(y.shape[1]) < steps[first : first + len(y), None]) & (y != PADDING)).any()
            for first, y in as_lazy(examples.y).pieces()
        )

    @property
    def _may_be_padded(self) -> bool:
        """Is -1 padding?"""
        return self.sequences and self.loss.takes_padding

    def batches(
        self, examples: Examples, order: Iterable[Array], batch_size: int, window: int | None = None, skip: int = 0
    ) -> Iterator[Examples]:
        for batch in super().batches(examples, order, batch_size, window, skip):
            yield without_padding(batch) if self._may_be_padded else batch

    def classes(self, examples: Examples) -> Array | None:
        if not self.loss.stratifies or len(self.model.output_shape) != 1:
            return None
        return np.asarray(examples.y) if examples.y.ndim == 1 else examples.y.argmax(axis=1)

    def check_window(self, window: int) -> None:
        if not self.steps:
            raise ValueError(f"window is {window}, but {self.model!r} gives no output at each step; pass None")
        for layer in self.model.layers:
            if layer.reads_ahead:
                raise ValueError(f"window is {window}, but {layer!r} reads sequences from their end too; pass None")

    def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        y, backprop = self.model.forward(
            batch.x,
            training=True,
            lengths=batch.lengths,
            state=self.state,
            rng=rng,
            n_threads=self.n_threads,
            checkpoint_every=self.checkpoint_every,
        )
        loss, dy, right = self._compare(y, batch, gradient=True)
        self.model.zero_gradients()
        backprop(dy, need_dx=False)
        self.state = None if batch.ends else backprop.state
        return loss, {"train_accuracy": right} if self.measures else {}

    def _compare(self, y: Array, batch: Examples, gradient: bool) -> tuple[float, Array | None, float]:
        """Return the loss, its gradient, and the number of right answers; 0 if the loss does not count them."""
        if batch.n_steps == 0:  # a custom loss may give NaN for nothing
            return 0.0, np.zeros_like(y) if gradient else None, 0.0
        loss, dy, right = self.loss.measure(y, batch.y, batch.mask, batch.weights, gradient=gradient)
        places = prod(y.shape[1:-1]) if batch.mask is None else 1  # without a mask the means are over examples
        return loss, dy, right / places

    def evaluate(
        self, examples: Examples, batch_size: int, at_a_time: int | None = None, window: int | None = None
    ) -> tuple[float, dict[str, float]]:
        loss, right, steps, state = 0.0, 0.0, 0, None
        weights = None if window is None else self.model.pack()
        for batch in self.batches(examples, file_order(len(examples.x)), batch_size, window):
            if window is None:
                y = self.model.predict(batch.x, batch.lengths, at_a_time or batch_size, self.n_threads)
            else:
                options: dict[str, Any] = {"weights": weights, "n_threads": self.n_threads}
                y, after = self.model.forward(batch.x, lengths=batch.lengths, state=state, **options)
                state = None if batch.ends else after.state
            value, _, some = self._compare(y, batch, gradient=False)
            loss += value * batch.n_steps
            right += some
            steps += batch.n_steps
        return loss / max(steps, 1), {"accuracy": right / max(steps, 1)} if self.measures else {}
