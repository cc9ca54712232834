"""What the recurrent classifier and the regressor share: the net, training, and files."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from fastrnn._checks import check_choice, check_dtype, check_integer, check_number
from fastrnn._kernels.chain import Frame
from fastrnn._random import generators
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data.fingerprint import derived, fingerprint
from fastrnn.data.lazy_array import LazyArray
from fastrnn.estimators._base import Fitting
from fastrnn.estimators._net_base import RecurrentNetEstimator
from fastrnn.estimators.inputs.sequences import Inputs, Standardizer, check_sequences, learn_scales
from fastrnn.layers import Dense, Dropout, Layer
from fastrnn.memory import choose_checkpoints, parse_bytes
from fastrnn.models.sequential import Sequential, load_model
from fastrnn.models.stream import Streamed
from fastrnn.training import BatchReport
from fastrnn.training.history import History
from fastrnn.training.splits import validation_split


@dataclass(eq=False, repr=False)
class RecurrentEstimator(RecurrentNetEstimator):
    """
    Base of the classifier and the regressor: recurrent layers, and dense layers on their last output.

    Parameters
    ----------
    bidirectional : bool
        Read each sequence in both directions.
    head : tuple of int
        Widths of the dense layers between the recurrent layers and the output.
    patience : int or None
        Stop after this many epochs without a better validation loss; None never stops early.
    standardize : bool
        Scale every channel to mean 0 and standard deviation 1, computed on the training examples.
    memory_limit : str, int or None
        Most memory for a training step, such as ``"1 GB"``; long sequences then take more time, with the same result.
    warm_start : bool
        Let the next `fit` continue from the weights of the last one.
    """

    _loss: ClassVar[str]

    bidirectional: bool = False
    head: Sequence[int] = (64,)
    _: KW_ONLY
    patience: int | None = 7
    standardize: bool = True
    memory_limit: str | int | None = None
    warm_start: bool = False

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        groups: Any = None,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        state: dict[str, Any] | None = None,
    ) -> Self:
        """
        Train on sequences.

        Ctrl-C ends training early with the best weights so far.

        Parameters
        ----------
        X : array (N, T, I), table (N, T), or list of N arrays (T_n, I)
            The sequences; a table has one channel, also if it is a DataFrame or holds integers. An h5py.Dataset (or a
            mapped array, numpy.memmap) is read by blocks, with the same result; memory need not hold it.
        y : array-like
            Targets: (N,) labels of any kind for a classifier, (N,) or (N, K) numbers for a regressor; where it returns
            sequences (N, T) or (N, T, K), or a list of N arrays (T_n,) or (T_n, K).
        sample_weight : array-like (N,), optional
            Weights of the examples in the loss.
        validation_data : tuple (X, y), optional
            A validation set, in place of `validation_fraction`.
        groups : array-like (N,), optional
            Group of each example, such as the person measured: none is divided between training and validation.
        callbacks : iterable of callable
            Called after each epoch with its number, from 1, and the `History`.
        batch_callbacks : iterable of callable
            Called after each batch with a `BatchReport`.
        state : dict, optional
            From ``trainer_.state()`` of a run with the same data and parameters: go on from there. `epochs`,
            `patience`, `n_threads`, `memory_limit` and `verbose` may be others.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If data or a parameter cannot be used; the message names it.
        DivergenceError
            If training diverges.
        """
        fitting = self.prepare(X, y, sample_weight, validation_data=validation_data, groups=groups, state=state)
        return self.train(fitting, callbacks, batch_callbacks, state)

    def prepare(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        groups: Any = None,
        state: dict[str, Any] | None = None,
    ) -> Fitting:
        """
        Do all of `fit` but the training: check data and parameters, and build net and trainer.

        Parameters
        ----------
        X, y, sample_weight, validation_data, groups, state
            As in `fit`; of the state the seed alone is taken.

        Returns
        -------
        Fitting
            For `train`.

        Raises
        ------
        TypeError, ValueError
            If data or a parameter cannot be used; the message names it.
        """
        again = self.warm_start and hasattr(self, "model_")
        check_choice("standardize", self.standardize, (False, True))
        check_integer("epochs", self.epochs, 1)
        check_integer("batch_size", self.batch_size, 1)
        if self.n_threads is not None:
            check_integer("n_threads", self.n_threads, 1)
        limit = None if self.memory_limit is None else parse_bytes(self.memory_limit)
        sequences = check_sequences(self, X, reset=not again)
        n, T, I = sequences.given.shape
        targets = self._learn_targets(y, sequences, again)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, targets, dtype=np.float64)
        sample_weight = self._class_weights(targets, sample_weight)
        seed = self._seed(state)
        training, held_out = self._divide(targets, n, seed, validation_data, groups)
        layers = self._layers()
        model: Sequential | None = getattr(self, "model_", None) if again else None
        if model is not None:
            self._check_same_net(layers)
        else:
            model = Sequential(layers).build((None, I), self.dtype, seed)
        checkpoint_every = None
        if limit is not None:
            B, ragged = min(self.batch_size, len(training)), sequences.lengths is not None
            checkpoint_every = choose_checkpoints(model, B, T, limit, ragged=ragged)
        trainer = self._make_trainer(model, self._loss, seed, checkpoint_every)
        # The first pass over the data, after all checks that need none: it may take long.
        scales = None
        if self.standardize and not again:
            scales, known = learn_scales(sequences, training)
        else:
            known = sequences.read_through()
        if not again:
            self.inputs_, self.model_ = scales, model
            lengths = sequences.lengths
            self._learn_scale(targets[training], None if lengths is None else lengths[training])
        x, others = self._standardized(sequences), (self._scaled(targets), sequences.lengths, sample_weight)
        validation, data = None, {name: fingerprint(array) for name, array in self._labels().items()}
        data["training x"] = self._known(x.take(training), known, training)
        if validation_data is not None:
            validation, data["validation x"] = self._validation_set(*validation_data)
        elif len(held_out):
            validation = x.take(held_out).ready(), *(None if a is None else a[held_out] for a in others)
            data["validation x"] = self._known(x.take(held_out), known, held_out)
        y, lengths, weights = (None if a is None else a[training] for a in others)
        self.trainer_, self.validation_rows_ = trainer, held_out
        return Fitting(trainer, x.take(training).ready(), y, lengths, weights, validation, known=data)

    # ---- what the classifier and the regressor decide ----------------------------------------------------------------

    @abstractmethod
    def _learn_targets(self, y: Any, sequences: Inputs, again: bool) -> Array:
        """Check y against the examples, and return it as the loss takes it, but for its scale."""

    @abstractmethod
    def _n_outputs(self) -> int:
        """Return the number of units of the last layer."""

    def _each_step(self) -> bool:
        """Is there an output for each step?"""
        return False

    def _class_weights(self, targets: Array, sample_weight: Array | None) -> Array | None:
        return sample_weight

    def _labels(self) -> dict[str, Array]:
        """Return what targets stand for, by name, to know it again."""
        return {}

    def _strata(self, targets: Array) -> Array | None:
        """Return the classes by which examples are held out for validation."""
        return None

    def _learn_scale(self, targets: Array, lengths: Array | None) -> None:
        """Learn the scale of the targets of examples of these lengths."""

    def _scaled(self, targets: Array) -> Array:
        return targets

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _divide(self, targets: Array, n: int, seed: int, validation_data: Any, groups: Any) -> tuple[Array, Array]:
        """Return the rows to train with and the rows held out."""
        everything, nothing = np.arange(n), np.arange(0)
        if groups is not None:
            groups = np.asarray(groups)
            if groups.shape != (n,):
                raise ValueError(f"groups has shape {groups.shape}, expected ({n},): one for each example of X")
        if validation_data is not None:
            if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
                raise ValueError(f"validation_data has type {type(validation_data).__name__}, expected a tuple (X, y)")
            return everything, nothing
        if not self.validation_fraction:
            return everything, nothing
        fraction = check_number("validation_fraction", self.validation_fraction, "(0, 1)")
        if n == 1:
            raise ValueError("X has 1 sample, expected at least 2: one to train with and one held out for validation")
        return validation_split(n, fraction, generators(seed).split, classes=self._strata(targets), groups=groups)

    def _known(self, x: LazyArray, inputs: str, rows: Array | None = None) -> str:
        """Return the fingerprint of standardised rows of inputs, by that of the inputs."""
        return derived(x, inputs, rows, *(self.inputs_ or ()))

    def _validation_set(self, X: Any, y: Any) -> tuple[tuple[Any, ...], str]:
        sequences = check_sequences(self, X, reset=False)
        targets = self._scaled(self._learn_targets(y, sequences, again=True))
        known, x = sequences.read_through(), self._standardized(sequences)
        return (x.ready(), targets, sequences.lengths), self._known(x, known)

    def _standardized(self, sequences: Inputs) -> LazyArray:
        scales = self.inputs_
        if scales is None:
            return sequences.x
        return sequences.x.map(lambda values, _: scales.apply(values))

    def _check_same_net(self, layers: tuple[Layer, ...]) -> None:
        """Refuse to go on with a net of other layers or precision."""
        model, dtype = self.model_, check_dtype(self.dtype)
        if layers != model.layers or dtype != model.dtype:
            asked = f"{Sequential(layers)!r} in {dtype}"
            raise ValueError(f"warm_start goes on with {model!r} in {model.dtype}, but the parameters say {asked}")

    def _layers(self) -> tuple[Layer, ...]:
        if not isinstance(self.head, tuple | list | np.ndarray):
            raise TypeError(f"head is {self.head!r}, expected a tuple of layer widths such as (64,)")
        for index, units in enumerate(self.head):
            check_integer(f"head[{index}]", units, 1)
        stack: list[Layer] = [
            self._make_recurrent(return_sequences=self._each_step(), bidirectional=self.bidirectional)
        ]
        for units in self.head:
            stack += [Dropout(self.dropout)] if self.dropout else []
            stack.append(Dense(units, "relu"))
        stack += [Dropout(self.dropout)] if self.dropout else []
        return (*stack, Dense(self._n_outputs()))

    # ---- using ------------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> Array:
        """Return the outputs (N, U) of the net."""
        return self._outputs_of(self._checked(X))

    def _checked(self, X: Any) -> Inputs:
        """Return sequences for the fitted net."""
        check_is_fitted(self, "model_")
        return check_sequences(self, X, reset=False)

    def _outputs_of(self, sequences: Inputs) -> Array:
        x = self._standardized(sequences)
        return self.model_.predict(x, sequences.lengths, n_threads=self.n_threads)

    def _stream(self) -> Streamed:
        """Return what a `Stream` runs."""
        check_is_fitted(self, "model_")
        return Streamed(self.model_, self._frame(), self.n_threads)

    def _frame(self) -> Frame:
        """Return what happens before and after the net, of one step as of whole sequences."""
        return Frame(finite=True, inputs=self.inputs_, wide=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    # ---- files ------------------------------------------------------------------------------------------------------

    def _fitted_tree(self) -> dict[str, Any]:
        return {
            "model": self.model_.to_tree(),
            "inputs": None if self.inputs_ is None else self.inputs_._asdict(),
            "fitted_with_table": self.fitted_with_table_,
        }

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell]) -> None:
        self.model_ = load_model(tree["model"], cells)
        self.inputs_ = None if tree["inputs"] is None else Standardizer(**tree["inputs"])
        self.fitted_with_table_ = tree["fitted_with_table"]
        if self.inputs_ is not None and len(self.inputs_.mean) != self.model_.input_shape[1]:
            raise ValueError(f"its scales are of {len(self.inputs_.mean)} channels, its net takes others")
