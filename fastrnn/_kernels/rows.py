"""Read rows of a table by their numbers, as an embedding does, and add to such rows, as its gradient does."""

from typing import Any

import numpy as np

from fastrnn._kernels import backends
from fastrnn._kernels.checks import DTYPES, check_array
from fastrnn._typing import Array


def take_rows(
    table: Array, symbols: Array, valid: Array | None = None, *, name: str = "symbols", backend: str | None = None
) -> Array:
    """
    Copy rows of a table.

    Parameters
    ----------
    table : ndarray (V, D)
        float32 or float64.
    symbols : integers (...)
        Numbers of rows, 0..V-1 if they are valid.
    valid : bool ndarray (...), optional
        Which symbols are valid. The others are never read. None means all.
    name : str
        The name of `symbols` in error messages.
    backend : {None, "native", "reference"}
        The backend. None is native, if it was compiled.

    Returns
    -------
    ndarray (..., D)
        The rows, with zeros in place of symbols that are not valid.

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong shape or dtype, or a valid symbol is no row of the table.
    """
    symbols = _check(table, symbols)
    numbers, counts = as_numbers(name, symbols, valid)
    try:
        rows = backends.plain(backend).take_rows(np.ascontiguousarray(table), numbers, counts)
    except IndexError as wrong:
        raise _outside(name, symbols, wrong.args[0], len(table)) from None
    return rows.reshape(*symbols.shape, table.shape[1])


def add_rows(
    table: Array,
    symbols: Array,
    values: Array,
    valid: Array | None = None,
    *,
    name: str = "symbols",
    backend: str | None = None,
) -> None:
    """
    Add to rows of a table, one value after the other. A row may occur more than once.

    Parameters
    ----------
    table : ndarray (V, D)
        float32 or float64, contiguous; changed in place.
    symbols : integers (...)
        Numbers of rows, 0..V-1 if they are valid.
    values : ndarray (..., D)
        The values to add, in the dtype of the table.
    valid : bool ndarray (...), optional
        Which symbols are valid. The others, and their values, are never read. None means all.
    name, backend
        As in `take_rows`.

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong shape, dtype or layout, or a valid symbol is no row of the table.
    """
    symbols = _check(table, symbols)
    if not table.flags.carray:
        raise ValueError("the table is not contiguous, aligned and writeable, so nothing can be added to it")
    D = table.shape[1]
    values = check_array("values", values, (*symbols.shape, D), table.dtype).reshape(-1, D)
    numbers, counts = as_numbers(name, symbols, valid)
    try:
        backends.plain(backend).add_rows(table, numbers, values, counts)
    except IndexError as wrong:
        raise _outside(name, symbols, wrong.args[0], len(table)) from None


def as_numbers(name: str, symbols: Array, valid: Array | None) -> tuple[Array, Array | None]:
    """Return the integers as int64 (N,), where numbers that are too large become negative, and which are valid."""
    if symbols.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {symbols.dtype}, expected whole numbers of an integer dtype")
    if valid is not None:
        if valid.shape != symbols.shape or valid.dtype != bool:
            raise ValueError(
                f"valid has shape {valid.shape} and dtype {valid.dtype}, expected {symbols.shape} and bool"
            )
        valid = valid.ravel()
    return np.require(symbols, np.int64, ["C", "A"]).ravel(), valid


def _check(table: Array, symbols: Any) -> Array:
    """Return the symbols as an array."""
    if table.dtype not in DTYPES or table.ndim != 2:
        raise TypeError(f"the table has shape {table.shape} and dtype {table.dtype}, expected (V, D) of floats")
    return np.asarray(symbols)


def _outside(name: str, symbols: Array, place: int, V: int) -> ValueError:
    """Return the error for a symbol that is no row of the table."""
    index = ", ".join(map(str, np.unravel_index(place, symbols.shape)))
    return ValueError(f"{name}[{index}] is {symbols.flat[place]}, expected a symbol in 0..{V - 1}")
