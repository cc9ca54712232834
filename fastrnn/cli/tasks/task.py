"""What a task is to the command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
        Takes the parameters and where the run goes; see `fastrnn.cli.tasks.classify.command.run`.
    measures : tuple of str
        Numbers of metrics.json, such as ``"test.accuracy"``, that the table of a sweep shows; the first that there is
        says which run is best.
    best : callable or None
        Chooses among runs by it: `max`, or `min` for a loss; None where it does not compare them.
    draw : callable, optional
        Takes the finished runs of a sweep (see `fastrnn.cli.sweep.grid.SweptRun`) and a folder, to leave figures in it.
    """

    name: str
    defaults: Mapping[str, Any]
    prepare: Callable[[dict[str, Any]], Any]
    run: Callable[..., None]
    measures: tuple[str, ...]
    best: Callable[..., Any] | None = max
    draw: Callable[[list[Any], Path], None] | None = None
