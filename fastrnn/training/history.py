"""What each epoch of a training run gave."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from fastrnn._atomic import append_file, replace_file

# The order of columns where no objective says another one: those of fastrnn itself.
ORDER = (
    "train_loss",
    "train_accuracy",
    "train_exact_match",
    "reconstruction",
    "l2",
    "sparsity",
    "validation_loss",
    "validation_accuracy",
    "validation_exact_match",
)


class BatchReport(NamedTuple):
    """
    What a batch callback gets; loss and accuracy are means over the epoch so far.

    Parameters
    ----------
    epoch, epochs : int
        The present epoch, from 1, and the number of epochs.
    batch, batches : int
        The batch just done, from 1, and the number of batches in the epoch.
    loss : float
        Training loss.
    accuracy : float or None
        Training accuracy; None if the loss counts no right answers.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float | None


class History(Mapping[str, list[Any]]):
    """
    Columns of numbers with an entry for each epoch: a mapping of names to lists, so ``dict(history)`` works.

    Columns are the epoch, what the objective measures in training and in validation, the learning rate and the
    seconds, in this order. A classifier has the accuracy, an autoencoder the terms of its cost (reconstruction, l2,
    sparsity), and an encoder and decoder the exact match (the share of sequences that are right in every symbol).

    Parameters
    ----------
    columns : mapping of str to list, optional
        The columns of earlier epochs.
    best_epoch : int, optional
        The best of these epochs.
    order : iterable of str
        The order of columns that are measured; others follow as they come.

    Attributes
    ----------
    best_epoch : int or None
        The epoch, from 1, with the best monitored value, or the last one where nothing is monitored.
    """

    def __init__(
        self,
        columns: Mapping[str, list[Any]] | None = None,
        best_epoch: int | None = None,
        order: Iterable[str] = (),
    ) -> None:
        columns = columns or {}
        self._order = (*order, *ORDER)
        self._columns = {name: list(columns[name]) for name in self._arranged(columns)}
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
            A value for each column; None for a column that the run does not have.

        Raises
        ------
        ValueError
            If the columns are not those of the epochs before.
        """
        measured = [name for name in self._arranged(values) if values[name] is not None]
        if self._columns and set(measured) != set(self._columns):
            names = ", ".join(sorted(set(measured) ^ set(self._columns)))
            raise ValueError(f"an epoch measures other columns than the epochs before: {names}")
        for name in measured:
            self._columns.setdefault(name, []).append(values[name])

    def _arranged(self, names: Iterable[str]) -> list[str]:
        """Return names of columns in their order."""
        ends = {"epoch": 0, "learning_rate": 3, "seconds": 4}

        def place(name: str) -> tuple[int, int]:
            group = ends.get(name, 2 if name.startswith("validation_") else 1)
            return group, self._order.index(name) if name in self._order else len(self._order)

        return sorted(names, key=place)

    def cut(self, n_epochs: int, best_epoch: int | None) -> None:
        """
        Forget the epochs after the first ones.

        Parameters
        ----------
        n_epochs : int
            How many epochs stay.
        best_epoch : int or None
            The best of these epochs.
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
        Add the row of the last epoch to a file with the rows before; if there is no file, write all rows.

        Parameters
        ----------
        path : path-like
            The file.

        Raises
        ------
        OSError
            If it cannot be written; the file is then as before.
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


def oriented(history: History, column: str, sign: int) -> list[float]:
    """
    Return a column times its sign, so that small values are good.

    Parameters
    ----------
    history : History
        The history.
    column : str
        Name of the column.
    sign : int
        1 or -1.

    Returns
    -------
    list of float
        A value for each epoch; empty if there is no such column.
    """
    return [sign * value for value in history.get(column, ())]


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
