"""N-grams from HDF5 and npz files: words before, the next word, and the vocabulary that numbers them."""

import os
from dataclasses import dataclass

import numpy as np

from fastrnn._checks import check_choice
from fastrnn.data._files import DataError, DataFile, listing

__all__ = ["NGrams", "load_ngrams"]

_KEYS = {"training": ("trainx", "traind"), "validation": ("valx", "vald"), "test": ("testx", "testd")}


@dataclass(frozen=True)
class NGrams:
    """
    Words before and the next word, to train, validate and test a model on.

    Attributes
    ----------
    x_train, x_validation, x_test : ndarray (N, K)
        The numbers of the K words before, indices into `words`; None where there is no such set.
    y_train, y_validation, y_test : ndarray (N,)
        The numbers of the next words, of the same dtype; None where there is no such set.
    words : list of str (V,)
        The vocabulary.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray | None
    y_validation: np.ndarray | None
    x_test: np.ndarray | None
    y_test: np.ndarray | None
    words: list[str]


def load_ngrams(path: str | os.PathLike[str], *, first_index: int | None = None) -> NGrams:
    """
    Load n-grams from an HDF5 (``.h5``, ``.hdf5``) or NumPy (``.npz``) file.

    It holds the words before as ``trainx`` (N, K), the next words as ``traind`` (N,), and ``words`` (V,), the texts
    that these numbers stand for; likewise ``valx``, ``vald``, ``testx`` and ``testd``, which may be absent. The numbers
    count from 0 or from 1, which the data tell: only the one has a 0, only the other a V.

    Parameters
    ----------
    path : path-like
        The file.
    first_index : {0, 1}, optional
        The number of the first word, where the data have neither 0 nor V.

    Returns
    -------
    NGrams
        The n-grams, their words numbered from 0, of the smallest unsigned dtype that holds V - 1.

    Raises
    ------
    DataError
        When the file cannot be read or an array is missing, has the wrong shape or holds a value that cannot be used,
        or when the data do not tell the number of the first word.
    ValueError
        When `first_index` is another number.
    """
    check_choice("first_index", first_index, (None, 0, 1))
    with DataFile(path) as file:
        arrays = {}
        for part, keys in _KEYS.items():
            missing = [key for key in keys if key not in file.names]
            if len(missing) == 1:
                raise DataError(f"{file.path}: has half a {part} set, no {missing[0]!r}, but {listing(file.names)}")
            if not missing:
                arrays.update(_part(file, *keys))
        for key in ("trainx", "words"):
            if key not in file.names:
                raise DataError(f"{file.path}: has no {key!r}, but {listing(file.names)}")
        _check_widths(file, arrays)
        words = _words(file)
        first = _first_index(file, arrays, len(words), first_index)
        dtype = np.min_scalar_type(len(words) - 1)
        sets = {key: (array - array.dtype.type(first)).astype(dtype) for key, array in arrays.items()}
        return NGrams(
            x_train=sets["trainx"],
            y_train=sets["traind"],
            x_validation=sets.get("valx"),
            y_validation=sets.get("vald"),
            x_test=sets.get("testx"),
            y_test=sets.get("testd"),
            words=words,
        )


def _part(file: DataFile, x_key: str, y_key: str) -> dict[str, np.ndarray]:
    """Return the words before (N, K) and the next words (N,) of one set, by key."""
    x, y = _numbers(file, x_key), _numbers(file, y_key)
    if x.ndim != 2 or not x.size:
        raise file.error(x_key, f"has shape {x.shape}", "(examples, words before), neither of them 0")
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.shape != x.shape[:1]:
        raise file.error(y_key, f"has shape {y.shape}", f"({len(x)},), a word for each row of {x_key!r}")
    return {x_key: x, y_key: y}


def _numbers(file: DataFile, key: str) -> np.ndarray:
    array = file.array(key)
    if array.dtype.kind not in "iuf":
        raise file.error(key, f"has dtype {array.dtype}", "the numbers of words")
    return array


def _check_widths(file: DataFile, arrays: dict[str, np.ndarray]) -> None:
    width = arrays["trainx"].shape[1]
    for key in ("valx", "testx"):
        if key in arrays and arrays[key].shape[1] != width:
            raise file.error(key, f"has shape {arrays[key].shape}", f"{width} columns, as 'trainx' has")


def _words(file: DataFile) -> list[str]:
    array = file.array("words")
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.dtype.kind != "U" or array.ndim != 1 or len(array) < 2:
        raise file.error("words", f"has dtype {array.dtype} and shape {array.shape}", "at least two texts, (words,)")
    words: list[str] = array.tolist()
    first_rows: dict[str, int] = {}
    for row, word in enumerate(words):
        if first_rows.setdefault(word, row) < row:
            raise file.error("words", f"is {word!r} in rows {first_rows[word]} and {row}", "every word once")
    return words


def _first_index(file: DataFile, arrays: dict[str, np.ndarray], size: int, given: int | None) -> int:
    """Return the number of the first word, all numbers checked."""
    low, high = (0, size) if given is None else (given, given + size - 1)
    choice = f"from 0 to {size - 1} or from 1 to {size}" if given is None else f"from {low} to {high}"
    expected = f"whole numbers {choice}, as there are {size} words"
    for key, array in arrays.items():
        valid = (array >= low) & (array <= high)
        if array.dtype.kind == "f":
            valid &= np.trunc(array) == array
        if not valid.all():
            raise file.error(key, _place(array, np.argmin(valid)), expected)
    if given is not None:
        return given
    zero = next((key for key, array in arrays.items() if array.min() == 0), None)
    last = next((key for key, array in arrays.items() if array.max() == size), None)
    if zero is not None and last is not None:
        places = [_place(arrays[zero], arrays[zero].argmin()), _place(arrays[last], arrays[last].argmax())]
        raise file.error(zero, f"{places[0]} and {last!r} {places[1]}", expected)
    if zero is None and last is None:
        numbers = f"{min(x.min() for x in arrays.values())} to {max(x.max() for x in arrays.values())}"
        problem = f"the numbers of words, {numbers}, may count the {size} words from 0 or from 1"
        raise DataError(f"{file.path}: {problem}; expected first_index to say which")
    return 0 if last is None else 1


def _place(array: np.ndarray, flat: np.intp) -> str:
    """Return a value and where it is, to follow the name of its array."""
    index = np.unravel_index(flat, array.shape)
    place = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), index, strict=False))
    return f"is {array[index]} in {place}"
