"""A sweep: a run for every point of a grid of parameters, in parallel; started again, it does the missing runs."""

import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from joblib import cpu_count
from rich.console import Console

from fastrnn._checks import counted
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.training import prepare
from fastrnn.cli.signals import Interrupted, Interrupts
from fastrnn.cli.sweep import results
from fastrnn.cli.sweep.figures import draw
from fastrnn.cli.sweep.grid import Grid, SweptRun, check_same_sweep, create_runs
from fastrnn.cli.sweep.processes import run_all
from fastrnn.cli.tasks.task import Task


def sweep(
    task: Task,
    parameters: dict[str, Any],
    grid: Grid,
    out: Path | None,
    jobs: int | None,
    *,
    overwrite: bool = False,
    resumed: bool = False,
) -> None:
    """
    Do all runs of the grid that are not finished yet, show the results, and exit with code 1 if a run failed.

    If `resumed`, earlier runs continue even if parameters that may change have new values.
    """
    console, interrupts = Console(), Interrupts()
    parameters = parameters | {"n_threads": parameters["n_threads"] or 1}  # the other CPUs are for parallel runs
    if out is not None and not overwrite and not resumed:
        check_same_sweep(task, parameters, grid, out)
    for candidate in _each_value(parameters, grid):
        prepare(task, candidate)
    threads = max(values or 1 for values in grid.get("n_threads", [parameters["n_threads"]]))
    at_most = max(1, cpu_count() // threads)
    jobs = min(jobs or at_most, at_most)

    folder, runs = create_runs(task, parameters, grid, out, overwrite=overwrite, resumed=resumed)
    missing = [run for run in runs if not run.metrics]
    console.print(f"sweep: {folder.path}", highlight=False, soft_wrap=True)
    kept = f" ({len(runs) - len(missing)} finished before)" if len(missing) < len(runs) else ""
    each = "one thread" if threads == 1 else f"{threads} threads"
    console.print(f"{counted(len(runs), 'run')}{kept}, {jobs} at a time, {each} each\n", highlight=False)
    progress = results.SweepProgress(task, runs, console)

    def on_end(run: SweptRun) -> None:
        progress.on_end(run)
        results.write_csv(runs, folder)

    results.write_csv(runs, folder)
    with interrupts.caught():
        try:
            with progress:
                run_all(task, missing, jobs, threads, interrupts, on_end, progress.on_wait)
        except Interrupted as interrupted:
            done = sum(bool(run.metrics) for run in runs)
            console.print(
                f"\nstopped by {interrupted}; {done} of {len(runs)} runs are finished, started ones are saved."
            )
            console.print("To continue:")
            again = f"fastrnn-train {task.name} --resume {quote(str(folder.path))}"
            console.print(again, highlight=False, soft_wrap=True)
            sys.exit(interrupted.code)
    _report(task, folder, runs, console)


def _each_value(parameters: dict[str, Any], grid: Grid) -> Iterator[dict[str, Any]]:
    """Yield sets of parameters that contain every value of the grid, without all combinations."""
    first = parameters | {name: values[0] for name, values in grid.items()}
    yield dict(first)
    for name, values in grid.items():
        for value in values[1:]:
            yield first | {name: value}


def _report(task: Task, folder: RunFolder, runs: list[SweptRun], console: Console) -> None:
    """Write the table and figures of all runs, and print what failed."""
    finished = [run for run in runs if run.metrics]
    if finished:
        draw(task, finished, folder)
    console.print()
    console.print(results.table(task, runs, console))
    failed = [run for run in runs if run.error]
    for run in failed:
        console.print(f"failed: {run.name}: {run.error}", style="red", highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"results in {folder.path / 'results.csv'}, figures in {folder.figures}", highlight=False, soft_wrap=True
    )
    console.print(f"sweep: {folder.path}", highlight=False, soft_wrap=True)
    if failed:
        sys.exit(1)
