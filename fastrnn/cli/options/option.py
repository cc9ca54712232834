"""An option of a command: name, type, help and default."""

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
    A parameter of a task, and its spelling on the command line.

    Attributes
    ----------
    name : str
        Name of the parameter, as in config.toml.
    kind : type
        str, int, float, bool, list (of `item`), or Path.
    help : str
        The sentence of the help text.
    default : object
        Value of the parameter if nothing sets it; None leaves it unset.
    shown : str
        The default in the help text, if it is not the value itself.
    flags : tuple of str
        Spellings on the command line, such as ``"--tied/--untied"``; empty for ``--name``.
    panel : str
        Panel of the help text.
    item : type
        Type of the entries of a list, int or str.
    repeated : bool
        Whether a list is given by repeating the option.
    metavar : str or None
        Shown in the help text in place of the type.
    minimum, maximum : float or None
        Limits of a number.
    resumed : str
        What a resumed run does with a new value: refuse it (""), take it (`CHANGES`), or take it and continue even if
        the run was finished (`REOPENS`).
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
        """All flags in typer's format; the last one is the name of the parameter."""
        long = f"--{self.name.replace('_', '-')}"
        if self.kind is bool:
            return self.flags or (f"{long}/--no-{long[2:]}",)
        return self.flags if long in self.flags else (*self.flags, long)

    @property
    def names(self) -> set[str]:
        """Every name of the parameter on the command line, without leading dashes."""
        return {flag.partition("/")[0].lstrip("-").replace("-", "_") for flag in self.spellings} | {self.name}

    @property
    def shown_default(self) -> str:
        """The default in the help text; empty for none."""
        if self.shown or self.default is None:
            return self.shown
        if self.kind is bool:
            on, _, off = next(flag for flag in self.spellings if "/" in flag).partition("/")
            return (on if self.default else off).removeprefix("--")
        if self.kind is list:
            return ",".join(map(str, self.default)) or "none"
        return write_default(self.default)

    def read(self, where: str, text: str, separator: str) -> Any:
        """Parse a value from the command line or from a sweep."""
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
        """Refuse a value of the wrong type in a configuration file."""
        kinds = (int, float) if self.kind is float else (self.kind,)
        if not isinstance(value, kinds) or isinstance(value, bool) != (self.kind is bool):
            raise UsageError(f"{where} is {value!r}, expected {self.kind.__name__}")
        if isinstance(value, list) and not all(type(entry) is self.item for entry in value):
            expected = f"whole numbers such as {self.default!r}" if self.item is int else "strings"
            raise UsageError(f"{where} is {value!r}, expected a list of {expected}")

    def write(self, value: Any) -> list[str]:
        """Return the command-line arguments that set this value."""
        if isinstance(value, bool):
            on, _, off = next(flag for flag in self.spellings if "/" in flag).partition("/")
            return [on if value else off]
        return [f"--{self.name.replace('_', '-')}", write_value(value)]


Options = Mapping[str, Option]  # by the name of the parameter


def write_default(value: Any) -> str:
    """Format a value for a help text."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def write_value(value: Any) -> str:
    """Format a value as `--sweep` reads it."""
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
