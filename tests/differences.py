"""Gradients by differences, to hold computed ones against."""

from collections.abc import Callable

import numpy as np


def numeric_gradient(function: Callable[[], float], array: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences of a function of what is in a float64 array; their error is some 1e-9."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = function()
        array[index] = value - step
        below = function()
        array[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient


def assert_gradient(got: np.ndarray, function: Callable[[], float], array: np.ndarray) -> None:
    np.testing.assert_allclose(got, numeric_gradient(function, array), rtol=1e-6, atol=2e-8)
