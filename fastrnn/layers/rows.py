"""The gradient of a table, when a batch uses few of its rows."""

from dataclasses import dataclass

import numpy as np

from fastrnn._kernels import add_rows
from fastrnn._typing import Array


@dataclass(eq=False)
class RowGradient:
    """
    The rows of a gradient (V, D) that a batch has used; all other rows are 0. Its size does not depend on V.

    Parameters
    ----------
    rows : integers (K,)
        Numbers of the rows, each once, ascending.
    values : ndarray (K, D)
        The rows themselves, in the dtype of the table.
    """

    rows: Array
    values: Array

    @classmethod
    def empty(cls, dimension: int, dtype: np.dtype) -> "RowGradient":
        """
        Return a gradient without rows.

        Parameters
        ----------
        dimension : int
            D, the length of a row.
        dtype : dtype
            Dtype of the table.

        Returns
        -------
        RowGradient
            The gradient.
        """
        return cls(np.empty(0, np.intp), np.empty((0, dimension), dtype))

    def add(self, symbols: Array, values: Array) -> None:
        """
        Add vectors to rows. Vectors of the same row are added in their order, as in a whole table.

        Parameters
        ----------
        symbols : integers (n,)
            The row of each vector, in any order; rows may repeat.
        values : ndarray (n, D)
            The vectors.
        """
        known = len(self.rows)
        rows, places = np.unique(np.concatenate([self.rows, symbols], dtype=np.intp), return_inverse=True)
        sums = np.zeros((len(rows), self.values.shape[1]), self.values.dtype)
        sums[places[:known]] = self.values
        add_rows(sums, places[known:], values)
        self.rows, self.values = rows, sums

    def clear(self) -> None:
        """Forget all rows."""
        self.rows, self.values = self.rows[:0].copy(), self.values[:0].copy()
