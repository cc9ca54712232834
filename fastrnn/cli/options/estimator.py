"""Make an estimator from the parameters of the command."""

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.of_estimator import (
    NOT_OF_THE_COMMAND,
    RENAMED,
    ZERO_IS_NONE,
    defaults_of,
    fields_of_optimizers,
)
from fastrnn.cli.options.source import read_class
from fastrnn.cli.tasks.task import Task


def make_estimator(task: Task, parameters: dict[str, Any], **more: Any) -> Any:
    """
    Return the estimator of a task with these parameters, and `more` that the command does not have.

    Defaults that depend on the optimizer are added to `parameters`, so that config.toml has them.
    """
    module, _, name = task.estimator.rpartition(".")
    kind = getattr(import_module(module), name)
    values = {}
    for own in read_class(task.estimator).parameters:
        if own in parameters and own not in (*NOT_OF_THE_COMMAND, *task.left_out):
            value = parameters[own]
            value = None if value == "none" or (own in ZERO_IS_NONE and not value) else value
            values[own] = tuple(value) if isinstance(value, list) else value
    if "optimizer" in values:
        values |= _optimizer(kind, parameters)
    return kind(**values | more)


def _optimizer(kind: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return optimizer and learning rate; a name where the other fields are the defaults of its class."""
    from fastrnn.optimizers import OPTIMIZERS, get_optimizer

    name, rate = parameters["optimizer"], parameters["learning_rate"]
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer is {name!r}, expected one of {', '.join(map(repr, OPTIMIZERS))}")
    default = kind(optimizer=name, learning_rate=rate)._make_optimizer()
    own = {RENAMED.get(field.name, field.name): field.name for field in fields(default) if field.init}
    _refuse_others(name, own, parameters)
    chosen = {field: parameters[option] for option, field in own.items() if parameters.get(option) is not None}
    optimizer = type(default)(**{field: chosen.get(field, getattr(default, field)) for field in own.values()})
    parameters.update({option: getattr(optimizer, field) for option, field in own.items()})
    is_plain = optimizer == get_optimizer(name, optimizer.learning_rate)
    return {"optimizer": name if is_plain else optimizer, "learning_rate": optimizer.learning_rate}


def _refuse_others(name: str, own: Mapping[str, str], parameters: Mapping[str, Any]) -> None:
    """Refuse options of another optimizer unless they have their defaults, which files of version 0.1.0 contain."""
    for other, known in fields_of_optimizers().items():
        for field, parameter in known.items():
            option = RENAMED.get(field, field)
            value = parameters.get(option)
            if option not in own and value not in (None, parameter.default):
                raise UsageError(
                    f"{option} is {value}, but the optimizer {name} does not use it; leave it out, or use {other}"
                )


def with_optimizer_defaults(task: Task, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with the defaults of the fields of their optimizer where these are not set.

    So runs can be compared: before they begin, and those of version 0.1.0, the fields are not all set.
    """
    optimizer = parameters.get("optimizer")
    fields = fields_of_optimizers().get(str(optimizer))
    if fields is None:
        return dict(parameters)
    known = defaults_of(read_class(task.estimator), str(optimizer), fields)
    unset = {name: value for name, value in known.items() if parameters.get(name, value) is None}
    return {**parameters, **unset}


def knowing(fitting: Any, **arrays: Any) -> Any:
    """Add the fingerprints of other data, such as a test set, to a fitting: a resumed run needs the same data."""
    from fastrnn.data.fingerprint import fingerprint

    others = {name.replace("_", " "): fingerprint(array) for name, array in arrays.items()}
    return fitting._replace(known={**fitting.known, **others})
