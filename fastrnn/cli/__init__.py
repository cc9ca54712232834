"""The commands. Options are parsed before slow imports, so that help and errors appear at once."""

import os
import sys
from importlib import import_module
from io import TextIOWrapper


def train() -> None:
    """Run ``fastrnn-train``."""
    _run("fastrnn.cli.train")


def predict() -> None:
    """Run ``fastrnn-predict``."""
    _run("fastrnn.cli.predict")


def generate() -> None:
    """Run ``fastrnn-generate``."""
    _run("fastrnn.cli.generate")


def _run(module: str) -> None:
    """Run a command; report errors of its parser, and signals, in one line."""
    from fastrnn.cli.signals import Interrupted, Interrupts

    for stream in (sys.stdout, sys.stderr):  # print ? for a character that the terminal lacks
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    with Interrupts().caught():
        try:
            from typer.exceptions import TyperException

            from fastrnn.cli.errors import fail

            _import_additions()
            try:
                sys.exit(import_module(module).app(standalone_mode=False))
            except TyperException as error:
                if not error.format_message():  # called without arguments, which shows the help
                    sys.exit(error.exit_code)
                fail(error.format_message())
        except Interrupted as interrupted:  # once there is something to save, the run itself handles signals
            print(f"stopped by {interrupted} before anything was written", file=sys.stderr)
            sys.exit(interrupted.code)


def _import_additions() -> None:
    """Import the modules that FASTRNN_ADDITIONS names: they may register tasks, optimizers, cells and estimators."""
    from fastrnn.cli.errors import fail

    for name in filter(None, map(str.strip, os.environ.get("FASTRNN_ADDITIONS", "").split(","))):
        try:
            import_module(name)
        except ImportError as error:
            fail(f"FASTRNN_ADDITIONS: the module {name!r} cannot be imported: {error}")
