"""Arrays that are read and converted as their rows are taken, so they may be larger than memory."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import prod
from typing import Any, Self

import numpy as np

from fastrnn._typing import Array
from fastrnn.data import blocks

PIECE = 2**22  # numbers that are read and converted at once
NEAR = 2**16  # bytes: a smaller gap between two rows is read with them, not left out

Conversion = Callable[[Array, Array], Array]  # maps rows, and their numbers in the source, to converted rows


class LazyArray:
    """
    An array whose rows are read and converted when they are taken.

    ``x[rows]`` reads the blocks (see `fastrnn.data.blocks`) that hold these rows. It keeps as many blocks as a window
    has, each until all its rows have been taken. So an epoch, or an evaluation from the first row to the last, reads
    every block once. If the source is in memory, nothing is kept.

    Parameters
    ----------
    source : object
        An ndarray, or an object with a shape and a dtype that returns rows for a slice. It may have ``chunk_length``,
        the number of rows that it can only read together.

    Attributes
    ----------
    shape, ndim, size, dtype, nbytes
        Those of the ndarray that `load` returns.
    on_disk : bool
        Whether the source is something else than an ndarray in memory.
    known : str or None
        The fingerprint of the array, if it has been computed already.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._rows: Array | None = None  # the rows of the source that this array has, ascending; None for all
        self._conversions: tuple[Conversion, ...] = ()
        # Blocks by number, the last used one at the end, and how many of their rows have not been taken.
        self._kept: dict[int, tuple[Array, int]] = {}
        self._block_length: int | None = None  # None for that of its own shape and dtype
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
        """
        Return an array with one more conversion.

        Parameters
        ----------
        conversion : callable
            Takes rows and their numbers in the source, and returns converted rows. It must treat each row by itself.
        row_shape : tuple of int, optional
            The shape of a converted row, if it changes.
        dtype : dtype, optional
            The dtype of converted rows, if it changes.

        Returns
        -------
        LazyArray
            The array.
        """
        changed = self._copy()
        changed.known = None
        changed._conversions = (*self._conversions, conversion)
        if row_shape is not None:
            changed.shape = (len(self), *row_shape)
        if dtype is not None:
            changed.dtype = np.dtype(dtype)
        return changed

    def take(self, rows: Array | slice) -> Self:
        """
        Return some of the rows as a `LazyArray`, without reading them.

        Parameters
        ----------
        rows : integers (n,) or slice
            The numbers of the rows, in ascending order.

        Returns
        -------
        LazyArray (n, ...)
            The rows.
        """
        changed = self._copy()
        if isinstance(rows, slice) and rows.indices(len(self)) == (0, len(self), 1):
            return changed
        changed.known = None
        changed._rows = self.source_rows(rows)
        changed.shape = (len(changed._rows), *self.shape[1:])
        return changed

    def in_blocks_of(self, other: "Array | LazyArray") -> Self:
        """
        Return the same array, read in blocks of as many rows as those of another one.

        Parameters
        ----------
        other : ndarray or LazyArray
            An array whose rows will be taken together with those of this one.

        Returns
        -------
        LazyArray
            The array.
        """
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
        """
        Return the numbers of rows in the source.

        Parameters
        ----------
        rows : integers (n,) or slice
            The numbers of the rows in this array.

        Returns
        -------
        integers (n,)
            Their numbers in the source.
        """
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
        """
        Yield all rows in order, in pieces of equal length; the last piece may be shorter.

        Yields
        ------
        first : int
            The number of the first row of the piece.
        piece : ndarray
            The rows.
        """
        length = max(1, PIECE // max(1, prod(self.shape[1:])))
        for first in range(0, len(self), length):
            stop = min(first + length, len(self))
            yield first, self._read(first, stop) if self.on_disk else self[first:stop]

    def load(self) -> Array:
        """
        Return all rows.

        Returns
        -------
        ndarray
            The rows.
        """
        loaded = np.empty(self.shape, self.dtype)
        for first, piece in self.pieces():
            loaded[first : first + len(piece)] = piece
        return loaded

    def in_memory(self) -> Self:
        """
        Load all rows.

        Returns
        -------
        LazyArray
            The same array, in memory.
        """
        loaded = type(self)(self.load())
        loaded.known, loaded._block_length = self.known, self._block_length
        return loaded

    def ready(self) -> "Array | Self":
        """
        Return the array for training, which takes rows many times.

        Returns
        -------
        ndarray or LazyArray
            All rows, converted once, if the source is in memory; otherwise this array.
        """
        return self if self.on_disk else self.load()

    def _block(self, block: int, length: int, n_taken: int) -> Array:
        """
        Return a block, of which `n_taken` rows are taken now.

        A block is kept until all its rows have been taken, or until newer blocks replace it.
        """
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
        """Return the rows from `start` to `stop` - 1, read in runs that leave out larger gaps in the source."""
        row = max(1, prod(self._source.shape[1:]))
        chunk = getattr(self._source, "chunk_length", 1)
        length = -(-max(1, PIECE // row) // chunk) * chunk  # whole chunks, so that no chunk is decoded twice
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


Rows = Array | LazyArray  # examples, in memory or on disk


def as_lazy(x: Any) -> LazyArray:
    """
    Return an array as a `LazyArray`.

    Parameters
    ----------
    x : array_like or LazyArray
        The array.

    Returns
    -------
    LazyArray
        `x` itself if it is one.
    """
    return x if isinstance(x, LazyArray) else LazyArray(np.asarray(x))


def as_rows(x: Any) -> Rows:
    """
    Return a `LazyArray` as it is, and anything else as an ndarray.

    Parameters
    ----------
    x : array_like or LazyArray
        The array.

    Returns
    -------
    ndarray or LazyArray
        The array.
    """
    return x if isinstance(x, LazyArray) else np.asarray(x)


def select(x: Rows, rows: Array | slice) -> Rows:
    """
    Return some of the examples; nothing is read from a `LazyArray`.

    Parameters
    ----------
    x : ndarray or LazyArray (N, ...)
        The examples.
    rows : integers (n,) or slice
        Which ones, in ascending order.

    Returns
    -------
    ndarray or LazyArray (n, ...)
        These examples.
    """
    return x.take(rows) if isinstance(x, LazyArray) else x[rows]
