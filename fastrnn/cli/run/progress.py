"""The progress of training: a line for each epoch, and a bar on a terminal."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from fastrnn.training import BatchReport
from fastrnn.training.history import History


class Column(NamedTuple):
    """A column of the lines: its header, the column of the History, its format, and a function of the value."""

    header: str
    name: str
    format: str = ".4f"
    make: Callable[[float], float] = lambda value: value


COLUMNS = (  # only those in the History are shown
    Column("epoch", "epoch", "d"),
    Column("train loss", "train_loss"),
    Column("accuracy", "train_accuracy"),
    Column("reconstr.", "reconstruction"),
    Column("l2", "l2"),
    Column("sparsity", "sparsity"),
    Column("valid. loss", "validation_loss"),
    Column("accuracy", "validation_accuracy"),
    Column("seconds", "seconds", ".2f"),
)


class Bar:
    """A bar below the printed lines, as long as the context lasts; only on a terminal."""

    def __init__(self, console: Console, *columns: ProgressColumn) -> None:
        self.console = console
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class TrainingProgress(Bar):
    """Callbacks that print a line for each epoch (at most about 50) and, on a terminal, a bar over all batches."""

    def __init__(self, console: Console, epochs: int, columns: Sequence[Column]) -> None:
        figures = TextColumn("{task.fields[figures]}")
        super().__init__(
            console, TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), figures, TimeRemainingColumn()
        )
        self._columns = columns
        self._every = max(1, epochs // 50)
        self._last_line = ""  # of an epoch that was not printed
        self._task: TaskID | None = None
        self._has_header = False

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        if self._last_line:
            self.console.print(self._last_line, highlight=False)

    def on_batch(self, report: BatchReport) -> None:
        """Move the bar. It is labelled by epoch, so that early stopping does not look like a jump."""
        if self._bar.disable:
            return
        figures = f"loss {report.loss:.4f}"
        if report.accuracy is not None:
            figures += f"  accuracy {report.accuracy:.3f}"
        if self._task is None:
            self._task = self._bar.add_task("", total=report.epochs * report.batches, figures="")
        self._bar.update(
            self._task,
            description=f"epoch {report.epoch}/{report.epochs}",
            completed=(report.epoch - 1) * report.batches + report.batch,
            figures=figures,
        )

    def on_epoch(self, epoch: int, history: History) -> None:
        """Print a line for the epoch, or keep it in case it is the last one."""
        shown = [column for column in self._columns if column.name in history]
        if not self._has_header:
            self.console.print("".join(f"{column.header:>12}" for column in shown), style="bold")
            self._has_header = True
        values = "".join(format(own.make(history[own.name][-1]), own.format).rjust(12) for own in shown)
        is_best = history.best_epoch == epoch and "validation_loss" in history  # without it, every epoch is
        line = values + ("  best" if is_best else "")
        self._last_line = line if epoch % self._every and epoch > 1 else ""
        if not self._last_line:
            self.console.print(line, highlight=False)
