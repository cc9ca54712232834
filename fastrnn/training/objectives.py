"""What the trainer minimizes: a loss over examples, and its gradient."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from fastrnn._typing import Array
from fastrnn.layers import ModelState, RowGradient
from fastrnn.models._model import Model
from fastrnn.training.batches import Examples


class Objective(ABC):
    """
    A function of parameters and examples. The trainer changes the parameters, which are one flat vector.

    The first part of the vector has a flat gradient. Tables may follow it; a batch changes few of their rows.

    Attributes
    ----------
    steps : bool
        Is there a target for each step of x?
    measures : tuple of str
        Names of the sums that `gradient` returns, such as ``train_accuracy``: columns of the history after
        ``train_loss``.
    larger_is_better : tuple of str
        Endings of the columns in which a larger value is better; in all others a smaller one is.
    scale : str
        The scale that inputs should have, for error messages.
    n_threads : int or None
        Number of threads; see `recurrent_forward`.
    state : tuple or None
        The initial state of recurrent layers in the next batch; None is zeros. `gradient` leaves the final state here
        if the rows go on in the next batch.
    """

    steps: bool = False
    measures: tuple[str, ...] = ()
    larger_is_better: tuple[str, ...] = ("accuracy", "exact_match")
    scale: str = "a standard deviation of 1"
    n_threads: int | None = None
    state: ModelState = None

    @property
    def validation_measures(self) -> tuple[str, ...]:
        """The names of the means that `evaluate` returns; as it stands, those of `measures` that begin with train_."""
        return tuple(name.removeprefix("train_") for name in self.measures if name.startswith("train_"))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the history that it measures, in their order; any of them can be monitored."""
        validation = (f"validation_{name}" for name in self.validation_measures)
        return ("train_loss", *self.measures, "validation_loss", *validation)

    def sign(self, column: str | None) -> int:
        """
        Say whether small or large values of a column are good.

        Parameters
        ----------
        column : str or None
            A column of the history.

        Returns
        -------
        int
            1 if small values are good, -1 if large ones are.
        """
        return -1 if column is not None and column.endswith(self.larger_is_better) else 1

    @property
    @abstractmethod
    def flat_parameters(self) -> Array:
        """The flat vector."""

    @property
    @abstractmethod
    def flat_gradients(self) -> Array:
        """Where `gradient` leaves the gradient of the first parameters."""

    @property
    def tables(self) -> Mapping[str, tuple[Array, RowGradient]]:
        """By name, views (V, D) of the other parameters, and where `gradient` leaves the rows of their gradients."""
        return {}

    @abstractmethod
    def check(self, x: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Examples:
        """
        Check the arguments of a call of `fit` or `evaluate`.

        Parameters
        ----------
        x, y, lengths, sample_weight : object
            As in `Trainer.fit`.

        Returns
        -------
        Examples
            The arguments as examples.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape or value.
        """

    def settings(self) -> dict[str, Any]:
        """
        Return numbers and texts that describe what is trained; they must be the same when a run goes on.

        Returns
        -------
        dict
            By name.
        """
        return {"objective": type(self).__qualname__}

    def batches(
        self, examples: Examples, order: Iterable[Array], batch_size: int, window: int | None = None, skip: int = 0
    ) -> Iterator[Examples]:
        """
        Return batches of examples as `gradient` takes them.

        Parameters
        ----------
        examples : Examples
            All examples.
        order, batch_size, window, skip
            As in `Examples.batches`.

        Returns
        -------
        iterator of Examples
            The batches.
        """
        return examples.batches(order, batch_size, self.steps, window, skip)

    def has_targets(self, examples: Examples) -> bool:
        """
        Say whether there are targets other than padding.

        Parameters
        ----------
        examples : Examples
            A set.

        Returns
        -------
        bool
            False if all targets are padding.
        """
        return True

    def classes(self, examples: Examples) -> Array | None:
        """
        Return the classes by which a validation set is stratified.

        Parameters
        ----------
        examples : Examples
            All examples.

        Returns
        -------
        ndarray (N,) or None
            The class of each example; None for a validation set at random.
        """
        return None

    def check_window(self, window: int) -> None:
        """
        Refuse windows if the state cannot be carried from one to the next.

        Parameters
        ----------
        window : int
            Number of steps.

        Raises
        ------
        ValueError
            If there can be no windows.
        """
        raise ValueError(f"window is {window}, but a {type(self).__qualname__} carries no state; pass None")

    @abstractmethod
    def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        """
        Compute the loss, and leave its gradient in `flat_gradients` and `tables`.

        Parameters
        ----------
        batch : Examples
            A batch.
        rng : numpy.random.Generator
            For dropout.

        Returns
        -------
        loss : float
            Mean loss of the batch.
        sums : dict of str to float
            Sums over the batch by the columns of the history; the trainer divides them by the sum of `n_steps`.
        """

    @abstractmethod
    def evaluate(
        self, examples: Examples, batch_size: int, at_a_time: int | None = None, window: int | None = None
    ) -> tuple[float, dict[str, float]]:
        """
        Compute the loss over all examples, without a gradient.

        Parameters
        ----------
        examples : Examples
            All examples.
        batch_size : int
            Number of examples in a batch.
        at_a_time : int, optional
            How many examples of a batch are in the net at a time; None is all.
        window : int, optional
            How many steps are in the net at a time; None is all.

        Returns
        -------
        loss : float
            The loss.
        means : dict of str to float
            Means by the names in `validation_measures`.
        """


AnyModel = TypeVar("AnyModel", bound=Model)


class ModelObjective(Objective, Generic[AnyModel]):
    """
    An objective that trains a model.

    Parameters
    ----------
    model : Model
        A model that is built.
    n_threads, checkpoint_every : int, optional
        As in `Trainer`.
    """

    def __init__(self, model: AnyModel, n_threads: int | None, checkpoint_every: int | None) -> None:
        self.model = model
        self.n_threads = n_threads
        self.checkpoint_every = checkpoint_every

    @property
    def flat_parameters(self) -> Array:
        return self.model.flat_parameters

    @property
    def flat_gradients(self) -> Array:
        return self.model.flat_gradients
