"""The functions in which cells are written. They are pointwise and keep the dtype of their argument.

The equations of a cell run on whole NumPy arrays, also complex ones, and compiled by Numba on scalars and vectors. With
Numba ``1 - x`` and ``0.5 * x`` of a float32 are float64, so equations use no literals, but ``one(x) - x`` and
``constant(x, 0.5) * x``. Functions that need other code for Numba have it in ``_kernels/vector.py``. Functions that
also work on the values of `derive` are `singledispatch` functions, with the other code in ``_trace.py``.
"""

from collections.abc import Callable
from functools import singledispatch
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

# Plain functions that may be compiled into a cell. `_kernels/loops.py` registers them with Numba.
POINTWISE: list[Callable[..., Any]] = []


def pointwise(function: Function) -> Function:
    """
    Let the equations of a cell call this function, also when they are compiled.

    Parameters
    ----------
    function : callable
        A pure and pointwise function, written with the functions of `fastrnn.cells`. It must work on arrays, also
        complex ones, and on scalars.

    Returns
    -------
    callable
        The function itself.
    """
    POINTWISE.append(function)
    return function


def constant(x: Any, value: float) -> Any:
    """
    Return a number in the precision of `x`.

    Parameters
    ----------
    x : array or scalar
        The operand that the number will be combined with.
    value : float
        The number.

    Returns
    -------
    float
        `value`. When compiled, a scalar of the dtype of `x`.
    """
    return value  # a Python number does not change the dtype of an array


def one(x: Any) -> Any:
    """
    Return 1 in the precision of `x`.

    Parameters
    ----------
    x : array or scalar
        The operand that the number will be combined with.

    Returns
    -------
    float
        One.
    """
    return 1.0


@singledispatch
def zero(x: Any) -> Any:
    """
    Return zeros of the shape and dtype of `x`.

    Parameters
    ----------
    x : array or scalar
        An array of this shape and dtype.

    Returns
    -------
    array or scalar
        Zeros of the shape and dtype of `x`.
    """
    return np.zeros_like(x)


@singledispatch
def tanh(x: Any) -> Any:
    """
    Return the hyperbolic tangent.

    Parameters
    ----------
    x : array or scalar
        Real or complex.

    Returns
    -------
    array or scalar
        Same shape and dtype as `x`.
    """
    return np.tanh(x)


@singledispatch
def sigmoid(x: Any) -> Any:
    """
    Return the logistic function ``1 / (1 + exp(-x))``. It is computed with tanh, so it never overflows.

    Parameters
    ----------
    x : array or scalar
        Real or complex.

    Returns
    -------
    array or scalar
        Same shape and dtype as `x`.
    """
    half = constant(x, 0.5)
    return half + half * np.tanh(half * x)


@singledispatch
def relu(x: Any) -> Any:
    """
    Return ``max(x, 0)``. NaN stays NaN.

    Parameters
    ----------
    x : array or scalar
        Real or complex. Of complex numbers the real part is compared, as the complex-step derivative requires.

    Returns
    -------
    array or scalar
        Same shape and dtype as `x`.
    """
    return np.where(np.real(x) <= 0, np.zeros_like(x), x)


@singledispatch
def positive(x: Any) -> Any:
    """
    Return 1 where x > 0, else 0: the derivative of `relu`.

    Parameters
    ----------
    x : array or scalar
        Real or complex. Of complex numbers the real part is compared.

    Returns
    -------
    array or scalar
        Same shape and dtype as `x`.
    """
    return (np.real(x) > 0).astype(np.asarray(x).dtype)
