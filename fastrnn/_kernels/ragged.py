"""Ragged and reversed batches, for all backends at one place.

A backend runs forward over rows sorted by length. What differs is only where a row's own step k lies in the caller's
arrays: at k, or read backward at length - 1 - k. A whole batch is turned by a view; a ragged one is copied row by row,
step by step as far as the row goes: padding is never read, and costs nothing.
"""

from functools import lru_cache

import numpy as np

from fastrnn._kernels.pool import empty
from fastrnn._typing import Array

SHORT = 4096  # rows and steps of a batch whose `Steps` are kept
CHUNK_ROWS = 256  # deltas, in rows, that a backend keeps before their products with x and h: they stay in cache


class Steps:
    """The way between the caller's rows and times and the kernel's rows and steps; `count` of them."""

    def __init__(self, B: int, T: int, lengths: Array | None, reverse: bool) -> None:
        self.shape = (B, T)
        self.reverse = reverse
        self.ragged = lengths is not None and bool((lengths != T).any())
        if lengths is None or not self.ragged:
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
        """Caller's (B, T, ...) to the kernel's; a view where the batch is not ragged."""
        if not self.ragged:
            return a[:, ::-1] if self.reverse else a
        out = empty((a.shape[0], len(self.active), *a.shape[2:]), a.dtype)
        for row, source, length in zip(out, self.order, self.lengths, strict=True):
            row[:length] = a[source, :length][self._direction]
        return out

    def scatter(self, a: Array) -> Array:
        """Kernel's (B, T, ...) to the caller's, zero beyond a row's end; a view where the batch is not ragged."""
        if not self.ragged:
            return a[:, ::-1] if self.reverse else a
        out = empty((*self.shape, *a.shape[2:]), a.dtype)
        for row, target, length in zip(a, self.order, self.lengths, strict=True):
            out[target, :length] = row[:length][self._direction]
            out[target, length:] = 0
        return out

    def gather_rows(self, a: Array) -> Array:
        """Caller's (B, H) to the kernel's order of rows."""
        return a[self.order] if self.ragged else a

    def scatter_rows(self, a: Array) -> Array:
        """Kernel's (B, H) to the caller's order of rows."""
        if not self.ragged:
            return a
        out = np.empty_like(a)
        out[self.order] = a
        return out

    @property
    def _direction(self) -> slice:
        return slice(None, None, -1 if self.reverse else 1)


def steps_of(B: int, T: int, lengths: Array | None, reverse: bool) -> Steps:
    """Return the steps of a batch; those of small whole ones are kept, or they would be most of a small call."""
    if lengths is None and B + T <= SHORT:
        return _whole(B, T, reverse)
    return Steps(B, T, lengths, reverse)


@lru_cache(maxsize=64)
def _whole(B: int, T: int, reverse: bool) -> Steps:
    return Steps(B, T, None, reverse)


def row_shares(lengths: Array, shares: int) -> Array:
    """Return the bounds of contiguous shares of rows with about equally many steps; each thread takes one."""
    bounds = np.zeros(shares + 1, np.int32)
    bounds[-1] = len(lengths)
    if shares > 1:
        ends = np.cumsum(lengths, dtype=np.int64)
        bounds[1:-1] = np.searchsorted(ends, ends[-1] * np.arange(1, shares) // shares, side="left")
    return bounds


def chunk_bounds(active: Array) -> Array:
    """Return the bounds of chunks of steps, last first, some CHUNK_ROWS rows each: from T, B and lengths alone."""
    if len(active) and active[0] == active[-1]:  # what follows, without a loop
        step = max(1, CHUNK_ROWS // max(1, int(active[0])))
        return np.append(np.arange(len(active), 0, -step, dtype=np.int32), np.int32(0))
    rows = np.cumsum(active[::-1], dtype=np.int64)
    cuts = [0]
    while cuts[-1] < len(rows):
        done = rows[cuts[-1] - 1] if cuts[-1] else 0
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(rows, done + CHUNK_ROWS, side="right"))))
    return (len(rows) - np.array(cuts)).astype(np.int32)


def segment_bounds(active: Array, every: int) -> Array:
    """Return the bounds, from 0 to T, of segments of whole chunks, each of at least `every` steps but for the first."""
    cuts = chunk_bounds(active)
    bounds = [int(cuts[0])]
    for cut in cuts[1:]:
        if bounds[-1] - cut >= every or cut == 0:
            bounds.append(int(cut))
    return np.array(bounds[::-1], np.int32)
