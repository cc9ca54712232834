"""The vocabulary in which cells are written: pointwise functions that keep the dtype of their argument.

A cell's equations run on whole arrays (NumPy, also complex) and, compiled, on scalars (Numba). This is the only place
with literals: Numba turns ``1 - x`` and ``0.5 * x`` of a float32 into float64, so equations say ``one(x) - x`` and
``constant(x, 0.5) * x``. Functions that need a second text for scalars have it in ``_kernels/vector.py``. What acts on
values of `derive` too is a `singledispatch`, whose other text is in ``_trace.py``.
"""

from collections.abc import Callable
from functools import singledispatch
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

# Plain functions that may be compiled into a cell; `_kernels/loops.py` registers them with Numba from outside.
POINTWISE: list[Callable[..., Any]] = []


def pointwise(function: Function) -> Function:
    """
    Let the equations of a cell call this function, compiled too.

    Parameters
    ----------
    function : callable
        Pure and pointwise, written with this vocabulary; it works on arrays (also complex ones) and on scalars.

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
        What the number will be combined with.
    value : float
        The number.

    Returns
    -------
    float
        `value`; compiled, a scalar of the dtype of `x`.
    """
    return value  # a Python number never widens an array


def one(x: Any) -> Any:
    """
    Return 1 in the precision of `x`.

    Parameters
    ----------
    x : array or scalar
        What the number will be combined with.

    Returns
    -------
    float
        One.
    """
    return 1.0


@singledispatch
def zero(x: Any) -> Any:
    """
    Return zeros like `x`.

    Parameters
    ----------
    x : array or scalar
        Gives shape and dtype.

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
    Return the logistic function ``1 / (1 + exp(-x))``, written with tanh so that it never overflows.

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
    Return ``max(x, 0)``; NaN stays NaN.

    Parameters
    ----------
    x : array or scalar
        Real, or complex: then the real parts are compared, as the complex-step derivative needs it.

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
        Real, or complex: then the real parts are compared.

    Returns
    -------
    array or scalar
        Same shape and dtype as `x`.
    """
    return (np.real(x) > 0).astype(np.asarray(x).dtype)
