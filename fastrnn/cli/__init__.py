"""The commands. Options are parsed before anything that takes time to import."""

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
    """Run an application; what its parser refuses is one line, as all errors are, and so is a signal."""
    from fastrnn.cli.signals import Interrupted, Interrupts

    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character gets a question mark
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
                if not error.format_message():  # the help was asked for by giving nothing
                    sys.exit(error.exit_code)
                fail(error.format_message())
        except Interrupted as interrupted:  # later, where there is something to save, this is not reached
            print(f"stopped by {interrupted} before anything was written", file=sys.stderr)
            sys.exit(interrupted.code)


def _import_additions() -> None:
    """Import the modules that FASTRNN_ADDITIONS names: they may register tasks, optimizers, cells and estimators."""
    from fastrnn.cli.errors import fail

    for name in filter(None, os.environ.get("FASTRNN_ADDITIONS", "").split(",")):
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            fail(f"FASTRNN_ADDITIONS names the module {name!r}, but there is no module {error.name!r}; set PYTHONPATH")
