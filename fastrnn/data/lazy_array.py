"""Arrays that are read and converted as their rows are taken: of more examples than memory holds."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import prod
from typing import Any, Self

import numpy as np

from fastrnn._typing import Array
from fastrnn.data import blocks

PIECE = 2**22  # numbers that are read and converted at a time
NEAR = 2**16  # bytes between two rows that are rather read than left out

Conversion = Callable[[Array, Array], Array]  # from rows, and their numbers in the source, to what they become


class LazyArray:
    """
    Rows of an array, with conversions that they go through when they are taken.

    ``x[rows]`` reads the blocks of `fastrnn.data.blocks` that hold these rows. It keeps as many blocks as a window has,
    each until all its rows have been taken. So an epoch, or an evaluation from the first row to the last, reads every
    block once. Nothing is kept of an array in memory.

    Parameters
    ----------
    source : object
        An ndarray; or what has a shape and a dtype, gives rows of itself for a slice, and may have ``chunk_length``,
        the number of rows that it can only read together.

    Attributes
    ----------
    shape, ndim, size, dtype, nbytes
        As of the ndarray that `load` returns.
    on_disk : bool
        Is it read from elsewhere than memory?
    known : str or None
        Its fingerprint, where a pass over all rows has taken it already.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._rows: Array | None = None  # those of the source that this array has, ascending; None for all
        self._conversions: tuple[Conversion, ...] = ()
        self._kept: dict[int, tuple[Array, int]] = {}  # blocks, the last used at the end, and how many rows are to come
        self._block_length: int | None = None  # of another array
        self.on_disk = type(source) is not np.ndarray
        self.shape: tuple[int, ...] = source.shape
        self.dtype: np.dtype[Any] = source.dtype
        self.known: str | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.load().astype(self.dtype if dtype is None else dtype, copy=False)

    # ---- other arrays -----------------------------------------------------------------------------------------------

    def map(self, conversion: Conversion, row_shape: tuple[int, ...] | None = None, dtype: Any = None) -> Self:
        """Return an array whose rows go through one more conversion, which treats each by itself."""
        changed = self._copy()
        changed.known = None
        changed._conversions = (*self._conversions, conversion)
        if row_shape is not None:
            changed.shape = (len(self), *row_shape)
        if dtype is not None:
            changed.dtype = np.dtype(dtype)
        return changed

    def take(self, rows: Array | slice) -> Self:
        """Return an array of some of the rows, in ascending order."""
        changed = self._copy()
        if isinstance(rows, slice) and rows.indices(len(self)) == (0, len(self), 1):
            return changed
        changed.known = None
        changed._rows = self.source_rows(rows)
        changed.shape = (len(changed._rows), *self.shape[1:])
        return changed

    def in_blocks_of(self, other: "Array | LazyArray") -> Self:
        """Return an array that is read in blocks of as many rows as another one, to be taken together with that."""
        changed = self._copy()
        changed._block_length = blocks.block_length(other.shape, other.dtype)
        return changed

    def _copy(self) -> Self:
        copy = type(self)(self._source)
        copy._rows, copy._conversions, copy.shape, copy.dtype = self._rows, self._conversions, self.shape, self.dtype
        copy._block_length, copy.known = self._block_length, self.known
        return copy

    # ---- its numbers ------------------------------------------------------------------------------------------------

    def source_rows(self, rows: Array | slice) -> Array:
        """Return the numbers that rows have in the source."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        return rows if self._rows is None else self._rows[rows]

    def __getitem__(self, rows: Array | slice) -> Array:
        if not self.on_disk:
            if isinstance(rows, slice) and self._rows is None:
                return self._convert(self._source[rows], self.source_rows(rows))
            numbers = self.source_rows(rows)
            return self._convert(self._source[numbers], numbers)
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        length = self._block_length or blocks.block_length(self.shape, self.dtype)
        taken = np.empty((len(rows), *self.shape[1:]), self.dtype)
        of_block = rows // length
        at_hand_first = sorted(dict.fromkeys(of_block.tolist()), key=lambda block: block not in self._kept)
        for block in at_hand_first:
            places = np.flatnonzero(of_block == block)
            taken[places] = self._block(block, length, len(places))[rows[places] - block * length]
        return taken

    def pieces(self) -> Iterator[tuple[int, Array]]:
        """Yield all rows in order, some at a time and always as many, with the number of the first of them."""
        length = max(1, PIECE // max(1, prod(self.shape[1:])))
        for first in range(0, len(self), length):
            stop = min(first + length, len(self))
            yield first, self._read(first, stop) if self.on_disk else self[first:stop]

    def load(self) -> Array:
        """Return all rows."""
        loaded = np.empty(self.shape, self.dtype)
        for first, piece in self.pieces():
            loaded[first : first + len(piece)] = piece
        return loaded

    def in_memory(self) -> Self:
        """Return an array with the same rows, all of them loaded."""
        loaded = type(self)(self.load())
        loaded.known, loaded._block_length = self.known, self._block_length
        return loaded

    def ready(self) -> "Array | Self":
        """Return what training takes: of an array in memory all rows, converted once for all."""
        return self if self.on_disk else self.load()

    def _block(self, block: int, length: int, n_taken: int) -> Array:
        """Return a block of which so many rows are taken now; forget it with its last row, or for newer ones."""
        kept = self._kept.pop(block, None)
        if kept is None:
            while len(self._kept) >= blocks.WINDOW:
                del self._kept[next(iter(self._kept))]
            values = self._read(block * length, min((block + 1) * length, len(self)))
            kept = values, len(values)
        values, left = kept
        if left > n_taken:
            self._kept[block] = values, left - n_taken
        return values

    def _read(self, start: int, stop: int) -> Array:
        """Return rows from `start` on, before `stop`, by reading the source from the first of them to the last."""
        row = max(1, prod(self._source.shape[1:]))
        chunk = getattr(self._source, "chunk_length", 1)
        length = -(-max(1, PIECE // row) // chunk) * chunk  # whole chunks, so that none is decoded twice
        rows = None if self._rows is None else self._rows[start:stop]
        cuts = [*range(length - start % length, stop - start, length)]
        if rows is not None:
            near = max(chunk, NEAR // (row * self._source.dtype.itemsize))
            cuts = (np.flatnonzero((np.diff(rows // length) > 0) | (np.diff(rows) > near)) + 1).tolist()
        read = np.empty((stop - start, *self.shape[1:]), self.dtype)
        for first, last in pairwise([0, *cuts, stop - start]):
            numbers = np.arange(start + first, start + last) if rows is None else rows[first:last]
            values = self._source[numbers[0] : numbers[-1] + 1]
            if len(values) > len(numbers):
                values = values[numbers - numbers[0]]
            read[first:last] = self._convert(values, numbers)
        return read

    def _convert(self, values: Array, numbers: Array) -> Array:
        for conversion in self._conversions:
            values = conversion(values, numbers)
        return values


Rows = Array | LazyArray  # examples, in memory or not


def as_lazy(x: Any) -> LazyArray:
    """Return an array as one that is converted as its rows are taken."""
    return x if isinstance(x, LazyArray) else LazyArray(np.asarray(x))


def as_rows(x: Any) -> Rows:
    """Return an array as it is, if it can be read by rows, or else an ndarray."""
    return x if isinstance(x, LazyArray) else np.asarray(x)


def select(x: Rows, rows: Array | slice) -> Rows:
    """Return some of the examples, in ascending order, without reading what is not in memory."""
    return x.take(rows) if isinstance(x, LazyArray) else x[rows]
