"""The folder of a sweep, with a subfolder for the run of each point of its grid."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from shlex import quote
from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.estimator import with_optimizer_defaults
from fastrnn.cli.options.of_run import WATCHED
from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.options.option import REOPENS, write_value
from fastrnn.cli.options.parameters import read_config, read_sweep, write_sweep
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.tasks.task import Task

Grid = Mapping[str, list[Any]]


@dataclass
class SweptRun:
    """
    A run of a sweep.

    Attributes
    ----------
    parameters : dict
        All of its parameters.
    swept : dict of str to str
        The parameters that the sweep varies, written as on the command line.
    folder : RunFolder
        The folder of its files.
    changes : dict
        The parameters that are new, if an earlier run continues with them.
    metrics : dict
        Its result; empty until it is finished.
    error : str
        Why it failed; empty if it did not.
    """

    parameters: dict[str, Any]
    swept: dict[str, str]
    folder: RunFolder
    changes: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def name(self) -> str:
        """The swept parameters in one line."""
        return " ".join(f"{name}={value}" for name, value in self.swept.items())

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers of the result by dotted name, such as ``test.accuracy``; never the name of a swept parameter."""
        return {f"metrics.{k}" if k in self.swept else k: value for k, value in _flatten(self.metrics).items()}

    def collect(self) -> None:
        """Read the result, if there is one."""
        if self.folder.is_finished(self.parameters):
            self.metrics = self.folder.read_metrics()


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            numbers |= _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            numbers[prefix + name] = value
    return numbers


def points(grid: Grid) -> list[dict[str, Any]]:
    """Return the points of the grid; the last parameter changes fastest."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def create_runs(
    task: Task, parameters: dict[str, Any], grid: Grid, out: Path | None, *, overwrite: bool, resumed: bool = False
) -> tuple[RunFolder, list[SweptRun]]:
    """Make or reopen the folder, with a run for every point: an earlier one with the same parameters, or a new one."""
    known: list[Known] = []
    options = options_of(task)
    if out is not None and RunFolder(out).config.is_file() and not overwrite:
        folder = RunFolder.open(out)
        known += [
            (read_config(config, task.name, options), RunFolder.open(config.parent))
            for config in sorted(out.glob("*/config.toml"))
        ]
    else:
        folder = RunFolder.create(f"{task.name}-sweep", out, overwrite=overwrite)
    fixed = {name: value for name, value in parameters.items() if name not in grid}
    folder.write_config(task.name, fixed | {"sweep": write_sweep(grid)})

    watched = [option.name for option in WATCHED]
    may_change = [name for name in fixed if name in watched or (resumed and options[name].resumed)]
    runs, taken = [], {run.path for _, run in known}
    for point in points(grid):
        values = parameters | point
        swept = {name: write_value(value) for name, value in point.items()}
        path = folder.path / ",".join(f"{name}={_readable(value)}" for name, value in swept.items())
        before, run = _find(known, values, may_change, path)
        if run is None:
            path = _free(path, taken)
            taken.add(path)
            run = RunFolder.create(task.name, path, overwrite=overwrite)
            run.write_config(task.name, values)
        changes = {name: values[name] for name in may_change if before and before[name] != values[name]}
        runs.append(SweptRun(values, swept, run, changes))
        if not any(options[name].resumed == REOPENS for name in changes):
            runs[-1].collect()
    return folder, runs


Known = tuple[dict[str, Any], RunFolder]


def _find(known: list[Known], values: dict[str, Any], may_change: list[str], path: Path) -> Known | tuple[None, None]:
    """Return the run with these values, or with other values of `may_change`, preferably the one at the path."""
    fixed = {name: value for name, value in values.items() if name not in may_change}
    found = [one for one in known if fixed.items() <= one[0].items()]
    return max(found, key=lambda one: (one[0] == values, one[1].path == path), default=(None, None))


def check_same_sweep(task: Task, parameters: Mapping[str, Any], grid: Grid, out: Path) -> None:
    """Refuse a folder whose runs have other values of parameters that are not and were not swept."""
    config = RunFolder(out).config
    if not config.is_file():
        return
    before = with_optimizer_defaults(task, read_config(config, task.name, options_of(task)))
    if "sweep" not in before:
        raise UsageError(f"{out}: holds a single run, not a sweep; give another --out")
    swept = {*grid, *read_sweep(before["sweep"], task.name, options_of(task))}
    for name, value in with_optimizer_defaults(task, parameters).items():
        if name not in swept and name not in [option.name for option in WATCHED] and value != before[name]:
            old, new = write_value(before[name]), write_value(value)
            raise UsageError(
                f"{out}: its runs have {name} {old}, but {new} is given; give another --out, --overwrite, "
                f"or --resume {quote(str(out))}"
            )


def _readable(value: str) -> str:
    """Return a value as part of a file name: the last part of a path, without characters special to shells."""
    return re.sub(r"[^\w.+-]+", "-", value.rsplit("/", 1)[-1])


def _free(path: Path, taken: set[Path]) -> Path:
    """Return the path, with a number appended if another run has it."""
    candidate, n = path, 1
    while candidate in taken:
        n += 1
        candidate = path.with_name(f"{path.name}-{n}")
    return candidate
