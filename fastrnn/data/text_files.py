"""Plain text files."""

import os
from pathlib import Path

from fastrnn.data.errors import DataError, check_file, reading

__all__ = ["read_text"]


def read_text(path: str | os.PathLike[str]) -> str:
    """
    Read a plain text file.

    Parameters
    ----------
    path : path-like
        The file, in UTF-8. A byte order mark is dropped.

    Returns
    -------
    str
        The text, with ``\\n`` at the end of each line.

    Raises
    ------
    DataError
        When the file cannot be read or is not text in UTF-8.
    """
    path = Path(path)
    check_file(path)
    with reading(str(path)):
        raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
        wrong = text.find("\0")  # ASCII in UTF-16 is valid UTF-8 in which every second character is NUL
        place = len(text[:wrong].encode()) if wrong >= 0 else None
    except UnicodeDecodeError as error:
        place = error.start
    if place is not None:
        line = raw.count(b"\n", 0, place) + 1
        raise DataError(f"{path}: has byte 0x{raw[place]:02x} in line {line} (byte {place}); expected text in UTF-8")
    return text.removeprefix("\ufeff").replace("\r\n", "\n")
