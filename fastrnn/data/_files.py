"""Files of arrays: opened, searched and read, with errors that name the file, the array and what was expected."""

import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fastrnn.data.lazy_array import LazyArray

if TYPE_CHECKING:  # imported where a file is opened: arrays in memory need no HDF5
    import h5py


class DataError(ValueError):
    """Data that cannot be used; one sentence names the file, the key and the row (from 0), and what was expected."""


class DataFile:
    """
    An open file of arrays: their names, the arrays, and errors that name the file.

    Parameters
    ----------
    path : path-like
        The file; its suffix says of which type it is.
    types : tuple of str
        The suffixes to accept; the array of a ``.npy`` file has the name "array".
    """

    def __init__(self, path: str | os.PathLike[str], types: tuple[str, ...] = (".h5", ".hdf5", ".npz")) -> None:
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        if suffix not in types:
            expected = f"{', '.join(types[:-1])} or {types[-1]}"
            raise DataError(f"{self.path}: unknown file type {suffix!r}; expected {expected}")
        if not self.path.is_file():
            raise DataError(f"{self.path}: there is no such file")
        self._opened = ExitStack()
        self._file: Any
        with reading(f"{self.path}"):
            if suffix == ".npz":
                if not zipfile.is_zipfile(self.path):  # np.load would take it for a pickle
                    raise ValueError("it is not an npz file")
                self._file = self._opened.enter_context(np.load(self.path, allow_pickle=False))
                self.names = list(self._file)
            elif suffix == ".npy":
                with open(self.path, "rb") as stream:  # not np.load, which would take other files for pickles
                    self._file = {"array": np.lib.format.read_array(stream, allow_pickle=False)}
                self.names = ["array"]
            else:
                import h5py

                self._file = self._opened.enter_context(h5py.File(self.path, "r"))
                found: dict[str, Any] = {}
                self._file.visititems(found.__setitem__)
                self.names = [name for name, node in found.items() if isinstance(node, h5py.Dataset)]
        self._is_hdf5 = suffix in (".h5", ".hdf5")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def array(self, key: str) -> np.ndarray:
        """Return an array; texts are decoded."""
        with reading(f"{self.path}: {key!r}"):
            node = self._file[key]
            if self._is_hdf5:
                import h5py

                is_text = isinstance(node, h5py.Dataset) and h5py.check_string_dtype(node.dtype)
            else:
                is_text = False
            if is_text:
                return np.asarray(node.asstr("utf-8")[()], dtype=str)  # also where the file says ASCII
            array = np.asarray(node[()])
            return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array

    def lazy(self, key: str) -> LazyArray:
        """Return an array that is read by blocks as its rows are taken, when this file is closed, too."""
        if not self._is_hdf5:
            raise DataError(f"{self.path}: is read as a whole; expected an HDF5 file (.h5, .hdf5) to read by blocks")
        import h5py

        with reading(f"{self.path}: {key!r}"):
            return read_by_blocks(h5py.File(self.path, "r")[key])

    def classes(self, labels: str) -> list[str] | None:
        """Return the names of the classes that the file, the array `labels` or the array "classes" holds."""
        with reading(f"{self.path}: 'classes'"):
            nodes = (self._file, self._file[labels]) if self._is_hdf5 else ()
            found = [node.attrs["classes"] for node in nodes if "classes" in node.attrs]
            if "classes" in self.names:
                found.append(self.array("classes"))
            if not found:
                return None
            names = [name.decode() if isinstance(name, bytes) else str(name) for name in np.ravel(found[0]).tolist()]
        if len(set(names)) < len(names):
            raise self.error("classes", f"is {names}", "every name once")
        return names

    def error(self, key: str, problem: str, expected: str) -> DataError:
        """Return the error to raise for the array `key`."""
        return DataError(f"{self.path}: {key!r} {problem}; expected {expected}")


class Stored:
    """
    What a `LazyArray` reads from: rows of a dataset in an open HDF5 file, with errors that name the file and the rows.

    Attributes
    ----------
    shape, dtype
        Of the dataset; the dtype in the byte order of the machine.
    chunk_length : int
        Rows of a chunk; 1 where the dataset lies in one piece.
    """

    def __init__(self, dataset: "h5py.Dataset") -> None:
        self._dataset, self._file = dataset, dataset.file  # which stays open as long as this refers to it
        self.name = f"{self._file.filename}: {dataset.name.lstrip('/')!r}"
        self.shape: tuple[int, ...] = dataset.shape or ()  # None where it is of no numbers
        self.dtype: np.dtype[Any] = dataset.dtype.newbyteorder("=")
        self.chunk_length: int = 1 if dataset.chunks is None else dataset.chunks[0]
        self._n_bytes = self._count_bytes()

    def __getitem__(self, rows: slice) -> np.ndarray:
        with reading(f"{self.name}, rows {rows.start} to {rows.stop - 1}"):
            values = self._dataset[rows].astype(self.dtype, copy=False)
            n_bytes = self._count_bytes()
            if n_bytes < self._n_bytes:  # what was beyond its new end has come as zeros
                raise DataError(f"{self.name}: the file has shrunk from {self._n_bytes:,} bytes to {n_bytes:,}")
            return values

    def _count_bytes(self) -> int:
        """Return the size of the file, or 0 where HDF5 does not read it by a descriptor."""
        if self._file.driver != "sec2":
            return 0
        return os.fstat(self._file.id.get_vfd_handle()).st_size


def read_by_blocks(dataset: "h5py.Dataset") -> LazyArray:
    """
    Read a dataset by blocks, as its rows are taken.

    Estimators take datasets as they are; this is for a `Trainer` and for ``Sequential.predict``.

    Parameters
    ----------
    dataset : h5py.Dataset
        An array in an HDF5 file, which stays open as long as the result is in use.

    Returns
    -------
    LazyArray
        The same numbers in the byte order of the machine: it has a shape and a dtype, and ``x[rows]`` gives an ndarray.
    """
    return LazyArray(Stored(dataset))


@contextmanager
def reading(place: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a DataError: h5py and zipfile report damage by errors of many classes."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = str(error.args[0] if isinstance(error, KeyError) else error).partition("\n")[0]
        raise DataError(f"{place}: cannot be read: {reason}") from error


def listing(items: Sequence[object], most: int = 10) -> str:
    """Return items in quotes and with commas, only the first ones of many."""
    listed = ", ".join(map(repr, items[:most])) or "nothing"
    return listed if len(items) <= most else f"{listed} and {len(items) - most} more"
