"""A sweep: the task's run for every point of a grid of parameters, in parallel; done again it does what is missing."""

import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from joblib import cpu_count
from rich.console import Console

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
    Do all runs of the grid that are not finished in the folder, show them, and exit with 1 if one has failed.

    One that is `resumed` takes the runs that it has also where parameters that may change have changed.
    """
    console, interrupts = Console(), Interrupts()
    parameters = parameters | {"n_threads": parameters["n_threads"] or 1}  # CPUs are for the runs beside
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
    console.print(f"{len(runs)} runs{kept}, {jobs} at a time, {each} each\n", highlight=False)
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
                f"\nstopped by {interrupted}; {done} of {len(runs)} runs are finished, those begun are saved."
            )
            console.print("To go on:")
            again = f"fastrnn-train {task.name} --resume {quote(str(folder.path))}"
            console.print(again, highlight=False, soft_wrap=True)
            sys.exit(interrupted.code)
    _report(task, folder, runs, console)


def _each_value(parameters: dict[str, Any], grid: Grid) -> Iterator[dict[str, Any]]:
    """Give every value of the grid once, in as few sets of parameters as there are values: not all points."""
    first = parameters | {name: values[0] for name, values in grid.items()}
    yield dict(first)
    for name, values in grid.items():
        for value in values[1:]:
            yield first | {name: value}


def _report(task: Task, folder: RunFolder, runs: list[SweptRun], console: Console) -> None:
    """Leave table and figures of all runs, and say what failed."""
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
