"""What an optimizer does to a vector of parameters. Each number is read and written once."""

from typing import Any

from fastrnn._kernels import backends, reference
from fastrnn._kernels.checks import DTYPES
from fastrnn._kernels.threads import choose_threads
from fastrnn._typing import Array

OPERATIONS = 20  # per number, to choose the number of threads


def sum_of_squares(gradients: Array, *, n_threads: int | None = None, backend: str | None = None) -> float:
    """
    Sum the squares of a vector in float64, in an order that depends only on its length.

    Parameters
    ----------
    gradients : ndarray
        An array of any shape.
    n_threads : int, optional
        Number of threads; see `recurrent_forward`.
    backend : {None, "native", "reference"}
        The backend. None is native, if it was compiled and takes such arrays.

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
    Do one step of gradient descent with momentum; see `fastrnn.SGD`.

    Parameters
    ----------
    parameters, gradients : ndarray
        Arrays of the same shape and dtype. The parameters are changed in place.
    velocity : ndarray or None
        The velocity, of the same shape and dtype, changed in place. None without momentum.
    form : {"classical", "nesterov", "averaged"}
        The form of momentum.
    learning_rate, momentum, weight_decay : float
        The constants of `fastrnn.SGD`.
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
    Do one step of Adam; see `fastrnn.Adam`.

    ``w = (1 - e d) w - e / s1 * m / (sqrt(v / s2) + epsilon)``, where s1 and s2 are the sums of the weights in the
    means m and v, e is the learning rate and d the weight decay.

    Parameters
    ----------
    parameters, gradients : ndarray
        Arrays of the same shape and dtype. The parameters are changed in place.
    mean, square : ndarray
        The means m and v of the gradient and of its square, of the same shape and dtype, changed in place.
    updates : int
        Number of this update, counted from 1.
    learning_rate, beta1, beta2, epsilon, weight_decay : float
        The constants of `fastrnn.Adam`.
    n_threads, backend
        As in `sum_of_squares`.
    """
    # Both means start at 0. Dividing them by the sums of their weights removes this bias.
    sum1, sum2 = 1 - beta1**updates, 1 - beta2**updates
    keep = 1 - learning_rate * weight_decay
    module, threads = _choose(backend, n_threads, gradients, parameters, mean, square)
    module.adam(parameters, gradients, mean, square, learning_rate / sum1, keep, beta1, beta2, epsilon, sum2, threads)


def _choose(backend: str | None, n_threads: int | None, gradients: Array, *changed: Array) -> tuple[Any, int]:
    """Return the backend and the number of threads. Arrays that are not plain vectors go to the reference."""
    dtype, shape = gradients.dtype, gradients.shape
    fits = dtype in DTYPES and gradients.flags.c_contiguous and gradients.flags.aligned
    if not (fits and all(a.dtype == dtype and a.shape == shape and a.flags.carray for a in changed)):
        if backend == "native":
            raise ValueError("backend 'native' needs contiguous and aligned arrays of one shape and float dtype")
        return reference, 1
    return backends.plain(backend), choose_threads(n_threads, OPERATIONS * gradients.size)
