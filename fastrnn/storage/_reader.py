"""From HDF5 to trees: see `fastrnn.storage` for the format."""

import math
from typing import Any

import h5py
import numpy as np

from fastrnn.storage._encoding import NAMED_SCALARS, decode, is_plain, unescape, unpack


class Reader:
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
        return {key: self.node(group, name) for key, name in sorted((unescape(name), name) for name in group)}

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
        if array.ndim == 0 and kind in NAMED_SCALARS:
            return unpack(array.reshape(1), NAMED_SCALARS[kind])[0]
        if array.ndim == 1 and container in ("list", "tuple") and item in NAMED_SCALARS:
            items = unpack(array, NAMED_SCALARS[item])
            return items if container == "list" else tuple(items)
        raise ValueError(f"{node.name!r} is a dataset of shape {node.shape} and of kind {kind!r}")

    def array(self, node: h5py.Dataset) -> np.ndarray:
        layout = node.id.get_create_plist()
        if layout.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS) or layout.get_external_count():
            raise ValueError(f"{node.name!r} is chunked, virtual or stored in another file")
        dtype = node.dtype
        if node.shape is None or not is_plain(dtype):
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
        return np.array(decode(array), dtype=target).reshape(array.shape)


def _attribute(node: h5py.HLObject, name: str) -> str:
    """Return a short text attribute; "" if `node` has no attribute of this name."""
    if name not in node.attrs:
        return ""
    attribute = node.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind != "S" or attribute.dtype.itemsize > 32:
        raise ValueError(f"the attribute {name!r} of {node.name!r} is not a short text")
    return node.attrs[name].decode()
