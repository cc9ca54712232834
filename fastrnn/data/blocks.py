"""Blocks of consecutive examples: what is read from a file together, and shuffled together."""

from math import prod
from typing import Any

import numpy as np

BLOCK = 64 * 2**20  # bytes of consecutive examples that are read together
WINDOW = 4  # blocks whose examples are shuffled among each other, and are in memory together
LEAST = 8  # bytes that an example counts for at least: its number in an order takes them


def block_length(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return the number of examples in a block of an array; the last block has what is left."""
    return max(1, BLOCK // max(LEAST, dtype.itemsize * prod(shape[1:])))
