"""Fingerprints of arrays: enough to know them again, in a line."""

import hashlib
from typing import Any

import numpy as np

from fastrnn._typing import Array
from fastrnn.data.lazy_array import LazyArray, Rows, as_lazy


class Fingerprint:
    """
    Shape, dtype and BLAKE2 of the bytes of an array, which comes in blocks of rows from first to last.

    ``str`` of it is the line. It depends on the values and their order, not on the blocks or the layout in memory.

    Parameters
    ----------
    shape : tuple of int
        Of the whole array.
    dtype : dtype
        Its dtype.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._head = f"{dtype} {shape}"
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, rows: Array) -> None:
        """Take the next rows."""
        if rows.dtype.hasobject:  # whose bytes are addresses
            self._hash.update("".join(f"{value!r}\0" for value in rows.ravel()).encode())
        else:
            self._hash.update(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)

    def __str__(self) -> str:
        return f"{self._head} BLAKE2 {self._hash.hexdigest()}"


def derived(made: Rows, known: str, *arrays: Array | None) -> str:
    """Return the line of an array that is made of one with a fingerprint, and of others; it takes no pass over it."""
    result = hashlib.blake2b(known.encode(), digest_size=16)
    for array in arrays:
        result.update(str(None if array is None else fingerprint(array)).encode())
    return f"{made.dtype} {made.shape} BLAKE2 {result.hexdigest()}"


def fingerprint(array: Rows) -> str:
    """Return the fingerprint of an array of any layout, in memory or not, without a copy of more than a piece of it.

    A `LazyArray` keeps it, and needs no second pass.
    """
    lazy = as_lazy(array)
    if lazy.known is None:
        result = Fingerprint(lazy.shape, lazy.dtype)
        for _, piece in lazy.pieces():
            result.add(piece)
        lazy.known = str(result)
    return lazy.known


def taken(array: LazyArray, rows: Array) -> LazyArray:
    """Return some rows, known by the fingerprint of all and by their numbers: it takes no pass over them."""
    part = array.take(rows)
    part.known = derived(part, fingerprint(array), rows)
    return part
