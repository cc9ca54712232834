"""Scalars, text and names as HDF5 stores them: see `fastrnn.storage` for the format."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import h5py
import numpy as np

SCALARS: dict[type, str] = {bool: "?", int: "<i8", float: "<f8", complex: "<c16", str: "S"}
NAMED_SCALARS = {kind.__name__: kind for kind in SCALARS}
_WIDEST = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}  # bytes, by kind of dtype; wider numbers differ between machines


def is_plain(dtype: np.dtype) -> bool:
    """Tell whether HDF5 stores the dtype directly, with a fixed size."""
    return dtype.kind == "S" or dtype.itemsize <= _WIDEST.get(dtype.kind, 0)


def pack(items: Sequence[Any], kind: type) -> np.ndarray:
    """Return Python scalars of one type as an array (N,); `unpack` is the inverse."""
    if kind is str:
        return encode(items)
    if kind is int and not all(-(2**63) <= item < 2**63 for item in items):
        return encode(map(hex, items))
    return np.array(items, dtype=SCALARS[kind])


def unpack(array: np.ndarray, kind: type) -> list[Any]:
    """Return an array (N,) that `pack` made as Python scalars of type `kind`."""
    if kind is str and array.dtype.kind == "S":
        return decode(array)
    if kind is int and array.dtype.kind == "S":
        return [int(text, 16) for text in decode(array)]
    if array.dtype == SCALARS[kind]:
        return array.tolist()
    raise ValueError(f"an array of dtype {array.dtype} cannot hold values of type {kind.__name__}")


def encode(texts: Iterable[str], width: int = 1) -> np.ndarray:
    """Return texts as an array (N,) of UTF-8, with elements of at least `width` bytes."""
    encoded = [text.encode("utf-8", "surrogatepass").replace(b"\0", b"\xc0\x80") for text in texts]
    width = max([width, 1, *map(len, encoded)])
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", width))


def decode(array: np.ndarray) -> list[str]:
    """Return the texts of an array that `encode` made."""
    return [item.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass") for item in array.ravel().tolist()]


def escape(key: str) -> str:
    """Return a key as the name of an HDF5 link: not empty, not ".", and without slash, NUL and lone surrogates."""
    return re.sub(r"[%/\0\ud800-\udfff]|\A\.\Z", lambda match: f"%{ord(match[0]):04X}", key) or "%"


def unescape(name: str) -> str:
    """Return the key of a name that `escape` made."""
    return re.sub(r"%([0-9A-F]{4})?", lambda match: chr(int(match[1], 16)) if match[1] else "", name)
