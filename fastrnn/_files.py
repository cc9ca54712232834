"""Files that are replaced as a whole, or not at all."""

import os
import secrets
from pathlib import Path


def replace_file(path: str | os.PathLike[str], *parts: bytes | memoryview) -> None:
    """Write `parts` to a new file beside `path`, then move it there in one step; raises OSError."""
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise OSError("it is not a regular file")
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # only POSIX opens a folder, to make the move durable
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
