"""What a task is to the command, and how it starts: a run, a sweep, or going on with one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastrnn.cli._errors import UsageError
from fastrnn.cli._parameters import merge, read_sweep


@dataclass(frozen=True)
class Task:
    """
    A task, by what it does.

    Attributes
    ----------
    name : str
        As on the command line.
    defaults : mapping of str to object
        The parameters; a type stands for one that is not set.
    prepare : callable
        Takes the parameters and refuses, with a UsageError, those that cannot be run; writes nothing.
    run : callable
        Takes the parameters and where the run goes; see `fastrnn.cli.classify.run`.
    measures : tuple of str
        Numbers of metrics.json, such as ``"test.accuracy"``, that the table of a sweep shows; the first that there is
        says which run is best.
    best : callable or None
        Chooses among runs by it: `max`, or `min` for a loss; None where it does not compare them.
    draw : callable, optional
        Takes the finished runs of a sweep (see `fastrnn.cli._grid.SweptRun`) and a folder, to leave figures in it.
    """

    name: str
    defaults: Mapping[str, Any]
    prepare: Callable[[dict[str, Any]], Any]
    run: Callable[..., None]
    measures: tuple[str, ...]
    best: Callable[..., Any] | None = max
    draw: Callable[[list[Any], Path], None] | None = None


def start(task: Task, given: Mapping[str, Any]) -> None:
    """Do what the options say, which are None (or False) where they are not given."""
    chosen = {name: value for name, value in given.items() if name in task.defaults and value is not None}
    out, config, overwrite, sweep, jobs = (given[name] for name in ("out", "config", "overwrite", "sweep", "jobs"))
    if given["resume"] is not None:
        from fastrnn.cli._resume import resume

        resume(task, given["resume"], given, chosen)
        return
    parameters = merge(task.name, task.defaults, chosen, config)
    configured = parameters.pop("sweep", None)
    check_watching(parameters)
    if sweep or configured:
        from fastrnn.cli._sweep import sweep as run_sweep

        grid = read_sweep(sweep or configured, task.name, task.defaults)
        twice = [name for name in grid if name in chosen]
        if twice:
            raise UsageError(f"{twice[0]} is given both as an option and in --sweep; expected one of them")
        run_sweep(task, parameters, grid, out, jobs, overwrite=overwrite)
    elif jobs:
        raise UsageError("--jobs is for sweeps; expected --sweep NAME=V1,V2,... with it")
    else:
        task.run(parameters, out, overwrite=overwrite)


def check_watching(parameters: Mapping[str, Any]) -> None:
    """Refuse what this installation cannot show."""
    if parameters["tensorboard"]:
        from fastrnn.cli._tensorboard import check_installed

        check_installed()
