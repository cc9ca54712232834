"""Patches cut at random from photographs."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastrnn._checks import check_integer
from fastrnn.data.errors import DataError, reading
from fastrnn.data.images import as_images

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["random_patches", "sample_patches"]

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def sample_patches(size: int = 16, n: int = 10_000, seed: int = 0) -> np.ndarray:
    """
    Return patches of the two photographs that come with scikit-learn, a temple and a flower.

    Parameters
    ----------
    size : int
        The height and width of a patch.
    n : int
        The number of patches.
    seed : int
        The same seed gives the same patches.

    Returns
    -------
    ndarray of uint8 (n, size, size, 3)
        The patches.
    """
    from sklearn.datasets import load_sample_images

    return random_patches(load_sample_images().images, size, n, seed)


def random_patches(
    source: str | os.PathLike[str] | Sequence[np.ndarray], size: int = 16, n: int = 10_000, seed: int = 0
) -> np.ndarray:
    """
    Cut square patches from photographs: every photograph, and every place in it, is equally likely.

    Parameters
    ----------
    source : path-like or sequence of ndarray
        A folder of photographs, or the photographs. In a folder, every file with the suffix of an image is taken;
        subfolders are not searched. Arrays are (h, w, 3), (3, h, w) or grey (h, w), all in colour or all grey, and in
        one of the ranges of `as_images`.
    size : int
        The height and width of a patch.
    n : int
        The number of patches.
    seed : int
        The same seed gives the same patches of the same photographs.

    Returns
    -------
    ndarray (n, size, size, 3) or (n, size, size)
        The patches. Those from a folder are in colour and uint8; others are like the photographs.

    Raises
    ------
    DataError
        When there is no photograph, or one is too small or cannot be read.
    """
    size, n = check_integer("size", size, 1), check_integer("n", n, 1)
    if isinstance(source, str | os.PathLike):
        paths = _find_photographs(Path(source), size)
        return _cut((_read(path) for path in paths), len(paths), size, n, seed)
    photographs = _alike(source, size)
    return _cut(photographs, len(photographs), size, n, seed)


def _cut(photographs: Iterable[np.ndarray], count: int, size: int, n: int, seed: int) -> np.ndarray:
    """Return patches; the photographs come one by one, because a whole folder may not fit into memory."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(count, size=n)
    corners = rng.random((n, 2))  # as fractions of the range that a photograph allows
    patches = np.empty(0)
    for index, photograph in enumerate(photographs):
        if not index:
            patches = np.empty((n, size, size, *photograph.shape[2:]), photograph.dtype)
        room = np.subtract(photograph.shape[:2], size - 1)
        for i in np.flatnonzero(chosen == index):
            top, left = (corners[i] * room).astype(int)
            patches[i] = photograph[top : top + size, left : left + size]
    return patches


def _alike(photographs: Sequence[np.ndarray], size: int) -> list[np.ndarray]:
    """Return photographs (h, w, 3) or (h, w) of one dtype."""
    if not len(photographs):
        raise DataError("there are no photographs; expected at least one")
    images = [as_images(np.asarray(x)[np.newaxis], f"photograph {i}")[0] for i, x in enumerate(photographs)]
    first = images[0]
    for i, image in enumerate(images):
        _check_size(f"photograph {i}", image.shape[1], image.shape[0], size)
        if (image.ndim, image.dtype) != (first.ndim, first.dtype):
            kinds = [f"{x.dtype} and {'grey' if x.ndim == 2 else 'in colour'}" for x in (image, first)]
            raise DataError(f"photograph {i} is {kinds[0]}; expected {kinds[1]}, like photograph 0")
    return images


def _find_photographs(folder: Path, size: int) -> list[Path]:
    """Return the files with the suffix of an image, in order, after checking the size that each states."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not paths:
        raise DataError(f"{folder}: has no photographs; expected files that end in {', '.join(_SUFFIXES)}")
    for path in paths:
        with _opened(path) as image:
            _check_size(str(path), image.width, image.height, size)
            if image.mode.startswith(("I", "F")):  # Pillow would clip their range, not scale it
                raise DataError(f"{path}: has pixels of mode {image.mode!r}; expected 8 bits per channel")
    return paths


def _check_size(name: str, width: int, height: int, size: int) -> None:
    if min(width, height) < size:
        raise DataError(f"{name}: is {width} x {height} pixels; expected at least {size} x {size}, the size of a patch")


def _read(path: Path) -> np.ndarray:
    """Return a photograph (h, w, 3), the right way up."""
    from PIL import ImageOps

    with _opened(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@contextmanager
def _opened(path: Path) -> "Iterator[Image]":
    """Open an image; every error inside becomes a DataError that names the file."""
    from PIL import Image

    with reading(str(path)), Image.open(path) as image:
        yield image
