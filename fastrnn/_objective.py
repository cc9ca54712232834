"""What the trainer makes small: a loss over examples, and its gradient."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastrnn._examples import Examples, check_examples
from fastrnn._kernels.types import Array
from fastrnn._plan import described
from fastrnn.layers import RowGradient
from fastrnn.losses import COUNTING, Loss, cross_entropy, get_loss
from fastrnn.model import Sequential


class Objective(ABC):
    """A function of parameters and examples; the trainer changes the parameters, which are one flat vector.

    Its first part has a flat gradient. Tables of which a batch changes few rows may follow.

    Attributes
    ----------
    steps : bool
        Is there a target for each step?
    measures : tuple of str
        What else an epoch sums, by the columns of its history.
    scale : str
        To what inputs should be scaled, for errors.
    n_threads : int or None
        Number of threads; see `recurrent_forward`.
    """

    steps: bool = False
    measures: tuple[str, ...] = ()
    scale: str = "a standard deviation of 1"
    n_threads: int | None = None

    @property
    @abstractmethod
    def flat_parameters(self) -> Array:
        """The vector."""

    @property
    @abstractmethod
    def flat_gradients(self) -> Array:
        """Where `gradient` leaves its gradient, of as many parameters as it has numbers."""

    @property
    def tables(self) -> Mapping[str, tuple[Array, RowGradient]]:
        """By name, views (V, D) of the other parameters, and where `gradient` leaves the rows of their gradients."""
        return {}

    @abstractmethod
    def check(self, x: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Examples:
        """Return what a call of `fit` or `evaluate` got, as examples."""

    def settings(self) -> dict[str, Any]:
        """Return numbers and texts that say what is trained, and must be the same when a run goes on."""
        return {"objective": type(self).__qualname__}

    def classes(self, examples: Examples) -> Array | None:
        """Return the class of each example, by which a validation set is held out, or None."""
        return None

    @abstractmethod
    def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        """Return the loss, and the sums of the measures over the batch; leave the gradient in its places."""

    @abstractmethod
    def evaluate(self, examples: Examples, batch_size: int, at_a_time: int | None = None) -> tuple[float, float | None]:
        """Return loss and accuracy over all examples; so many of a batch at a time are in the net, None is all."""


class Supervised(Objective):
    """A loss that compares the outputs of a model with targets."""

    def __init__(self, model: Sequential, loss: Loss, n_threads: int | None, checkpoint_every: int | None) -> None:
        self.model = model
        self.loss = loss
        self.n_threads = n_threads
        self.checkpoint_every = checkpoint_every
        self.steps = len(model.output_shape) == 2
        self.count: Callable[..., Any] | None = next((count for known, count in COUNTING if known is loss), None)
        self.measures = ("train_accuracy",) if self.count else ()

    @property
    def flat_parameters(self) -> Array:
        return self.model.flat_parameters

    @property
    def flat_gradients(self) -> Array:
        return self.model.flat_gradients

    @property
    def tables(self) -> Mapping[str, tuple[Array, RowGradient]]:
        return {name: (self.model.parameters[name], rows) for name, rows in self.model.row_gradients.items()}

    def settings(self) -> dict[str, Any]:
        model = self.model
        shape, dtype = str(model.input_shape), model.dtype.name
        return {"model": repr(model), "input_shape": shape, "dtype": dtype, "loss": described(self.loss)}

    def check(self, x: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Examples:
        return check_examples(self.steps, x, y, lengths, sample_weight)

    def classes(self, examples: Examples) -> Array | None:
        if self.loss is not cross_entropy or self.steps:
            return None
        return examples.y if examples.y.ndim == 1 else examples.y.argmax(axis=1)

    def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        y, backprop = self.model.forward(
            batch.x,
            training=True,
            lengths=batch.lengths,
            rng=rng,
            n_threads=self.n_threads,
            checkpoint_every=self.checkpoint_every,
        )
        loss, dy, correct = self._compare(y, batch, gradient=True)
        self.model.zero_gradients()
        backprop(dy, need_dx=False)
        return loss, {"train_accuracy": correct} if self.count else {}

    def _compare(self, y: Array, batch: Examples, gradient: bool) -> tuple[float, Array | None, float]:
        """Return the loss, its gradient, and the number of right answers; 0 where the loss knows no such."""
        if self.count:
            return self.count(y, batch.y, batch.mask, batch.weights, gradient=gradient)
        return *self.loss(y, batch.y, batch.mask, batch.weights), 0.0

    def evaluate(self, examples: Examples, batch_size: int, at_a_time: int | None = None) -> tuple[float, float | None]:
        loss, correct, steps = 0.0, 0.0, 0
        for batch in examples.batches(np.arange(len(examples.x)), batch_size, self.steps):
            y = self.model.predict(batch.x, batch.lengths, at_a_time or batch_size, self.n_threads)
            value, _, right = self._compare(y, batch, gradient=False)
            loss += value * batch.n_steps
            correct += right
            steps += batch.n_steps
        return loss / max(steps, 1), correct / max(steps, 1) if self.count else None


def make_objective(
    model: Sequential | Objective, loss: str | Loss | None, n_threads: int | None, checkpoint_every: int | None
) -> Objective:
    """Return what is to be trained."""
    if isinstance(model, Sequential) and loss is not None:
        model._check_built()
        return Supervised(model, get_loss(loss), n_threads, checkpoint_every)
    if isinstance(model, Objective) and loss is None:
        return model
    kind = type(model).__name__
    raise TypeError(f"loss is {loss!r} for a {kind}, expected one for a Sequential and None for an Objective")
