"""Bad input ends with exit code 2 and one line on standard error."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class UsageError(ValueError):
    """What the user can mend; the message is one sentence."""


def fail(message: str) -> NoReturn:
    """Print one line and end with exit code 2."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn errors about the user's input into one line, and warnings too; what is our fault keeps its traceback."""
    from fastrnn.data import DataError
    from fastrnn.storage import StorageError
    from fastrnn.training import DivergenceError

    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        yield
    except (UsageError, DataError, StorageError, DivergenceError) as error:
        fail(str(error))
    except MemoryError as error:
        fail(f"this takes more memory than there is: {error}")
    except OSError as error:
        fail(in_a_line(error))


def in_a_line(error: Exception) -> str:
    """Return what an error says, with the file that it is about."""
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
