"""A recurrent net as a scikit-learn regressor."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from fastrnn._checks import check_choice
from fastrnn._kernels.chain import Frame
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.estimators._recurrent_base import RecurrentEstimator
from fastrnn.estimators.inputs.sequences import Inputs, Standardizer, check_step_targets, check_targets, valid_steps


@dataclass(eq=False, repr=False)
class RecurrentRegressor(RegressorMixin, RecurrentEstimator):
    """
    Predict numbers from sequences with a recurrent net.

    Recurrent layers read each sequence, and their last output (or the output of every step) goes through dense layers
    (relu) to a linear one. The net is trained on the mean squared error until the loss of the validation set stops
    improving. With `standardize` the targets are scaled too, and the losses in `history_` are those of scaled targets.

    Parameters
    ----------
    standardize : bool
        Scale every channel and every target to mean 0 and standard deviation 1, measured on the training examples.
    return_sequences : bool
        Predict numbers at every step, from the steps up to it (with `bidirectional`, from all steps).

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RecurrentRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 20, 2))
    >>> regressor = RecurrentRegressor(hidden_size=16, epochs=5, random_state=0).fit(X, X.mean(axis=1))
    >>> regressor.predict(X).shape
    (200, 2)
    """

    _loss = "mse"

    _: KW_ONLY
    return_sequences: bool = False

    def _each_step(self) -> bool:
        check_choice("return_sequences", self.return_sequences, (False, True))
        return bool(self.return_sequences)

    def _gives_steps(self) -> bool:
        """Does the fitted net have an output for each step?"""
        return len(self.model_.output_shape) == 2

    def _learn_targets(self, y: Any, sequences: Inputs, again: bool) -> Array:
        n = len(sequences.given)
        y = check_step_targets(y, sequences) if self._each_step() else check_targets(y, n, np.float64)
        leading, width = (y.shape[:2], y.shape[2:]) if self._each_step() else (y.shape[:1], y.shape[1:])
        if not again:
            self._target_shape = width
        elif width != self._target_shape:
            raise ValueError(f"y has shape {y.shape}, expected {leading + self._target_shape} as it was fitted with")
        return y.reshape(*leading, -1).astype(self.dtype)

    def _n_outputs(self) -> int:
        return int(np.prod(self._target_shape, dtype=int))

    def _learn_scale(self, targets: Array, lengths: Array | None) -> None:
        rows = valid_steps(targets, lengths) if self._each_step() else targets
        self.targets_ = Standardizer.of_rows(rows) if self.standardize else None

    def _scaled(self, targets: Array) -> Array:
        return targets if self.targets_ is None else self.targets_.apply(targets)

    def predict(self, X: Any) -> Any:
        """
        Return the predicted numbers of each sequence.

        Parameters
        ----------
        X : array (N, T, I), table (N, T), or list of N arrays (T_n, I)
            The sequences.

        Returns
        -------
        ndarray (N,) or (N, K)
            float64, in the shape of the targets in `fit`. With `return_sequences` (N, T) or (N, T, K), or a list of
            arrays (T_n,) or (T_n, K) if the lengths differ.

        Raises
        ------
        NotFittedError, ValueError
            If the regressor is not fitted, or X does not have the channels that it was fitted with.
        """
        sequences = self._checked(X)
        y = self._outputs_of(sequences)
        y = y.astype(np.float64) if self.targets_ is None else self.targets_.undo(y)
        y = y.reshape(*y.shape[:-1], *self._target_shape)
        if not self._gives_steps() or sequences.lengths is None:
            return y
        return [row[:length] for row, length in zip(y, sequences.lengths.tolist(), strict=True)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """
        Return R², the share of the variance of the targets that the predictions explain.

        Parameters
        ----------
        X : array (N, T, I), table (N, T), or list of N arrays (T_n, I)
            The sequences.
        y : array-like
            The true numbers, as in `fit`; with `return_sequences` all steps count equally.
        sample_weight : array-like (N,), optional
            Weights of the examples.

        Returns
        -------
        float
            1 is the best; the mean of `y` would get 0.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`, and if `y` does not have the shape of the targets in `fit`.
        """
        check_is_fitted(self, "model_")
        if not self._gives_steps():
            return float(super().score(X, y, sample_weight))
        sequences = self._checked(X)
        truth, lengths = check_step_targets(y, sequences), sequences.lengths
        truth = truth.reshape(*truth.shape[:2], -1)
        rows = [row.reshape(len(row), -1) for row in self.predict(X)]
        if sample_weight is not None:
            weights = np.broadcast_to(np.asarray(sample_weight)[:, None, None], (*truth.shape[:2], 1))
            sample_weight = valid_steps(weights, lengths)[:, 0]
        return float(r2_score(valid_steps(truth, lengths), np.concatenate(rows), sample_weight=sample_weight))

    def _frame(self) -> Frame:
        return super()._frame()._replace(outputs=self.targets_, shape=self._target_shape)

    def _fitted_tree(self) -> dict[str, Any]:
        scale = None if self.targets_ is None else self.targets_._asdict()
        return super()._fitted_tree() | {"targets": scale, "target_shape": list(self._target_shape)}

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell], classes: Sequence[type]) -> None:
        super()._set_fitted(tree, cells, classes)
        self.targets_ = None if tree["targets"] is None else Standardizer(**tree["targets"])
        self._target_shape = tuple(tree["target_shape"])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
