"""Losses on logits, with their gradients.

``value, dy = loss(y, target, mask, sample_weight)``: the mean over the valid steps (and outputs), each times its
example's weight. Outputs `y` are (B, U), or (B, T, U) for a target at each step; steps outside of `mask` are never
read, and their `dy` is 0. Numbers are summed in float64.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from fastrnn._checks import check_choice
from fastrnn._kernels import softmax_cross_entropy
from fastrnn._typing import Array


class Loss(Protocol):
    """What the trainer calls; a loss of one's own is a function like this."""

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
        """


def cross_entropy(
    y: Array, target: Array, mask: Array | None = None, sample_weight: Array | None = None
) -> tuple[float, Array]:
    """
    Compare logits with classes: the mean of ``-log softmax(y)[target]``.

    Parameters
    ----------
    y : ndarray (B, C) or (B, T, C)
        Logits.
    target : integers (B,) or (B, T), or one-hot rows in the shape of `y`
        Classes, 0..C-1.
    mask : bool ndarray (B, T), optional
        Which steps count; None is all.
    sample_weight : ndarray (B,), optional
        Weights of the examples; None is 1.

    Returns
    -------
    value : float
        The loss.
    dy : ndarray
        Its gradient.

    Raises
    ------
    TypeError, ValueError
        If the targets are no classes of these logits, or a shape is wrong.
    """
    value, dy, _ = count_cross_entropy(y, target, mask, sample_weight)
    assert dy is not None
    return value, dy


def mse(y: Array, target: Array, mask: Array | None = None, sample_weight: Array | None = None) -> tuple[float, Array]:
    """
    Compare numbers: the mean of ``(y - target) ** 2`` over steps and outputs.

    Parameters
    ----------
    y : ndarray (B, U) or (B, T, U)
        Outputs.
    target : ndarray
        Numbers in the shape of `y`; the last axis may be left out if U is 1.
    mask : bool ndarray (B, T), optional
        Which steps count; None is all.
    sample_weight : ndarray (B,), optional
        Weights of the examples; None is 1.

    Returns
    -------
    value : float
        The loss.
    dy : ndarray
        Its gradient.

    Raises
    ------
    TypeError, ValueError
        If the targets are no numbers, or a shape is wrong.
    """
    valid = _check_mask(y, mask)
    difference = y[valid] - _check_numbers(y, target)[valid]
    return _mean(y, valid, difference**2, 2 * difference, sample_weight, difference.size)


def binary_cross_entropy(
    y: Array, target: Array, mask: Array | None = None, sample_weight: Array | None = None
) -> tuple[float, Array]:
    """
    Compare logits with probabilities, each output by itself: the mean of ``log(1 + exp(y)) - target * y``.

    Parameters
    ----------
    y : ndarray (B, U) or (B, T, U)
        Logits.
    target : ndarray
        Numbers in 0..1 in the shape of `y`; the last axis may be left out if U is 1.
    mask : bool ndarray (B, T), optional
        Which steps count; None is all.
    sample_weight : ndarray (B,), optional
        Weights of the examples; None is 1.

    Returns
    -------
    value : float
        The loss.
    dy : ndarray
        Its gradient.

    Raises
    ------
    TypeError, ValueError
        If the targets are not in 0..1, or a shape is wrong.
    """
    valid = _check_mask(y, mask)
    logits, target = y[valid], _check_numbers(y, target)[valid]
    if not ((target >= 0) & (target <= 1)).all():
        wrong = target[~((target >= 0) & (target <= 1))][0]
        raise ValueError(f"target holds {wrong}, expected numbers in 0..1 for binary_cross_entropy")
    small = np.exp(-np.abs(logits))  # never overflows
    losses = np.maximum(logits, 0) + np.log1p(small) - target * logits
    probability = np.where(logits >= 0, 1, small) / (1 + small)
    return _mean(y, valid, losses, probability - target, sample_weight, losses.size)


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "mse": mse, "binary_cross_entropy": binary_cross_entropy}


def get_loss(loss: str | Loss) -> Loss:
    """
    Return the loss of this name, or the function itself.

    Parameters
    ----------
    loss : {"cross_entropy", "mse", "binary_cross_entropy"} or callable
        A name, or a function like `cross_entropy`.

    Returns
    -------
    callable
        The loss.

    Raises
    ------
    ValueError
        If no loss has this name.
    """
    if callable(loss):
        return loss
    check_choice("loss", loss, tuple(LOSSES))
    return LOSSES[loss]


def count_cross_entropy(
    y: Array,
    target: Array,
    mask: Array | None = None,
    sample_weight: Array | None = None,
    *,
    gradient: bool = True,
) -> tuple[float, Array | None, float]:
    """
    Compare logits with classes, and count the steps whose largest logit is that of the target.

    Parameters
    ----------
    y, target, mask, sample_weight
        As in `cross_entropy`.
    gradient : bool
        Compute the gradient.

    Returns
    -------
    value : float
        The loss.
    dy : ndarray or None
        Its gradient.
    correct : float
        How many steps are right.

    Raises
    ------
    TypeError, ValueError
        As `cross_entropy`.
    """
    valid = None if mask is None else _check_mask(y, mask)
    classes = _check_classes(y, target, valid)
    loss, correct, dy = softmax_cross_entropy(
        y.reshape(len(classes), y.shape[-1]),
        classes,
        None if sample_weight is None else _step_weights(y, sample_weight).ravel(),
        None if valid is None else valid.ravel(),
        scale=1 / max(len(classes) if valid is None else np.count_nonzero(valid), 1),
        gradient=gradient,
    )
    return loss, None if dy is None else dy.reshape(y.shape), correct


def count_binary_cross_entropy(
    y: Array,
    target: Array,
    mask: Array | None = None,
    sample_weight: Array | None = None,
    *,
    gradient: bool = True,
) -> tuple[float, Array | None, float]:
    """
    Compare logits with probabilities, and count the outputs that are positive just where the target is above 1/2.

    Parameters
    ----------
    y, target, mask, sample_weight
        As in `binary_cross_entropy`.
    gradient : bool
        Compute the gradient.

    Returns
    -------
    value : float
        The loss.
    dy : ndarray or None
        Its gradient.
    correct : float
        How many steps are right, as shares of their outputs.

    Raises
    ------
    TypeError, ValueError
        As `binary_cross_entropy`.
    """
    value, dy = binary_cross_entropy(y, target, mask, sample_weight)
    valid = _check_mask(y, mask)
    right = (y[valid] > 0) == (_check_numbers(y, target)[valid] > 0.5)
    return value, dy if gradient else None, float(right.mean(axis=-1).sum())


# For the losses that know right answers: what computes the same, and counts them.
COUNTING: tuple[tuple[Loss, Callable[..., tuple[float, Array | None, float]]], ...] = (
    (cross_entropy, count_cross_entropy),
    (binary_cross_entropy, count_binary_cross_entropy),
)


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
