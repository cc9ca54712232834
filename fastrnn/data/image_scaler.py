"""Images as rows of numbers from 0.1 to 0.9, which a net can learn."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastrnn.data.errors import DataError
from fastrnn.data.images import as_images
from fastrnn.data.lazy_array import LazyArray, Rows

__all__ = ["ImageScaler"]

_RED, _GREEN, _BLUE = map(np.float64, (0.2126, 0.7152, 0.0722))  # their shares of luminosity: ITU-R BT.709
_LOW, _HIGH = 0.1, 0.9  # inside the range of a sigmoid, which reaches neither 0 nor 1
_CLIP = 3  # standard deviations
_PART = 2**20  # pixels that are converted to float64 at a time


@dataclass(frozen=True)
class ImageScaler:
    """
    Turn images into rows of numbers from 0.1 to 0.9, with a scale learned from a training set.

    Colours become luminosities, 0.2126 R + 0.7152 G + 0.0722 B, and each image loses its own mean. Values beyond 3
    standard deviations of the whole training set are clipped, and the range between is mapped to 0.1 ... 0.9. White
    counts as 1, so uint8 and float images of the same picture give the same rows.

    Attributes
    ----------
    shape : (int, int)
        The height and width of the images.
    deviation : float
        The standard deviation of the pixels of the training set, after subtracting the mean of each image.
    """

    shape: tuple[int, int]
    deviation: float

    @classmethod
    def of(cls, images: Rows, channels: str | None = None) -> Self:
        """
        Learn the scale from a training set.

        Parameters
        ----------
        images : ndarray or LazyArray (N, 3, h, w), (N, h, w, 3) or (N, h, w)
            The images, as for `as_images`, or what `load_images` returns.
        channels : {"first", "last"}, optional
            As for `as_images`.

        Returns
        -------
        ImageScaler
            The scaler for images of this height and width.

        Raises
        ------
        DataError
            As for `as_images`, and when every image has a single colour.
        """
        if not isinstance(images, LazyArray):
            images = as_images(images, channels=channels)
        height, width = images.shape[1:3]
        squares = sum(float(np.vdot(part, part)) for _, part in _centred(images))
        deviation = float(np.sqrt(squares / (len(images) * height * width)))
        if deviation < 1e-9:  # rounding of plain images gives far less, the faintest 8-bit picture more
            raise DataError(f"each of the {len(images)} images has a single colour; expected images with contrast")
        return cls((height, width), deviation)

    def transform(self, images: Rows, dtype: Any = np.float32, channels: str | None = None) -> Rows:
        """
        Return a row for each image.

        Parameters
        ----------
        images : ndarray or LazyArray (N, 3, h, w), (N, h, w, 3) or (N, h, w)
            Images of this height and width, as for `of`.
        dtype : dtype
            The dtype of the result.
        channels : {"first", "last"}, optional
            As for `as_images`.

        Returns
        -------
        ndarray or LazyArray (N, h * w)
            The rows, from 0.1 to 0.9; 0.5 is the mean of each image.

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
        Return the grey images of rows.

        Rows do not hold the mean of an image, so `mean` sets it; clipped values stay clipped.

        Parameters
        ----------
        rows : ndarray (N, h * w)
            Rows from `transform`, or their reconstructions.
        mean : float or ndarray (N,)
            The mean luminosity of the images to return.

        Returns
        -------
        ndarray (N, h, w)
            Luminosities in the dtype of the rows, where 0 is black and 1 is white; some may lie outside 0 ... 1.

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
        Return the scaler as plain numbers, to be saved.

        Returns
        -------
        dict
            The height and width as ``shape``, and ``deviation``.
        """
        return {"shape": list(self.shape), "deviation": self.deviation}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Self:
        """
        Return the scaler from the result of `to_tree`.

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
            When these are missing, or are not two sizes and a number above 0.
        """
        try:
            height, width = map(int, tree["shape"])
            deviation = float(tree["deviation"])
        except (KeyError, TypeError, ValueError):
            height = width = 0
            deviation = 0.0
        if min(height, width) < 1 or not 0 < deviation < np.inf:
            expected = "a shape of two sizes and a deviation above 0"
            raise DataError(f"the image scaler is {dict(tree)}; expected {expected}")
        return cls((height, width), deviation)


def _centred(images: Rows) -> Iterator[tuple[slice, np.ndarray]]:
    """
    Yield slices of images and their luminosities minus the mean of each image, as float64 rows (n, h * w).

    One slice at a time, because all of them would take much memory.
    """
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
