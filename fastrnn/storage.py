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
``int``, ...        a Python scalar (`_SCALARS`)
``list[int]``, ...  a list, or ``tuple[int]`` a tuple, of Python scalars of one type: a dataset of one dimension
``list``            any other list, or ``tuple`` a tuple: a group whose members are 0, 1, ...
==================  ==================================================================================================

Text is UTF-8 of fixed width. NUL is written as C0 80, because HDF5 pads with NUL. The attribute ``dtype`` of an array
of text holds its NumPy dtype. Integers beyond 64 bits are written as hexadecimal text.
"""

import hashlib
import io
import math
import os
import re
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fastrnn._atomic import replace_file

__all__ = ["StorageError", "read", "write"]

_MAGIC = b"\x89FRNN\r\n\n"
_VERSION = 1
_BLOCK = struct.Struct("<8sI4xQ32s456x")  # magic, version, length and SHA-256 of the HDF5 image
_WIDEST = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}  # bytes, by kind of dtype; wider numbers differ between machines
_SCALARS: dict[type, str] = {bool: "?", int: "<i8", float: "<f8", complex: "<c16", str: "S"}
_NAMED_SCALARS = {kind.__name__: kind for kind in _SCALARS}


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
        _write_members(file, tree, "")
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
            return _Reader(len(image)).members(file)
    except Exception as error:  # libhdf5 and h5py raise errors of any class for a damaged image
        reason = str(error.args[0] if isinstance(error, KeyError) else error).partition("\n")[0]
        raise StorageError(f"{path}: holds no valid tree: {reason}") from error


# The file -------------------------------------------------------------------------------------------------------------


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


# From the tree to HDF5 ------------------------------------------------------------------------------------------------


def _write_members(group: h5py.Group, members: dict[Any, Any], place: str) -> None:
    """Write a dict into `group`. `place`, its path in the tree, is for error messages."""
    for key in sorted(members, key=str):
        if type(key) is not str:
            raise TypeError(f"{place or 'tree'}: keys must be strings, not {key!r}")
        _write(group, _escape(key), members[key], f"{place}/{key}" if place else key)


def _write(group: h5py.Group, name: str, value: Any, place: str) -> None:
    kind = type(value)
    if kind is dict:
        _write_members(group.create_group(name), value, place)
    elif kind in (list, tuple):
        _write_sequence(group, name, value, place)
    elif value is None:
        _mark(group.create_dataset(name, data=h5py.Empty("u1")), "kind", "none")
    elif kind in _SCALARS:
        _mark(group.create_dataset(name, data=_pack([value], kind).reshape(())), "kind", kind.__name__)
    elif kind in (np.ndarray, np.memmap):
        _write_array(group, name, value, place)
    elif isinstance(value, np.generic):
        _mark(_write_array(group, name, np.asarray(value), place), "kind", "scalar")
    else:
        raise TypeError(f"{place}: cannot store an object of type {kind.__module__}.{kind.__qualname__}")


def _write_sequence(group: h5py.Group, name: str, items: list | tuple, place: str) -> None:
    container = type(items).__name__
    kind = type(items[0]) if items else None
    if kind in _SCALARS and all(type(item) is kind for item in items):
        _mark(group.create_dataset(name, data=_pack(items, kind)), "kind", f"{container}[{kind.__name__}]")
    else:
        members = group.create_group(name)
        _mark(members, "kind", container)
        for i, item in enumerate(items):
            _write(members, str(i), item, f"{place}/{i}")


def _write_array(group: h5py.Group, name: str, array: np.ndarray, place: str) -> h5py.Dataset:
    dtype = array.dtype
    if dtype.kind == "U":
        texts = _encode(array.ravel().tolist(), width=dtype.itemsize // 4).reshape(array.shape)
        return _mark(group.create_dataset(name, data=texts), "dtype", dtype.str)
    if not _is_plain(dtype):
        raise TypeError(f"{place}: cannot store an array of dtype {dtype}")
    return group.create_dataset(name, data=array)


def _mark(node: h5py.HLObject, attribute: str, text: str) -> h5py.HLObject:
    node.attrs[attribute] = np.bytes_(text)
    return node


# From HDF5 to the tree ------------------------------------------------------------------------------------------------


class _Reader:
    """
    Reads nodes, and refuses everything that `write` never makes.

    Parameters
    ----------
    budget : int
        How many bytes all arrays together may claim. It is the length of the image, because `write` stores every byte
        once.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.seen: set[int] = set()  # addresses of the nodes read so far; a loop would meet one again

    def members(self, group: h5py.Group) -> dict[str, Any]:
        return {key: self.node(group, name) for key, name in sorted((_unescape(name), name) for name in group)}

    def node(self, group: h5py.Group, name: str) -> Any:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} in {group.name!r} is a soft or an external link")
        node = group[name]
        address = h5py.h5o.get_info(node.id).addr
        if address in self.seen:
            raise ValueError(f"{node.name!r} has two names")
        self.seen.add(address)
        kind = _attribute(node, "kind")
        if isinstance(node, h5py.Group):
            return self.group(node, kind)
        if isinstance(node, h5py.Dataset):
            return self.dataset(node, kind)
        raise ValueError(f"{node.name!r} is neither a group nor a dataset")

    def group(self, node: h5py.Group, kind: str) -> dict[str, Any] | list[Any] | tuple[Any, ...]:
        members = self.members(node)
        if not kind:
            return members
        if kind in ("list", "tuple") and members.keys() == {str(i) for i in range(len(members))}:
            items = [members[str(i)] for i in range(len(members))]
            return items if kind == "list" else tuple(items)
        raise ValueError(f"{node.name!r} is a group of kind {kind!r} with members {list(members)[:5]}")

    def dataset(self, node: h5py.Dataset, kind: str) -> Any:
        if kind == "none" and node.shape is None:
            return None
        array = self.array(node)
        container, _, item = kind.rstrip("]").partition("[")
        if not kind:
            return array
        if array.ndim == 0 and kind == "scalar":
            return array[()]
        if array.ndim == 0 and kind in _NAMED_SCALARS:
            return _unpack(array.reshape(1), _NAMED_SCALARS[kind])[0]
        if array.ndim == 1 and container in ("list", "tuple") and item in _NAMED_SCALARS:
            items = _unpack(array, _NAMED_SCALARS[item])
            return items if container == "list" else tuple(items)
        raise ValueError(f"{node.name!r} is a dataset of shape {node.shape} and of kind {kind!r}")

    def array(self, node: h5py.Dataset) -> np.ndarray:
        layout = node.id.get_create_plist()
        if layout.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS) or layout.get_external_count():
            raise ValueError(f"{node.name!r} is chunked, virtual or stored in another file")
        dtype = node.dtype
        if node.shape is None or not _is_plain(dtype):
            raise ValueError(f"{node.name!r} has dtype {dtype} and shape {node.shape}")
        size = math.prod(node.shape) * dtype.itemsize
        if size > min(self.budget, node.id.get_storage_size()):
            raise ValueError(f"{node.name!r} claims {size} bytes, more than the file has")
        self.budget -= size
        array = np.empty(node.shape, dtype)
        if size:
            node.id.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
        array = array.view(dtype.str)  # without the metadata that h5py attaches
        if dtype.kind == "b" and (array.view("u1") > 1).any():
            raise ValueError(f"{node.name!r} is Boolean but holds other values than 0 and 1")
        if not (text_dtype := _attribute(node, "dtype")):
            return array
        target = np.dtype(text_dtype)
        if target.kind != "U" or dtype.kind != "S" or target.itemsize > 4 * dtype.itemsize:
            raise ValueError(f"{node.name!r} has dtype {dtype}, which cannot become {text_dtype!r}")
        return np.array(_decode(array), dtype=target).reshape(array.shape)


def _attribute(node: h5py.HLObject, name: str) -> str:
    """Return a short text attribute; "" if `node` has no attribute of this name."""
    if name not in node.attrs:
        return ""
    attribute = node.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind != "S" or attribute.dtype.itemsize > 32:
        raise ValueError(f"the attribute {name!r} of {node.name!r} is not a short text")
    return node.attrs[name].decode()


# Scalars, text and names ----------------------------------------------------------------------------------------------


def _is_plain(dtype: np.dtype) -> bool:
    """Tell whether HDF5 stores the dtype directly, with a fixed size."""
    return dtype.kind == "S" or dtype.itemsize <= _WIDEST.get(dtype.kind, 0)


def _pack(items: Sequence[Any], kind: type) -> np.ndarray:
    """Return Python scalars of one type as an array (N,); `_unpack` is the inverse."""
    if kind is str:
        return _encode(items)
    if kind is int and not all(-(2**63) <= item < 2**63 for item in items):
        return _encode(map(hex, items))
    return np.array(items, dtype=_SCALARS[kind])


def _unpack(array: np.ndarray, kind: type) -> list[Any]:
    if kind is str and array.dtype.kind == "S":
        return _decode(array)
    if kind is int and array.dtype.kind == "S":
        return [int(text, 16) for text in _decode(array)]
    if array.dtype == _SCALARS[kind]:
        return array.tolist()
    raise ValueError(f"an array of dtype {array.dtype} cannot hold values of type {kind.__name__}")


def _encode(texts: Iterable[str], width: int = 1) -> np.ndarray:
    """Return texts as an array (N,) of UTF-8, with elements of at least `width` bytes."""
    encoded = [text.encode("utf-8", "surrogatepass").replace(b"\0", b"\xc0\x80") for text in texts]
    width = max([width, 1, *map(len, encoded)])
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", width))


def _decode(array: np.ndarray) -> list[str]:
    return [item.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass") for item in array.ravel().tolist()]


def _escape(key: str) -> str:
    """Return a key as the name of an HDF5 link: not empty, not ".", and without slash, NUL and lone surrogates."""
    return re.sub(r"[%/\0\ud800-\udfff]|\A\.\Z", lambda match: f"%{ord(match[0]):04X}", key) or "%"


def _unescape(name: str) -> str:
    return re.sub(r"%([0-9A-F]{4})?", lambda match: chr(int(match[1], 16)) if match[1] else "", name)
