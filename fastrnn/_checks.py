"""Checks of arguments: every error says the name, the value and what was expected."""

from dataclasses import is_dataclass
from typing import Any

import numpy as np


def check_integer(name: str, value: Any, minimum: int) -> int:
    """Return `value` as an int; refuse everything but whole numbers of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} is {value!r}, expected a whole number")
    if value < minimum:
        raise ValueError(f"{name} is {value}, expected at least {minimum}")
    return int(value)


def check_number(name: str, value: Any, interval: str) -> float:
    """Return `value` as a float; refuse everything but numbers in the interval, which is written as ``"[0, 1)"``."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} is {value!r}, expected a number in {interval}")
    low, high = map(float, interval[1:-1].split(","))
    inside_low = value >= low if interval[0] == "[" else value > low
    inside_high = value <= high if interval[-1] == "]" else value < high
    if not (inside_low and inside_high):  # NaN, too, is outside
        raise ValueError(f"{name} is {value}, expected a number in {interval}")
    return float(value)


def counted(n: int, what: str) -> str:
    """Return a count with its noun, such as ``1 character`` or ``2 characters``."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def check_dtype(dtype: Any) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype; refuse everything but float32 and float64."""
    try:
        known = np.dtype(dtype) if dtype is not None else None
    except TypeError:
        known = None
    if known is None or known not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"dtype is {dtype!r}, expected float32 or float64")
    return known


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Refuse a value that is not one of the choices; NumPy Booleans count as Python Booleans."""
    value = bool(value) if isinstance(value, np.bool_) else value
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, choices))}")


def described(value: Any) -> Any:
    """Return a setting so that equal ones are equal, also after a file: a number or text, or the name of a function."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value) if is_dataclass(value) else getattr(value, "__qualname__", type(value).__qualname__)
