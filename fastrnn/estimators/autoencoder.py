"""A sparse autoencoder as a scikit-learn transformer."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from fastrnn._checks import check_choice, check_dtype, check_integer, check_number
from fastrnn._kernels import AutoencoderWeights
from fastrnn._kernels.autoencoder import check_weights
from fastrnn._random import generators
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data import ImageScaler
from fastrnn.data.fingerprint import derived
from fastrnn.data.lazy_array import LazyArray
from fastrnn.estimators._base import Fitting, RunState, TrainedEstimator, Validation, print_epoch
from fastrnn.estimators._net_base import choose_optimizer
from fastrnn.estimators.inputs.sequences import Inputs, check_finite, check_table
from fastrnn.layers.initializers import draw
from fastrnn.optimizers import OPTIMIZERS, SGD, Adam, Optimizer
from fastrnn.training import Trainer
from fastrnn.training.autoencoder import AutoencoderObjective, decode, encode, evaluate, psnr
from fastrnn.training.lbfgs import LBFGS


@dataclass(eq=False, repr=False)
class SparseAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TrainedEstimator):
    """
    Learn sparse features: each hidden unit is active for few examples, and the inputs can be reconstructed from them.

    Inputs are reconstructed as ``sigmoid(sigmoid(X W1 + b1) W2 + b2)``; training minimizes `sparse_autoencoder_cost`. A
    sigmoid gives numbers between 0 and 1, so inputs should lie in this range, better in 0.1..0.9. Scale images with
    `fastrnn.data.ImageScaler`, other data with `sklearn.preprocessing.MinMaxScaler`. Values outside 0..1 cause a
    warning and are used as they are.

    Parameters
    ----------
    hidden_size : int
        Number of hidden units.
    l2 : float
        Weight of the L2 penalty on the weights.
    sparsity : float
        Mean activation that each hidden unit should have, between 0 and 1.
    sparsity_weight : float
        Weight of the penalty on other mean activations.
    tied : bool
        Use the transposed weights of the hidden layer for the output.
    solver : {"lbfgs"} or {OPTIMIZERS}
        Optimizer of the cost. "lbfgs" trains on all examples at once, one iteration per epoch; the others train on
        mini-batches.
    learning_rate : float or None
        Learning rate of a solver other than "lbfgs"; None takes the one found best.
    momentum : float
        Momentum of "sgd".
    validation_fraction : float or None
        Share of the examples held out to choose the weights with the lowest cost; None or 0 trains on all of them.
    patience : int or None
        Stop after this many epochs without a lower cost of the validation set, or of the training set if there is none;
        None never stops early.
    random_state : int, RandomState or None
        Seed of the initial weights, the validation split and the order of the examples.
    dtype : {"float32", "float64"}
        Precision of the weights and of the computation.

    Attributes
    ----------
    weights_ : AutoencoderWeights
        The weights.
    mean_activation_ : ndarray (H,)
        Mean activation of each hidden unit over the training examples.
    cost_ : float
        Cost of all training examples together.
    parts_ : dict
        The terms of the cost: ``reconstruction``, ``l2`` and ``sparsity``.
    n_features_in_ : int
        Number of columns of X.
    best_epoch_ : int
        Epoch, from 1, whose weights were kept: the last one if there is neither a validation set nor a patience.
    history_ : History
        Cost of each epoch (``train_loss``; for mini-batches the running mean), its terms, and the cost of the
        validation set (``validation_loss``).
    validation_rows_ : ndarray
        Rows of X that were held out.
    scaler_ : ImageScaler or None
        The scaler that was applied to images before they became X, if one is set; `fit` resets it, and files keep it.

    Notes
    -----
    "lbfgs" (limited-memory BFGS) works in float64. With mini-batches, the mean activations of a batch stand for those
    of all examples.

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, Stanford University, 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from fastrnn import SparseAutoencoder
    >>> X, y = load_digits(return_X_y=True)
    >>> features = SparseAutoencoder(hidden_size=25, sparsity=0.1, epochs=50, random_state=0)
    >>> features.fit_transform(X / 16).shape
    (1797, 25)
    >>> pipeline = make_pipeline(features, LogisticRegression(max_iter=500)).fit(X / 16, y)
    """

    _optimizers: ClassVar[Mapping[str, Optimizer]] = {"adam": Adam(1e-3), "sgd": SGD(0.1)}

    hidden_size: int = 64
    l2: float = 5e-4
    sparsity: float = 0.05
    sparsity_weight: float = 0.5
    tied: bool = False
    solver: str = "lbfgs"
    learning_rate: float | None = None
    momentum: float = 0.9
    _: KW_ONLY
    epochs: int = 400
    batch_size: int = 128
    validation_fraction: float | None = None

    def prepare(self, X: Any, y: Any = None, *, validation_data: Validation = None, state: RunState = None) -> Fitting:
        """
        Do all of `fit` except training: check the data and the parameters, and make the weights and the trainer.

        Parameters
        ----------
        X : array-like (N, F)
            The examples, with values in 0..1. An h5py.Dataset or a numpy.memmap is read by blocks, with the same
            result, and need not fit into memory; but "lbfgs" needs all examples in memory.
        y : None
            Not used; present for pipelines.
        """
        dtype = check_dtype(self.dtype)
        check_choice("tied", self.tied, (False, True))
        self._check_training()
        penalties, optimizer, seed = self._penalties(), self._optimizer(), self._seed(state)
        inputs = self._check_X(X, dtype, reset=True)
        x = inputs.x
        training, held_out = self._hold_out(len(x), seed, validation_data)
        others = None if validation_data is None else self._check_X(validation_data[0], dtype, reset=False)
        objective = AutoencoderObjective(
            _initial_weights(x.shape[1], self.hidden_size, self.tied, dtype, generators(seed).weights), **penalties
        )
        callbacks = [print_epoch] if self.verbose else []
        trainer = Trainer(objective, None, optimizer, patience=self.patience, callbacks=callbacks, seed=seed)
        known = _read_through(inputs)
        self.trainer_, self.weights_, self.validation_rows_ = trainer, objective.weights, held_out
        self.scaler_: ImageScaler | None = None
        x_train, validation = x.take(training), None
        data = {"training x": derived(x_train, known, training)}
        if others is not None:
            data["validation x"] = _read_through(others)
            validation = (others.x.ready(), None)
        elif len(held_out):
            validation = (x.take(held_out).ready(), None)
            data["validation x"] = derived(x.take(held_out), known, held_out)
        taken = x_train.load() if self.solver == "lbfgs" else x_train.ready()
        return Fitting(trainer, taken, validation=validation, known=data)

    def _summarize(self, fitting: Fitting) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges raises an error of its own
            measured = evaluate(self.weights_, fitting.x, **self._penalties())
        self.cost_, self.parts_, self.mean_activation_ = measured

    # ---- using ------------------------------------------------------------------------------------------------------

    @property
    def components_(self) -> Array:
        """The features (H, F): the weights of each hidden unit, a view of ``weights_.W1``."""
        return self.weights_.W1.T

    def transform(self, X: Any) -> Array:
        """
        Return the activations of the hidden units.

        Parameters
        ----------
        X : array-like (N, F)
            Examples.

        Returns
        -------
        ndarray (N, H)
            Numbers between 0 and 1, in `dtype`.

        Raises
        ------
        NotFittedError, ValueError
            If the estimator is not fitted, or X does not have the columns that it was fitted with.
        """
        x = self._check_fitted_X(X)  # each row has the same bits, however many rows a piece has
        return np.concatenate([encode(self.weights_, piece, self.n_threads) for _, piece in x.pieces()])

    def inverse_transform(self, X: Any) -> Array:
        """
        Reconstruct inputs from the activations of the hidden units.

        Parameters
        ----------
        X : array-like (N, H)
            Activations.

        Returns
        -------
        ndarray (N, F)
            Numbers between 0 and 1, in `dtype`.

        Raises
        ------
        NotFittedError, ValueError
            If the estimator is not fitted, or X has other columns or values that are not finite.
        """
        check_is_fitted(self, "weights_")
        h = check_array(X, dtype="numeric", ensure_all_finite=False)
        if h.shape[1] != self._n_features_out:
            raise ValueError(f"X has {h.shape[1]} columns, expected {self._n_features_out}: one for each hidden unit")
        return decode(self.weights_, check_finite(h, self.weights_.W1.dtype), self.n_threads)

    def score(self, X: Any, y: Any = None) -> float:
        """
        Return the negative reconstruction error, so that more is better.

        Parameters
        ----------
        X : array-like (N, F)
            Examples.
        y : None
            Not used.

        Returns
        -------
        float
            Minus half the squared distance between an example and its reconstruction, averaged over the examples. For
            the training examples it is minus ``parts_["reconstruction"]``.

        Raises
        ------
        NotFittedError, ValueError
            As `transform`.
        """
        return -self.cost(X)[1]["reconstruction"]

    def psnr(self, X: Any, data_range: float = 1.0) -> float:
        """
        Return the peak signal-to-noise ratio of the reconstructions.

        Parameters
        ----------
        X : array-like (N, F)
            Examples.
        data_range : float
            The range that errors are compared with: 1 for a sigmoid, 0.8 for an `ImageScaler`.

        Returns
        -------
        float
            ``10 log10(data_range^2 / mean squared error)``, in decibels.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `transform`, or if the range is not above 0.
        """
        data_range = check_number("data_range", data_range, "(0, inf)")
        return psnr(self.cost(X)[1]["reconstruction"], self.n_features_in_, data_range)

    def cost(self, X: Any) -> tuple[float, dict[str, float]]:
        """
        Return the cost of all examples together.

        Parameters
        ----------
        X : array-like (N, F)
            Examples.

        Returns
        -------
        cost : float
            The cost.
        parts : dict
            Its terms ``reconstruction``, ``l2`` and ``sparsity``, as of `sparse_autoencoder_cost`.

        Raises
        ------
        NotFittedError, ValueError
            As `transform`.
        """
        return self.evaluate(X)[:2]

    def evaluate(self, X: Any) -> tuple[float, dict[str, float], Array]:
        """
        Return the cost, its terms and the mean activations, in one pass over the examples.

        Parameters
        ----------
        X : array-like (N, F)
            Examples.

        Returns
        -------
        cost : float
            The cost of all examples together.
        parts : dict
            As `cost` returns.
        mean_activation : ndarray (H,)
            Mean activation of each hidden unit, in float64.

        Raises
        ------
        NotFittedError, ValueError
            As `transform`.
        """
        x = self._check_fitted_X(X)
        return evaluate(self.weights_, x, **self._penalties())

    @property
    def _n_features_out(self) -> int:
        return len(self.weights_.b1)

    # ---- checks -----------------------------------------------------------------------------------------------------

    def _penalties(self) -> dict[str, Any]:
        """Return the arguments of `sparse_autoencoder_cost` besides weights and examples."""
        return {
            "l2": check_number("l2", self.l2, "[0, inf)"),
            "sparsity": check_number("sparsity", self.sparsity, "(0, 1)"),
            "sparsity_weight": check_number("sparsity_weight", self.sparsity_weight, "[0, inf)"),
            "n_threads": self.n_threads,
        }

    def _optimizer(self) -> Optimizer | LBFGS:
        check_choice("solver", self.solver, ("lbfgs", *OPTIMIZERS))
        if self.solver == "lbfgs":
            return LBFGS()
        optimizer = choose_optimizer(self._optimizers, self.solver, self.learning_rate)
        return replace(optimizer, momentum=self.momentum) if isinstance(optimizer, SGD) else optimizer

    def _check_X(self, X: Any, dtype: np.dtype[Any], *, reset: bool) -> Inputs:
        return Inputs(check_table(self, X, reset=reset), None, dtype)

    def _check_fitted_X(self, X: Any) -> LazyArray:
        check_is_fitted(self, "weights_")
        return self._check_X(X, self.weights_.W1.dtype, reset=False).x

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # results have the dtype of the parameter `dtype`
        return tags

    # ---- files ------------------------------------------------------------------------------------------------------

    def _fitted_tree(self) -> dict[str, Any]:
        return {
            "weights": {name: W for name, W in self.weights_._asdict().items() if W is not None},
            "mean_activation": self.mean_activation_,
            "cost": self.cost_,
            "parts": self.parts_,
            "scaler": None if self.scaler_ is None else self.scaler_.to_tree(),
        }

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell], classes: Sequence[type]) -> None:
        self.weights_ = check_weights(AutoencoderWeights(**{"W2": None} | tree["weights"]))
        if len(self.weights_.W1) != self.n_features_in_:
            raise ValueError(
                f"it takes {self.n_features_in_} features, but its weights are for {len(self.weights_.W1)}"
            )
        self.mean_activation_ = tree["mean_activation"]
        self.cost_, self.parts_ = tree["cost"], tree["parts"]
        self.scaler_ = None if tree["scaler"] is None else ImageScaler.from_tree(tree["scaler"])


def _read_through(inputs: Inputs) -> str:
    """Check examples in one pass and return their fingerprint; warn of values that a sigmoid cannot give."""
    low, high = np.inf, -np.inf

    def see(first: int, piece: Array) -> None:
        nonlocal low, high
        low, high = min(low, piece.min()), max(high, piece.max())

    known = inputs.read_through(see)
    if low < 0 or high > 1:
        warnings.warn(
            f"X has values in {low:g}..{high:g}, but an autoencoder reconstructs only those in 0..1; "
            "scale it, as sklearn.preprocessing.MinMaxScaler does",
            stacklevel=3,
        )
    return known


def _initial_weights(F: int, H: Any, tied: bool, dtype: np.dtype[Any], rng: np.random.Generator) -> AutoencoderWeights:
    """Draw weights, uniform in +-sqrt(6 / (F + H)), in float64; biases are 0."""
    H = check_integer("hidden_size", H, 1)
    W1 = draw("xavier", rng, (F, H)).astype(dtype)
    W2 = None if tied else draw("xavier", rng, (H, F)).astype(dtype)
    return AutoencoderWeights(W1, np.zeros(H, dtype), W2, np.zeros(F, dtype))
