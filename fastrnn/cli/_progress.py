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
    "reconstruction": ("reconstr.", ".4f"),
    "l2": ("l2", ".4f"),
    "sparsity": ("sparsity", ".4f"),
    "validation_loss": ("valid. loss", ".4f"),
    "validation_accuracy": ("accuracy", ".4f"),
    "seconds": ("seconds", ".2f"),
}


class TrainingProgress:
    """Callbacks for the trainer: a line each epoch (of many some 50 lines); on a terminal a bar over all batches."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.console = console
        self._every = max(1, epochs // 50)
        self._last_line = ""  # of an epoch that was left out
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
        if self._last_line:
            self.console.print(self._last_line, highlight=False)

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
        """Print a line for the epoch, or keep it in case that it is the last one."""
        shown = [name for name in COLUMNS if name in history]
        if not self._has_header:
            self.console.print("".join(f"{COLUMNS[name][0]:>12}" for name in shown), style="bold")
            self._has_header = True
        values = "".join(format(history[name][-1], COLUMNS[name][1]).rjust(12) for name in shown)
        is_best = history.best_epoch == epoch and "validation_loss" in history  # else every epoch is
        line = values + ("  best" if is_best else "")
        self._last_line = line if epoch % self._every and epoch > 1 else ""
        if not self._last_line:
            self.console.print(line, highlight=False)
