"""Options derived from an estimator: its parameters, and the fields of the optimizers that it may use.

Only this module knows both the short names of the command and the names in Python. The type, default and description
of a parameter come from its class.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fastrnn._docstrings import first_sentence
from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.option import CHANGES, DATA, MODEL, REOPENS, RUN, TRAINING, Option, write_default
from fastrnn.cli.options.source import Parameter, Source, read_class, read_registry

FLAGS = {
    "hidden_size": ("--hidden",),
    "validation_fraction": ("--validation",),
    "clip_norm": ("--clip",),
    "random_state": ("--seed",),
    "n_threads": ("--threads",),
    "bidirectional": ("--bidirectional/--one-direction",),
    "tied": ("--tied/--untied",),
    "stateful": ("--stateful/--windowed",),
    "difference": ("--difference/--level",),
    "reverse": ("--reverse/--forward",),
    "standardize": ("--standardize/--raw",),
    "return_sequences": ("--many-to-many", "--return-sequences/--many-to-one"),
}
RENAMED = {"form": "momentum_form"}  # optimizer fields whose names would be unclear as options
PANEL = {
    TRAINING: (
        "epochs", "batch_size", "optimizer", "solver", "learning_rate", "momentum", "schedule", "clip_norm",
        "validation_fraction", "patience", "class_weight", "memory_limit",
    ),
    DATA: ("standardize", "vocabulary_size"),
    RUN: ("random_state", "n_threads"),
}  # fmt: skip
REGISTRIES = {  # by the names that types in docstrings have for them
    "CELLS": (("fastrnn.cells", "ALIASES"), ("fastrnn.cells", "CELLS")),
    "OPTIMIZERS": (("fastrnn.optimizers", "OPTIMIZERS"),),
    "SCHEDULES": (("fastrnn.schedules", "SCHEDULES"),),
}
NOT_OF_THE_COMMAND = ("verbose", "warm_start")  # a run shows its progress, and --resume continues it
ZERO_IS_NONE = ("validation_fraction", "patience", "clip_norm")  # 0 is None: the command can switch them off
RESUMED = {"epochs": REOPENS, "patience": REOPENS, "n_threads": CHANGES, "memory_limit": CHANGES}
OF_THE_COMMAND = {"random_state": 0}  # so that a run can be repeated; in Python it is None, as in scikit-learn
SHOWN = {"n_threads": "chosen by the size of the problem"}


def options_of_estimator(path: str) -> Iterator[Option]:
    """Yield an option for each parameter of an estimator (given the path of its class) and of its optimizers."""
    source = read_class(path)
    for parameter in source.parameters.values():
        if parameter.kind is not None and parameter.name not in NOT_OF_THE_COMMAND:
            option = _option(parameter, parameter.kind, _panel(parameter.name), FLAGS.get(parameter.name, ()))
            if option.name == "learning_rate":
                option = replace(option, shown=shown_by_optimizer(source, "learning_rate"))
            yield option
            if option.name == "optimizer":
                yield from options_of_optimizers(source)


def _option(parameter: Parameter, kind: type, panel: str, flags: tuple[str, ...]) -> Option:
    name, default = parameter.name, OF_THE_COMMAND.get(parameter.name, parameter.default)
    if default is None and name in ZERO_IS_NONE:
        default = kind(0)
    elif default is None and kind is str:
        default = "none"
    elif kind is list:
        default = list(default or ())
    text = _as_on_the_command_line(first_sentence(parameter.entry.text), parameter)
    names = _choices(parameter.entry.type)
    if names:
        names += ["none"] if parameter.entry.type.endswith("None") else []
        what = re.sub(r"[;,] none [^.;]*", "", text).rstrip(".")
        text = f"{what}: {', '.join(names[:-1])} or {names[-1]}."
    return Option(name, kind, text, default, SHOWN.get(name, ""), flags, panel, resumed=RESUMED.get(name, ""))


def _choices(type: str) -> list[str]:
    """Return the names that the type of a parameter lists, as in ``{"lbfgs"} or {OPTIMIZERS}``."""
    names: list[str] = []
    for listed in re.findall(r"\{(.*?)\}", type):
        for module, registry in REGISTRIES.get(listed, ()):
            names += read_registry(module, registry)
        names += re.findall(r'"(.*?)"', listed)
    return names


def _as_on_the_command_line(text: str, parameter: Parameter) -> str:
    """Return a sentence with 0 or none in place of Python's None; what only Python's None does is left out."""
    if parameter.name in ZERO_IS_NONE:
        return text.replace("None or 0", "0").replace("None", "0")
    return text.replace("None", "none") if parameter.kind is str else re.sub(r"[;,] None [^.;]*", "", text)


def _panel(name: str) -> str:
    return next((panel for panel, names in PANEL.items() if name in names), MODEL)


# ---- optimizers -----------------------------------------------------------------------------------------------------


def fields_of_optimizers() -> dict[str, Mapping[str, Parameter]]:
    """Return the fields of each optimizer of `fastrnn.optimizers.OPTIMIZERS`, by its name and their own."""
    return {
        name: read_class(path).parameters
        for name, path in read_registry("fastrnn.optimizers", "OPTIMIZERS").items()
        if path
    }


def options_of_optimizers(source: Source) -> Iterator[Option]:
    """Yield an option for each optimizer field except the learning rate, which is an option of the estimator."""
    fields: dict[str, dict[str, Parameter]] = {}  # by option and optimizer
    for optimizer, own in fields_of_optimizers().items():
        for name, parameter in own.items():
            option = RENAMED.get(name, name)
            if option in source.parameters and name != "learning_rate":
                raise UsageError(f"the optimizer {optimizer!r} has a field {name!r}, but the estimator has one too")
            if name != "learning_rate" and parameter.kind is not None:
                fields.setdefault(option, {})[optimizer] = parameter
    for option, known in fields.items():
        texts: dict[str, list[str]] = {}
        for optimizer, parameter in known.items():
            text = first_sentence(parameter.entry.text).rstrip(".") or f"Field {option} of the optimizer"
            texts.setdefault(text, []).append(optimizer)
        help = "; ".join(f"{text} (with {' or '.join(names)})" for text, names in texts.items())
        kind = next(iter(known.values())).kind or str
        yield Option(option, kind, f"{help}.", shown=shown_by_optimizer(source, option), panel=TRAINING)


def shown_by_optimizer(source: Source, option: str) -> str:
    """Return the default of a field for each optimizer, such as ``0.001 with adam, 0.1 with sgd``."""
    shown: dict[str, list[str]] = {}
    for optimizer, fields in fields_of_optimizers().items():
        value = defaults_of(source, optimizer, fields).get(option)
        if value is not None:
            shown.setdefault(write_default(value), []).append(optimizer)
    return ", ".join(f"{value} with {' or '.join(names)}" for value, names in shown.items())


def defaults_of(source: Source, optimizer: str, fields: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the defaults of an optimizer's fields for the estimator with this source."""
    own = {name: parameter.default for name, parameter in fields.items()}
    call = source.calls.get("_optimizers", {}).get(optimizer)
    if call is not None:
        _, arguments, keywords = call
        own |= dict(zip(fields, arguments, strict=False)) | keywords
    return {RENAMED.get(name, name): value for name, value in own.items()}
