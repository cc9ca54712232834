"""Series as users have them, converted to arrays (T, C) of finite numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastrnn._typing import Array

Series = list[Array]  # each (T, C), float64


def is_list(X: Any) -> bool:
    """Return whether X is a list of series, rather than of numbers."""
    return isinstance(X, list | tuple) and len(X) > 0 and np.ndim(X[0]) > 0


def place_of(name: str, index: int, n: int) -> str:
    """Return how errors name one of n series, such as ``X[1]``; a single one is ``X``."""
    return name if n == 1 else f"{name}[{index}]"


def check_series(X: Any, name: str = "X") -> tuple[Series, list[str] | None]:
    """
    Return series (T, C) of finite numbers, and the names of the channels if X has DataFrames.

    Parameters
    ----------
    X : array (T,), (T, C) or (S, T, C), DataFrame, or list of S of the first two
        The series.
    name : str
        What errors call them.

    Returns
    -------
    series : list of ndarray (T, C)
        In float64.
    names : list of str or None
        The columns of the first DataFrame.

    Raises
    ------
    ValueError
        If a series is empty or does not hold finite numbers, or if the series differ in their channels.
    """
    if is_list(X):
        parts = list(X)
    else:
        parts = list(np.asarray(X)) if np.ndim(X) == 3 else [X]
    if not parts:
        raise ValueError(f"{name} has no series, expected at least one")
    series: Series = []
    for index, part in enumerate(parts):
        which = place_of(name, index, len(parts))
        one = np.asarray(part)
        one = one[:, None] if one.ndim == 1 else one
        if one.ndim != 2 or not one.size:
            raise ValueError(f"{which} has shape {np.shape(part)}, expected (T,) or (T, C), neither of them 0")
        if one.dtype.kind not in "biuf":
            raise ValueError(f"{which} has dtype {one.dtype}, expected numbers")
        if series and one.shape[1] != series[0].shape[1]:
            raise ValueError(f"{which} has {one.shape[1]} channels, expected {series[0].shape[1]} as {name}[0] has")
        one = one.astype(np.float64)
        if not np.isfinite(one).all():
            step, channel = np.argwhere(~np.isfinite(one))[0]
            value = one[step, channel]
            raise ValueError(f"{which} holds {value} at step {step}, channel {channel}; expected finite numbers")
        series.append(one)
    columns = getattr(parts[0], "columns", None)
    return series, None if columns is None else [str(column) for column in columns]


def find_channels(targets: Sequence[int | str] | None, C: int, names: list[str] | None) -> Array:
    """
    Return the numbers of the channels to forecast.

    Parameters
    ----------
    targets : sequence of int or str, or None
        The channels by number or by name; None is all.
    C : int
        Number of channels.
    names : list of str or None
        Their names, if they have any.

    Returns
    -------
    ndarray of intp (K,)
        The numbers.

    Raises
    ------
    TypeError, ValueError
        If a channel is unknown or comes twice.
    """
    if targets is None:
        return np.arange(C)
    if isinstance(targets, str) or not len(targets):
        raise TypeError(f"targets is {targets!r}, expected a list of channels, or None for all")
    known: dict[Any, int] = {column: column for column in range(C)}
    known |= {name: column for column, name in enumerate(names or [])}
    for target in targets:
        if isinstance(target, bool) or target not in known:
            expected = f"a number from 0 to {C - 1}" + (f" or one of {', '.join(names)}" if names else "")
            raise ValueError(f"targets has {target!r}, expected {expected}")
    columns = [known[target] for target in targets]
    if len(set(columns)) < len(columns):
        raise ValueError(f"targets is {list(targets)!r}, expected every channel once")
    return np.array(columns, np.intp)
