"""Resume a run or a sweep: what may change, and what must stay the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.estimator import with_optimizer_defaults
from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.options.option import REOPENS, Options, write_value
from fastrnn.cli.options.parameters import check_tensorboard, read_config, read_sweep, read_values
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.training import run
from fastrnn.cli.tasks.task import Task


def resume(task: Task, path: Path, given: Mapping[str, Any], chosen: dict[str, Any]) -> None:
    """Resume the run or sweep in this folder; `given` has all options, and `chosen` the parameters among them."""
    if given["overwrite"]:
        raise UsageError(f"--overwrite starts again, but --resume {path} continues; give only one of them")
    if given["out"] is not None and given["out"].resolve() != path.resolve():
        raise UsageError(f"--out is {given['out']}, but --resume continues in {path}; leave out --out")
    folder = RunFolder.open(path)
    options = options_of(task)
    before = read_config(folder.config, task.name, options)
    asked = {} if given["config"] is None else read_values(given["config"], task.name, options)
    lines, asked_lines = before.pop("sweep", []), asked.pop("sweep", [])
    grid, asked_grid = (read_sweep(each, task.name, options) for each in (lines, given["sweep"] or asked_lines))
    if asked_grid and asked_grid != grid:
        raise UsageError(
            f"{path}: the sweep is {' '.join(lines) or 'none'}, but another one is given; resuming cannot change it"
        )
    changes = _changes(path, options, with_optimizer_defaults(task, before), asked | chosen, grid)
    check_tensorboard(before | changes)
    if grid:
        from fastrnn.cli.sweep.sweep import sweep as run_sweep

        run_sweep(task, before | changes, grid, path, given["jobs"], resumed=True)
    elif given["jobs"]:
        raise UsageError(f"--jobs is for sweeps, but {path} holds a single run")
    elif folder.is_finished(before) and not any(options[name].resumed == REOPENS for name in changes):
        print(f"The run in {path} is finished; its result is in {folder.metrics}.")
    else:
        folder.changes = changes
        run(task, before | changes, path, folder=folder)


def _changes(
    path: Path, options: Options, before: Mapping[str, Any], asked: Mapping[str, Any], grid: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the requested parameters that differ from before; refuse those that must not change."""
    swept = [name for name in asked if name in grid]
    if swept:
        raise UsageError(f"{path}: {swept[0]} is swept, so it cannot be given as an option")
    changes = {name: value for name, value in asked.items() if value is not None and value != before[name]}
    for name, value in changes.items():
        if not options[name].resumed:
            old, new = write_value(before[name]), write_value(value)
            raise UsageError(f"{path}: {name} of the run is {old}, but {new} is given; resuming cannot change it")
    return changes
