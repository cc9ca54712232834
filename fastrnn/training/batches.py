"""Examples with their targets, and batches of them."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fastrnn._kernels.checks import check_lengths
from fastrnn._typing import Array
from fastrnn.data.lazy_array import LazyArray, as_rows, select
from fastrnn.training.shuffle import divided

PADDING = -1  # stands for no class, in targets by step


class Examples(NamedTuple):
    """
    Arrays of the same examples.

    If there is a target for each step, a batch is cut to its longest row and has a `mask` of valid steps. If a batch is
    a window of the steps of its rows, `ends` says whether the rows end with it. `y` is None if an objective needs no
    targets. In a set, `x` and `y` may be a `LazyArray`; in a batch they are ndarrays.
    """

    x: Any
    y: Any
    lengths: Array | None = None
    weights: Array | None = None
    mask: Array | None = None
    ends: bool = True

    @property
    def n_steps(self) -> int:
        """What a mean over these examples counts: valid steps if each has a target, otherwise examples."""
        return len(self.x) if self.mask is None else int(np.count_nonzero(self.mask))

    def take(self, rows: Array | slice) -> "Examples":
        """Return some of the examples, their weights scaled to the mean 1."""
        y = None if self.y is None else select(self.y, rows)
        lengths, weights = self._rows(rows)
        if weights is not None:
            if not weights.sum() > 0:
                raise ValueError("sample_weight is 0 for all examples of a set, expected some above 0")
            weights = weights / weights.mean()
        return Examples(select(self.x, rows), y, lengths, weights)

    def batches(
        self, order: Iterable[Array], batch_size: int, steps: bool, window: int | None = None, skip: int = 0
    ) -> Iterator["Examples"]:
        """
        Return batches in an order of rows.

        Parameters
        ----------
        order : iterable of ndarray
            Rows, in parts of any length.
        batch_size : int
            Number of rows in a batch.
        steps : bool
            Is there a target for each step?
        window : int, optional
            Number of steps of a window: rows come window by window, each as a batch.
        skip : int
            How many of the first batches to leave out.

        Yields
        ------
        Examples
            A batch.
        """
        for rows in divided(order, batch_size):
            windows = self._windows(rows, window)[skip:]
            skip = max(0, skip - len(self._windows(rows, window)))
            if not windows:
                continue
            y = None if self.y is None else self.y[rows]
            batch = Examples(self.x[rows], y, *self._rows(rows))
            for first, last in windows:
                yield batch._window(first, last, steps)._replace(ends=last == windows[-1][1])

    def n_batches(self, order: Iterable[Array], batch_size: int, window: int | None = None) -> int:
        """Return the number of batches; the order is not used if all rows have as many windows."""
        if window is None or self.lengths is None:
            of_each = 1 if window is None else len(self._windows(np.arange(0), window))
            return of_each * -(-len(self.x) // batch_size)
        return sum(len(self._windows(rows, window)) for rows in divided(order, batch_size))

    def _windows(self, rows: Array, window: int | None) -> list[tuple[int, int]]:
        """Return the first step of each window of some rows, and the one after its last; None is one window of all."""
        T = self.x.shape[1] if self.lengths is None else int(self.lengths[rows].max())
        return [(first, min(T, first + window)) for first in range(0, T, window)] if window else [(0, T)]

    def _window(self, first: int, last: int, steps: bool) -> "Examples":
        """Return some steps of all rows."""
        T = last - first
        lengths = None if self.lengths is None else np.clip(self.lengths - first, 0, T)
        x = self.x[:, first:last]
        if not steps:
            return Examples(x, self.y, lengths, self.weights)
        mask = np.ones((len(x), T), bool) if lengths is None else np.arange(T) < lengths[:, None]
        return Examples(x, self.y[:, first:last], lengths, self.weights, mask)

    def _rows(self, rows: Array | slice) -> tuple[Array | None, Array | None]:
        """Return lengths and weights of some of the examples."""
        lengths, weights = (None if a is None else a[rows] for a in (self.lengths, self.weights))
        return lengths, weights


def without_padding(batch: Examples) -> Examples:
    """Return a batch of classes (B, T) whose mask leaves out padding, -1; one-hot rows stay as they are."""
    if batch.y.ndim != 2:
        return batch
    valid = batch.y != PADDING
    return batch._replace(mask=valid if batch.mask is None else batch.mask & valid)


def check_examples(steps: bool, x: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Examples:
    """Return arrays with the same number of examples; the model and the loss check the rest themselves."""
    x, y = as_rows(x), as_rows(y)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x has shape {x.shape}, expected (N, ...) with at least one example")
    if y.shape[:1] != x.shape[:1]:
        raise ValueError(f"y has shape {y.shape}, expected ({len(x)}, ...): a target for each example of x")
    if steps and y.shape[1:2] != x.shape[1:2]:
        raise ValueError(
            f"y has shape {y.shape}, expected {x.shape[:2]} and more: the model gives an output at each step"
        )
    if isinstance(y, LazyArray):
        y = y.in_blocks_of(x)
    if lengths is not None:
        lengths = check_lengths(lengths, *x.shape[:2])
    if sample_weight is not None:
        sample_weight = np.asarray(sample_weight, np.float64)
        if sample_weight.shape != (len(x),):
            raise ValueError(f"sample_weight has shape {sample_weight.shape}, expected ({len(x)},)")
        wrong = np.flatnonzero(~((sample_weight >= 0) & (sample_weight < np.inf)))
        if len(wrong):
            raise ValueError(f"sample_weight[{wrong[0]}] is {sample_weight[wrong[0]]}, expected a finite number >= 0")
    return Examples(x, y, lengths, sample_weight)
