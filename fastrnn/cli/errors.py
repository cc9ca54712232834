"""Errors in the input: one line on standard error, and exit code 2."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class UsageError(ValueError):
    """An error that the user can correct; the message is one sentence."""


def fail(message: str) -> NoReturn:
    """Print an error in one line, and exit with code 2."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Report errors in the user's input, and warnings, in one line; bugs keep their traceback."""
    from fastrnn.data import DataError
    from fastrnn.storage import StorageError
    from fastrnn.training import DivergenceError

    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        yield
    except (UsageError, DataError, StorageError, DivergenceError) as error:
        fail(str(error))
    except MemoryError as error:
        fail(f"out of memory: {error}")
    except OSError as error:
        fail(in_a_line(error))


def in_a_line(error: Exception) -> str:
    """Return the message of an error, with the name of the file concerned."""
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
