"""What the recurrent classifier and the regressor share: inputs, the net, and files."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from fastrnn._checks import check_choice, check_dtype, check_integer
from fastrnn._kernels.chain import Frame
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data.fingerprint import derived, fingerprint
from fastrnn.data.lazy_array import LazyArray
from fastrnn.estimators._base import Fitting
from fastrnn.estimators._net_base import RecurrentNetEstimator
from fastrnn.estimators.inputs.sequences import Inputs, Standardizer, check_sequences, learn_scales
from fastrnn.layers import Dense, Layer
from fastrnn.memory import choose_checkpoints, parse_bytes
from fastrnn.models.sequential import Sequential, load_model
from fastrnn.models.stream import Streamed
from fastrnn.training import BatchReport, Trainer
from fastrnn.training.history import History


class TrainingData(NamedTuple):
    """Checked sequences with their targets and weights; targets are not standardised yet."""

    sequences: Inputs
    targets: Array
    weights: Array | None


@dataclass(eq=False, repr=False)
class RecurrentEstimator(RecurrentNetEstimator):
    """
    Base of the classifier and the regressor: recurrent layers, and dense layers on their last output.

    Parameters
    ----------
    hidden_size : int
        Number of hidden units per layer and direction.
    bidirectional : bool
        Read each sequence in both directions.
    head : tuple of int
        Widths of the dense layers between the recurrent layers and the output.
    standardize : bool
        Scale every channel to mean 0 and standard deviation 1, measured on the training data.
    memory_limit : str, int or None
        Memory that a training step may take, such as ``"1 GB"``: long sequences then train slower, with the same
        result.
    warm_start : bool
        Let the next `fit` start from the weights of the last one.

    Attributes
    ----------
    n_features_in_ : int
        Number of channels; of a table (N, T), number of columns.
    validation_rows_ : ndarray
        Rows of X that were held out.
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
        y: Any = None,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        groups: Any = None,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        state: dict[str, Any] | None = None,
    ) -> Self:
        """
        Train the estimator.

        Ctrl-C ends training early; the estimator then has the best weights so far.

        Parameters
        ----------
        sample_weight : array-like (N,), optional
            Weight of each example in the loss.
        groups : array-like (N,), optional
            Group of each example, such as the person measured: no group is in both the training and the validation set.
        state : dict, optional
            Continue the run of ``trainer_.state()``, with the same data and parameters; only `epochs`, `patience`,
            `n_threads`, `memory_limit` and `verbose` may differ.

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
        fitting = self.prepare(X, y, sample_weight, validation_data=validation_data, groups=groups, state=state)
        return self.train(fitting, callbacks, batch_callbacks, state)

    def prepare(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        groups: Any = None,
        state: dict[str, Any] | None = None,
    ) -> Fitting:
        """
        Do all of `fit` except training: check the data and the parameters, and build the net and its trainer.

        Parameters
        ----------
        X : array (N, T, I), table (N, T), or list of N arrays (T_n, I)
            The sequences. A table has one channel, also if it is a DataFrame or holds integers. An h5py.Dataset or a
            numpy.memmap is read by blocks, with the same result, and need not fit into memory.
        y : array-like
            The targets: (N,) labels of any kind for a classifier, (N,) or (N, K) numbers for a regressor. With
            `return_sequences`, (N, T) or (N, T, K), or a list of N arrays (T_n,) or (T_n, K).
        sample_weight : array-like (N,), optional
            As in `fit`.
        groups : array-like (N,), optional
            As in `fit`.
        """
        again = self.warm_start and hasattr(self, "model_")
        data = self._check_data(X, y, sample_weight, again)
        seed = self._seed(state)
        strata = {"classes": self._strata(data.targets), "groups": self._check_groups(groups, len(data.targets))}
        training, held_out = self._hold_out(len(data.targets), seed, validation_data, **strata)
        model, trainer = self._build(data, len(training), seed, again)
        # The first pass over the data, after all checks that need none: it may take long.
        inputs = self._learn_scales(data, training, again)
        if not again:
            self.model_ = model
        x, others = self._standardized(data.sequences), self._standardized_targets(data)
        known = {name: fingerprint(array) for name, array in self._labels().items()}
        known["training x"] = self._known(x.take(training), inputs, training)
        validation = None
        if validation_data is not None:
            try:
                validation, known["validation x"] = self._validation_set(*validation_data)
            except (TypeError, ValueError) as error:  # it names X and y, which training has too
                raise type(error)(f"validation_data: {error}") from error
        elif len(held_out):
            validation = x.take(held_out).ready(), *(None if a is None else a[held_out] for a in others)
            known["validation x"] = self._known(x.take(held_out), inputs, held_out)
        targets, lengths, weights = (None if a is None else a[training] for a in others)
        self.trainer_, self.validation_rows_ = trainer, held_out
        return Fitting(trainer, x.take(training).ready(), targets, lengths, weights, validation, known=known)

    # ---- fitting: checks, the net, scales ---------------------------------------------------------------------------

    def _check_data(self, X: Any, y: Any, sample_weight: Any, again: bool) -> TrainingData:
        """Check parameters, sequences, targets and weights; `again` when the last fit is continued."""
        check_choice("standardize", self.standardize, (False, True))
        self._check_training()
        if self.memory_limit is not None:
            parse_bytes(self.memory_limit)
        sequences = check_sequences(self, X, reset=not again)
        targets = self._learn_targets(y, sequences, again)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, targets, dtype=np.float64)
        return TrainingData(sequences, targets, self._class_weights(targets, sample_weight))

    def _check_groups(self, groups: Any, n: int) -> Array | None:
        if groups is None:
            return None
        groups = np.asarray(groups)
        if groups.shape != (n,):
            raise ValueError(f"groups has shape {groups.shape}, expected ({n},): one for each example of X")
        return groups

    def _build(self, data: TrainingData, n_training: int, seed: int, again: bool) -> tuple[Sequential, Trainer]:
        """Return a new net, or the fitted one to train on, and its trainer, which keeps within the memory limit."""
        _, T, I = data.sequences.given.shape
        layers = self._layers()
        if again:
            self._check_same_net(layers)
            model: Sequential = self.model_
        else:
            model = Sequential(layers).build((None, I), self.dtype, seed)
        checkpoint_every = None
        if self.memory_limit is not None:
            B, ragged = min(self.batch_size, n_training), data.sequences.lengths is not None
            checkpoint_every = choose_checkpoints(model, B, T, parse_bytes(self.memory_limit), ragged=ragged)
        return model, self._make_trainer(model, self._loss, seed, checkpoint_every)

    def _learn_scales(self, data: TrainingData, training: Array, again: bool) -> str:
        """Learn the scales of inputs and targets from the training rows, and return the fingerprint of the inputs."""
        sequences, scales = data.sequences, None
        if self.standardize and not again:
            scales, known = learn_scales(sequences, training)
        else:
            known = sequences.read_through()
        if not again:
            self.inputs_ = scales
            lengths = sequences.lengths
            self._learn_scale(data.targets[training], None if lengths is None else lengths[training])
        return known

    def _standardized(self, sequences: Inputs) -> LazyArray:
        scales = self.inputs_
        if scales is None:
            return sequences.x
        return sequences.x.map(lambda values, _: scales.apply(values))

    def _standardized_targets(self, data: TrainingData) -> tuple[Array | None, ...]:
        """Return what the trainer takes besides the inputs: targets, lengths and weights."""
        return self._scaled(data.targets), data.sequences.lengths, data.weights

    def _known(self, x: LazyArray, inputs: str, rows: Array | None = None) -> str:
        """Return the fingerprint of standardised rows, which follows from that of the inputs."""
        return derived(x, inputs, rows, *(self.inputs_ or ()))

    def _validation_set(self, X: Any, y: Any) -> tuple[tuple[Any, ...], str]:
        sequences = check_sequences(self, X, reset=False)
        targets = self._scaled(self._learn_targets(y, sequences, again=True))
        known, x = sequences.read_through(), self._standardized(sequences)
        return (x.ready(), targets, sequences.lengths), self._known(x, known)

    def _check_same_net(self, layers: tuple[Layer, ...]) -> None:
        """Refuse to continue with a net of other layers or precision."""
        model, dtype = self.model_, check_dtype(self.dtype)
        if layers != model.layers or dtype != model.dtype:
            asked = f"{Sequential(layers)!r} in {dtype}"
            raise ValueError(f"warm_start continues with {model!r} in {model.dtype}, but the parameters say {asked}")

    def _layers(self) -> tuple[Layer, ...]:
        if not isinstance(self.head, tuple | list | np.ndarray):
            raise TypeError(f"head is {self.head!r}, expected a tuple of layer widths such as (64,)")
        for index, units in enumerate(self.head):
            check_integer(f"head[{index}]", units, 1)
        dropout = self._make_dropout()
        stack: list[Layer] = [
            self._make_recurrent(return_sequences=self._each_step(), bidirectional=self.bidirectional)
        ]
        for units in self.head:
            stack += [*dropout, Dense(units, "relu")]
        return (*stack, *dropout, Dense(self._n_outputs()))

    # ---- what the classifier and the regressor decide ----------------------------------------------------------------

    @abstractmethod
    def _learn_targets(self, y: Any, sequences: Inputs, again: bool) -> Array:
        """Check y against the sequences, and return it as the loss takes it, before it is scaled."""

    @abstractmethod
    def _n_outputs(self) -> int:
        """Return the number of units of the last layer."""

    def _each_step(self) -> bool:
        """Is there an output for each step?"""
        return False

    def _class_weights(self, targets: Array, sample_weight: Array | None) -> Array | None:
        return sample_weight

    def _labels(self) -> dict[str, Array]:
        """Return by name what the targets stand for; a run that is resumed must have the same."""
        return {}

    def _strata(self, targets: Array) -> Array | None:
        """Return the classes by which the validation set is stratified."""
        return None

    def _learn_scale(self, targets: Array, lengths: Array | None) -> None:
        """Learn the scale of the targets of training examples with these lengths."""

    def _scaled(self, targets: Array) -> Array:
        return targets

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
        """Return what happens before and after the net, for one step as for whole sequences."""
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

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell], classes: Sequence[type]) -> None:
        self.model_ = load_model(tree["model"], cells, classes)
        self.inputs_ = None if tree["inputs"] is None else Standardizer(**tree["inputs"])
        self.fitted_with_table_ = tree["fitted_with_table"]
        if self.inputs_ is not None and len(self.inputs_.mean) != self.model_.input_shape[1]:
            raise ValueError(f"its scales are of {len(self.inputs_.mean)} channels, its net takes others")
