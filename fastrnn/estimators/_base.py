"""What all estimators share: training by a `Trainer`, the validation set, the seed, and files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from fastrnn import storage
from fastrnn._checks import check_integer, check_number
from fastrnn._random import generators
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.estimators._docs import complete_docstrings
from fastrnn.estimators._parameters import plain, revive
from fastrnn.training import BatchReport, Trainer
from fastrnn.training.history import History
from fastrnn.training.resume import check_tree
from fastrnn.training.splits import validation_split

OF_THE_MACHINE = ("n_threads", "memory_limit")  # parameters that change no bit of the result
SHOWN = ("loss", "accuracy", "match")  # `print_epoch` prints the columns of the history that end so


Validation = tuple[Any, Any] | None  # (X, y), in place of a share of the examples
RunState = dict[str, Any] | None  # of a training run, from ``trainer_.state()``


class Fitting(NamedTuple):
    """What `prepare` returns and `train` takes: the trainer, the inputs as the net takes them, and the validation set.

    `known` has fingerprints of the data, by which a run that is resumed knows them again.
    """

    trainer: Trainer
    x: Any
    y: Any = None
    lengths: Array | None = None
    sample_weight: Array | None = None
    validation: tuple[Any, ...] | None = None
    window: int | None = None
    known: Mapping[str, str] = MappingProxyType({})


@dataclass(eq=False, repr=False, kw_only=True)
class TrainedEstimator(BaseEstimator):
    """
    Base of all estimators. A subclass has `prepare`, which checks the data and makes the net and its trainer.

    Subclasses are dataclasses: their constructor only stores its arguments, as scikit-learn asks.

    Parameters
    ----------
    epochs : int
        Maximum number of epochs.
    batch_size : int
        Number of examples per batch.
    validation_fraction : float or None
        Share of the examples held out as a validation set; None or 0 trains on all of them.
    patience : int or None
        Stop after this many epochs without a better validation loss; None never stops early.
    n_threads : int or None
        Number of threads; None chooses by the size of the problem.
    random_state : int, RandomState or None
        Seed of the initial weights, the validation split, the order of the examples and dropout.
    dtype : {"float32", "float64"}
        Precision of the net.
    verbose : int
        Above 0, print a line after each epoch.

    Attributes
    ----------
    n_features_in_ : int
        Number of input features.
    n_iter_ : int
        Number of epochs trained.
    best_epoch_ : int
        Epoch, from 1, whose weights were kept.
    history_ : History
        Loss of each epoch, and accuracy if the loss has one.
    trainer_ : Trainer
        The trainer; its `state` lets `fit` continue later. Files do not keep it.
    """

    epochs: int = 50
    batch_size: int = 32
    validation_fraction: float | None = 0.1
    patience: int | None = None
    n_threads: int | None = None
    random_state: int | np.random.RandomState | None = None
    dtype: str | np.dtype[Any] | type = "float32"
    verbose: int = 0

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        complete_docstrings(cls)

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        validation_data: Validation = None,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        state: RunState = None,
    ) -> Self:
        """
        Train the estimator.

        Ctrl-C ends training early; the estimator then has the best weights so far.

        Parameters
        ----------
        X : array-like
            The examples.
        y : array-like, optional
            The targets.
        validation_data : tuple (X, y), optional
            A validation set, used in place of `validation_fraction`; y is None where `fit` takes none.
        callbacks : iterable of callable
            Called after each epoch with its number, from 1, and the `History`.
        batch_callbacks : iterable of callable
            Called after each batch with a `BatchReport`.
        state : dict, optional
            Continue the run of ``trainer_.state()``, with the same data and parameters; only `epochs`, `patience`,
            `n_threads` and `verbose` may differ.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If the data or a parameter cannot be used; the message names it.
        DivergenceError
            If training diverges; the estimator then has the weights of the last finite epoch.
        """
        fitting = self.prepare(X, y, validation_data=validation_data, state=state)
        return self.train(fitting, callbacks, batch_callbacks, state)

    def prepare(
        self,
        X: Any,
        y: Any = None,
        *,
        validation_data: Validation = None,
        state: RunState = None,
    ) -> Fitting:
        """
        Do all of `fit` except training: check the data and the parameters, and build the net and its trainer.

        Parameters
        ----------
        X, y
            As in `fit`.
        validation_data : tuple (X, y), optional
            As in `fit`.
        state : dict, optional
            As in `fit`; only the seed is taken from it.

        Returns
        -------
        Fitting
            For `train`.

        Raises
        ------
        TypeError, ValueError
            If the data or a parameter cannot be used; the message names it.
        """
        raise NotImplementedError

    def train(
        self,
        fitting: Fitting,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        state: RunState = None,
    ) -> Self:
        """
        Train what `prepare` has returned.

        Parameters
        ----------
        fitting : Fitting
            From `prepare`.
        callbacks, batch_callbacks, state
            As in `fit`.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        DivergenceError
            If training diverges; the estimator then has the weights of the last finite epoch.
        """
        trainer = fitting.trainer
        trainer.callbacks += tuple(callbacks)
        trainer.batch_callbacks += tuple(batch_callbacks)
        if state is not None:
            trainer.restore(state)
        try:
            trainer.fit(
                fitting.x,
                fitting.y,
                epochs=self.epochs,
                batch_size=self.batch_size,
                validation=fitting.validation,
                lengths=fitting.lengths,
                sample_weight=fitting.sample_weight,
                window=fitting.window,
                known=fitting.known,
            )
        finally:
            self._set_history(trainer.history)
            self._summarize(fitting)
        return self

    def _summarize(self, fitting: Fitting) -> None:
        """Compute what a fitted estimator says about its training set."""

    def _set_history(self, history: History) -> None:
        self.history_ = history
        self.n_iter_, self.best_epoch_ = history.n_epochs, history.best_epoch

    def _check_training(self) -> None:
        """Check the parameters that all estimators have and the trainer does not check before data are read."""
        check_integer("epochs", self.epochs, 1)
        check_integer("batch_size", self.batch_size, 1)
        if self.n_threads is not None:
            check_integer("n_threads", self.n_threads, 1)

    def _fraction(self, validation_data: Any) -> float:
        """Return the share of the training data to hold out: 0 if there is a validation set, which is checked."""
        if validation_data is not None:
            if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
                raise ValueError(f"validation_data has type {type(validation_data).__name__}, expected a tuple (X, y)")
            return 0.0
        if not self.validation_fraction:
            return 0.0
        return check_number("validation_fraction", self.validation_fraction, "(0, 1)")

    def _hold_out(
        self, n: int, seed: int, validation_data: Any, *, classes: Array | None = None, groups: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the rows of the n examples to train on, and those held out."""
        fraction = self._fraction(validation_data)
        if not fraction:
            return np.arange(n), np.arange(0)
        if n == 1:
            raise ValueError("X has 1 sample, expected at least 2: one to train with and one held out for validation")
        return validation_split(n, fraction, generators(seed).split, classes=classes, groups=groups)

    def _seed(self, state: RunState = None) -> int:
        """Return the seed; if `random_state` is not a number, a run that is resumed keeps its own."""
        if isinstance(self.random_state, int | np.integer) and not isinstance(self.random_state, bool):
            check_random_state(int(self.random_state) % 2**32)
            return int(self.random_state)
        if state is not None:
            check_tree(state)
            return int(state["seed"])
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    # ---- files ------------------------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """
        Write the fitted estimator to an HDF5 file, which `fastrnn.load` reads.

        Equal runs give equal files: the seconds of the history, `n_threads` and `memory_limit` are left out. Also left
        out are a `random_state` that is not a number and the equations of a custom cell.

        Parameters
        ----------
        path : path-like
            The file; an existing one is replaced as a whole.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        StorageError
            If the file cannot be written.
        TypeError
            If a parameter is an object that a file cannot hold, such as a function; nothing is written then.
        """
        storage.write(path, self.to_tree())

    def to_tree(self) -> dict[str, Any]:
        """
        Return the fitted estimator as a tree of arrays, strings and numbers.

        Returns
        -------
        dict
            What `save` writes: parameters, weights, scales, history.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If a parameter is an object that a file cannot hold, such as a function.
        """
        check_is_fitted(self, "history_")
        names = getattr(self, "feature_names_in_", None)
        parameters = (self.get_params(deep=False) | self._kept_parameters()).items()
        return {
            "kind": type(self).__name__,
            "parameters": {name: None if name in OF_THE_MACHINE else plain(name, value) for name, value in parameters},
            "n_features_in": self.n_features_in_,
            "feature_names_in": None if names is None else list(names),
            "history": {name: column for name, column in self.history_.items() if name != "seconds"},
            "best_epoch": self.best_epoch_,
        } | self._fitted_tree()

    @classmethod
    def from_tree(cls, tree: dict[str, Any], cells: Sequence[Cell] = (), classes: Sequence[type] = ()) -> Self:
        """
        Return the estimator that `to_tree` has described.

        Parameters
        ----------
        tree : dict
            From `to_tree`.
        cells : sequence of Cell
            The custom cells of the model.
        classes : sequence of type
            The custom classes of the model: optimizers, schedules, layers.

        Returns
        -------
        TrainedEstimator
            The fitted estimator.
        """
        parameters = tree["parameters"].items()
        estimator = cls(**{name: revive(name, value, cells, classes) for name, value in parameters})
        estimator.n_features_in_ = tree["n_features_in"]
        if tree["feature_names_in"] is not None:
            estimator.feature_names_in_ = np.array(tree["feature_names_in"], dtype=object)
        estimator._keep_parameters()
        estimator._set_history(History(tree["history"], tree["best_epoch"]))
        estimator._set_fitted(tree, cells, classes)
        return estimator

    def _fitted_tree(self) -> dict[str, Any]:
        """Return what else a file has to hold."""
        return {}

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell], classes: Sequence[type]) -> None:
        """Take what `_fitted_tree` has returned."""

    def _keep_parameters(self) -> None:
        """Keep the parameters that the fitted estimator works with: `set_params` changes them for the next `fit`."""

    def _kept_parameters(self) -> dict[str, Any]:
        """Return them by name."""
        return {}


def print_epoch(epoch: int, history: History) -> None:
    """Print a line for the epoch: a callback of the trainer."""
    values = [f"{name.replace('_', ' ')} {history[name][-1]:.4f}" for name in history if name.endswith(SHOWN)]
    print(f"epoch {epoch}: {', '.join(values)} ({history['seconds'][-1]:.1f} s)")
