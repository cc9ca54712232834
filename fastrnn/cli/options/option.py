"""An option of a command: the name of its parameter, its type, its help and its default."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastrnn.cli.errors import UsageError

PANELS = (MODEL := "Model", TRAINING := "Training", DATA := "Data", RUN := "Run")
CHANGES, REOPENS = "changes", "reopens"


@dataclass(frozen=True)
class Option:
    """
    A parameter of a task, and how the command line spells it.

    Attributes
    ----------
    name : str
        Name of the parameter, as in config.toml.
    kind : type
        str, int, float, bool, list (of `item`), or Path.
    help : str
        The sentence of the help text.
    default : object
        Value of the parameter where nothing sets it; None leaves it unset.
    shown : str
        The default as the help text shows it, where it is not the value itself.
    flags : tuple of str
        Spellings on the command line, as ``"--tied/--untied"``; empty for ``--name``.
    panel : str
        Panel of the help text.
    item : type
        Type of the entries of a list, int or str.
    repeated : bool
        The list is given by repeating the option.
    metavar : str or None
        What the help text shows in place of the type.
    minimum, maximum : float or None
        Limits of a number.
    resumed : str
        What a run that is resumed does with another value: refuse it (""), take it (`CHANGES`), or take it and continue
        even if it was finished (`REOPENS`).
    """

    name: str
    kind: type
    help: str
    default: Any = None
    shown: str = ""
    flags: tuple[str, ...] = ()
    panel: str = MODEL
    item: type = int
    repeated: bool = False
    metavar: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    resumed: str = ""

    @property
    def spellings(self) -> tuple[str, ...]:
        """All flags as typer takes them; the last one is the name of the parameter."""
        long = f"--{self.name.replace('_', '-')}"
        if self.kind is bool:
            return self.flags or (f"{long}/--no-{long[2:]}",)
        return self.flags if long in self.flags else (*self.flags, long)

    @property
    def names(self) -> set[str]:
        """Every name that the command line has for the parameter, without dashes in front."""
        return {flag.partition("/")[0].lstrip("-").replace("-", "_") for flag in self.spellings} | {self.name}

    @property
    def shown_default(self) -> str:
        """The default as the help text shows it; empty for none."""
        if self.shown or self.default is None:
            return self.shown
        if self.kind is bool:
            on, _, off = next(flag for flag in self.spellings if "/" in flag).partition("/")
            return (on if self.default else off).removeprefix("--")
        if self.kind is list:
            return ",".join(map(str, self.default)) or "none"
        return write_default(self.default)

    def read(self, where: str, text: str, separator: str) -> Any:
        """Return the value that a text of the command line or of a sweep stands for."""
        if not text:
            raise UsageError(f"{where} has an empty value, expected {self.kind.__name__}")
        if text == "none" and self.default is None and self.kind is not list:
            return None
        if self.kind is list:
            return self._read_list(where, text, separator)
        if self.name == "data":
            return str(Path(text).resolve())
        try:
            return {"true": True, "false": False}[text] if self.kind is bool else self.kind(text)
        except (KeyError, ValueError):
            expected = "true or false" if self.kind is bool else self.kind.__name__
            raise UsageError(f"{where} is {text!r}, expected {expected}") from None

    def _read_list(self, where: str, text: str, separator: str) -> list[Any]:
        if self.item is str:
            return [part.strip() for part in text.split(separator) if part.strip()]
        if text == "none":
            return []
        try:
            return [int(part) for part in text.split(separator)]
        except ValueError:
            expected = f"whole numbers such as 64{separator}32, or none"
            raise UsageError(f"{where} is {text!r}, expected {expected}") from None

    def check(self, where: str, value: Any) -> None:
        """Refuse a value of a configuration file that has another type."""
        kinds = (int, float) if self.kind is float else (self.kind,)
        if not isinstance(value, kinds) or isinstance(value, bool) != (self.kind is bool):
            raise UsageError(f"{where} is {value!r}, expected {self.kind.__name__}")
        if isinstance(value, list) and not all(type(entry) is self.item for entry in value):
            expected = f"whole numbers such as {self.default!r}" if self.item is int else "texts"
            raise UsageError(f"{where} is {value!r}, expected a list of {expected}")

    def write(self, value: Any) -> list[str]:
        """Return the arguments of the command that give this value."""
        if isinstance(value, bool):
            on, _, off = next(flag for flag in self.spellings if "/" in flag).partition("/")
            return [on if value else off]
        return [f"--{self.name.replace('_', '-')}", write_value(value)]


Options = Mapping[str, Option]  # by the names of the parameters


def write_default(value: Any) -> str:
    """Return a value as help texts show it."""
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def write_value(value: Any) -> str:
    """Return a value as `--sweep` reads it."""
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
