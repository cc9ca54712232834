"""Blocks of consecutive examples: a block is read from a file at once, and blocks are shuffled together."""

from math import prod
from typing import Any

import numpy as np

BLOCK = 64 * 2**20  # bytes of consecutive examples that are read at once
WINDOW = 4  # blocks whose examples are shuffled with each other, and are in memory together
LEAST = 8  # bytes that an example counts at least, because its number in an order takes them


def block_length(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """
    Return the number of examples in a block; the last block of an array may have fewer.

    Parameters
    ----------
    shape : tuple of int
        The shape of the array.
    dtype : dtype
        Its dtype.

    Returns
    -------
    int
        The number, at least 1.
    """
    return max(1, BLOCK // max(LEAST, dtype.itemsize * prod(shape[1:])))
