"""Series of numbers in time from CSV, HDF5, npz and npy files, checked before anything is trained on them."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from fastrnn.data._files import DataError, DataFile, listing, reading

__all__ = ["SeriesSet", "load_series", "sample_series"]

_TIMES = ("", "time", "date", "datetime", "timestamp")  # names of columns that are no channels


@dataclass(frozen=True)
class SeriesSet:
    """
    Series of the same channels.

    Attributes
    ----------
    values : list of ndarray (T, C)
        The S series, finite float64; T may differ.
    names : list of str (S,)
        What the file calls them; one alone has the name of the file or array.
    columns : list of str (C,)
        The names of the channels; in files of arrays their numbers, or "value" where there is but one.
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
    line, and a row for each step. Columns called time, date, datetime or timestamp, or not at all, are no channels. If
    there is one of them, and all it holds are numbers or all ISO 8601 dates, they must increase.

    An array is (T,), (T, C) or, of several series, (S, T, C). A file with several arrays (T,) or (T, C) has several
    series.

    Parameters
    ----------
    path : path-like
        The file.
    columns : sequence of str
        The channels to take, in this order; empty for all.
    time_column : str, optional
        The column that says the time, if it is not called so; not of arrays.
    series_column : str, optional
        The column that says to which series a row belongs; not of arrays.
    key : str, optional
        The array to take; not of CSV files.

    Returns
    -------
    SeriesSet
        The series.

    Raises
    ------
    DataError
        When the file cannot be read, a column or array is not there, or a value is missing or no finite number.
    """
    path = Path(path)
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        if key is not None:
            raise DataError(f"{path}: is no file of arrays, but the key {key!r} is asked for; expected none")
        return _load_csv(path, columns, time_column, series_column)
    for name in (time_column, series_column):
        if name is not None:
            raise DataError(f"{path}: has no columns with names, but {name!r} is asked for; expected a CSV file")
    return _load_arrays(path, columns, key)


def sample_series(T: int = 2016, seed: int = 0) -> SeriesSet:
    """
    Make an hourly series by a formula: a trend, a wave each day, a weaker one each week, and noise.

    It is ``100 + t / 100 + 10 sin(2 pi t / 24) + 5 sin(2 pi t / 168) + e`` with e normal of deviation 2.

    Parameters
    ----------
    T : int
        Number of steps, by default those of twelve weeks.
    seed : int
        Seed of the noise.

    Returns
    -------
    SeriesSet
        One series "sample" (T, 1) of the channel "value".
    """
    t = np.arange(T)
    waves = 10 * np.sin(2 * np.pi * t / 24) + 5 * np.sin(2 * np.pi * t / 168)
    values = 100 + t / 100 + waves + 2 * np.random.default_rng(seed).normal(size=T)
    return SeriesSet([values[:, None]], ["sample"], ["value"])


# ---- CSV ------------------------------------------------------------------------------------------------------------


def _load_csv(path: Path, columns: Sequence[str], time_column: str | None, series_column: str | None) -> SeriesSet:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    with reading(f"{path}"):
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
        rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    if len(rows) < 2:
        raise DataError(f"{path}: has {len(rows) or 'no'} line with values; expected the names of columns, and rows")
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
            raise DataError(f"{path}: has no column {name!r}, but {listing(header)}")
    times = [name for name in header if name.lower() in _TIMES] if time_column is None else [time_column]
    chosen = list(columns) or [name for name in header if name not in (*times, series_column)]
    if not chosen:
        raise DataError(f"{path}: has the columns {listing(header)}; expected one of numbers besides")

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
        hint = "" if not text or _is_number(text) else ", or another choice of columns, time column and series column"
        raise DataError(f"{path}: line {lines[wrong[0]]}, column {name!r} is {problem}; expected a finite number{hint}")
    return values


def _check_order(path: Path, name: str, texts: list[str], lines: np.ndarray) -> None:
    """Refuse times that do not increase, if they are of a kind that tells."""
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
        except TypeError:  # with a time zone, and without
            return
        if not follows:
            where = f"line {lines[place]}, column {name!r} is {texts[place]!r} after {texts[place - 1]!r}"
            raise DataError(f"{path}: {where}; expected rows in the order of time, one for each")


# ---- arrays ---------------------------------------------------------------------------------------------------------


def _load_arrays(path: Path, columns: Sequence[str], key: str | None) -> SeriesSet:
    values: list[np.ndarray] = []
    names: list[str] = []
    with DataFile(path, (".h5", ".hdf5", ".npz", ".npy")) as file:
        if key is not None and key not in file.names:
            raise DataError(f"{path}: has no {key!r}, but {listing(file.names)}")
        arrays = {name: file.array(name) for name in (file.names if key is None else [key])}
        if not arrays:
            raise DataError(f"{path}: has no arrays; expected one of numbers")
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise file.error(name, f"has dtype {array.dtype}", "real numbers" + (", or a key" * (key is None)))
            most = 2 if len(arrays) > 1 else 3
            if not 1 <= array.ndim <= most or not array.size:
                shapes = "(steps,), (steps, channels)" + ", (series, steps, channels)" * (most == 3)
                hint = "" if most == 3 else ", or a key, as there are several arrays"
                raise file.error(name, f"has shape {array.shape}", f"{shapes}, none of them 0{hint}")
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
            raise DataError(f"{path}: {problem}; expected as many in every series, or a key")
    known = ["value"] if C == 1 else [str(channel) for channel in range(C)]
    for column in columns:
        if column not in known:
            raise DataError(f"{path}: has no column {column!r}, but {listing(known)}")
    chosen = list(columns) or known
    series = [one[:, [known.index(column) for column in chosen]].astype(np.float64) for one in values]
    for name, one in zip(names, series, strict=True):
        if not np.isfinite(one).all():
            step, channel = np.argwhere(~np.isfinite(one))[0]
            where = f"{name!r} holds {one[step, channel]} at step {step}, channel {chosen[channel]!r}"
            raise DataError(f"{path}: {where}; expected finite numbers")
    return SeriesSet(series, names, chosen)
