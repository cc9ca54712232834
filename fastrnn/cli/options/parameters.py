"""The parameters of a run: from the command line, a TOML file, or the defaults of the task, and those of a sweep."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.options import LONG, OFF

WATCHED: dict[str, Any] = {"checkpoint_minutes": 5.0, "tensorboard": False}  # how a run is saved and shown
MAY_CHANGE = ("epochs", "patience", "n_threads", "memory_limit", "stream", "context", *WATCHED)  # when a run goes on
REOPENING = ("epochs", "patience", "context", "tensorboard")  # those of them for which a finished one does


def read_config(path: Path, task: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a TOML file, else the defaults, and its sweep."""
    return unset(defaults) | read_values(path, task, defaults)


def read_values(path: Path, task: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a TOML file sets, and its sweep; paths in it count from its folder."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}") from error
    if values.pop("task", task) != task:
        raise UsageError(f"{path}: is the configuration of another task, expected {task!r}")
    for key, value in values.items():
        if key == "sweep":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise UsageError(f"{path}: sweep is {value!r}, expected a list such as ['hidden_size=16,32']")
            continue
        _check_name(f"{path}: {key}", key, task, defaults)
        _check_kind(f"{path}: {key}", value, defaults[key])
    if isinstance(values.get("data"), str):
        values["data"] = str((path.parent / values["data"]).resolve())
    return values


def unset(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults, with None for those that are only a type."""
    return {name: None if isinstance(value, type) else value for name, value in defaults.items()}


def _check_name(where: str, name: str, task: str, defaults: Mapping[str, Any]) -> None:
    if name not in defaults:
        raise UsageError(f"{where} is no parameter of {task}; expected one of {', '.join(defaults)}")


def _kind(default: Any) -> type:
    """Return the type of a parameter; a default that is a type is a parameter not set."""
    return default if isinstance(default, type) else type(default)


def _check_kind(name: str, value: Any, default: Any) -> None:
    """Refuse a value of another kind than the default."""
    kind = _kind(default)
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or isinstance(value, bool) != (kind is bool):
        raise UsageError(f"{name} is {value!r}, expected {kind.__name__}")
    if isinstance(value, list):
        item, expected = (int, f"whole numbers such as {default!r}") if default else (str, "texts")
        if not all(type(entry) is item for entry in value):
            raise UsageError(f"{name} is {value!r}, expected a list of {expected}")


def merge(task: str, defaults: Mapping[str, Any], given: Mapping[str, Any], config: Path | None) -> dict[str, Any]:
    """Return all parameters: of the command line, else of the configuration, else the defaults."""
    values = unset(defaults) if config is None else read_config(config, task, defaults)
    return values | {name: value for name, value in given.items() if value is not None}


def widths(text: str | None, name: str = "--head", separator: str = ",") -> list[int] | None:
    """Return the numbers of ``64,32``; ``none`` is no number."""
    if text is None:
        return None
    if text in ("", "none"):
        return []
    try:
        return [int(part) for part in text.split(separator)]
    except ValueError:
        expected = f"whole numbers such as 64{separator}32, or none"
        raise UsageError(f"{name} is {text!r}, expected {expected}") from None


def split_names(text: str | None) -> list[str] | None:
    """Return the parts of ``price,volume``."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def check_tensorboard(parameters: Mapping[str, Any]) -> None:
    """Refuse to write event files where TensorBoard is not installed."""
    if parameters["tensorboard"] and find_spec("tensorboard") is None:
        raise UsageError("--tensorboard needs TensorBoard: pip install tensorboard")


# ---- sweeps ---------------------------------------------------------------------------------------------------------


def read_sweep(texts: Sequence[str], task: str, defaults: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the values of each parameter that is swept, in the order given."""
    grid: dict[str, list[Any]] = {}
    for text in texts:
        given, equals, values = text.partition("=")
        if not equals:
            raise UsageError(f"--sweep is {text!r}, expected NAME=V1,V2,... such as hidden=16,32")
        name = given.strip().lstrip("-").replace("-", "_")
        name = name if name in defaults else LONG.get(name, name)
        _check_name(f"--sweep {text}: {given}", name, task, defaults)
        if defaults[name] == []:
            raise UsageError(f"--sweep {text}: {name} cannot be swept")
        if name in grid:
            raise UsageError(f"--sweep {text}: {name} is swept already; give all its values in one --sweep")
        grid[name] = []
        for value in values.split(","):
            parsed = _read_value(f"--sweep {text}: {name}", name, value.strip(), defaults[name])
            if parsed in grid[name]:
                raise UsageError(f"--sweep {text}: {value} comes twice")
            grid[name].append(parsed)
    return grid


def _read_value(where: str, name: str, text: str, default: Any) -> Any:
    """Return a value of a sweep, of the type of the default."""
    kind = _kind(default)
    if not text:
        raise UsageError(f"{where} has an empty value, expected {kind.__name__}")
    if text == "none" and isinstance(default, type):
        return None
    if kind is list:
        return widths(text, where, "x")
    if name == "data":
        return str(Path(text).resolve())
    try:
        return {"true": True, "false": False}[text] if kind is bool else kind(text)
    except (KeyError, ValueError):
        expected = "true or false" if kind is bool else kind.__name__
        raise UsageError(f"{where} is {text!r}, expected {expected}") from None


def write_value(value: Any) -> str:
    """Return a value as `--sweep` reads it."""
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def write_options(values: Mapping[str, Any]) -> list[str]:
    """Return parameters as arguments of the command."""
    arguments = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            arguments.append(option if value else OFF[name])
        else:
            arguments += [option, write_value(value)]
    return arguments
