"""Make the function that typer turns into a command, with a parameter for each option, sorted by panel."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli.options.option import PANELS, Option


def make_command(
    options: Iterable[Option], data_help: str, call: Callable[[Mapping[str, Any]], None], doc: str
) -> Callable[..., None]:
    """Return a function with these options, and DATA if it has a help text, that passes their values to `call`."""

    def command(**given: Any) -> None:
        call(given)

    kinds: dict[str, Any] = {}
    if data_help:
        kinds["data"] = Annotated[Path | None, typer.Argument(help=data_help, show_default=False)]
    in_order = sorted(options, key=lambda option: PANELS.index(option.panel))
    kinds |= {option.name: _annotation(option) for option in in_order}
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=False if name == "overwrite" else None, annotation=kind
            )
            for name, kind in kinds.items()
        ]
    )
    command.__doc__ = doc
    return command


def _annotation(option: Option) -> Any:
    """Return the type of an option; its value is None if not given, and the help shows its default as text."""
    kind: Any = str if option.kind is list else option.kind
    kind = list[str] if option.repeated else kind
    return Annotated[
        kind | None,
        typer.Option(
            *option.spellings,
            help=option.help,
            rich_help_panel=option.panel,
            show_default=option.shown_default or False,
            metavar=option.metavar,
            min=option.minimum,
            max=option.maximum,
        ),
    ]
