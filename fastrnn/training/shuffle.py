"""In which order an epoch takes examples: shuffled in such a way that a file can be read block by block.

The order depends on the random stream, the number of examples and the bytes of one alone, and so it is the same whether
they lie in memory or are read from a file as they are taken. The bytes are those of a row as the net takes it: what
arrays and files of the same numbers hold may be of many dtypes.

An order is never in memory as a whole, for short rows take less than their numbers: it comes in parts.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fastrnn._typing import Array
from fastrnn.data import blocks

PART = 2**20  # rows of an order that is no shuffled one


def epoch_order(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[Array]:
    """Yield all rows of an array, each once: its blocks are shuffled, and then the rows of each window of blocks.

    Of one block or less it is ``rng.permutation(n)``. The stream is where the next epoch begins after the last window.
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
    """Yield the rows of an order so many at a time, whatever its parts; the last time what is left."""
    rest = np.arange(0)
    for part in order:
        first = -len(rest)  # where a batch begins that the part before has left unfinished
        while first + size <= len(part):
            yield np.concatenate([rest, part[max(0, first) : first + size]])
            first += size
            rest = rest[:0]
        rest = np.concatenate([rest, part[max(0, first) :]])
        del part  # before the next one is made
    if len(rest):
        yield rest
