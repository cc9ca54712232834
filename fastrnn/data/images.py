"""Images: out of files, in one form whatever their layout and type, and as rows of numbers that a net can learn."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastrnn.data._files import DataError, DataFile, listing
from fastrnn.data.lazy_array import LazyArray, Rows

__all__ = ["ImageScaler", "as_images", "load_images"]

_LAYOUTS = "images (N, 3, h, w), (N, h, w, 3) or (N, h, w)"
_RED, _GREEN, _BLUE = map(np.float64, (0.2126, 0.7152, 0.0722))  # their shares of luminosity: ITU-R BT.709
_LOW, _HIGH = 0.1, 0.9  # inside the range of a sigmoid, which reaches neither 0 nor 1
_CLIP = 3  # standard deviations
_PART = 2**20  # pixels that are worked on at a time, in float64


def load_images(path: str | os.PathLike[str], key: str | None = None, *, stream: bool = False) -> Rows:
    """
    Load images from an HDF5 (``.h5``, ``.hdf5``) or NumPy (``.npz``, ``.npy``) file, or a matrix as it is.

    Parameters
    ----------
    path : path-like
        The file.
    key : str, optional
        The name of the array; by default "data" or, where there is none, the only array of the file.
    stream : bool
        Leave the array of an HDF5 file there, to be read by blocks as it is needed; that a matrix is of finite numbers
        is checked as it is read.

    Returns
    -------
    ndarray or LazyArray (N, h, w, 3), (N, h, w) or (N, F)
        Colour or grey images in the form of `as_images`; of a matrix the finite real numbers in the dtype of the file.

    Raises
    ------
    DataError
        When the file cannot be read or has no such array, or this has a shape or a value that cannot be used.
    """
    with DataFile(path, (".h5", ".hdf5", ".npz", ".npy")) as file:
        if key is None:
            key = "data" if "data" in file.names or len(file.names) != 1 else file.names[0]
        if key not in file.names:
            raise DataError(f"{file.path}: has {listing(file.names)}; expected {key!r}")
        array, name = file.lazy(key) if stream else file.array(key), f"{file.path}: {key!r}"
        if array.ndim == 2:
            return _as_matrix(array, name)
        return _as_images(array, name) if isinstance(array, LazyArray) else as_images(array, name)


def as_images(array: np.ndarray, name: str = "images", channels: str | None = None) -> np.ndarray:
    """
    Bring images to one form: channels last, and either integers from 0 to 255 or floats from 0 to 1.

    Nothing is copied unless the numbers have to change: whole numbers from 0 to 255 of any dtype become uint8, unless
    they are floats none of which exceeds 1; truth values become 0 and 255.

    Parameters
    ----------
    array : ndarray (N, 3, h, w), (N, h, w, 3) or (N, h, w)
        Colour images or grey ones, which may have an axis of one channel; whole numbers from 0 to 255, or floats from
        0 to 1, where 0 is black.
    name : str
        What errors call the array.
    channels : {"first", "last"}, optional
        Where colour images have theirs; None tells by the shape.

    Returns
    -------
    ndarray (N, h, w, 3) or (N, h, w)
        The images, of uint8 or a float dtype.

    Raises
    ------
    DataError
        When the shape is none of these, or of two of them, or when a number has another range.
    """
    return _as_images(LazyArray(np.asarray(array)), name, channels)[:]


@dataclass(frozen=True)
class ImageScaler:
    """
    What makes rows of numbers from 0.1 to 0.9 of images, by numbers learnt from the training set.

    An image becomes its luminosity 0.2126 R + 0.7152 G + 0.0722 B (or stays grey), less its own mean; what lies beyond
    3 standard deviations of the whole set is clipped, and the range between is mapped to 0.1 ... 0.9. White counts as
    1, so uint8 and float images of the same picture give the same rows.

    Attributes
    ----------
    shape : (int, int)
        The height and width of the images.
    deviation : float
        The standard deviation of the pixels of the training set, their images' means removed.
    """

    shape: tuple[int, int]
    deviation: float

    @classmethod
    def of(cls, images: Rows, channels: str | None = None) -> Self:
        """
        Learn from a training set.

        Parameters
        ----------
        images : ndarray or LazyArray (N, 3, h, w), (N, h, w, 3) or (N, h, w)
            The images, as for `as_images`, or as `load_images` has left them in a file.
        channels : {"first", "last"}, optional
            As for `as_images`.

        Returns
        -------
        ImageScaler
            The scaler for images of this height and width.

        Raises
        ------
        DataError
            As for `as_images`, and when every image is of one colour.
        """
        if not isinstance(images, LazyArray):
            images = as_images(images, channels=channels)
        height, width = images.shape[1:3]
        squares = sum(float(np.vdot(part, part)) for _, part in _centred(images))
        deviation = float(np.sqrt(squares / (len(images) * height * width)))
        if deviation < 1e-9:  # what rounding leaves of plain images is far less, the faintest picture of 8 bits more
            raise DataError(f"each of the {len(images)} images is of one colour; expected images that show something")
        return cls((height, width), deviation)

    def transform(self, images: Rows, dtype: Any = np.float32, channels: str | None = None) -> Rows:
        """
        Return a row for each image.

        Parameters
        ----------
        images : ndarray or LazyArray (N, 3, h, w), (N, h, w, 3) or (N, h, w)
            The images, as for `as_images` or of `load_images`, of the height and width learnt.
        dtype : dtype
            The dtype of the result.
        channels : {"first", "last"}, optional
            As for `as_images`.

        Returns
        -------
        ndarray or LazyArray (N, h * w)
            The rows, from 0.1 to 0.9; 0.5 is the mean of the image.

        Raises
        ------
        DataError
            As for `as_images`, and when the images have another height or width.
        """
        if not isinstance(images, LazyArray):
            images = as_images(images, channels=channels)
        if images.shape[1:3] != self.shape:
            size, expected = (" x ".join(map(str, shape)) for shape in (images.shape[1:3], self.shape))
            raise DataError(f"images are {size} pixels; expected {expected}, as in training")
        slope = (_HIGH - _LOW) / (2 * _CLIP * self.deviation)

        def rows_of(some: np.ndarray, _: Any = None) -> np.ndarray:
            rows = np.empty((len(some), self.shape[0] * self.shape[1]), dtype)
            for place, part in _centred(some):
                part *= slope
                part += (_LOW + _HIGH) / 2
                rows[place] = np.clip(part, _LOW, _HIGH, out=part)
            return rows

        if isinstance(images, LazyArray):
            return images.map(rows_of, (self.shape[0] * self.shape[1],), dtype)
        return rows_of(images)

    def inverse_transform(self, rows: np.ndarray, mean: Any = 0.5) -> np.ndarray:
        """
        Return the grey images that rows stand for: up to their means, which rows do not hold, and to what was clipped.

        Parameters
        ----------
        rows : ndarray (N, h * w)
            Rows as of `transform`, or reconstructed ones.
        mean : float or ndarray (N,)
            The mean luminosity that the images are to have.

        Returns
        -------
        ndarray (N, h, w)
            Luminosities in the dtype of the rows, where 0 is black and 1 is white; contrast may carry some beyond.

        Raises
        ------
        DataError
            When the rows have another length.
        """
        height, width = self.shape
        if rows.ndim != 2 or rows.shape[1] != height * width:
            raise DataError(
                f"rows has shape {rows.shape}; expected (N, {height * width}) for {height} x {width} pixels"
            )
        scaled = (rows - (_LOW + _HIGH) / 2) * (2 * _CLIP * self.deviation / (_HIGH - _LOW))
        scaled += np.reshape(mean, (-1, 1))
        return scaled.reshape(-1, height, width)

    def to_tree(self) -> dict[str, Any]:
        """
        Return the scaler as plain numbers, for files.

        Returns
        -------
        dict
            The height and width as ``shape``, and ``deviation``.
        """
        return {"shape": list(self.shape), "deviation": self.deviation}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Self:
        """
        Return the scaler that `to_tree` has described.

        Parameters
        ----------
        tree : mapping
            The height and width as ``shape``, and ``deviation``.

        Returns
        -------
        ImageScaler
            The scaler.

        Raises
        ------
        DataError
            When these are not there, or are not two sizes and a number above 0.
        """
        try:
            height, width = map(int, tree["shape"])
            deviation = float(tree["deviation"])
        except (KeyError, TypeError, ValueError):
            height = width = 0
            deviation = 0.0
        if min(height, width) < 1 or not 0 < deviation < np.inf:
            expected = "a shape of two sizes and a deviation above 0"
            raise DataError(f"an image scaler is described by {dict(tree)}; expected {expected}")
        return cls((height, width), deviation)


def _centred(images: Rows) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield luminosities less each image's mean, float64 rows (n, h * w), for slices of images: all would take much."""
    step = max(1, _PART // (images.shape[1] * images.shape[2]))
    for start in range(0, len(images), step):
        place = slice(start, start + step)
        part = images[place]
        if part.ndim == 4:
            grey = _RED * part[..., 0] + _GREEN * part[..., 1] + _BLUE * part[..., 2]
        else:
            grey = part.astype(np.float64)
        rows = grey.reshape(len(part), -1)
        if images.dtype == np.uint8:
            rows /= 255
        rows -= rows.mean(axis=1, keepdims=True)
        yield place, rows


def _as_images(images: LazyArray, name: str, channels: str | None = None) -> LazyArray:
    return _as_intensities(_channels_last(images, name, channels), name)


def _channels_last(images: LazyArray, name: str, channels: str | None) -> LazyArray:
    """Return views (N, h, w, 3) or (N, h, w)."""
    shape = images.shape

    def error(problem: str) -> DataError:
        return DataError(f"{name} has shape {shape}, {problem}; expected {_LAYOUTS}")

    if len(shape) not in (3, 4) or not images.size:
        raise DataError(f"{name} has shape {shape}; expected {_LAYOUTS}, none of them 0")
    if len(shape) == 3:
        if shape[2] == 3:  # a photograph, or a batch of sequences
            raise error("which may be one colour image without the axis of images")
        return images
    axes = {None: (1, 3), "first": (1,), "last": (3,)}[channels]
    places = [axis for axis in axes if shape[axis] in (1, 3)]
    if len(places) != 1:
        raise error("whose channels may be first or last" if places else "in which no axis has three channels")
    (place,) = places
    height_and_width = tuple(np.delete(shape[1:], place - 1).tolist())
    if shape[place] == 1:
        return images.map(lambda values, _: np.moveaxis(values, place, 3)[..., 0], height_and_width)
    return images.map(lambda values, _: np.moveaxis(values, place, 3), (*height_and_width, 3))


def _as_intensities(images: LazyArray, name: str) -> LazyArray:
    """Return images as uint8, or as floats from 0 to 1."""
    kind = images.dtype.kind
    if kind not in "biuf":
        raise DataError(f"{name} has dtype {images.dtype}; expected real numbers")
    if images.dtype == np.uint8:
        return images
    if kind == "b":
        return images.map(lambda values, _: values.astype(np.uint8) * np.uint8(255), dtype=np.uint8)
    if kind == "f" and _lie_within_1(images):
        native = images.dtype.newbyteorder("=")
        return images.map(lambda values, _: values.astype(native, copy=False), dtype=native)

    def whole(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        wrong = ~((values >= 0) & (values <= 255))  # NaN is wrong, too
        if not wrong.any():
            integers = values.astype(np.uint8)
            wrong = values != integers
            if not wrong.any():
                return integers
        place = np.unravel_index(np.argmax(wrong), wrong.shape)
        where = f"image {numbers[place[0]]}, row {place[1]}, column {place[2]}"
        expected = "whole numbers from 0 to 255 or floats from 0 to 1"
        raise DataError(f"{name} holds {values[place]} in {where}; expected {expected}")

    return images.map(whole, dtype=np.uint8)


def _lie_within_1(images: LazyArray) -> bool:
    """Are all numbers from 0 to 1?"""
    return all(values.min() >= 0 and values.max() <= 1 for _, values in images.pieces())


def _as_matrix(array: Rows, name: str) -> Rows:
    """Return a matrix (N, F) of real numbers that are finite, or that will be checked as they are read."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {array.dtype}; expected real numbers")
    if not array.size:
        raise DataError(f"{name} has shape {array.shape}; expected rows (N, F), neither of them 0")

    def checked(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        finite = np.isfinite(values)
        if not finite.all():
            row, column = np.unravel_index(np.argmin(finite), values.shape)
            where = f"row {numbers[row]}, column {column}"
            raise DataError(f"{name} holds {values[row, column]} in {where}; expected finite numbers")
        return values

    if isinstance(array, LazyArray):
        return array.map(checked)
    return checked(array, np.arange(len(array))).astype(array.dtype.newbyteorder("="), copy=False)
