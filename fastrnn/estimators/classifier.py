"""A recurrent net as a scikit-learn classifier."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from fastrnn._kernels.chain import Frame
from fastrnn._kernels.softmax import softmax
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.estimators._recurrent_base import RecurrentEstimator
from fastrnn.estimators.inputs.sequences import Inputs, check_targets


@dataclass(eq=False, repr=False)
class RecurrentClassifier(ClassifierMixin, RecurrentEstimator):
    """
    Classify sequences with a recurrent net.

    Recurrent layers read each sequence, and their last output goes through dense layers (relu) to a softmax. The net is
    trained by mini-batches until the loss of the validation set stops improving; the best weights are kept.

    Parameters
    ----------
    validation_fraction : float or None
        Share of the examples of each class held out as a validation set; None or 0 trains on all of them.
    class_weight : {"balanced"}, dict or None
        Weights of the classes in the loss. "balanced" makes all classes count the same; a dict has a weight for each.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RecurrentClassifier
    >>> t = np.linspace(0, 10, 50)
    >>> X = [np.sin(f * t[:n]) for n in (30, 50) for f in np.linspace(1, 3, 50)]
    >>> y = ["slow" if f < 2 else "fast" for n in (30, 50) for f in np.linspace(1, 3, 50)]
    >>> classifier = RecurrentClassifier(hidden_size=16, epochs=5, random_state=0).fit(X, y)
    >>> classifier.classes_
    array(['fast', 'slow'], dtype='<U4')
    """

    _loss = "cross_entropy"

    _: KW_ONLY
    class_weight: str | dict[Any, float] | None = None

    def _learn_targets(self, y: Any, sequences: Inputs, again: bool) -> Array:
        y = column_or_1d(check_targets(y, len(sequences.given), None), warn=True)
        check_classification_targets(y)
        if not again:
            self.classes_ = np.unique(y)
            if len(self.classes_) < 2:
                raise ValueError(f"y has only one class, {self.classes_[0]}; expected at least two")
        indices = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        wrong = np.flatnonzero(self.classes_[indices] != y)
        if len(wrong):
            raise ValueError(f"y[{wrong[0]}] is {y[wrong[0]]}, expected one of the fitted classes {self.classes_}")
        return indices

    def _n_outputs(self) -> int:
        return len(self.classes_)

    def _labels(self) -> dict[str, Array]:
        return {"classes": self.classes_}

    def _strata(self, targets: Array) -> Array | None:
        return targets

    def _class_weights(self, targets: Array, sample_weight: Array | None) -> Array | None:
        if self.class_weight is not None:
            if self.class_weight != "balanced" and not isinstance(self.class_weight, dict):
                raise ValueError(f"class_weight is {self.class_weight!r}, expected None, 'balanced' or a dict")
            weights = compute_sample_weight(self.class_weight, self.classes_[targets])
            sample_weight = weights if sample_weight is None else weights * sample_weight
        if sample_weight is not None and len(np.unique(targets[sample_weight > 0])) < 2:
            raise ValueError("sample_weight and class_weight leave less than two classes with a weight above 0")
        return sample_weight

    def predict_proba(self, X: Any) -> Array:
        """
        Return the probability of each class.

        Parameters
        ----------
        X : array (N, T, I), table (N, T), or list of N arrays (T_n, I)
            The sequences.

        Returns
        -------
        ndarray (N, C)
            float64; rows sum to 1; columns are ordered as `classes_`.

        Raises
        ------
        NotFittedError, ValueError
            If the classifier is not fitted, or X does not have the channels that it was fitted with.
        """
        return softmax(self._outputs(X))

    def predict(self, X: Any) -> Array:
        """
        Return the most likely class of each sequence.

        Parameters
        ----------
        X : array (N, T, I), table (N, T), or list of N arrays (T_n, I)
            The sequences.

        Returns
        -------
        ndarray (N,)
            Labels, as in `classes_`.

        Raises
        ------
        NotFittedError, ValueError
            As `predict_proba`.
        """
        check_is_fitted(self, "model_")
        return self.classes_[self._outputs(X).argmax(1)]

    def _frame(self) -> Frame:
        return super()._frame()._replace(softmax=True)

    def _fitted_tree(self) -> dict[str, Any]:
        classes = self.classes_
        return super()._fitted_tree() | {"classes": list(classes) if classes.dtype == object else classes}

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell], classes: Sequence[type]) -> None:
        super()._set_fitted(tree, cells, classes)
        labels = tree["classes"]
        self.classes_ = np.array(labels, dtype=object) if isinstance(labels, list) else np.asarray(labels)
        if self.classes_.shape != self.model_.output_shape:
            raise ValueError(f"it has {self.classes_.size} classes, but its net {self.model_.output_shape[0]} outputs")
