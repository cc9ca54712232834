"""Images from files and arrays, in one form whatever their layout and dtype."""

import os

import numpy as np

from fastrnn._typing import Array
from fastrnn.data.array_files import ArrayFile
from fastrnn.data.checks import check_finite, check_real
from fastrnn.data.errors import DataError, locate
from fastrnn.data.lazy_array import LazyArray, Rows

__all__ = ["as_images", "load_images"]

_LAYOUTS = "images (N, 3, h, w), (N, h, w, 3) or (N, h, w)"


def load_images(path: str | os.PathLike[str], key: str | None = None, *, stream: bool = False) -> Rows:
    """
    Load images, or a matrix, from an HDF5 (``.h5``, ``.hdf5``) or NumPy (``.npz``, ``.npy``) file.

    Parameters
    ----------
    path : path-like
        The file.
    key : str, optional
        The name of the array. The default is "data" or, if there is none, the only array of the file.
    stream : bool
        Do not load the array of an HDF5 file: read it by blocks as it is needed. Whether a matrix holds finite numbers
        is then checked as it is read.

    Returns
    -------
    ndarray or LazyArray (N, h, w, 3), (N, h, w) or (N, F)
        Colour or grey images in the form that `as_images` returns, or a matrix of finite real numbers in the dtype of
        the file.

    Raises
    ------
    DataError
        When the file cannot be read or has no such array, or the array has a shape or a value that cannot be used.
    """
    with ArrayFile(path, (".h5", ".hdf5", ".npz", ".npy")) as file:
        if key is None:
            key = "data" if "data" in file.names or len(file.names) != 1 else file.names[0]
        if key not in file.names:
            raise file.missing(repr(key))
        array, name = file.lazy(key) if stream else file.array(key), file.name_of(key)
        if array.ndim == 2:
            return _as_matrix(array, name)
        return image_rows(array, name) if isinstance(array, LazyArray) else as_images(array, name)


def as_images(array: np.ndarray, name: str = "images", channels: str | None = None) -> np.ndarray:
    """
    Bring images to one form: channels last, and either integers from 0 to 255 or floats from 0 to 1.

    Whole numbers from 0 to 255 of any dtype become uint8, except floats that are all at most 1. Booleans become 0 and
    255. Nothing is copied unless the numbers have to change.

    Parameters
    ----------
    array : ndarray (N, 3, h, w), (N, h, w, 3) or (N, h, w)
        Colour or grey images; grey ones may have an axis of one channel. Whole numbers from 0 to 255, or floats from 0
        to 1, where 0 is black.
    name : str
        The name of the array in error messages.
    channels : {"first", "last"}, optional
        Which axis of colour images holds the channels; None finds it from the shape.

    Returns
    -------
    ndarray (N, h, w, 3) or (N, h, w)
        The images, of uint8 or a float dtype.

    Raises
    ------
    DataError
        When the shape fits none of these layouts, or two of them, or when a number is out of range.
    """
    return image_rows(LazyArray(np.asarray(array)), name, channels)[:]


def image_rows(images: LazyArray, name: str, channels: str | None = None) -> LazyArray:
    """
    Bring images to one form as they are read; see `as_images`.

    Parameters
    ----------
    images : LazyArray (N, 3, h, w), (N, h, w, 3) or (N, h, w)
        The images.
    name : str
        The name of the array in error messages.
    channels : {"first", "last"}, optional
        Which axis of colour images holds the channels; None finds it from the shape.

    Returns
    -------
    LazyArray (N, h, w, 3) or (N, h, w)
        The images. Whole numbers are checked as they are read.

    Raises
    ------
    DataError
        As for `as_images`.
    """
    return _as_intensities(_channels_last(images, name, channels), name)


def _channels_last(images: LazyArray, name: str, channels: str | None) -> LazyArray:
    """Return views (N, h, w, 3) or (N, h, w)."""
    shape = images.shape

    def error(problem: str) -> DataError:
        return DataError(f"{name} has shape {shape}, {problem}; expected {_LAYOUTS}")

    if len(shape) not in (3, 4) or not images.size:
        raise DataError(f"{name} has shape {shape}; expected {_LAYOUTS}, each axis at least 1")
    if len(shape) == 3:
        if shape[2] == 3:  # one photograph, or a batch of sequences
            raise error("which may be one colour image without an axis of images")
        return images
    axes = {None: (1, 3), "first": (1,), "last": (3,)}[channels]
    places = [axis for axis in axes if shape[axis] in (1, 3)]
    if len(places) != 1:
        raise error("which may have its channels first or last" if places else "without an axis of three channels")
    (place,) = places
    height_and_width = tuple(np.delete(shape[1:], place - 1).tolist())
    if shape[place] == 1:
        return images.map(lambda values, _: np.moveaxis(values, place, 3)[..., 0], height_and_width)
    return images.map(lambda values, _: np.moveaxis(values, place, 3), (*height_and_width, 3))


def _as_intensities(images: LazyArray, name: str) -> LazyArray:
    """Return images as uint8, or as floats from 0 to 1."""
    check_real(images, name)
    kind = images.dtype.kind
    if images.dtype == np.uint8:
        return images
    if kind == "b":
        return images.map(lambda values, _: values.astype(np.uint8) * np.uint8(255), dtype=np.uint8)
    if kind == "f" and _lie_within_1(images):
        native = images.dtype.newbyteorder("=")
        return images.map(lambda values, _: values.astype(native, copy=False), dtype=native)

    def whole(values: Array, rows: Array) -> Array:
        wrong = ~((values >= 0) & (values <= 255))  # True for NaN, too
        if not wrong.any():
            integers = values.astype(np.uint8)
            wrong = values != integers
            if not wrong.any():
                return integers
        found = locate(values, np.argmax(wrong), rows, ("image", "row", "column"))
        raise DataError(f"{name} holds {found}; expected whole numbers from 0 to 255 or floats from 0 to 1")

    return images.map(whole, dtype=np.uint8)


def _lie_within_1(images: LazyArray) -> bool:
    """Tell whether all numbers are from 0 to 1."""
    return all(values.min() >= 0 and values.max() <= 1 for _, values in images.pieces())


def _as_matrix(array: Rows, name: str) -> Rows:
    """Return a matrix (N, F) of finite real numbers."""
    check_real(array, name)
    if not array.size:
        raise DataError(f"{name} has shape {array.shape}; expected rows (N, F), each axis at least 1")
    return check_finite(array, name, ("row", "column"))
