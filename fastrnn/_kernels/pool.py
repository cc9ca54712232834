"""Large arrays, lent and taken back: fresh memory costs as much, in page faults, as the cells that fill it.

*Design.* A training step makes the same large arrays as the step before. So a block is lent as an array on a view of
it; when that array is gone, and with it all that was cut from it (NumPy lets them all refer to it), a weak reference
takes the block back. The native kernels, whose memory knows when the last array of it is gone, `take` blocks and `give`
them back. At most KEEP bytes wait for a borrower; `Trainer.fit` gives them up when it ends.
"""

import math
import weakref
from collections import deque
from threading import Lock
from typing import Any

import numpy as np

from fastrnn._typing import Array

KEEP = 256_000_000  # bytes
SLACK = 1.25  # how many times too large a block may be: the batches of unequal lengths need not the same
SMALL = 1 << 17  # bytes below which the C library keeps memory by itself
LARGE = 1 << 20  # bytes from which a block that comes back is counted at once; smaller ones when the next is taken,
MANY = 64  # or when so many have come back


class _Loan(weakref.ref):
    """A lent array, and the block to take back after it."""

    __slots__ = ("block",)
    block: Array


_loans: dict[int, _Loan] = {}  # by id; a weak reference that nobody holds calls nobody
_returned: deque[Array] = deque()  # the garbage collector may return a block at any moment, also while _free is in use
_free: list[tuple[int, Array]] = []  # bytes, and the block; oldest first
_lock = Lock()  # nobody waits for it: who cannot have it, as in a child forked at a bad moment, takes new memory


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an uninitialised array, of new or of lent memory."""
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
    """Return a block: the smallest that serves and is not much too large, or a new one in place of those that wait.

    So what is lent and what waits are never more, together, than what was lent at some time. Of equal blocks it is the
    last one returned, which may still be in the cache.
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
    """Take a block back that nobody looks at any more."""
    _returned.append(block)
    counted = block.nbytes >= LARGE or len(_returned) >= MANY
    if counted and _lock.acquire(blocking=False):  # else who holds it will sort it in, or the next one
        try:
            _sort_in()
        finally:
            _lock.release()


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
    with _lock:
        _sort_in()
        return sum(size for size, _ in _free)


def _take_back(loan: _Loan) -> None:
    del _loans[id(loan)]
    give(loan.block)


def _sort_in() -> None:
    """Move what was returned to the free blocks, and drop the oldest until they are at most KEEP bytes."""
    if not _returned:
        return
    while _returned:
        block = _returned.popleft()
        _free.append((block.nbytes, block))
    waits = sum([size for size, _ in _free])
    while waits > KEEP:
        waits -= _free.pop(0)[0]
