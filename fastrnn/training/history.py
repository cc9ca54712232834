"""What each epoch of a training run gave."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from fastrnn._atomic import append_file, replace_file

COLUMNS = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "train_exact_match",
    "reconstruction",
    "l2",
    "sparsity",
    "validation_loss",
    "validation_accuracy",
    "validation_exact_match",
    "learning_rate",
    "seconds",
)


class BatchReport(NamedTuple):
    """
    What a batch callback is told; loss and accuracy are means over the epoch so far.

    Parameters
    ----------
    epoch, epochs : int
        The present epoch, from 1, and the number of all.
    batch, batches : int
        The batch just done, from 1, and the number of all in the epoch.
    loss : float
        Training loss.
    accuracy : float or None
        Training accuracy.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float | None


class History(Mapping[str, list[Any]]):
    """
    Columns of numbers, one entry an epoch: a mapping of names to lists, so that ``dict(history)`` just works.

    Columns are those of `COLUMNS` that the run has: no accuracy in regression, no validation without such a
    set, the terms of a cost (reconstruction, l2, sparsity) for an autoencoder alone, the exact match (the share of
    sequences that are right in every symbol) for an encoder and decoder.

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

    def cut(self, n_epochs: int, best_epoch: int | None) -> None:
        """
        Forget the epochs after the first ones.

        Parameters
        ----------
        n_epochs : int
            How many stay.
        best_epoch : int or None
            The best of them.
        """
        self._columns = {name: column for name, column in self._columns.items() if n_epochs}
        for column in self._columns.values():
            del column[n_epochs:]
        self.best_epoch = best_epoch

    def write_csv(self, path: str | PathLike[str]) -> None:
        """
        Write a header and a row for each epoch.

        Parameters
        ----------
        path : path-like
            The file; it is replaced as a whole.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        rows = zip(*self._columns.values(), strict=True)
        replace_file(path, _csv([list(self._columns), *rows]))

    def append_csv(self, path: str | PathLike[str]) -> None:
        """
        Add the row of the last epoch to a file that has those before; where there is none, write all of them.

        Parameters
        ----------
        path : path-like
            The file.

        Raises
        ------
        OSError
            If it cannot be written; it then has the rows that it had.
        """
        if self.n_epochs == 1 or not Path(path).exists():
            self.write_csv(path)
        else:
            append_file(path, _csv([[column[-1] for column in self._columns.values()]]))

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        if self.best_epoch is None:
            return "History(0 epochs)"
        names = [name for name in self._columns if name.endswith(("loss", "accuracy", "match"))]
        best = ", ".join(f"{name} {self._columns[name][self.best_epoch - 1]:.4g}" for name in names)
        return f"History({self.n_epochs} epochs, best {self.best_epoch}: {best})"


def oriented(history: History, column: str) -> list[float]:
    """Return a column so that small is good."""
    sign = -1 if column.endswith("accuracy") else 1
    return [sign * value for value in history.get(column, ())]


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
