"""The parameters of a run, from the command line, a TOML file or the defaults of the task; and those of a sweep."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.option import Options, write_value


def defaults(options: Options) -> dict[str, Any]:
    """Return the default of each parameter; None leaves it unset."""
    return {name: option.default for name, option in options.items()}


def read_config(path: Path, task: str, options: Options) -> dict[str, Any]:
    """Return the parameters of a TOML file, completed by the defaults, and its sweep."""
    return defaults(options) | read_values(path, task, options)


def read_values(path: Path, task: str, options: Options) -> dict[str, Any]:
    """Return the parameters set in a TOML file, and its sweep; relative paths start at the file's folder."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not valid TOML: {error}") from error
    if values.pop("task", task) != task:
        raise UsageError(f"{path}: is a configuration of another task, expected task = {task!r}")
    for key, value in values.items():
        if key == "sweep":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise UsageError(f"{path}: sweep is {value!r}, expected a list such as ['hidden_size=16,32']")
            continue
        _check_name(f"{path}: {key}", key, task, options)
        options[key].check(f"{path}: {key}", value)
    if isinstance(values.get("data"), str):
        values["data"] = str((path.parent / values["data"]).resolve())
    return values


def merge(task: str, options: Options, given: Mapping[str, Any], config: Path | None) -> dict[str, Any]:
    """Return all parameters: from the command line, else from the configuration, else the defaults."""
    values = defaults(options) if config is None else read_config(config, task, options)
    return values | {name: value for name, value in given.items() if value is not None}


def read_given(options: Options, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters set on the command line, in the form of `config.toml`."""
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        if name in options and value not in (None, []):
            option = options[name]
            if name == "data":
                value = str(Path(value).resolve())
            elif option.kind is list and not option.repeated:
                value = option.read(option.spellings[0], value, ",")
            chosen[name] = value
    return chosen


def check_tensorboard(parameters: Mapping[str, Any]) -> None:
    """Refuse to write event files if TensorBoard is not installed."""
    if parameters["tensorboard"] and find_spec("tensorboard") is None:
        raise UsageError("--tensorboard needs TensorBoard: pip install tensorboard")


def _check_name(where: str, name: str, task: str, options: Options) -> None:
    if name not in options:
        raise UsageError(f"{where} is not a parameter of {task}; expected one of {', '.join(options)}")


# ---- sweeps ---------------------------------------------------------------------------------------------------------


def read_sweep(texts: Sequence[str], task: str, options: Options) -> dict[str, list[Any]]:
    """Return the values of each swept parameter, in the order given."""
    spelled = {name: option.name for option in options.values() for name in option.names}
    grid: dict[str, list[Any]] = {}
    for text in texts:
        given, equals, values = text.partition("=")
        if not equals:
            raise UsageError(f"--sweep is {text!r}, expected NAME=V1,V2,... such as hidden=16,32")
        name = given.strip().lstrip("-").replace("-", "_")
        name = name if name in options else spelled.get(name, name)
        _check_name(f"--sweep {text}: {given}", name, task, options)
        option = options[name]
        if option.kind is list and option.item is str:
            raise UsageError(f"--sweep {text}: {name} cannot be swept")
        if name in grid:
            raise UsageError(f"--sweep {text}: {name} is already swept; give all its values in one --sweep")
        grid[name] = []
        for value in values.split(","):
            parsed = option.read(f"--sweep {text}: {name}", value.strip(), "x")
            if parsed in grid[name]:
                raise UsageError(f"--sweep {text}: {value} is given twice")
            grid[name].append(parsed)
    return grid


def write_sweep(grid: Mapping[str, Sequence[Any]]) -> list[str]:
    """Write a grid in the form that `read_sweep` reads."""
    return [f"{name}={','.join(map(write_value, values))}" for name, values in grid.items()]


def write_options(options: Options, values: Mapping[str, Any]) -> list[str]:
    """Return parameters as command-line arguments."""
    return [argument for name, value in values.items() for argument in options[name].write(value)]
