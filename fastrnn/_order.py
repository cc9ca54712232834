"""In which order an epoch takes examples: shuffled in such a way that a file can be read block by block.

The order depends on the random stream, the number of examples and the bytes of one alone, and so it is the same whether
they lie in memory or are read from a file as they are taken. The bytes are those of a row as the net takes it: what
arrays and files of the same numbers hold may be of many dtypes.
"""

from math import prod
from typing import Any

import numpy as np

from fastrnn._kernels.types import Array

BLOCK = 64 * 2**20  # bytes of consecutive examples that are read together
WINDOW = 4  # blocks whose examples are shuffled among each other, and are in memory together


def block_length(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return the number of examples in a block of an array; the last block has what is left."""
    return max(1, BLOCK // max(1, dtype.itemsize * prod(shape[1:])))


def epoch_order(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return all rows of an array, each once: its blocks are shuffled, and then the rows of each window of blocks.

    Of one block or less it is ``rng.permutation(n)``.
    """
    n, length = shape[0], block_length(shape, dtype)
    starts = length * rng.permutation(-(-n // length))
    windows = []
    for first in range(0, len(starts), WINDOW):
        blocks = [np.arange(start, min(start + length, n)) for start in starts[first : first + WINDOW]]
        windows.append(rng.permutation(np.concatenate(blocks)))
    return np.concatenate(windows)
