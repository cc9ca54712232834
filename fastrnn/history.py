"""What each epoch of a training run gave."""

import csv
import io
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any

from fastrnn._files import replace_file

COLUMNS = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "reconstruction",
    "l2",
    "sparsity",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "seconds",
)


class History(Mapping[str, list[Any]]):
    """
    Columns of numbers, one entry an epoch: a mapping of names to lists, so that ``dict(history)`` just works.

    Columns are those of `COLUMNS` that the run has: no accuracy in regression, no validation without such a
    set, the terms of a cost (reconstruction, l2, sparsity) for an autoencoder alone.

    Parameters
    ----------
    columns : mapping of str to list, optional
        The columns of epochs before.
    best_epoch : int, optional
        The best of them.

    Attributes
    ----------
    best_epoch : int or None
        The epoch, from 1, with the best monitored value, or the last one where nothing is monitored.
    """

    def __init__(self, columns: Mapping[str, list[Any]] | None = None, best_epoch: int | None = None) -> None:
        columns = columns or {}
        self._columns = {name: list(columns[name]) for name in COLUMNS if name in columns}
        self.best_epoch = best_epoch

    @property
    def n_epochs(self) -> int:
        """Number of finished epochs."""
        return len(self._columns.get("epoch", ()))

    def append(self, values: Mapping[str, float | None]) -> None:
        """
        Add an epoch.

        Parameters
        ----------
        values : mapping of str to number
            A value for each column; None for those that the run has not.
        """
        for name in COLUMNS:
            if values.get(name) is not None:
                self._columns.setdefault(name, []).append(values[name])

    def write_csv(self, path: str | PathLike[str]) -> None:
        """
        Write a header and a row for each epoch.

        Parameters
        ----------
        path : path-like
            The file; it is replaced as a whole.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._columns)
        writer.writerows(zip(*self._columns.values(), strict=True))
        replace_file(path, text.getvalue().encode())

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        if self.best_epoch is None:
            return "History(0 epochs)"
        names = [name for name in self._columns if name.endswith(("loss", "accuracy"))]
        best = ", ".join(f"{name} {self._columns[name][self.best_epoch - 1]:.4g}" for name in names)
        return f"History({self.n_epochs} epochs, best {self.best_epoch}: {best})"
