"""The results of a sweep: a bar, a line for each run, results.csv and a table."""

import csv
import io
import time
from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.table import Table

from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.progress import Bar
from fastrnn.cli.sweep.grid import SweptRun
from fastrnn.cli.tasks.task import Task


def best_run(task: Task, runs: Sequence[SweptRun]) -> SweptRun | None:
    """Return the best run by the decisive measure (the first of equals); None if there is none, or no order of runs."""
    ended = [run for run in runs if run.metrics]
    measure = decisive(task, ended)
    if not ended or measure is None or task.best is None:
        return None
    return task.best(ended, key=lambda run: run.numbers[measure])


def decisive(task: Task, runs: Sequence[SweptRun]) -> str | None:
    """Return the first of the task's measures that all these runs have."""
    return next((measure for measure in task.measures if all(measure in run.numbers for run in runs)), None)


def write_csv(runs: Sequence[SweptRun], folder: RunFolder) -> None:
    """Write results.csv, with a row for each run that has ended, in the order of the grid."""
    ended = [(run, run.numbers) for run in runs if run.error or run.metrics]
    columns = list(dict.fromkeys(name for _, numbers in ended for name in numbers))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*runs[0].swept, *columns, "error", "folder"])
    for run, numbers in ended:
        values = [numbers.get(name, "") for name in columns]
        writer.writerow([*run.swept.values(), *values, run.error, run.folder.path.name])
    folder.write("results.csv", text.getvalue().encode())


def table(task: Task, runs: Sequence[SweptRun], console: Console) -> Table:
    """Return a table of the runs with as many measures of the task as fit, and the best run marked."""
    numbers = {id(run): run.numbers for run in runs}
    shown = [name for name in (*task.measures, "epochs", "seconds") if any(name in row for row in numbers.values())]
    best = best_run(task, runs)

    def with_columns(count: int) -> Table:
        result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in (*runs[0].swept, *shown[:count]):
            result.add_column(name.replace(".", "\n"), justify="right", vertical="bottom")
        result.add_column("")
        for run in runs:
            row = numbers[id(run)]
            note = "failed" if run.error else "best" if run is best else ""
            values = [_short(row[name]) if name in row else "" for name in shown[:count]]
            style = "bold" if run is best else "red" if run.error else ""
            result.add_row(*run.swept.values(), *values, note, style=style)
        return result

    unlimited = console.options.update(max_width=10_000)
    tables = map(with_columns, range(len(shown), 0, -1))
    fitting = (one for one in tables if Measurement.get(console, unlimited, one).maximum <= console.width)
    return next(fitting, with_columns(1))


def _title(measure: str) -> str:
    return measure.replace(".", " ").replace("_", " ")


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:#.4g}".rstrip(".")


class SweepProgress(Bar):
    """A line for each run that ends and, on a terminal, a bar: number of runs done, time left, best so far."""

    def __init__(self, task: Task, runs: Sequence[SweptRun], console: Console) -> None:
        left = TextColumn("{task.fields[left]}{task.fields[best]}")
        super().__init__(console, TextColumn("runs"), BarColumn(bar_width=24), MofNCompleteColumn(), left)
        self.task, self.runs = task, runs
        self._done = self._kept = sum(bool(run.metrics) for run in runs)
        self._line = self._bar.add_task("", total=len(runs), completed=self._done, left="", best=self._best())
        self._width = max(len(run.name) for run in runs)
        self._start = self._end = time.monotonic()

    def on_end(self, run: SweptRun) -> None:
        """Print the result of a run."""
        self._done += 1
        now, left = time.monotonic(), len(self.runs) - self._done
        self._end = now + (now - self._start) / (self._done - self._kept) * left
        result = "failed" if run.error else self._measured(run)
        count = f"{self._done:{len(str(len(self.runs)))}}/{len(self.runs)}"
        line = f"{count}  {run.name:{self._width}}  {result}"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        self._bar.update(self._line, completed=self._done, best=self._best())

    def on_wait(self) -> None:
        """Count down the time left, which is known once a run has ended."""
        if self._done > self._kept:
            seconds = max(0, round(self._end - time.monotonic()))
            self._bar.update(self._line, left=f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left")

    def _best(self) -> str:
        best = best_run(self.task, self.runs)
        if best is None:
            return ""
        return f"  best {self._measured(best)} ({best.name})"

    def _measured(self, run: SweptRun) -> str:
        measure = decisive(self.task, [run])
        return "finished" if measure is None else f"{_title(measure)} {_short(run.numbers[measure])}"
