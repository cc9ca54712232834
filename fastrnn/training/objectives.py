"""What the trainer makes small: a loss over examples, and its gradient."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from fastrnn._typing import Array
from fastrnn.data.lazy_array import as_lazy
from fastrnn.layers import ModelState, Recurrent, RowGradient
from fastrnn.losses import COUNTING, Loss, cross_entropy
from fastrnn.models.sequential import Sequential
from fastrnn.training.batches import PADDING, Examples, check_examples, without_padding
from fastrnn.training.resume import described
from fastrnn.training.shuffle import file_order


class Objective(ABC):
    """A function of parameters and examples; the trainer changes the parameters, which are one flat vector.

    Its first part has a flat gradient. Tables of which a batch changes few rows may follow.

    Attributes
    ----------
    steps : bool
        Is there a target for each step of x?
    measures : tuple of str
        What else an epoch sums, by the columns of its history.
    scale : str
        To what inputs should be scaled, for errors.
    n_threads : int or None
        Number of threads; see `recurrent_forward`.
    state : tuple or None
        Where recurrent layers begin in the next batch; `gradient` leaves where they ended, if the rows do not. None is
        zeros.
    """

    steps: bool = False
    measures: tuple[str, ...] = ()
    scale: str = "a standard deviation of 1"
    n_threads: int | None = None
    state: ModelState = None

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

    def batches(
        self, examples: Examples, order: Iterable[Array], batch_size: int, window: int | None = None, skip: int = 0
    ) -> Iterator[Examples]:
        """Return batches of examples as `gradient` takes them; see `Examples.batches`."""
        return examples.batches(order, batch_size, self.steps, window, skip)

    def has_targets(self, examples: Examples) -> bool:
        """Is there more than padding to learn from?"""
        return True

    def classes(self, examples: Examples) -> Array | None:
        """Return the class of each example, by which a validation set is held out, or None."""
        return None

    def check_window(self, window: int) -> None:
        """Refuse to go through sequences window by window if the state cannot be carried from one to the next."""
        raise ValueError(f"window is {window}, but a {type(self).__qualname__} carries no state; expected None")

    @abstractmethod
    def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        """Return the loss, and the sums of the measures over the batch; leave the gradient in its places."""

    @abstractmethod
    def evaluate(
        self, examples: Examples, batch_size: int, at_a_time: int | None = None, window: int | None = None
    ) -> tuple[float, dict[str, float]]:
        """Return the loss over all examples, and means by name, such as "accuracy".

        So many of a batch, or steps, are in the net at a time; None is all.
        """


class Supervised(Objective):
    """A loss that compares the outputs of a model with targets."""

    def __init__(self, model: Sequential, loss: Loss, n_threads: int | None, checkpoint_every: int | None) -> None:
        self.model = model
        self.loss = loss
        self.n_threads = n_threads
        self.checkpoint_every = checkpoint_every
        self.sequences = len(model.output_shape) == 2  # has a target at each step, of x or of its own
        self.repeats = next((layer for layer in model.layers if layer.own_steps), None)
        self.steps = self.sequences and self.repeats is None
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
        examples = check_examples(self.steps, x, y, lengths, sample_weight)
        own = self.model.output_shape[:1]
        if self.sequences and self.repeats is not None and examples.y.shape[1:2] != own:
            expected = f"({len(examples.y)}, {own[0]}) and more: the steps that {self.repeats!r} gives"
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
        return self.sequences and self.loss is cross_entropy

    def batches(
        self, examples: Examples, order: Iterable[Array], batch_size: int, window: int | None = None, skip: int = 0
    ) -> Iterator[Examples]:
        for batch in super().batches(examples, order, batch_size, window, skip):
            yield without_padding(batch) if self._may_be_padded else batch

    def classes(self, examples: Examples) -> Array | None:
        if self.loss is not cross_entropy or self.sequences:
            return None
        return np.asarray(examples.y) if examples.y.ndim == 1 else examples.y.argmax(axis=1)

    def check_window(self, window: int) -> None:
        if not self.steps:
            raise ValueError(f"window is {window}, but {self.model!r} gives no output each step; expected None")
        for layer in self.model.layers:
            if isinstance(layer, Recurrent) and layer.bidirectional:
                raise ValueError(f"window is {window}, but {layer!r} reads sequences from their end too; expected None")

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
        loss, dy, correct = self._compare(y, batch, gradient=True)
        self.model.zero_gradients()
        backprop(dy, need_dx=False)
        self.state = None if batch.ends else backprop.state
        return loss, {"train_accuracy": correct} if self.count else {}

    def _compare(self, y: Array, batch: Examples, gradient: bool) -> tuple[float, Array | None, float]:
        """Return the loss, its gradient, and the number of right answers; 0 where the loss knows no such."""
        if batch.n_steps == 0:  # of nothing a loss of one's own may make NaN
            return 0.0, np.zeros_like(y) if gradient else None, 0.0
        if self.count:
            return self.count(y, batch.y, batch.mask, batch.weights, gradient=gradient)
        return *self.loss(y, batch.y, batch.mask, batch.weights), 0.0

    def evaluate(
        self, examples: Examples, batch_size: int, at_a_time: int | None = None, window: int | None = None
    ) -> tuple[float, dict[str, float]]:
        loss, correct, steps, state = 0.0, 0.0, 0, None
        weights = None if window is None else self.model.pack()
        for batch in self.batches(examples, file_order(len(examples.x)), batch_size, window):
            if window is None:
                y = self.model.predict(batch.x, batch.lengths, at_a_time or batch_size, self.n_threads)
            else:
                options: dict[str, Any] = {"weights": weights, "n_threads": self.n_threads}
                y, after = self.model.forward(batch.x, lengths=batch.lengths, state=state, **options)
                state = None if batch.ends else after.state
            value, _, right = self._compare(y, batch, gradient=False)
            loss += value * batch.n_steps
            correct += right
            steps += batch.n_steps
        return loss / max(steps, 1), {"accuracy": correct / max(steps, 1)} if self.count else {}
