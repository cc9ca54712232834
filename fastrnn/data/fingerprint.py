"""Fingerprints of arrays: one line each, which tells whether two arrays hold the same numbers."""

import hashlib
from typing import Any

import numpy as np

from fastrnn._typing import Array
from fastrnn.data.lazy_array import LazyArray, Rows, as_lazy


class Fingerprint:
    """
    Shape, dtype and BLAKE2 hash of an array, taken from blocks of its rows, from first to last.

    ``str`` of it is the line. It depends on the values and their order, not on the blocks or the layout in memory.

    Parameters
    ----------
    shape : tuple of int
        The shape of the whole array.
    dtype : dtype
        Its dtype.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._head = f"{dtype} {shape}"
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, rows: Array) -> None:
        """
        Add the next rows.

        Parameters
        ----------
        rows : ndarray (n, ...)
            The rows.
        """
        if rows.dtype.hasobject:  # their bytes are addresses
            self._hash.update("".join(f"{value!r}\0" for value in rows.ravel()).encode())
        else:
            self._hash.update(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)

    def __str__(self) -> str:
        return f"{self._head} BLAKE2 {self._hash.hexdigest()}"


def derived(made: Rows, known: str, *arrays: Array | None) -> str:
    """
    Return a fingerprint for an array computed from another one, without a pass over its rows.

    Parameters
    ----------
    made : ndarray or LazyArray
        The computed array; only its shape and dtype are used.
    known : str
        The fingerprint of the array that it was computed from.
    *arrays : ndarray or None
        Whatever else it was computed from.

    Returns
    -------
    str
        The fingerprint.
    """
    result = hashlib.blake2b(known.encode(), digest_size=16)
    for array in arrays:
        result.update(str(None if array is None else fingerprint(array)).encode())
    return f"{made.dtype} {made.shape} BLAKE2 {result.hexdigest()}"


def fingerprint(array: Rows) -> str:
    """
    Return the fingerprint of an array, with no more than a piece of it copied at a time.

    Parameters
    ----------
    array : ndarray or LazyArray
        The array, of any layout. A `LazyArray` remembers its fingerprint and needs no second pass.

    Returns
    -------
    str
        The fingerprint.
    """
    lazy = as_lazy(array)
    if lazy.known is None:
        result = Fingerprint(lazy.shape, lazy.dtype)
        for _, piece in lazy.pieces():
            result.add(piece)
        lazy.known = str(result)
    return lazy.known


def taken(array: LazyArray, rows: Array) -> LazyArray:
    """
    Return some rows of an array, with a fingerprint made from that of the array and the numbers of the rows.

    This needs no pass over the rows.

    Parameters
    ----------
    array : LazyArray (N, ...)
        The array.
    rows : integers (n,)
        The numbers of the rows, in ascending order.

    Returns
    -------
    LazyArray (n, ...)
        The rows.
    """
    part = array.take(rows)
    part.known = derived(part, fingerprint(array), rows)
    return part
