"""N-grams from HDF5 and npz files: words before, the next word, and the vocabulary that numbers them."""

import os
from dataclasses import dataclass
from functools import partial

import numpy as np

from fastrnn._checks import check_choice, check_integer
from fastrnn.data._files import DataError, DataFile, listing
from fastrnn.data.fingerprint import Fingerprint
from fastrnn.data.lazy_array import LazyArray, Rows, as_lazy

__all__ = ["NGrams", "load_ngrams"]

_KEYS = {"training": ("trainx", "traind"), "validation": ("valx", "vald"), "test": ("testx", "testd")}


@dataclass(frozen=True)
class NGrams:
    """
    Words before and the next word, to train, validate and test a model on.

    Attributes
    ----------
    x_train, x_validation, x_test : ndarray or LazyArray (N, K)
        The numbers of the K words before, indices into `words`; None where there is no such set.
    y_train, y_validation, y_test : ndarray or LazyArray (N,)
        The numbers of the next words, of the same dtype; None where there is no such set.
    words : list of str (V,)
        The vocabulary.
    """

    x_train: Rows
    y_train: Rows
    x_validation: Rows | None
    y_validation: Rows | None
    x_test: Rows | None
    y_test: Rows | None
    words: list[str]


def load_ngrams(
    path: str | os.PathLike[str], *, first_index: int | None = None, order: int | None = None, stream: bool = False
) -> NGrams:
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
    order : int, optional
        The number of words in an n-gram, the next word included, where it is to be less than the file has: the words
        furthest before are left out.
    stream : bool
        Leave the n-grams of an HDF5 file there, to be read by blocks as they are needed. One pass over them checks the
        numbers, finds from where they count and takes the fingerprints by which the data of a run are known.

    Returns
    -------
    NGrams
        The n-grams, their words numbered from 0, of the smallest unsigned dtype that holds V - 1.

    Raises
    ------
    DataError
        When the file cannot be read or an array is missing, has the wrong shape or holds a value that cannot be used,
        or when the data do not tell the number of the first word, or have shorter n-grams.
    TypeError, ValueError
        When `first_index` or `order` is no such number.
    """
    check_choice("first_index", first_index, (None, 0, 1))
    with DataFile(path) as file:
        arrays: dict[str, LazyArray] = {}
        for part, keys in _KEYS.items():
            missing = [key for key in keys if key not in file.names]
            if len(missing) == 1:
                raise DataError(f"{file.path}: has half a {part} set, no {missing[0]!r}, but {listing(file.names)}")
            if not missing:
                arrays.update(_part(file, *keys, stream))
        for key in ("trainx", "words"):
            if key not in file.names:
                raise DataError(f"{file.path}: has no {key!r}, but {listing(file.names)}")
        _check_widths(file, arrays)
        K = arrays["trainx"].shape[1]
        if order is not None and check_integer("order", order, 2) > K + 1:
            raise DataError(
                f"order is {order}, but {file.path} has {K} words before the next; expected at most {K + 1}"
            )
        words = _words(file)
        sets = _number(file, arrays, len(words), first_index, K if order is None else order - 1)
        loaded: dict[str, Rows] = {key: array if stream else array.load() for key, array in sets.items()}
        return NGrams(
            x_train=loaded["trainx"],
            y_train=loaded["traind"],
            x_validation=loaded.get("valx"),
            y_validation=loaded.get("vald"),
            x_test=loaded.get("testx"),
            y_test=loaded.get("testd"),
            words=words,
        )


def _part(file: DataFile, x_key: str, y_key: str, stream: bool) -> dict[str, LazyArray]:
    """Return the words before (N, K) and the next words (N,) of one set, by key."""
    x, y = _numbers(file, x_key, stream), _numbers(file, y_key, stream)
    if x.ndim != 2 or not x.size:
        raise file.error(x_key, f"has shape {x.shape}", "(examples, words before), neither of them 0")
    y = y.map(lambda values, _: values[:, 0], ()) if y.shape == (len(x), 1) else y
    if y.shape != x.shape[:1]:
        raise file.error(y_key, f"has shape {y.shape}", f"({len(x)},), a word for each row of {x_key!r}")
    return {x_key: x, y_key: y}


def _numbers(file: DataFile, key: str, stream: bool) -> LazyArray:
    array = file.lazy(key) if stream else as_lazy(file.array(key))
    if array.dtype.kind not in "iuf":
        raise file.error(key, f"has dtype {array.dtype}", "the numbers of words")
    return array


def _check_widths(file: DataFile, arrays: dict[str, LazyArray]) -> None:
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


class _Numbering:
    """
    From where the numbers of all arrays count, as one pass over them tells.

    Parameters
    ----------
    file : DataFile
        Where the arrays are, for errors.
    size : int
        V, the number of words.
    given : {0, 1} or None
        The number of the first word, if it is known.

    Attributes
    ----------
    firsts : set of int
        What it may be, as far as numbers have been seen.
    """

    def __init__(self, file: DataFile, size: int, given: int | None) -> None:
        self.firsts = {0, 1} if given is None else {given}
        self._file, self._size, self._given = file, size, given
        self._low, self._high = (0, size) if given is None else (given, given + size - 1)
        choice = f"from 0 to {size - 1} or from 1 to {size}" if given is None else f"from {given} to {self._high}"
        self._expected = f"whole numbers {choice}, as there are {size} words"
        self._places: dict[int, tuple[str, str]] = {}  # by first index: the number that it alone has, and where
        self._least, self._most = size, 0  # of all numbers

    def check(self, key: str, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return some rows of an array; refuse numbers that no word has."""
        valid = (values >= self._low) & (values <= self._high)
        if values.dtype.kind == "f":
            valid &= np.trunc(values) == values
        if not valid.all():
            raise self._file.error(key, _place(values, np.argmin(valid), rows), self._expected)
        return values

    def see(self, key: str, values: np.ndarray, rows: np.ndarray) -> None:
        """Learn from some rows of an array."""
        least, most = values.min(), values.max()
        self._least, self._most = min(self._least, least), max(self._most, most)
        for first, tells, place in ((0, least == 0, np.argmin), (1, most == self._size, np.argmax)):
            if self._given is None and tells and first not in self._places:
                self._places[first] = (key, _place(values, place(values), rows))
                self.firsts.discard(1 - first)

    def first(self) -> int:
        """Return the number of the first word, when all numbers have been seen."""
        if len(self._places) == 2:
            (zero_key, zero), (last_key, last) = (self._places[first] for first in (0, 1))
            raise self._file.error(zero_key, f"{zero} and {last_key!r} {last}", self._expected)
        if len(self.firsts) == 2:
            problem = (
                f"the numbers of words, {self._least} to {self._most}, "
                f"may count the {self._size} words from 0 or from 1"
            )
            raise DataError(f"{self._file.path}: {problem}; expected first_index to say which")
        (first,) = self.firsts
        return first


def _number(
    file: DataFile, arrays: dict[str, LazyArray], size: int, first_index: int | None, K: int
) -> dict[str, LazyArray]:
    """Return arrays whose words are numbered from 0, the last K before the next one, after one pass over all of them.

    Fingerprints are of the numbers from 0. So there are two, until the data tell from where the file counts.
    """
    numbering, dtype = _Numbering(file, size, first_index), np.min_scalar_type(size - 1)

    def from_0(values: np.ndarray, first: int) -> np.ndarray:
        kept = values if values.ndim == 1 else values[:, -K:]
        return (kept - kept.dtype.type(first)).astype(dtype)

    checked = {key: array.map(partial(numbering.check, key)) for key, array in arrays.items()}
    known: dict[str, dict[int, Fingerprint]] = {}
    for key, array in checked.items():
        shape = array.shape if array.ndim == 1 else (len(array), K)
        known[key] = {first: Fingerprint(shape, dtype) for first in numbering.firsts}
        for row, values in array.pieces():
            numbering.see(key, values, np.arange(row, row + len(values)))
            for first in numbering.firsts & known[key].keys():
                known[key][first].add(from_0(values, first))

    found = numbering.first()
    numbered = {}
    for key, array in checked.items():
        shape = () if array.ndim == 1 else (K,)
        numbered[key] = array.map(lambda values, _: from_0(values, found), shape, dtype)
        numbered[key].known = str(known[key][found])
    return numbered


def _place(values: np.ndarray, flat: np.intp, rows: np.ndarray) -> str:
    """Return a value and where it is, to follow the name of its array."""
    row, *column = np.unravel_index(flat, values.shape)
    place = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), (rows[row], *column), strict=False))
    return f"is {values[row, *column]} in {place}"
