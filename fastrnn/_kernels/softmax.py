"""The softmax of rows of logits, its logarithm, and the cross-entropy with classes."""

import numpy as np

from fastrnn._kernels import backends
from fastrnn._kernels.checks import DTYPES
from fastrnn._kernels.rows import as_numbers
from fastrnn._kernels.threads import choose_threads
from fastrnn._typing import Array

OPERATIONS = 50  # per logit, to choose the number of threads


def softmax_cross_entropy(
    y: Array,
    target: Array,
    weights: Array | None = None,
    valid: Array | None = None,
    *,
    scale: float = 1.0,
    gradient: bool = True,
    n_threads: int | None = None,
    backend: str | None = None,
) -> tuple[float, int, Array | None]:
    """
    Compute the cross-entropy of logits and classes.

    The loss of a row is ``log sum exp(y) - y[target]``. The sum is taken in lanes of the dtype, everything after it in
    float64. A row is correct if no logit is larger than that of its target, none before it is equal, and none is NaN.

    Parameters
    ----------
    y : ndarray (N, C)
        Logits, float32 or float64.
    target : integers (N,)
        Classes, 0..C-1.
    weights : ndarray (N,), optional
        Weight of the loss of each row. None means 1.
    valid : bool ndarray (N,), optional
        Rows that are valid. The others are not read, and their gradient is 0. None means all.
    scale : float
        Factor of the sum of all losses. Use one over the number of rows for the mean.
    gradient : bool
        Compute the gradient of `y`.
    n_threads : int, optional
        Number of threads; see `recurrent_forward`.
    backend : {None, "native", "reference"}
        The backend. None is native, if it was compiled.

    Returns
    -------
    loss : float
        Sum of the losses of the valid rows, weighted and scaled.
    correct : int
        Number of valid rows that are correct.
    dy : ndarray (N, C) or None
        Gradient of the loss.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape or dtype, or a valid target is not in 0..C-1.
    """
    if y.dtype not in DTYPES or y.ndim != 2:
        raise TypeError(f"y has shape {y.shape} and dtype {y.dtype}, expected logits (N, C), float32 or float64")
    N, C = y.shape
    if C == 0:
        raise ValueError(f"y has shape {y.shape}, expected logits of at least one class")
    classes, counts = as_numbers("target", target, valid)
    weights = None if weights is None else np.require(weights, np.float64, ["C", "A"])
    for name, array in (("target", classes), ("weights", weights)):
        if array is not None and array.shape != (N,):
            raise ValueError(f"{name} has shape {array.shape}, expected ({N},): one for each row of y")
    n_threads = choose_threads(n_threads, OPERATIONS * y.size)
    try:
        return backends.plain(backend).cross_entropy(y, classes, counts, weights, scale, gradient, n_threads)
    except IndexError as wrong:
        found = target[wrong.args[0]]
        raise ValueError(f"target holds the class {found}, expected 0..{C - 1}, as y has {C} logits") from None


def softmax(logits: Array) -> Array:
    """Return the softmax of each row of logits (N, C) in float64. Batches and streams use the same function."""
    y = np.array(logits, np.float64, order="C")
    compiled = backends.native()
    if compiled is not None:
        compiled.variant(y.dtype).softmax(y)
        return y
    np.exp(y - y.max(axis=1, keepdims=True), out=y)
    y /= y.sum(axis=1, keepdims=True)
    return y


def log_softmax(logits: Array) -> Array:
    """
    Return the logarithms of probabilities.

    Parameters
    ----------
    logits : ndarray (..., V)
        Logits.

    Returns
    -------
    ndarray (..., V)
        Natural logarithms, float64.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
