"""From trees to HDF5: see `fastrnn.storage` for the format."""

from typing import Any

import h5py
import numpy as np

from fastrnn.storage._encoding import SCALARS, encode, escape, is_plain, pack


def write_members(group: h5py.Group, members: dict[Any, Any], place: str) -> None:
    """Write a dict into `group`. `place`, its path in the tree, is for error messages."""
    for key in sorted(members, key=str):
        if type(key) is not str:
            raise TypeError(f"{place or 'tree'}: keys must be strings, not {key!r}")
        _write(group, escape(key), members[key], f"{place}/{key}" if place else key)


def _write(group: h5py.Group, name: str, value: Any, place: str) -> None:
    kind = type(value)
    if kind is dict:
        write_members(group.create_group(name), value, place)
    elif kind in (list, tuple):
        _write_sequence(group, name, value, place)
    elif value is None:
        _mark(group.create_dataset(name, data=h5py.Empty("u1")), "kind", "none")
    elif kind in SCALARS:
        _mark(group.create_dataset(name, data=pack([value], kind).reshape(())), "kind", kind.__name__)
    elif kind in (np.ndarray, np.memmap):
        _write_array(group, name, value, place)
    elif isinstance(value, np.generic):
        _mark(_write_array(group, name, np.asarray(value), place), "kind", "scalar")
    else:
        raise TypeError(f"{place}: cannot store an object of type {kind.__module__}.{kind.__qualname__}")


def _write_sequence(group: h5py.Group, name: str, items: list | tuple, place: str) -> None:
    container = type(items).__name__
    kind = type(items[0]) if items else None
    if kind in SCALARS and all(type(item) is kind for item in items):
        _mark(group.create_dataset(name, data=pack(items, kind)), "kind", f"{container}[{kind.__name__}]")
    else:
        members = group.create_group(name)
        _mark(members, "kind", container)
        for i, item in enumerate(items):
            _write(members, str(i), item, f"{place}/{i}")


def _write_array(group: h5py.Group, name: str, array: np.ndarray, place: str) -> h5py.Dataset:
    dtype = array.dtype
    if dtype.kind == "U":
        texts = encode(array.ravel().tolist(), width=dtype.itemsize // 4).reshape(array.shape)
        return _mark(group.create_dataset(name, data=texts), "dtype", dtype.str)
    if not is_plain(dtype):
        raise TypeError(f"{place}: cannot store an array of dtype {dtype}")
    return group.create_dataset(name, data=array)


def _mark(node: h5py.HLObject, attribute: str, text: str) -> h5py.HLObject:
    node.attrs[attribute] = np.bytes_(text)
    return node
