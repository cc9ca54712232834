"""Ragged and reversed batches, once for all backends.

A backend always runs forward over rows that are sorted by length. Ragged and reversed batches differ only in where step
k of a row is in the caller's arrays: at k, or at length - 1 - k when reversed. A whole batch is reversed by a view. A
ragged batch is copied row by row, each row up to its length, so padding is never read and costs nothing.
"""

from functools import lru_cache

import numpy as np

from fastrnn._kernels.pool import empty
from fastrnn._typing import Array

SHORT = 4096  # rows plus steps of the largest whole batch whose `RaggedBatch` is cached
CHUNK_ROWS = 256  # rows of deltas that a backend collects before it multiplies them by x and h: they stay in cache


class RaggedBatch:
    """The order of rows and steps in a kernel, and how to copy arrays to it and back; a whole batch is a simple case.

    `lengths` and `active` are those of `KernelCall`; `count` is the number of steps of all rows.
    """

    def __init__(self, B: int, T: int, lengths: Array | None, reverse: bool) -> None:
        self.shape = (B, T)
        self.reverse = reverse
        self.whole = lengths is None or bool((lengths == T).all())
        if lengths is None or self.whole:
            self.lengths = np.full(B, T, np.int32)
            self.active = np.full(T, B, np.int32)
            self.count = B * T
            return
        self.count = int(lengths.sum())
        self.order = np.argsort(-lengths, kind="stable")
        self.lengths = lengths[self.order].astype(np.int32)
        steps = np.arange(self.lengths[0], dtype=np.int32)
        self.active = (B - np.searchsorted(self.lengths[::-1], steps, side="right")).astype(np.int32)

    def gather(self, a: Array) -> Array:
        """Return an array (B, T, ...) of the caller in the kernel's order; a view if the batch is whole."""
        if self.whole:
            return a[:, ::-1] if self.reverse else a
        out = empty((a.shape[0], len(self.active), *a.shape[2:]), a.dtype)
        for row, source, length in zip(out, self.order, self.lengths, strict=True):
            row[:length] = a[source, :length][self._direction]
        return out

    def scatter(self, a: Array) -> Array:
        """Return an array (B, T, ...) of the kernel in the caller's order, zero beyond each row's length.

        A view if the batch is whole.
        """
        if self.whole:
            return a[:, ::-1] if self.reverse else a
        out = empty((*self.shape, *a.shape[2:]), a.dtype)
        for row, target, length in zip(a, self.order, self.lengths, strict=True):
            out[target, :length] = row[:length][self._direction]
            out[target, length:] = 0
        return out

    def gather_rows(self, a: Array) -> Array:
        """Return an array (B, H) of the caller in the kernel's order of rows."""
        return a if self.whole else a[self.order]

    def scatter_rows(self, a: Array) -> Array:
        """Return an array (B, H) of the kernel in the caller's order of rows."""
        if self.whole:
            return a
        out = np.empty_like(a)
        out[self.order] = a
        return out

    @property
    def _direction(self) -> slice:
        return slice(None, None, -1 if self.reverse else 1)


def ragged_batch(B: int, T: int, lengths: Array | None, reverse: bool) -> RaggedBatch:
    """Return the order of a batch. Small whole batches are cached: making one would take most of the time of a call."""
    if lengths is None and B + T <= SHORT:
        return _whole(B, T, reverse)
    return RaggedBatch(B, T, lengths, reverse)


@lru_cache(maxsize=64)
def _whole(B: int, T: int, reverse: bool) -> RaggedBatch:
    return RaggedBatch(B, T, None, reverse)


def row_shares(lengths: Array, shares: int) -> Array:
    """Return the bounds of contiguous shares of rows that have about the same number of steps, one for each thread."""
    bounds = np.zeros(shares + 1, np.int32)
    bounds[-1] = len(lengths)
    if shares > 1:
        ends = np.cumsum(lengths, dtype=np.int64)
        bounds[1:-1] = np.searchsorted(ends, ends[-1] * np.arange(1, shares) // shares, side="left")
    return bounds


def chunk_bounds(active: Array) -> Array:
    """Return the bounds of chunks of steps, from the last step down. A chunk has about CHUNK_ROWS rows.

    The bounds depend only on T, B and the lengths.
    """
    if len(active) and active[0] == active[-1]:  # the same as below, without a loop
        step = max(1, CHUNK_ROWS // max(1, int(active[0])))
        return np.append(np.arange(len(active), 0, -step, dtype=np.int32), np.int32(0))
    rows = np.cumsum(active[::-1], dtype=np.int64)
    cuts = [0]
    while cuts[-1] < len(rows):
        done = rows[cuts[-1] - 1] if cuts[-1] else 0
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(rows, done + CHUNK_ROWS, side="right"))))
    return (len(rows) - np.array(cuts)).astype(np.int32)


def segment_bounds(active: Array, every: int) -> Array:
    """Return the bounds, from 0 to T, of segments that consist of whole chunks.

    Every segment has at least `every` steps, except for the first one.
    """
    cuts = chunk_bounds(active)
    bounds = [int(cuts[0])]
    for cut in cuts[1:]:
        if bounds[-1] - cut >= every or cut == 0:
            bounds.append(int(cut))
    return np.array(bounds[::-1], np.int32)
