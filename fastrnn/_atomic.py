"""Change files completely or not at all, even if the process is killed or the disk is full."""

import errno
import os
import re
import secrets
from pathlib import Path


def replace_file(path: str | os.PathLike[str], *parts: bytes | memoryview) -> None:
    """
    Write `parts`, one after another, to a new file beside `path`, then move it to `path` in one step.

    An OSError names `path`.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        if target.exists() and not target.is_file():
            raise OSError(errno.EINVAL, "it is not a regular file")
        with open(temporary, "xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # POSIX only: flush the folder, so that the move survives a crash
        folder = os.open(target.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def append_file(path: str | os.PathLike[str], line: bytes) -> None:
    """
    Add a line at the end of a file: the whole line, or nothing if the disk is full.

    An OSError names `path`.
    """
    try:
        with open(path, "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            left = memoryview(line)
            try:
                while left:  # an almost full disk takes a part and refuses the rest
                    left = left[file.write(left) :]
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files that a killed `replace_file` left in a folder."""
    for file in folder.glob(".*.tmp"):
        if re.fullmatch(r"\.[0-9a-f]{16}\.tmp", file.name):
            file.unlink(missing_ok=True)
