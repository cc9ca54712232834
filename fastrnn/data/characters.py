"""Texts as sequences of characters: parallel streams of a long one, or windows of it."""

import os
import re
from pathlib import Path

import numpy as np

from fastrnn.data._files import DataError, reading

__all__ = ["manual", "read_text", "streams_of", "windows_of"]


def read_text(path: str | os.PathLike[str]) -> str:
    """
    Read a plain text file.

    Parameters
    ----------
    path : path-like
        The file, in UTF-8; a byte order mark is left out.

    Returns
    -------
    str
        The text, with its ends of lines as ``\\n``.

    Raises
    ------
    DataError
        When the file cannot be read, or is not text in UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: is a folder; expected a file" if path.is_dir() else f"{path}: there is no such file")
    with reading(str(path)):
        raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
        wrong = text.find("\0")  # UTF-16 of ASCII is UTF-8 to Python, every second character of it this one
        place = len(text[:wrong].encode()) if wrong >= 0 else None
    except UnicodeDecodeError as error:
        place = error.start
    if place is not None:
        line = raw.count(b"\n", 0, place) + 1
        raise DataError(f"{path}: has byte 0x{raw[place]:02x} in line {line} (byte {place}); expected text in UTF-8")
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def pages() -> list[str]:
    """Return the pages of Python's own manual of its language, `pydoc_data.topics` of the standard library."""
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise DataError("this Python comes without pydoc_data.topics; expected a text of one's own") from error
    return list(topics.values())


def manual() -> str:
    """
    Return Python's own manual of its language, `pydoc_data.topics` of the standard library, as a text.

    Paragraphs that have been there before are left out: pages contain each other, and what is held out of training must
    not be in it. Some 400,000 characters are left; they are not the same in every version of Python.

    Returns
    -------
    str
        The text.

    Raises
    ------
    DataError
        When this Python comes without the module.
    """
    paragraphs = re.split(r"\n\s*?\n", "\n\n".join(page.strip("\n") for page in pages()))
    return "\n\n".join(dict.fromkeys(paragraphs)) + "\n"


def streams_of(symbols: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Cut a long sequence into parallel ones, each with what comes next at each step.

    Parameters
    ----------
    symbols : integers (T,)
        The sequence, of two symbols or more.
    n : int
        How many; at most T - 1.

    Returns
    -------
    x : integers (n, L)
        One after another; the last one is filled up with zeros.
    y : integers (n, L)
        The symbol that follows each, -1 where there is none.
    """
    steps = len(symbols) - 1
    n = min(n, steps)
    L = -(-steps // n)
    x, y = np.zeros(n * L, symbols.dtype), np.full(n * L, -1, np.result_type(symbols.dtype, np.int8))
    x[:steps], y[:steps] = symbols[:-1], symbols[1:]
    return x.reshape(n, L), y.reshape(n, L)


def windows_of(symbols: np.ndarray, window: int, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """
    Take windows of a long sequence, each with the symbol after it.

    Parameters
    ----------
    symbols : integers (T,)
        The sequence, longer than a window.
    window : int
        Symbols in a window.
    step : int
        From the beginning of one to that of the next.

    Returns
    -------
    x : integers (N, window)
        The windows, a view.
    y : integers (N,)
        The symbol after each.
    """
    x = np.lib.stride_tricks.sliding_window_view(symbols[:-1], window)[::step]
    return x, symbols[window::step]
