"""A recurrent net as a scikit-learn regressor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from fastrnn._kernels.chain import Frame
from fastrnn._kernels.types import Array
from fastrnn.cells import Cell
from fastrnn.estimators._recurrent import RecurrentEstimator
from fastrnn.estimators._sequences import Standardizer, check_targets


@dataclass(eq=False, repr=False)
class RecurrentRegressor(RegressorMixin, RecurrentEstimator):
    """
    Predict numbers from sequences with a recurrent net.

    Recurrent layers, and the last output of each sequence through dense layers (relu) and a linear one; trained for
    the least mean squared error with a part of the data held out, until that part gets no better. With `standardize`
    targets are standardised too, and the losses of `history_` are those of standardised targets.

    Parameters
    ----------
    cell, hidden_size, layers, bidirectional, head, dropout, recurrent_dropout, optimizer, learning_rate, schedule
        As in `RecurrentClassifier`.
    epochs, batch_size, validation_fraction, patience, clip_norm, initializer, forget_bias, n_threads, memory_limit
        As in `RecurrentClassifier`.
    standardize : bool
        Bring every channel, and every target, to mean 0 and standard deviation 1, by the training examples.
    random_state, dtype, warm_start, verbose
        As in `RecurrentClassifier`.

    Attributes
    ----------
    n_features_in_, n_iter_, best_epoch_, history_, model_
        As in `RecurrentClassifier`.

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

    def _learn_targets(self, y: Any, n: int, again: bool) -> Array:
        y = check_targets(y, n, np.float64)
        width = y.shape[1:]
        if not again:
            self._target_shape = width
        elif width != self._target_shape:
            raise ValueError(f"y has shape {y.shape}, expected {(n, *self._target_shape)} as it was fitted with")
        return y.reshape(n, -1).astype(self.dtype)

    def _n_outputs(self) -> int:
        return int(np.prod(self._target_shape, dtype=int))

    def _learn_scale(self, targets: Array) -> None:
        self.targets_ = Standardizer.of_rows(targets) if self.standardize else None

    def _scaled(self, targets: Array) -> Array:
        return targets if self.targets_ is None else self.targets_.apply(targets)

    def predict(self, X: Any) -> Array:
        """
        Return the predicted numbers of each sequence.

        Parameters
        ----------
        X : array (N, T, I), table (N, T), or list of N arrays (T_n, I)
            The sequences.

        Returns
        -------
        ndarray (N,) or (N, K)
            float64, in the shape of the targets it was fitted with.

        Raises
        ------
        NotFittedError, ValueError
            If the regressor is not fitted, or X is not like what it was fitted with.
        """
        y = self._outputs(X)
        y = y.astype(np.float64) if self.targets_ is None else self.targets_.undo(y)
        return y.reshape(len(y), *self._target_shape)

    def _frame(self) -> Frame:
        return super()._frame()._replace(outputs=self.targets_, shape=self._target_shape)

    def _fitted_tree(self) -> dict[str, Any]:
        scale = None if self.targets_ is None else self.targets_._asdict()
        return super()._fitted_tree() | {"targets": scale, "target_shape": list(self._target_shape)}

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell]) -> None:
        super()._set_fitted(tree, cells)
        self.targets_ = None if tree["targets"] is None else Standardizer(**tree["targets"])
        self._target_shape = tuple(tree["target_shape"])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
