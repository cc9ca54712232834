"""Trees of arrays, strings and numbers in HDF5: written atomically, read defensively.

A tree is a dict with string keys whose values are arrays, numbers, strings, None, lists, tuples and dicts of these.
What `write` stores, `read` returns: the same types, shapes and bits. Only the order of a dict's keys is not kept.

The file is an HDF5 image after a user block of 512 bytes (`_BLOCK`) that holds a magic, the version of the format, and
the length and SHA-256 of the image. HDF5 viewers skip the block; `read` checks it before libhdf5 sees a byte.

A dict is a group, an array a dataset. Whatever else a node stands for is said by its attribute ``kind``:

=========================  ===========================================================================================
``none``                   None: a dataset without a value
``scalar``                 a NumPy scalar
``int``, ``str``, ...      a Python scalar (`_SCALARS`); an integer beyond 64 bits is hexadecimal text
``list[int]``, ...         a list (or ``tuple[...]``) of Python scalars of one type: a one-dimensional dataset
``list``, ``tuple``        any other list or tuple: a group with the members 0, 1, ...
=========================  ===========================================================================================

Text is UTF-8 of fixed width, NUL written as C0 80 because HDF5 pads with NUL. The attribute ``dtype`` marks an array of
text and holds its NumPy dtype. The same tree gives the same bytes: nothing depends on the clock or on the machine.
"""

import hashlib
import io
import math
import os
import re
import secrets
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import h5py
import numpy as np

__all__ = ["StorageError", "read", "write"]

_MAGIC = b"\x89FRNN\r\n\n"
_VERSION = 1
_BLOCK = struct.Struct("<8sI4xQ32s456x")  # magic, version, length and SHA-256 of the HDF5 image
_SCALARS: dict[type, str | None] = {bool: "?", int: "<i8", float: "<f8", complex: "<c16", str: None}
_KINDS = {kind.__name__: kind for kind in _SCALARS}
_NUMBERS = {np.dtype(code) for code in "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split()}


class StorageError(ValueError):
    """A file that cannot be written or read; the message is one sentence that names it."""


def write(path: str | os.PathLike[str], tree: dict[str, Any]) -> None:
    """Write a tree to a file, atomically: the old file stays until the new one is complete and on the disk.

    Parameters
    ----------
    path : path-like
        The file; its folder must exist.
    tree : dict
        What to write, see the head of this module. Arrays: Boolean, integer, float (16 to 64 bits), complex, ``S``, ``U``.

    Raises
    ------
    TypeError
        When the tree holds anything else, such as an array of objects; names its place in the tree.
    StorageError
        When the file cannot be written.
    """
    if type(tree) is not dict:
        raise TypeError(f"a tree is a dict, not {_a(type(tree))}")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110"), track_order=False) as file:
        for key in sorted(tree, key=str):
            _write(file, key, tree[key], "")
    body = buffer.getbuffer()
    block = _BLOCK.pack(_MAGIC, _VERSION, len(body), hashlib.sha256(body).digest())
    try:
        _replace(Path(os.path.realpath(path)), block, body)
    except OSError as error:
        raise StorageError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from error


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the tree that `write` has written.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    dict
        The tree, the keys of every dict sorted.

    Raises
    ------
    StorageError
        When the file is missing, cut, damaged, of a newer version, or holds what `write` never writes.
    """
    body = _read_body(Path(path))
    try:
        with h5py.File(io.BytesIO(body), "r") as file:
            return _Reader(len(body)).dict(file)
    except Exception as error:  # libhdf5 reports an inconsistent file by whatever error it meets first
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StorageError(f"{os.fspath(path)}: not a valid tree: {reason}") from error


def _replace(path: Path, *parts: bytes | memoryview) -> None:
    """Write `parts` beside `path`, then move them there in one step."""
    if path.exists() and not path.is_file():
        raise OSError("it is not a regular file")
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # a folder can be opened, and the move made durable, on POSIX only
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read_body(path: Path) -> bytes:
    """Return the HDF5 image of a file whose user block and checksum are right."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            block = file.read(_BLOCK.size)
            if not block.startswith(_MAGIC[: len(block)]) or not block:
                raise StorageError(f"{path}: not a file of fastrnn: it does not begin with the mark of one")
            if len(block) < _BLOCK.size:
                raise StorageError(f"{path}: cut short: {size} bytes, less than the first block of {_BLOCK.size}")
            _, version, length, digest = _BLOCK.unpack(block)
            if version != _VERSION:
                raise StorageError(f"{path}: has format version {version}, this fastrnn reads version {_VERSION}")
            if size != _BLOCK.size + length:
                raise StorageError(f"{path}: has {size} bytes, but {_BLOCK.size + length} were written")
            body = file.read(length)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    if hashlib.sha256(body).digest() != digest:
        raise StorageError(f"{path}: damaged: its SHA-256 is not the one that was written")
    return body


# Writing ------------------------------------------------------------------------------------------------------------


def _write(group: h5py.Group, key: Any, value: Any, parent: str) -> None:
    """Write `value` as the member `key` of `group`; `parent` is the group's place in the tree, for messages."""
    if type(key) is not str:
        raise TypeError(f"{parent or 'tree'}: a key must be a string, not {key!r}")
    where, name = f"{parent}/{key}" if parent else key, _escape(key)
    kind = type(value)
    if kind is dict:
        _write_group(group.create_group(name), value, where)
    elif kind is np.ndarray:
        _write_array(group, name, value, where)
    elif isinstance(value, np.generic):  # before the Python scalars: np.float64 is a float, np.str_ a str
        _mark(_write_array(group, name, np.asarray(value), where), kind="scalar")
    elif value is None:
        _mark(group.create_dataset(name, data=h5py.Empty("u1")), kind="none")
    elif kind in _SCALARS:
        _mark(group.create_dataset(name, data=_pack([value], kind)[0]), kind=kind.__name__)
    elif kind in (list, tuple):
        _write_sequence(group, name, value, where)
    else:
        raise TypeError(f"{where}: cannot store {_a(kind)}")


def _write_group(group: h5py.Group, members: dict[str, Any], where: str) -> None:
    for key in sorted(members, key=str):
        _write(group, key, members[key], where)


def _write_sequence(group: h5py.Group, name: str, value: list | tuple, where: str) -> None:
    kinds = {type(item) for item in value}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind in _SCALARS:
        node = group.create_dataset(name, data=_pack(value, kind))
        _mark(node, kind=f"{type(value).__name__}[{kind.__name__}]")
    else:
        node = group.create_group(name)
        _mark(node, kind=type(value).__name__)
        _write_group(node, {str(i): item for i, item in enumerate(value)}, where)


def _write_array(group: h5py.Group, name: str, array: np.ndarray, where: str) -> h5py.Dataset:
    if array.dtype.kind == "U":
        width = array.dtype.itemsize // 4
        texts = _encode(array.ravel().tolist(), width).reshape(array.shape)
        node = group.create_dataset(name, data=texts)
        _mark(node, dtype=array.dtype.str)
        return node
    if array.dtype.kind != "S" and array.dtype.newbyteorder("=") not in _NUMBERS:
        raise TypeError(f"{where}: cannot store an array of dtype {array.dtype}")
    return group.create_dataset(name, data=array)
