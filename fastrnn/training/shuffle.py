"""The order in which an epoch takes examples: shuffled so that a file can be read block by block.

The order depends only on the random stream, the number of examples and the bytes of one example. So it is the same
whether the examples are in memory or are read from a file. The bytes are those of a row as the net takes it, because
arrays and files may hold the same numbers in other dtypes.

An order comes in parts and is never in memory as a whole: the numbers of short rows take more memory than the rows.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fastrnn._typing import Array
from fastrnn.data import blocks

PART = 2**20  # rows in a part of an order that is not shuffled


def epoch_order(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[Array]:
    """Yield all rows of an array, each once: blocks are shuffled, and then the rows of each window of blocks.

    If there is at most one block, it is ``rng.permutation(n)``. After the last window the stream is where the next
    epoch begins.
    """
    n, length = shape[0], blocks.block_length(shape, dtype)
    starts = length * rng.permutation(-(-n // length))
    for first in range(0, len(starts), blocks.WINDOW):
        spans = [(start, min(start + length, n)) for start in starts[first : first + blocks.WINDOW].tolist()]
        rows, filled = np.empty(sum(stop - start for start, stop in spans), np.intp), 0
        for start, stop in spans:
            rows[filled : filled + stop - start] = np.arange(start, stop)
            filled += stop - start
        rng.shuffle(rows)
        yield rows
        del rows  # before the next window is made


def file_order(n: int) -> Iterator[Array]:
    """Yield all rows from the first to the last."""
    for first in range(0, n, PART):
        yield np.arange(first, min(first + PART, n))


def divided(order: Iterable[Array], size: int) -> Iterator[Array]:
    """Yield the rows of an order, `size` at a time, whatever its parts; the last time the rest."""
    rest = np.arange(0)
    for part in order:
        first = -len(rest)  # where the batch begins that the part before left unfinished
        while first + size <= len(part):
            yield np.concatenate([rest, part[max(0, first) : first + size]])
            first += size
            rest = rest[:0]
        rest = np.concatenate([rest, part[max(0, first) :]])
        del part  # before the next one is made
    if len(rest):
        yield rest
