"""What a run shows while it trains: a bar on a terminal, plain lines otherwise."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from fastrnn.history import History
from fastrnn.training import BatchReport

# Columns of a History: header and format.
COLUMNS = {
    "epoch": ("epoch", "d"),
    "train_loss": ("train loss", ".4f"),
    "train_accuracy": ("accuracy", ".4f"),
    "validation_loss": ("valid. loss", ".4f"),
    "validation_accuracy": ("accuracy", ".4f"),
    "seconds": ("seconds", ".2f"),
}


class TrainingProgress:
    """Callbacks for the trainer: a line each epoch, and on a terminal a bar over all batches below."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._has_header = False

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_batch(self, report: BatchReport) -> None:
        """Move the bar; epochs count it, so that early stopping does not look like a jump."""
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
        """Print a line for the epoch."""
        shown = [name for name in COLUMNS if name in history]
        if not self._has_header:
            self.console.print("".join(f"{COLUMNS[name][0]:>12}" for name in shown), style="bold")
            self._has_header = True
        values = "".join(format(history[name][-1], COLUMNS[name][1]).rjust(12) for name in shown)
        self.console.print(values + ("  best" if history.best_epoch == epoch else ""), highlight=False)
