"""Errors about data: each names the file, the array and the place, and says what was expected."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fastrnn._typing import Array

__all__ = ["DataError", "check_file", "listing", "locate", "reading"]


class DataError(ValueError):
    """Data that cannot be used; the message names the file, the array and the row (from 0), and says what is wrong."""


@contextmanager
def reading(place: str) -> Iterator[None]:
    """
    Turn every error inside into a `DataError`: h5py and zipfile report damaged files by errors of many classes.

    Parameters
    ----------
    place : str
        What is read, such as the path of a file; the message begins with it.

    Raises
    ------
    DataError
        When anything inside fails.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = str(error.args[0] if isinstance(error, KeyError) else error).partition("\n")[0]
        raise DataError(f"{place}: cannot be read: {reason}") from error


def check_file(path: Path) -> None:
    """
    Refuse a path that is not a file.

    Parameters
    ----------
    path : Path
        The path.

    Raises
    ------
    DataError
        When there is nothing, or a folder.
    """
    if not path.is_file():
        raise DataError(f"{path}: is a folder; expected a file" if path.is_dir() else f"{path}: there is no such file")


def listing(items: Sequence[object], most: int = 10) -> str:
    """
    Return items as text, in quotes and separated by commas.

    Parameters
    ----------
    items : sequence
        The items.
    most : int
        How many are written out; the rest are only counted.

    Returns
    -------
    str
        Such as ``'a', 'b' and 3 more``; "nothing" if there are no items.
    """
    listed = ", ".join(map(repr, items[:most])) or "nothing"
    return listed if len(items) <= most else f"{listed} and {len(items) - most} more"


def locate(values: Array, flat: int | np.intp, rows: Array, axes: Sequence[str]) -> str:
    """
    Return one value of an array and its place as text.

    Parameters
    ----------
    values : ndarray (n, ...)
        Some rows of an array.
    flat : int
        The index of the value in ``values.ravel()``.
    rows : integers (n,)
        The numbers that these rows have in the whole array.
    axes : sequence of str
        The names of the axes. Further axes of `values` are not mentioned.

    Returns
    -------
    str
        Such as ``nan in row 3, column 2``.
    """
    index = np.unravel_index(flat, values.shape)
    numbers = (rows[index[0]], *index[1:])
    place = ", ".join(f"{axis} {number}" for axis, number in zip(axes, numbers, strict=False))
    return f"{values[index]} in {place}"
