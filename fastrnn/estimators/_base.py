"""What all estimators share that a `Trainer` trains: training, the seed, and files."""

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
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.estimators._parameters import plain, revive
from fastrnn.training import BatchReport, Trainer
from fastrnn.training.history import History
from fastrnn.training.resume import check_tree

OF_THE_MACHINE = ("n_threads", "memory_limit")  # parameters that change no bit
SHOWN = ("loss", "accuracy", "match")  # how columns of the history end that `print_epoch` prints


class Fitting(NamedTuple):
    """What a call of `fit` trains, and with what: inputs as the net takes them, a validation set, and fingerprints."""

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
    An estimator that prepares a `Fitting`, trains it, and can be saved.

    A dataclass: its constructor only stores its arguments, as scikit-learn asks.

    Parameters
    ----------
    epochs : int
        Largest number of epochs.
    batch_size : int
        Number of examples per batch.
    validation_fraction : float or None
        Share of the examples held out as a validation set; None or 0 trains on all.
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
    """

    epochs: int = 50
    batch_size: int = 32
    validation_fraction: float | None = 0.1
    patience: int | None = None
    n_threads: int | None = None
    random_state: int | np.random.RandomState | None = None
    dtype: str | np.dtype[Any] | type = "float32"
    verbose: int = 0

    def train(
        self,
        fitting: Fitting,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        state: dict[str, Any] | None = None,
    ) -> Self:
        """
        Train what `prepare` has prepared.

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
        """Note what a fitted estimator says of its training set."""

    def _set_history(self, history: History) -> None:
        self.history_ = history
        self.n_iter_, self.best_epoch_ = history.n_epochs, history.best_epoch

    def _seed(self, state: dict[str, Any] | None = None) -> int:
        """Return the seed; a `random_state` that is no number leaves it to the state of the run that goes on."""
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

        The file has nothing of the clock or of the machine: not the seconds of the history, not `n_threads` and
        `memory_limit`. Equal runs give equal files. Nor is a `random_state` that is no number stored, or the equations
        of a cell of one's own.

        Parameters
        ----------
        path : path-like
            The file; it is replaced as a whole.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        StorageError
            If the file cannot be written.
        TypeError
            If a parameter is an object that a file cannot hold, such as a schedule of one's own.
        """
        storage.write(path, self.to_tree())

    def to_tree(self) -> dict[str, Any]:
        """
        Return the fitted estimator as a tree of arrays, strings and numbers.

        Returns
        -------
        dict
            What `save` writes: parameters, weights, scales, history.
        """
        check_is_fitted(self, "history_")
        names = getattr(self, "feature_names_in_", None)
        parameters = (self.get_params(deep=False) | self._kept_parameters()).items()
        return {
            "kind": type(self).__name__,
            "parameters": {name: None if name in OF_THE_MACHINE else plain(value) for name, value in parameters},
            "n_features_in": self.n_features_in_,
            "feature_names_in": None if names is None else list(names),
            "history": {name: column for name, column in self.history_.items() if name != "seconds"},
            "best_epoch": self.best_epoch_,
        } | self._fitted_tree()

    @classmethod
    def from_tree(cls, tree: dict[str, Any], cells: Sequence[Cell] = ()) -> Self:
        """
        Return the estimator that `to_tree` has described.

        Parameters
        ----------
        tree : dict
            From `to_tree`.
        cells : sequence of Cell
            Cells of one's own that it may name.

        Returns
        -------
        TrainedEstimator
            The fitted estimator.
        """
        estimator = cls(**{name: revive(value, cells) for name, value in tree["parameters"].items()})
        estimator.n_features_in_ = tree["n_features_in"]
        if tree["feature_names_in"] is not None:
            estimator.feature_names_in_ = np.array(tree["feature_names_in"], dtype=object)
        estimator._keep_parameters()
        estimator._set_history(History(tree["history"], tree["best_epoch"]))
        estimator._set_fitted(tree, cells)
        return estimator

    def _fitted_tree(self) -> dict[str, Any]:
        """Return what else is to be stored."""
        return {}

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell]) -> None:
        """Take what `_fitted_tree` has stored."""

    def _keep_parameters(self) -> None:
        """Note the parameters that the fitted estimator is used with: `set_params` changes them for the next fit."""

    def _kept_parameters(self) -> dict[str, Any]:
        """Return them by name."""
        return {}


def print_epoch(epoch: int, history: History) -> None:
    """Print a line for the epoch: a callback of the trainer."""
    values = [f"{name.replace('_', ' ')} {history[name][-1]:.4f}" for name in history if name.endswith(SHOWN)]
    print(f"epoch {epoch}: {', '.join(values)} ({history['seconds'][-1]:.1f} s)")
