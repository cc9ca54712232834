"""Large arrays, lent and taken back: fresh memory costs as much, in page faults, as the cells that fill it.

*Design.* A training step makes the same large arrays as the step before. So a block is lent as an array on a view of
it; when that array is gone, and with it all that was cut from it (NumPy lets them all refer to it), a weak reference
takes the block back. At most KEEP bytes wait for a borrower; `Trainer.fit` gives them up when it ends.
"""

import math
import weakref
from collections import deque
from threading import Lock
from typing import Any

import numpy as np

from fastrnn._kernels.types import Array

KEEP = 256_000_000  # bytes
SLACK = 1.25  # how many times too large a block may be: the batches of unequal lengths need not the same
SMALL = 1 << 17  # bytes below which the C library keeps memory by itself


class _Loan(weakref.ref):
    """A lent array, and the block to take back after it."""

    __slots__ = ("block",)
    block: Array


_loans: dict[int, _Loan] = {}  # by id; a weak reference that nobody holds calls nobody
_returned: deque[Array] = deque()  # the garbage collector may return a block at any moment, also while _free is in use
_free: list[Array] = []  # oldest first
_lock = Lock()  # nobody waits for it: who cannot have it, as in a child forked at a bad moment, takes new memory


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an uninitialised array, of new or of lent memory."""
    count = math.prod(shape)
    n_bytes = count * np.dtype(dtype).itemsize
    if n_bytes < SMALL:
        return np.empty(shape, dtype)
    block = _take(n_bytes)
    lent = np.frombuffer(block.data, dtype, count)
    loan = _Loan(lent, _take_back)
    loan.block = block
    _loans[id(loan)] = loan
    return lent.reshape(shape)


def release() -> None:
    """Give up the blocks that wait for a borrower."""
    if _lock.acquire(blocking=False):
        try:
            _returned.clear()
            _free.clear()
        finally:
            _lock.release()


def waiting() -> int:
    """Return the bytes that wait for a borrower."""
    return sum(block.nbytes for block in (*_free, *_returned))


def _take(n_bytes: int) -> Array:
    """Return the smallest block that serves and is not much too large, or a new one in place of those that wait.

    So what is lent and what waits are never more, together, than what was lent at some time.
    """
    if _lock.acquire(blocking=False):
        try:
            _sort_in()
            fitting = [i for i, block in enumerate(_free) if n_bytes <= block.nbytes <= n_bytes * SLACK]
            if fitting:
                return _free.pop(min(fitting, key=lambda i: _free[i].nbytes))
            dropped = 0
            while _free and dropped < n_bytes:
                dropped += _free.pop(0).nbytes
        finally:
            _lock.release()
    return np.empty(n_bytes, np.uint8)


def _take_back(loan: _Loan) -> None:
    del _loans[id(loan)]
    _returned.append(loan.block)
    if _lock.acquire(blocking=False):  # else who holds it will sort the block in, or the next one
        try:
            _sort_in()
        finally:
            _lock.release()


def _sort_in() -> None:
    """Move what was returned to the free blocks, and drop the oldest until they are at most KEEP bytes."""
    while _returned:
        _free.append(_returned.popleft())
    while sum(block.nbytes for block in _free) > KEEP:
        _free.pop(0)
