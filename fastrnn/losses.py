"""Losses on logits, with their gradients.

``value, dy = loss(y, target, mask, sample_weight)``: the mean over the valid steps (and outputs), each times its
example's weight. Outputs `y` are (B, U), or (B, T, U) for a target at each step. Steps outside of `mask` are never
read, and their `dy` is 0. Numbers are summed in float64.

A new loss is one class here and one name in `LOSSES`. A custom loss is a subclass of `Loss`, or any function with the
same arguments and results.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from fastrnn._checks import check_choice, described
from fastrnn._kernels import softmax_cross_entropy
from fastrnn._typing import Array

LossFunction = Callable[..., tuple[float, Array]]  # (y, target, mask, sample_weight) -> (value, dy)


class Loss(ABC):
    """
    Base class of losses; the attributes say what else the trainer can do with one.

    Attributes
    ----------
    name : str
        What the settings of a training run call it.
    counts_accuracy : bool
        Can right answers be counted? The history then has the accuracy. `count_right` counts them; as it stands, for
        targets that are classes.
    takes_padding : bool
        Is a target of -1 padding, where a model gives an output each step? Such a step then counts in no loss and no
        accuracy. The loss itself never sees it: `mask` excludes it.
    stratifies : bool
        Are targets classes? Where there is one target for each example, a validation set then has each class by its
        share.
    """

    counts_accuracy: bool = False
    takes_padding: bool = False
    stratifies: bool = False

    @property
    def name(self) -> str:
        return str(described(self))

    @abstractmethod
    def __call__(
        self, y: Array, target: Array, mask: Array | None = None, sample_weight: Array | None = None
    ) -> tuple[float, Array]:
        """
        Compare outputs with targets.

        Parameters
        ----------
        y : ndarray (B, U) or (B, T, U)
            Outputs of the model.
        target : ndarray
            What they should be.
        mask : bool ndarray (B, T), optional
            Which steps count; None is all.
        sample_weight : ndarray (B,), optional
            Weights of the examples; None is 1.

        Returns
        -------
        value : float
            The loss.
        dy : ndarray
            Its gradient, in the shape and dtype of `y`.

        Raises
        ------
        TypeError, ValueError
            If the loss does not take such targets, or a shape is wrong.
        """

    def count_right(self, y: Array, target: Array, mask: Array | None = None) -> float:
        """
        Count the steps whose largest output is that of the target.

        Parameters
        ----------
        y, target, mask
            As in a call.

        Returns
        -------
        float
            How many valid steps are right.
        """
        valid, target = _check_mask(y, mask), np.asarray(target)
        classes = target.argmax(axis=-1) if target.shape == y.shape else target
        return float(np.count_nonzero((y.argmax(axis=-1) == classes) & valid))

    def measure(
        self,
        y: Array,
        target: Array,
        mask: Array | None = None,
        sample_weight: Array | None = None,
        *,
        gradient: bool = True,
    ) -> tuple[float, Array | None, float]:
        """
        Compare outputs with targets, and count the right answers.

        Parameters
        ----------
        y, target, mask, sample_weight
            As in a call.
        gradient : bool
            Compute the gradient.

        Returns
        -------
        value : float
            The loss.
        dy : ndarray or None
            Its gradient.
        right : float
            How many steps are right; 0 where the loss does not count them.

        Raises
        ------
        TypeError, ValueError
            As in a call.
        """
        value, dy = self(y, target, mask, sample_weight)
        right = self.count_right(y, target, mask) if self.counts_accuracy else 0.0
        return value, dy if gradient else None, right

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}()"


class CrossEntropy(Loss):
    """
    Compare logits with classes: the mean of ``-log softmax(y)[target]``.

    Targets are classes 0..C-1, integers (B,) or (B, T), or one-hot rows in the shape of `y`.
    """

    name = "cross_entropy"
    counts_accuracy = takes_padding = stratifies = True

    def __call__(
        self, y: Array, target: Array, mask: Array | None = None, sample_weight: Array | None = None
    ) -> tuple[float, Array]:
        value, dy, _ = self.measure(y, target, mask, sample_weight)
        assert dy is not None
        return value, dy

    def measure(
        self,
        y: Array,
        target: Array,
        mask: Array | None = None,
        sample_weight: Array | None = None,
        *,
        gradient: bool = True,
    ) -> tuple[float, Array | None, float]:
        valid = None if mask is None else _check_mask(y, mask)
        classes = _check_classes(y, target, valid)
        value, right, dy = softmax_cross_entropy(
            y.reshape(len(classes), y.shape[-1]),
            classes,
            None if sample_weight is None else _step_weights(y, sample_weight).ravel(),
            None if valid is None else valid.ravel(),
            scale=1 / max(len(classes) if valid is None else np.count_nonzero(valid), 1),
            gradient=gradient,
        )
        return value, None if dy is None else dy.reshape(y.shape), right


class MeanSquaredError(Loss):
    """
    Compare numbers: the mean of ``(y - target) ** 2`` over steps and outputs.

    Targets are numbers in the shape of `y`; the last axis may be left out if U is 1.
    """

    name = "mse"

    def __call__(
        self, y: Array, target: Array, mask: Array | None = None, sample_weight: Array | None = None
    ) -> tuple[float, Array]:
        valid = _check_mask(y, mask)
        difference = y[valid] - _check_numbers(y, target)[valid]
        return _mean(y, valid, difference**2, 2 * difference, sample_weight, difference.size)


class BinaryCrossEntropy(Loss):
    """
    Compare logits with probabilities, each output by itself: the mean of ``log(1 + exp(y)) - target * y``.

    Targets are numbers in 0..1 in the shape of `y`; the last axis may be left out if U is 1. An output is right if it
    is positive just where the target is above 1/2; a step counts by the share of its outputs that are right.
    """

    name = "binary_cross_entropy"
    counts_accuracy = True

    def __call__(
        self, y: Array, target: Array, mask: Array | None = None, sample_weight: Array | None = None
    ) -> tuple[float, Array]:
        valid = _check_mask(y, mask)
        logits, target = y[valid], _check_numbers(y, target)[valid]
        if not ((target >= 0) & (target <= 1)).all():
            wrong = target[~((target >= 0) & (target <= 1))][0]
            raise ValueError(f"target holds {wrong}, expected numbers in 0..1 for binary_cross_entropy")
        small = np.exp(-np.abs(logits))  # never overflows
        losses = np.maximum(logits, 0) + np.log1p(small) - target * logits
        probability = np.where(logits >= 0, 1, small) / (1 + small)
        return _mean(y, valid, losses, probability - target, sample_weight, losses.size)

    def count_right(self, y: Array, target: Array, mask: Array | None = None) -> float:
        valid = _check_mask(y, mask)
        right = (y[valid] > 0) == (_check_numbers(y, target)[valid] > 0.5)
        return float(right.mean(axis=-1).sum())


class CustomLoss(Loss):
    """
    A function as a loss.

    Parameters
    ----------
    function : callable
        Takes and returns what `Loss` does. It may have the attributes `counts_accuracy`, `takes_padding` and
        `stratifies`, and the method `count_right`.
    """

    def __init__(self, function: LossFunction) -> None:
        self.function = function
        for name in ("counts_accuracy", "takes_padding", "stratifies", "count_right"):
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))

    @property
    def name(self) -> str:
        return str(described(self.function))

    def __call__(
        self, y: Array, target: Array, mask: Array | None = None, sample_weight: Array | None = None
    ) -> tuple[float, Array]:
        return self.function(y, target, mask, sample_weight)


cross_entropy = CrossEntropy()
mse = MeanSquaredError()
binary_cross_entropy = BinaryCrossEntropy()

LOSSES: dict[str, Loss] = {loss.name: loss for loss in (cross_entropy, mse, binary_cross_entropy)}


def get_loss(loss: str | Loss | LossFunction) -> Loss:
    """
    Return the loss of this name, or a custom one.

    Parameters
    ----------
    loss : {"cross_entropy", "mse", "binary_cross_entropy"}, Loss or callable
        A name in `LOSSES`, a `Loss`, or a function with the same arguments and results.

    Returns
    -------
    Loss
        The loss.

    Raises
    ------
    ValueError
        If no loss has this name.
    """
    if isinstance(loss, Loss):
        return loss
    if callable(loss):
        return CustomLoss(loss)
    check_choice("loss", loss, tuple(LOSSES))
    return LOSSES[loss]


def _mean(
    y: Array, valid: Any, losses: Array, d: Array, sample_weight: Array | None, count: int
) -> tuple[float, Array]:
    """Return the weighted mean of the losses of the valid steps, and its gradient at its place in `y`."""
    weights = (_step_weights(y, sample_weight)[valid] / max(count, 1))[:, None]
    dy = np.zeros_like(y)
    dy[valid] = d * weights.astype(y.dtype)
    return float((losses * weights).sum()), dy


def _step_weights(y: Array, sample_weight: Array | None) -> Array:
    """Return the weight of each step, in float64, in the shape of `y` without its last axis."""
    if sample_weight is None:
        return np.ones(y.shape[:-1])
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape != y.shape[:1]:
        raise ValueError(f"sample_weight has shape {weights.shape}, expected {y.shape[:1]}: one for each example")
    return np.broadcast_to(weights.reshape(-1, *(1,) * (y.ndim - 2)), y.shape[:-1])


def _check_mask(y: Array, mask: Array | None) -> Array:
    """Return which steps count."""
    steps = y.shape[:-1]
    if mask is None:
        return np.ones(steps, bool)
    mask = np.asarray(mask)
    if mask.shape != steps or mask.dtype != bool:
        raise ValueError(f"mask has shape {mask.shape} and dtype {mask.dtype}, expected {steps} and bool")
    return mask


def _check_classes(y: Array, target: Array, valid: Array | None) -> Array:
    """Return the classes of all steps, in a row; their range is checked where they are compared."""
    target = np.asarray(target)
    if target.shape == y.shape:
        rows = target if valid is None else target[valid]
        if not (((rows == 0) | (rows == 1)).all() and (rows.sum(axis=-1) == 1).all()):
            raise ValueError(f"target has the shape of y, {y.shape}, expected one-hot rows: a single 1 among zeros")
        return target.argmax(axis=-1).ravel()
    if target.shape != y.shape[:-1]:
        raise ValueError(f"target has shape {target.shape}, expected classes {y.shape[:-1]} or one-hot rows {y.shape}")
    if target.dtype.kind not in "iu":
        raise TypeError(f"target has dtype {target.dtype}, expected classes 0..{y.shape[-1] - 1} of an integer dtype")
    return target.ravel()


def _check_numbers(y: Array, target: Array) -> Array:
    """Return targets in the shape and dtype of `y`."""
    target = np.asarray(target)
    if target.dtype.kind not in "biuf":
        raise TypeError(f"target has dtype {target.dtype}, expected numbers")
    if target.shape == y.shape[:-1] and y.shape[-1] == 1:
        target = target[..., None]
    if target.shape != y.shape:
        raise ValueError(f"target has shape {target.shape}, expected {y.shape}, the shape of y")
    return target.astype(y.dtype, copy=False)
