"""HDF5, npz and npy files: list their arrays, and read an array as a whole or by blocks."""

import os
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fastrnn.data.errors import DataError, check_file, listing, reading
from fastrnn.data.lazy_array import LazyArray

if TYPE_CHECKING:  # imported when a file is opened, because arrays in memory do not need HDF5
    import h5py

__all__ = ["ArrayFile", "StoredRows", "read_by_blocks"]


class ArrayFile:
    """
    An open file of arrays. Its errors name the file and the array.

    Parameters
    ----------
    path : path-like
        The file; its suffix tells its type.
    types : tuple of str
        The suffixes to accept. The array of a ``.npy`` file has the name "array".

    Attributes
    ----------
    path : Path
        The file.
    names : list of str
        The names of its arrays.

    Raises
    ------
    DataError
        When there is no such file, its type is not one of these, or it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], types: tuple[str, ...] = (".h5", ".hdf5", ".npz")) -> None:
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        if suffix not in types:
            expected = f"{', '.join(types[:-1])} or {types[-1]}"
            raise DataError(f"{self.path}: unknown file type {suffix!r}; expected {expected}")
        check_file(self.path)
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
        """
        Read an array.

        Parameters
        ----------
        key : str
            The name of the array.

        Returns
        -------
        ndarray
            The array. Byte strings are decoded from UTF-8.

        Raises
        ------
        DataError
            When the array cannot be read.
        """
        with reading(self.name_of(key)):
            node = self._file[key]
            if self._is_hdf5:
                import h5py

                is_text = isinstance(node, h5py.Dataset) and h5py.check_string_dtype(node.dtype)
            else:
                is_text = False
            if is_text:
                return np.asarray(node.asstr("utf-8")[()], dtype=str)  # UTF-8 even where the file says ASCII
            array = np.asarray(node[()])
            return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array

    def lazy(self, key: str) -> LazyArray:
        """
        Return an array that is read by blocks as its rows are taken.

        Parameters
        ----------
        key : str
            The name of the array, in an HDF5 file.

        Returns
        -------
        LazyArray
            The array. It keeps a handle of its own to the file, so it can be read after this one is closed.

        Raises
        ------
        DataError
            When the file is not HDF5, or the array cannot be opened.
        """
        if not self._is_hdf5:
            raise DataError(f"{self.path}: cannot be read by blocks; expected an HDF5 file (.h5, .hdf5)")
        import h5py

        with reading(self.name_of(key)):
            return read_by_blocks(h5py.File(self.path, "r")[key])

    def classes(self, labels: str) -> list[str] | None:
        """
        Return the names of the classes.

        Parameters
        ----------
        labels : str
            The name of the array of labels.

        Returns
        -------
        list of str or None
            The attribute "classes" of the file or of `labels`, or the array "classes"; None if there is none of them.

        Raises
        ------
        DataError
            When the names cannot be read, or a name stands there twice.
        """
        with reading(self.name_of("classes")):
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

    def name_of(self, key: str) -> str:
        """
        Return the name of an array for error messages.

        Parameters
        ----------
        key : str
            The name of the array in the file.

        Returns
        -------
        str
            The path of the file and the name.
        """
        return f"{self.path}: {key!r}"

    def error(self, key: str, problem: str, expected: str) -> DataError:
        """
        Return the error to raise about an array.

        Parameters
        ----------
        key : str
            The name of the array.
        problem : str
            What is wrong, such as "has shape (3,)".
        expected : str
            What was expected.

        Returns
        -------
        DataError
            The error.
        """
        return DataError(f"{self.name_of(key)} {problem}; expected {expected}")

    def missing(self, wanted: str) -> DataError:
        """
        Return the error to raise when an array is not in the file.

        Parameters
        ----------
        wanted : str
            What was looked for.

        Returns
        -------
        DataError
            The error, which lists the arrays of the file.
        """
        return DataError(f"{self.path}: has no {wanted}; it has {listing(self.names)}")

    def has_pair(self, x: str, y: str) -> bool:
        """
        Tell whether the file has two arrays that belong together.

        Parameters
        ----------
        x, y : str
            The names of the arrays.

        Returns
        -------
        bool
            True if it has both, False if it has neither.

        Raises
        ------
        DataError
            When the file has only one of them.
        """
        has_x, has_y = x in self.names, y in self.names
        if has_x != has_y:
            there, missing = (x, y) if has_x else (y, x)
            raise DataError(f"{self.path}: has {there!r} but no {missing!r}; expected both or neither")
        return has_x


class StoredRows:
    """
    Rows of a dataset in an open HDF5 file, as the source of a `LazyArray`. Errors name the file and the rows.

    Parameters
    ----------
    dataset : h5py.Dataset
        The dataset.

    Attributes
    ----------
    name : str
        The path of the file and the name of the dataset.
    shape : tuple of int
        The shape of the dataset.
    dtype : dtype
        Its dtype in the byte order of the machine.
    chunk_length : int
        Rows of a chunk; 1 if the dataset is not chunked.
    """

    def __init__(self, dataset: "h5py.Dataset") -> None:
        self._dataset, self._file = dataset, dataset.file  # the file stays open as long as something refers to it
        self.name = f"{self._file.filename}: {dataset.name.lstrip('/')!r}"
        self.shape: tuple[int, ...] = dataset.shape or ()  # None for a dataset without values
        self.dtype: np.dtype[Any] = dataset.dtype.newbyteorder("=")
        self.chunk_length: int = 1 if dataset.chunks is None else dataset.chunks[0]
        self._n_bytes = self._count_bytes()

    def __getitem__(self, rows: slice) -> np.ndarray:
        with reading(f"{self.name}, rows {rows.start} to {rows.stop - 1}"):
            values = self._dataset[rows].astype(self.dtype, copy=False)
            n_bytes = self._count_bytes()
            if n_bytes < self._n_bytes:  # HDF5 gives zeros for what lies beyond the new end
                raise DataError(f"{self.name}: the file has shrunk from {self._n_bytes:,} bytes to {n_bytes:,}")
            return values

    def _count_bytes(self) -> int:
        """Return the size of the file, or 0 if HDF5 does not read it through a file descriptor."""
        if self._file.driver != "sec2":
            return 0
        return os.fstat(self._file.id.get_vfd_handle()).st_size


def read_by_blocks(dataset: "h5py.Dataset") -> LazyArray:
    """
    Read a dataset by blocks, as its rows are taken.

    Estimators accept datasets themselves; this is for `Trainer` and ``Sequential.predict``.

    Parameters
    ----------
    dataset : h5py.Dataset
        An array in an HDF5 file, which stays open as long as the result is in use.

    Returns
    -------
    LazyArray
        The same numbers in the byte order of the machine. It has a shape and a dtype, and ``x[rows]`` is an ndarray.
    """
    return LazyArray(StoredRows(dataset))
