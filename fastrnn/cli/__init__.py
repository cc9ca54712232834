"""The commands. Options are parsed before anything that takes time to import."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import Typer


def train() -> None:
    """Run ``fastrnn-train``."""
    from fastrnn.cli.train import app

    _run(app)


def predict() -> None:
    """Run ``fastrnn-predict``."""
    from fastrnn.cli.predict import app

    _run(app)


def _run(app: "Typer") -> None:
    """Run an application; what its parser refuses is one line, as all errors are."""
    import sys

    from typer.exceptions import TyperException

    from fastrnn.cli._errors import fail

    try:
        sys.exit(app(standalone_mode=False))
    except TyperException as error:
        if not error.format_message():  # the help was asked for by giving nothing
            sys.exit(error.exit_code)
        fail(error.format_message())
