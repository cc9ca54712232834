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

    Recurrent layers, the last output of each sequence through dense layers (relu), and a softmax. Trained by
    mini-batches with a part of the data held out, until that part gets no better; the best weights are kept.

    Parameters
    ----------
    cell : {"rnn", "rnn_tanh", "rnn_relu", "rnn_sigmoid", "lstm", "gru"} or Cell
        The recurrent cell.
    hidden_size : int
        Hidden units of each layer and direction.
    layers : int
        Recurrent layers on top of each other.
    bidirectional : bool
        Read each sequence from both ends.
    head : tuple of int
        Widths of the dense layers between the recurrent ones and the output.
    dropout : float
        Rate at which outputs of recurrent and hidden dense layers are dropped in training.
    recurrent_dropout : float
        Rate at which hidden units are dropped within the recurrence, by one mask for all steps.
    optimizer : {"adam", "sgd"} or Optimizer
        A name, or an object such as ``fastrnn.SGD(0.1, momentum=0.9)``, which has its own learning rate.
    learning_rate : float
        For an optimizer given by name.
    schedule : {"step", "cosine", "plateau"}, Schedule or None
        How the learning rate changes by epoch; None keeps it.
    epochs : int
        Most epochs.
    batch_size : int
        Examples in a batch.
    validation_fraction : float or None
        Share of the examples held out, of each class; None or 0 trains on all, for all epochs.
    patience : int or None
        Stop after so many epochs without a better validation loss; None never stops early.
    clip_norm : float or None
        Largest norm of a batch's gradient.
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Initial weights.
    forget_bias : float
        Initial bias of the forget gate.
    standardize : bool
        Bring every channel to mean 0 and standard deviation 1, by the training examples.
    n_threads : int or None
        Number of threads; None takes as many as the problem is worth.
    memory_limit : str, int or None
        Most memory, such as ``"1 GB"``, that a training step may take for long sequences: within it, part of the work
        is done twice; the result is the same. See `fastrnn.memory.training_bytes`.
    random_state : int, RandomState or None
        Seed of weights, split, order and dropout.
    dtype : {"float32", "float64"}
        Precision of the net.
    warm_start : bool
        Let the next `fit` go on from the weights of the last one.
    verbose : int
        Above 0, print a line each epoch.
    class_weight : {"balanced"}, dict or None
        Weights of the classes in the loss.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    n_features_in_ : int
        Columns of a table (N, T); else channels.
    n_iter_ : int
        Number of epochs done.
    best_epoch_ : int
        Epoch, from 1, whose weights were kept.
    history_ : History
        Loss and accuracy of each epoch.
    model_ : Sequential
        The net.

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
            If the classifier is not fitted, or X is not like what it was fitted with.
        """
        return softmax(self._outputs(X))

    def predict(self, X: Any) -> Array:
        """
        Return the likeliest class of each sequence.

        Parameters
        ----------
        X : array (N, T, I), table (N, T), or list of N arrays (T_n, I)
            The sequences.

        Returns
        -------
        ndarray (N,)
            Labels out of `classes_`.

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

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell]) -> None:
        super()._set_fitted(tree, cells)
        classes = tree["classes"]
        self.classes_ = np.array(classes, dtype=object) if isinstance(classes, list) else np.asarray(classes)
        if self.classes_.shape != self.model_.output_shape:
            raise ValueError(f"it has {self.classes_.size} classes, but its net {self.model_.output_shape[0]} outputs")
