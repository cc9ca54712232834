"""Time series from CSV, HDF5, npz and npy files. They are checked as they are loaded."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from fastrnn.data.array_files import ArrayFile
from fastrnn.data.checks import check_real
from fastrnn.data.errors import DataError, check_file, listing, reading

__all__ = ["SeriesSet", "load_series", "sample_series"]

_TIMES = ("", "time", "date", "datetime", "timestamp")  # names of columns that are not channels


@dataclass(frozen=True)
class SeriesSet:
    """
    One or several series with the same channels.

    Attributes
    ----------
    values : list of ndarray (T, C)
        The S series, finite float64; each may have its own T.
    names : list of str (S,)
        Their names in the file. A single series has the name of the file or of the array.
    columns : list of str (C,)
        The names of the channels. Channels of arrays are called by their numbers, a single one "value".
    """

    values: list[np.ndarray]
    names: list[str]
    columns: list[str]


def load_series(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] = (),
    time_column: str | None = None,
    series_column: str | None = None,
    key: str | None = None,
) -> SeriesSet:
    """
    Load one or several series from a CSV, HDF5 (``.h5``, ``.hdf5``), ``.npz`` or ``.npy`` file.

    A CSV file (``.csv``, ``.tsv``, ``.txt``; commas, semicolons or tabs) has the names of its columns in the first
    line, and a row for each step. A column called time, date, datetime or timestamp, or without a name, is not a
    channel. If there is exactly one such column, and it holds only numbers or only ISO 8601 dates, they must increase.

    An array is (T,), (T, C) or, for several series, (S, T, C). A file with several arrays (T,) or (T, C) has several
    series.

    Parameters
    ----------
    path : path-like
        The file.
    columns : sequence of str
        The channels to load, in this order; empty for all.
    time_column : str, optional
        The column of times, if it has another name. Only for CSV files.
    series_column : str, optional
        The column that tells to which series a row belongs. Only for CSV files.
    key : str, optional
        The array to load; None loads all. Not for CSV files.

    Returns
    -------
    SeriesSet
        The series.

    Raises
    ------
    DataError
        When the file cannot be read, a column or array is missing, or a value is missing or is not a finite number.
    """
    path = Path(path)
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        if key is not None:
            raise DataError(f"{path}: is a CSV file, which has no array {key!r}; leave out the key")
        return _load_csv(path, columns, time_column, series_column)
    for name in (time_column, series_column):
        if name is not None:
            raise DataError(
                f"{path}: has no column {name!r}, because columns of arrays have no names; expected a CSV file"
            )
    return _load_arrays(path, columns, key)


def sample_series(T: int = 2016, seed: int = 0) -> SeriesSet:
    """
    Generate an hourly series by a formula: a trend, a daily wave, a weaker weekly wave, and noise.

    It is ``100 + t / 100 + 10 sin(2 pi t / 24) + 5 sin(2 pi t / 168) + e`` with normal noise e of standard deviation 2.

    Parameters
    ----------
    T : int
        Number of steps; the default is twelve weeks.
    seed : int
        Seed of the noise.

    Returns
    -------
    SeriesSet
        One series "sample" (T, 1) with the channel "value".
    """
    t = np.arange(T)
    waves = 10 * np.sin(2 * np.pi * t / 24) + 5 * np.sin(2 * np.pi * t / 168)
    values = 100 + t / 100 + waves + 2 * np.random.default_rng(seed).normal(size=T)
    return SeriesSet([values[:, None]], ["sample"], ["value"])


# ---- CSV ------------------------------------------------------------------------------------------------------------


def _load_csv(path: Path, columns: Sequence[str], time_column: str | None, series_column: str | None) -> SeriesSet:
    check_file(path)
    with reading(f"{path}"):
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
        rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    if len(rows) < 2:
        raise DataError(f"{path}: has {len(rows) or 'no'} line with values; expected a line of column names, then rows")
    header = [name.strip() for name in rows[0][1]]
    if all(map(_is_number, header)):
        raise DataError(f"{path}: line 1 holds numbers; expected the names of the columns")
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise DataError(f"{path}: two columns are called {twice[0]!r}; expected every name once")
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            expected = f"{len(header)}, one for each column"
            raise DataError(f"{path}: line {line} has {len(cells)} values; expected {expected}")
    for name in (*columns, time_column, series_column):
        if name is not None and name not in header:
            raise DataError(f"{path}: has no column {name!r}; it has {listing(header)}")
    times = [name for name in header if name.lower() in _TIMES] if time_column is None else [time_column]
    chosen = list(columns) or [name for name in header if name not in (*times, series_column)]
    if not chosen:
        raise DataError(f"{path}: has only the columns {listing(header)}; expected at least one column of values")

    by_name = dict(zip(header, zip(*(row for _, row in rows[1:]), strict=True), strict=True))
    lines = np.array([line for line, _ in rows[1:]])
    values = np.column_stack([_numbers(path, name, by_name[name], lines) for name in chosen])
    groups: dict[str, list[int]] = {}
    if series_column is None:
        groups[path.stem] = list(range(len(values)))
    else:
        for row, label in enumerate(by_name[series_column]):
            groups.setdefault(label.strip(), []).append(row)
    for members in groups.values():
        if len(times) == 1:
            _check_order(path, times[0], [by_name[times[0]][row].strip() for row in members], lines[members])
    return SeriesSet([values[members] for members in groups.values()], list(groups), chosen)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path, name: str, texts: Sequence[str], lines: np.ndarray) -> np.ndarray:
    """Return a column as numbers."""
    try:
        values = np.array(texts, np.str_).astype(np.float64)
        wrong = np.flatnonzero(~np.isfinite(values))
    except ValueError:
        wrong = np.array([row for row, text in enumerate(texts) if not _is_number(text)])
    if len(wrong):
        text = texts[wrong[0]].strip()
        problem = repr(text) if text else "empty"
        hint = "" if not text or _is_number(text) else ", or name the channels, the time column or the series column"
        raise DataError(f"{path}: line {lines[wrong[0]]}, column {name!r} is {problem}; expected a finite number{hint}")
    return values


def _check_order(path: Path, name: str, texts: list[str], lines: np.ndarray) -> None:
    """Refuse times that do not increase, if they are numbers or dates that can be compared."""
    times: list[float] | list[datetime]
    try:
        times = [float(text) for text in texts]
    except ValueError:
        try:
            times = [datetime.fromisoformat(text) for text in texts]
        except ValueError:
            return
    for place, (before, now) in enumerate(pairwise(times), 1):
        try:
            follows = now > before  # type: ignore[operator]
        except TypeError:  # one with a time zone, the other without
            return
        if not follows:
            where = f"line {lines[place]}, column {name!r} is {texts[place]!r} after {texts[place - 1]!r}"
            raise DataError(f"{path}: {where}; expected times that increase")


# ---- arrays ---------------------------------------------------------------------------------------------------------


def _load_arrays(path: Path, columns: Sequence[str], key: str | None) -> SeriesSet:
    values: list[np.ndarray] = []
    names: list[str] = []
    with ArrayFile(path, (".h5", ".hdf5", ".npz", ".npy")) as file:
        if key is not None and key not in file.names:
            raise file.missing(repr(key))
        arrays = {name: file.array(name) for name in (file.names if key is None else [key])}
        if not arrays:
            raise DataError(f"{path}: has no arrays; expected one of numbers")
        for name, array in arrays.items():
            check_real(array, file.name_of(name), ", or a key that chooses another array" * (key is None))
            most = 2 if len(arrays) > 1 else 3
            if not 1 <= array.ndim <= most or not array.size:
                shapes = "(steps,), (steps, channels)" + ", (series, steps, channels)" * (most == 3)
                hint = "" if most == 3 else ", or a key that chooses one of the arrays"
                raise file.error(name, f"has shape {array.shape}", f"{shapes}, each axis at least 1{hint}")
            if array.ndim == 3:
                names += [f"{name}[{index}]" for index in range(len(array))]
                values += list(array)
            else:
                names.append(path.stem if len(arrays) == 1 else name)
                values.append(array[:, None] if array.ndim == 1 else array)
    C = values[0].shape[1]
    for name, one in zip(names, values, strict=True):
        if one.shape[1] != C:
            problem = f"{name!r} has {one.shape[1]} channels, but {names[0]!r} has {C}"
            raise DataError(f"{path}: {problem}; expected the same number, or a key that chooses one of the arrays")
    known = ["value"] if C == 1 else [str(channel) for channel in range(C)]
    for column in columns:
        if column not in known:
            raise DataError(f"{path}: has no column {column!r}; it has {listing(known)}")
    chosen = list(columns) or known
    series = [one[:, [known.index(column) for column in chosen]].astype(np.float64) for one in values]
    for name, one in zip(names, series, strict=True):
        if not np.isfinite(one).all():
            step, channel = np.argwhere(~np.isfinite(one))[0]
            where = f"{name!r} holds {one[step, channel]} at step {step}, channel {chosen[channel]!r}"
            raise DataError(f"{path}: {where}; expected finite numbers")
    return SeriesSet(series, names, chosen)
