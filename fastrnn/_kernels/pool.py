"""A pool of memory for large arrays. In new memory the page faults take as much time as the cells that fill it.

*Design.* A training step makes the same large arrays as the step before. So the pool lends a block as an array, which
is a view of the block. When that array and all views of it are gone (NumPy makes all of them refer to it), a weak
reference takes the block back. The native kernels know when the last array on their memory is gone, so they `take`
blocks and `give` them back. At most KEEP bytes wait for the next borrower; `Trainer.fit` releases them when it ends.
"""

import math
import weakref
from collections import deque
from threading import Lock
from typing import Any

import numpy as np

from fastrnn._typing import Array

KEEP = 256_000_000  # bytes
SLACK = 1.25  # a block may be this many times too large: ragged batches differ in what they need
SMALL = 1 << 17  # bytes; below, the C library reuses memory itself
# A returned block of LARGE bytes or more is counted at once. Smaller ones are counted when the next block is taken, or
# when MANY have been returned.
LARGE = 1 << 20
MANY = 64


class _Loan(weakref.ref):
    """A weak reference to a lent array, with the block to take back."""

    __slots__ = ("block",)
    block: Array


_loans: dict[int, _Loan] = {}  # by id; a weak reference that is not kept never calls back
_returned: deque[Array] = deque()  # the garbage collector may return a block at any time, also while _free is in use
_free: list[tuple[int, Array]] = []  # bytes and block, oldest first
_lock = Lock()  # never waited for: if it is taken, also by a fork at a bad moment, use new memory


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an uninitialised array. Large arrays use memory of the pool."""
    count = math.prod(shape)
    n_bytes = count * np.dtype(dtype).itemsize
    if n_bytes < SMALL:
        return np.empty(shape, dtype)
    block = take(n_bytes)
    lent = np.frombuffer(block.data, dtype, count)
    loan = _Loan(lent, _take_back)
    loan.block = block
    _loans[id(loan)] = loan
    return lent.reshape(shape)


def take(n_bytes: int) -> Array:
    """Return the smallest waiting block that is large enough and not much too large, or a new block.

    A new block takes the place of the oldest waiting blocks. So lent and waiting blocks together never exceed the most
    that was lent at one time. Of equal blocks the last returned one is taken, which may still be in cache.
    """
    if _lock.acquire(blocking=False):
        try:
            _sort_in()
            best, found = int(n_bytes * SLACK), -1
            for place, (size, _) in enumerate(_free):
                if n_bytes <= size <= best:
                    best, found = size, place
            if found >= 0:
                return _free.pop(found)[1]
            dropped = 0
            while _free and dropped < n_bytes:
                dropped += _free.pop(0)[0]
        finally:
            _lock.release()
    return np.empty(n_bytes, np.uint8)


def give(block: Array) -> None:
    """Take back a block that is no longer used."""
    _returned.append(block)
    counted = block.nbytes >= LARGE or len(_returned) >= MANY
    if counted and _lock.acquire(blocking=False):  # else the holder of the lock sorts it in, or the next call
        try:
            _sort_in()
        finally:
            _lock.release()


def release() -> None:
    """Release the blocks that wait for a borrower."""
    if _lock.acquire(blocking=False):
        try:
            _returned.clear()
            _free.clear()
        finally:
            _lock.release()


def waiting() -> int:
    """Return the number of bytes that wait for a borrower."""
    with _lock:
        _sort_in()
        return sum(size for size, _ in _free)


def _take_back(loan: _Loan) -> None:
    del _loans[id(loan)]
    give(loan.block)


def _sort_in() -> None:
    """Move the returned blocks to the free blocks, and drop the oldest until at most KEEP bytes are left."""
    if not _returned:
        return
    while _returned:
        block = _returned.popleft()
        _free.append((block.nbytes, block))
    waits = sum([size for size, _ in _free])
    while waits > KEEP:
        waits -= _free.pop(0)[0]
