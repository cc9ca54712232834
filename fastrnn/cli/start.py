"""Start a task: a new run, a new sweep, or one to resume."""

from collections.abc import Mapping
from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.options.parameters import check_tensorboard, merge, read_given, read_sweep
from fastrnn.cli.tasks.task import Task


def start(task: Task, given: Mapping[str, Any]) -> None:
    """Do what the options say; an option that is not given is None (or False)."""
    options = options_of(task)
    chosen = read_given(options, given)
    out, config, overwrite, sweep, jobs = (given[name] for name in ("out", "config", "overwrite", "sweep", "jobs"))
    if given["resume"] is not None:
        from fastrnn.cli.resume import resume

        resume(task, given["resume"], given, chosen)
        return
    parameters = merge(task.name, options, chosen, config)
    configured = parameters.pop("sweep", None)
    check_tensorboard(parameters)
    if sweep or configured:
        from fastrnn.cli.sweep.sweep import sweep as run_sweep

        grid = read_sweep(sweep or configured, task.name, options)
        twice = [name for name in grid if name in chosen]
        if twice:
            raise UsageError(f"{twice[0]} is given both as an option and in --sweep; give only one of them")
        run_sweep(task, parameters, grid, out, jobs, overwrite=bool(overwrite))
    elif jobs:
        raise UsageError("--jobs is for sweeps; give --sweep NAME=V1,V2,... as well")
    else:
        from fastrnn.cli.run.training import run

        run(task, parameters, out, overwrite=bool(overwrite))
