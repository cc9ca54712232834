"""Checks of arrays of numbers, in memory or on disk."""

import numpy as np

from fastrnn._typing import Array
from fastrnn.data.errors import DataError, locate
from fastrnn.data.lazy_array import LazyArray, Rows

__all__ = ["check_finite", "check_real"]


def check_real(array: Rows, name: str, hint: str = "") -> None:
    """
    Refuse an array that does not hold Booleans, integers or floats.

    Parameters
    ----------
    array : ndarray or LazyArray
        The array.
    name : str
        The name of the array in the error message.
    hint : str
        The end of the error message.

    Raises
    ------
    DataError
        When the dtype is another one.
    """
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {array.dtype}; expected real numbers{hint}")


def check_finite(array: Rows, name: str, axes: tuple[str, ...]) -> Rows:
    """
    Refuse NaN and infinity.

    Parameters
    ----------
    array : ndarray or LazyArray (N, ...)
        Real numbers.
    name : str
        The name of the array in the error message.
    axes : tuple of str
        The names of its axes in the error message.

    Returns
    -------
    ndarray or LazyArray (N, ...)
        The same numbers: an ndarray in the byte order of the machine, or a `LazyArray` that checks its rows as they are
        read.

    Raises
    ------
    DataError
        When a number is not finite. The message says the number and its place.
    """

    def checked(values: Array, rows: Array) -> Array:
        finite = np.isfinite(values)
        if not finite.all():
            raise DataError(f"{name} holds {locate(values, np.argmin(finite), rows, axes)}; expected finite numbers")
        return values

    if isinstance(array, LazyArray):
        return array.map(checked)
    return checked(array, np.arange(len(array))).astype(array.dtype.newbyteorder("="), copy=False)
