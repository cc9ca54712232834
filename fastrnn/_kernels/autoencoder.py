"""Cost and gradient of the sparse autoencoder (A. Ng, "Sparse autoencoder", CS294A lecture notes).

The penalty needs the mean activations of the whole batch before the backward pass can begin. So a backend makes two
passes: the first computes the hidden layer of all examples, the second everything else.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastrnn._checks import check_number
from fastrnn._kernels import backends
from fastrnn._kernels.checks import DTYPES, check_array
from fastrnn._kernels.dense import dense_backward, dense_forward
from fastrnn._kernels.threads import choose_threads
from fastrnn._typing import Array
from fastrnn.cells.rnn import RNN_SIGMOID

# Mean activations are kept this far away from 0 and 1, where the penalty is infinite. By the size of a number in bytes.
MARGINS = {4: 1e-7, 8: 1e-15}

Gradients = tuple[Array, Array, Array, Array]
# The first pass takes (W1, b1, W2, b2, x, n_threads), and returns the mean activations (H,) and the second pass. The
# second pass takes what the penalty adds to the gradient of the activations of each example (H,), and returns the
# squared error and the gradients.
Passes = Callable[[Array, Array, Array, Array, Array, int], tuple[Array, Callable[[Array], tuple[Any, Gradients]]]]


class AutoencoderWeights(NamedTuple):
    """
    The weights of an autoencoder with one hidden layer, or their gradients.

    Parameters
    ----------
    W1 : ndarray (F, H)
        Weights of the hidden layer, float32 or float64; all weights have one dtype.
    b1 : ndarray (H,)
        Bias of the hidden layer.
    W2 : ndarray (H, F) or None
        Weights of the output. None ties them to the weights of the hidden layer, ``W2 = W1.T``.
    b2 : ndarray (F,)
        Bias of the output.
    """

    W1: Array
    b1: Array
    W2: Array | None
    b2: Array


def sparse_autoencoder_cost(
    weights: AutoencoderWeights,
    x: Array,
    *,
    l2: float,
    sparsity: float,
    sparsity_weight: float,
    n_threads: int | None = None,
    backend: str | None = None,
) -> tuple[float, dict[str, float], AutoencoderWeights]:
    """
    Compute cost and gradient of a sparse autoencoder.

    With ``h = sigmoid(x W1 + b1)``, ``x_hat = sigmoid(h W2 + b2)`` and rho the means of h over the examples,

        J = 1 / (2 N) sum (x_hat - x)^2 + l2 / 2 (sum W1^2 + sum W2^2) + sparsity_weight sum KL(sparsity || rho)

    Tied weights count once in the second term. Means are kept 1e-7 (float32) or 1e-15 (float64) away from 0 and 1. The
    gradient is computed at the value that is kept, so a unit that is never active is pushed back.

    Parameters
    ----------
    weights : AutoencoderWeights
        The weights.
    x : ndarray (N, F)
        Examples in the dtype of the weights. Only values in 0..1 can be reconstructed.
    l2 : float
        Weight of the squared weights.
    sparsity : float
        The desired mean activation of each hidden unit, in (0, 1).
    sparsity_weight : float
        Weight of the penalty for a different mean activation.
    n_threads, backend
        As in `recurrent_forward`.

    Returns
    -------
    cost : float
        J.
    parts : dict
        The weighted terms of J, whose sum is J: ``reconstruction``, ``l2`` and ``sparsity``.
    gradients : AutoencoderWeights
        Gradients of the weights. W2 is None if the W2 of the weights was None.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape, dtype or value.

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, Stanford University, 2011.
    """
    weights = check_weights(weights)
    x = check_array("x", x, (-1, len(weights.W1)), weights.W1.dtype)
    if len(x) == 0:
        raise ValueError(f"x has shape {x.shape}, expected at least one example")
    l2 = check_number("l2", l2, "[0, inf)")
    sparsity = check_number("sparsity", sparsity, "(0, 1)")
    sparsity_weight = check_number("sparsity_weight", sparsity_weight, "[0, inf)")
    passes = getattr(backends.choose(backend, RNN_SIGMOID), "autoencoder", by_layers)
    n_threads = choose_threads(n_threads, 10 * x.size * weights.W1.shape[1])
    cost, parts, gradients = cost_of(passes, weights, x, l2, sparsity, sparsity_weight, n_threads)
    return float(cost), {name: float(part) for name, part in parts.items()}, gradients


def check_weights(weights: Any) -> AutoencoderWeights:
    """Return the weights; refuse them if their shapes do not fit together."""
    if not isinstance(weights, tuple) or len(weights) != 4:
        raise TypeError(f"weights must be a fastrnn.AutoencoderWeights, but is {type(weights).__name__}")
    W1, b1, W2, b2 = weights
    W1 = np.asarray(W1)
    if W1.dtype not in DTYPES:
        raise TypeError(f"weights.W1 has dtype {W1.dtype}, expected float32 or float64")
    if W1.ndim != 2 or 0 in W1.shape:
        raise ValueError(f"weights.W1 has shape {W1.shape}, expected (F, H), at least one of each")
    F, H = W1.shape
    return AutoencoderWeights(
        W1,
        check_array("weights.b1", b1, (H,), W1.dtype),
        None if W2 is None else check_array("weights.W2", W2, (H, F), W1.dtype),
        check_array("weights.b2", b2, (F,), W1.dtype),
    )


def cost_of(
    passes: Passes,
    weights: AutoencoderWeights,
    x: Array,
    l2: float,
    sparsity: float,
    sparsity_weight: float,
    n_threads: int,
) -> tuple[Any, dict[str, Any], AutoencoderWeights]:
    """Compute the same with the passes of one backend. Arguments are checked, and may be complex for the reference."""
    W1, b1, W2, b2 = weights
    rho, finish = passes(W1, b1, W1.T if W2 is None else W2, b2, x, n_threads)
    rho = _within(rho, W1.dtype)
    slope = sparsity_weight / len(x) * ((1 - sparsity) / (1 - rho) - sparsity / rho)
    error, (dW1, db1, dW2, db2) = finish(slope.astype(W1.dtype))
    parts = terms_of(weights, rho, error / len(x), l2, sparsity, sparsity_weight)
    dW1 += l2 * W1
    if W2 is None:
        dW1 += dW2.T
    else:
        dW2 += l2 * W2
    return sum(parts.values()), parts, AutoencoderWeights(dW1, db1, None if W2 is None else dW2, db2)


def terms_of(
    weights: AutoencoderWeights, rho: Array, error: Any, l2: float, sparsity: float, sparsity_weight: float
) -> dict[str, Any]:
    """Return the terms of the cost for these mean activations and this mean squared error of an example."""
    rho = _within(rho, weights.W1.dtype)
    squares = sum(np.einsum("ij,ij->", W, W, dtype=rho.dtype) for W in (weights.W1, weights.W2) if W is not None)
    divergences = sparsity * np.log(sparsity / rho) + (1 - sparsity) * np.log((1 - sparsity) / (1 - rho))
    return {"reconstruction": error / 2, "l2": l2 / 2 * squares, "sparsity": sparsity_weight * divergences.sum()}


def _within(rho: Array, dtype: np.dtype[Any]) -> Array:
    """Return mean activations in double precision, kept the allowed distance away from 0 and 1."""
    margin = MARGINS[np.empty(0, dtype).real.itemsize]
    rho = rho.astype(np.result_type(dtype, np.float64))
    for limit, beyond in ((margin, rho.real < margin), (1 - margin, rho.real > 1 - margin)):
        rho[beyond] = limit
    return rho


def by_layers(
    W1: Array, b1: Array, W2: Array, b2: Array, x: Array, n_threads: int
) -> tuple[Array, Callable[[Array], tuple[Any, Gradients]]]:
    """Do the two passes with dense layers of the Numba backend, which has no own passes."""
    options: dict[str, Any] = {"n_threads": n_threads, "backend": "numba"}
    h, hidden = dense_forward(x, W1, b1, "sigmoid", **options)

    def finish(slope: Array) -> tuple[Any, Gradients]:
        x_hat, output = dense_forward(h, W2, b2, "sigmoid", **options)
        assert hidden is not None
        assert output is not None
        difference = x_hat - x
        dh, dW2, db2 = dense_backward(output, difference / len(x))
        _, dW1, db1 = dense_backward(hidden, dh + slope, need_dx=False)
        return np.square(difference, dtype=float).sum(), (dW1, db1, dW2, db2)

    return h.mean(axis=0, dtype=float), finish
