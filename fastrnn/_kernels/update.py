"""What an optimizer does to a vector of parameters, each number read and written once."""

from typing import Any

from fastrnn._kernels import backends, reference
from fastrnn._kernels.checks import DTYPES
from fastrnn._kernels.threads import choose_threads
from fastrnn._typing import Array

OPERATIONS = 20  # that a number counts for when threads are chosen


def sum_of_squares(gradients: Array, *, n_threads: int | None = None, backend: str | None = None) -> float:
    """
    Sum the squares of a vector in float64, in an order that follows from its length alone.

    Parameters
    ----------
    gradients : ndarray
        Of any shape.
    n_threads : int, optional
        Number of threads; see `recurrent_forward`.
    backend : {None, "native", "reference"}
        What runs; None is native where it was compiled and takes such arrays.

    Returns
    -------
    float
        The sum.
    """
    module, threads = _choose(backend, n_threads, gradients)
    return module.squares(gradients, threads)


def sgd_update(
    parameters: Array,
    gradients: Array,
    velocity: Array | None,
    *,
    form: str,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    n_threads: int | None = None,
    backend: str | None = None,
) -> None:
    """
    Make a step of gradient descent with momentum, as `fastrnn.SGD` says.

    Parameters
    ----------
    parameters, gradients : ndarray
        Of one shape and dtype; the parameters are changed in place.
    velocity : ndarray or None
        Likewise; None without momentum.
    form : {"classical", "nesterov", "averaged"}
        Which momentum.
    learning_rate, momentum, weight_decay : float
        The constants.
    n_threads, backend
        As in `sum_of_squares`.
    """
    changed = (parameters,) if velocity is None else (parameters, velocity)
    module, threads = _choose(backend, n_threads, gradients, *changed)
    module.sgd(parameters, gradients, velocity, form, learning_rate, momentum, weight_decay, threads)


def adam_update(
    parameters: Array,
    gradients: Array,
    mean: Array,
    square: Array,
    *,
    updates: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
    n_threads: int | None = None,
    backend: str | None = None,
) -> None:
    """
    Make a step of Adam, as `fastrnn.Adam` says.

    With the sums of the weights in both means, s1 and s2, ``w = (1 - e d) w - e / s1 * m / (sqrt(v / s2) + epsilon)``.

    Parameters
    ----------
    parameters, gradients : ndarray
        Of one shape and dtype; the parameters are changed in place.
    mean, square : ndarray
        The means m and v of the gradient and of its square, likewise; changed in place.
    updates : int
        Number of this update, from 1.
    learning_rate, beta1, beta2, epsilon, weight_decay : float
        The constants.
    n_threads, backend
        As in `sum_of_squares`.
    """
    # Both means start at 0; dividing them by these sums of their weights undoes the bias.
    sum1, sum2 = 1 - beta1**updates, 1 - beta2**updates
    keep = 1 - learning_rate * weight_decay
    module, threads = _choose(backend, n_threads, gradients, parameters, mean, square)
    module.adam(parameters, gradients, mean, square, learning_rate / sum1, keep, beta1, beta2, epsilon, sum2, threads)


def _choose(backend: str | None, n_threads: int | None, gradients: Array, *changed: Array) -> tuple[Any, int]:
    """Return the backend, and the number of threads; arrays that are no plain vectors are NumPy's."""
    dtype, shape = gradients.dtype, gradients.shape
    fits = dtype in DTYPES and gradients.flags.c_contiguous and gradients.flags.aligned
    if not (fits and all(a.dtype == dtype and a.shape == shape and a.flags.carray for a in changed)):
        if backend == "native":
            raise ValueError("backend 'native' needs contiguous and aligned arrays of one shape and float dtype")
        return reference, 1
    return backends.plain(backend), choose_threads(n_threads, OPERATIONS * gradients.size)
