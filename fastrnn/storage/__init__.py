"""Trees of arrays, strings and numbers in HDF5 files: written atomically, and read with every check.

A tree is a dict with string keys. Its values are arrays, numbers, strings, None, and lists, tuples and dicts of these.
`read` returns what `write` has stored, with the same types, shapes and bits; only the order of keys is lost.

A file begins with a block of 512 bytes (`_BLOCK`): a magic number, the version of the format, and the length and
SHA-256 of the HDF5 image that follows. HDF5 viewers skip the block; `read` checks it before libhdf5 sees a byte.
The same tree always gives the same bytes: they do not depend on the clock or the machine.

A dict becomes a group, an array a dataset. The attribute ``kind`` of a node marks everything else:

==================  ==================================================================================================
``none``            None: a dataset without a value
``scalar``          a NumPy scalar
``int``, ...        a Python scalar
``list[int]``, ...  a list, or ``tuple[int]`` a tuple, of Python scalars of one type: a dataset of one dimension
``list``            any other list, or ``tuple`` a tuple: a group whose members are 0, 1, ...
==================  ==================================================================================================

Text is UTF-8 of fixed width. NUL is written as C0 80, because HDF5 pads with NUL. The attribute ``dtype`` of an array
of text holds its NumPy dtype. Integers beyond 64 bits are written as hexadecimal text.
"""

import hashlib
import io
import os
import struct
from pathlib import Path
from typing import Any

import h5py

from fastrnn._atomic import replace_file
from fastrnn.storage._reader import Reader
from fastrnn.storage._writer import write_members

__all__ = ["StorageError", "read", "write"]

_MAGIC = b"\x89FRNN\r\n\n"
_VERSION = 1
_BLOCK = struct.Struct("<8sI4xQ32s456x")  # magic, version, length and SHA-256 of the HDF5 image


class StorageError(ValueError):
    """A file that cannot be written or read; the message names the file and says why."""


def write(path: str | os.PathLike[str], tree: dict[str, Any]) -> None:
    """
    Write a tree to a file atomically: the old file stays until the new one is complete and on disk.

    Parameters
    ----------
    path : path-like
        The file; its folder must exist.
    tree : dict
        The tree. Arrays may be Boolean, integer, float of 16 to 64 bits, complex, bytes (``S``) or text (``U``).

    Raises
    ------
    TypeError
        When the tree holds anything else, such as an array of objects. The message names its place in the tree.
    StorageError
        When the file cannot be written.
    """
    if type(tree) is not dict:
        raise TypeError(f"a tree must be a dict, not {type(tree).__qualname__}")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110")) as file:
        write_members(file, tree, "")
    image = buffer.getbuffer()
    block = _BLOCK.pack(_MAGIC, _VERSION, len(image), hashlib.sha256(image).digest())
    try:
        replace_file(path, block, image)
    except OSError as error:
        raise StorageError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from error


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """
    Read a tree from a file that `write` has written.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    dict
        The tree, with the keys of every dict sorted.

    Raises
    ------
    StorageError
        When the file is missing, cut short, damaged or of another version, or holds something that `write` never
        writes.
    """
    path = Path(path)
    try:
        image = _read_image(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        with h5py.File(io.BytesIO(image), "r") as file:
            return Reader(len(image)).members(file)
    except Exception as error:  # libhdf5 and h5py raise errors of any class for a damaged image
        reason = str(error.args[0] if isinstance(error, KeyError) else error).partition("\n")[0]
        raise StorageError(f"{path}: holds no valid tree: {reason}") from error


def _read_image(path: Path) -> bytes:
    """Return the HDF5 image of the file at `path`, after checking the block and the checksum."""
    if path.exists() and not path.is_file():
        raise StorageError(f"{path}: is not a regular file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        block = file.read(_BLOCK.size)
        if not block.startswith(_MAGIC):
            raise StorageError(f"{path}: was not written by fastrnn: it begins with {block[:8]!r}, not {_MAGIC!r}")
        if len(block) < _BLOCK.size:
            raise StorageError(f"{path}: is cut short: {size} bytes, less than its first block of {_BLOCK.size}")
        _, version, length, digest = _BLOCK.unpack(block)
        if version != _VERSION:
            raise StorageError(f"{path}: has version {version} of the format, but this fastrnn reads {_VERSION}")
        if size != _BLOCK.size + length:
            raise StorageError(f"{path}: is damaged: it has {size} bytes instead of {_BLOCK.size + length}")
        image = file.read(length)
    if hashlib.sha256(image).digest() != digest:
        raise StorageError(f"{path}: is damaged: its SHA-256 is not the one written in it")
    return image
