"""N-grams from HDF5 and npz files: context words, the next word, and the vocabulary that numbers them."""

import os
from dataclasses import dataclass
from functools import partial

import numpy as np

from fastrnn._checks import check_choice, check_integer
from fastrnn.data.array_files import ArrayFile
from fastrnn.data.errors import DataError, locate
from fastrnn.data.fingerprint import Fingerprint
from fastrnn.data.lazy_array import LazyArray, Rows, as_lazy

__all__ = ["NGrams", "load_ngrams"]

_KEYS = (("trainx", "traind"), ("valx", "vald"), ("testx", "testd"))  # of training, validation and test
_AXES = ("row", "column")  # in error messages


@dataclass(frozen=True)
class NGrams:
    """
    Context words and the next word, to train, validate and test a model on.

    Attributes
    ----------
    x_train, x_validation, x_test : ndarray or LazyArray (N, K)
        The numbers of the K context words, indices into `words`; None if there is no such set.
    y_train, y_validation, y_test : ndarray or LazyArray (N,)
        The numbers of the next words, of the same dtype; None if there is no such set.
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

    It holds the context words as ``trainx`` (N, K), the next words as ``traind`` (N,), and ``words`` (V,), the texts
    that these numbers stand for. Likewise it may hold ``valx`` and ``vald``, and ``testx`` and ``testd``. The numbers
    count from 0 or from 1. The data tell which: a 0 occurs only in the first case, a V only in the second.

    Parameters
    ----------
    path : path-like
        The file.
    first_index : {0, 1}, optional
        The number of the first word; needed only if the data have neither 0 nor V.
    order : int, optional
        The number of words in an n-gram, including the next word; None takes all that the file has. A smaller number
        drops the context words farthest from the next word.
    stream : bool
        Do not load the n-grams of an HDF5 file: read them by blocks as they are needed. One pass over them checks the
        numbers, finds out from where they count, and takes the fingerprints that identify the data of a run.

    Returns
    -------
    NGrams
        The n-grams. Their words are numbered from 0, in the smallest unsigned dtype that holds V - 1.

    Raises
    ------
    DataError
        When the file cannot be read, or an array is missing, has a wrong shape or holds a value that cannot be used;
        when the data do not tell the number of the first word; or when their n-grams are shorter than `order`.
    TypeError, ValueError
        When `first_index` or `order` has the wrong type or value.
    """
    check_choice("first_index", first_index, (None, 0, 1))
    with ArrayFile(path) as file:
        arrays: dict[str, LazyArray] = {}
        for keys in _KEYS:
            if file.has_pair(*keys):
                arrays.update(_part(file, *keys, stream))
        for key in ("trainx", "words"):
            if key not in file.names:
                raise file.missing(repr(key))
        _check_widths(file, arrays)
        K = arrays["trainx"].shape[1]
        if order is not None and check_integer("order", order, 2) > K + 1:
            raise DataError(f"order is {order}, but the n-grams of {file.path} have {K + 1} words; use at most {K + 1}")
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


def _part(file: ArrayFile, x_key: str, y_key: str, stream: bool) -> dict[str, LazyArray]:
    """Return the context words (N, K) and the next words (N,) of one set, by key."""
    x, y = _numbers(file, x_key, stream), _numbers(file, y_key, stream)
    if x.ndim != 2 or not x.size:
        raise file.error(x_key, f"has shape {x.shape}", "(examples, context words), each axis at least 1")
    y = y.map(lambda values, _: values[:, 0], ()) if y.shape == (len(x), 1) else y
    if y.shape != x.shape[:1]:
        raise file.error(y_key, f"has shape {y.shape}", f"({len(x)},), one word for each row of {x_key!r}")
    return {x_key: x, y_key: y}


def _numbers(file: ArrayFile, key: str, stream: bool) -> LazyArray:
    array = file.lazy(key) if stream else as_lazy(file.array(key))
    if array.dtype.kind not in "iuf":
        raise file.error(key, f"has dtype {array.dtype}", "word numbers")
    return array


def _check_widths(file: ArrayFile, arrays: dict[str, LazyArray]) -> None:
    width = arrays["trainx"].shape[1]
    for key in ("valx", "testx"):
        if key in arrays and arrays[key].shape[1] != width:
            raise file.error(key, f"has shape {arrays[key].shape}", f"{width} columns, like 'trainx'")


def _words(file: ArrayFile) -> list[str]:
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
    Finds out in one pass over all arrays whether word numbers count from 0 or from 1.

    Parameters
    ----------
    file : ArrayFile
        The file of the arrays, for error messages.
    size : int
        V, the number of words.
    given : {0, 1} or None
        The number of the first word; None if it is to be found.

    Attributes
    ----------
    firsts : set of int
        The numbers that the first word may have, judged by what has been seen so far.
    """

    def __init__(self, file: ArrayFile, size: int, given: int | None) -> None:
        self.firsts = {0, 1} if given is None else {given}
        self._file, self._size, self._given = file, size, given
        self._low, self._high = (0, size) if given is None else (given, given + size - 1)
        choice = f"from 0 to {size - 1} or from 1 to {size}" if given is None else f"from {given} to {self._high}"
        self._expected = f"whole numbers {choice}, as there are {size} words"
        self._places: dict[int, tuple[str, str]] = {}  # by first index: the array and the number that show it
        self._least, self._most = size, 0  # of all numbers

    def check(self, key: str, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return some rows of an array; refuse numbers that are not the number of a word."""
        valid = (values >= self._low) & (values <= self._high)
        if values.dtype.kind == "f":
            valid &= np.trunc(values) == values
        if not valid.all():
            raise self._file.error(key, f"is {locate(values, np.argmin(valid), rows, _AXES)}", self._expected)
        return values

    def see(self, key: str, values: np.ndarray, rows: np.ndarray) -> None:
        """Note what some rows of an array tell about the numbering."""
        least, most = values.min(), values.max()
        self._least, self._most = min(self._least, least), max(self._most, most)
        for first, tells, place in ((0, least == 0, np.argmin), (1, most == self._size, np.argmax)):
            if self._given is None and tells and first not in self._places:
                self._places[first] = (key, f"is {locate(values, place(values), rows, _AXES)}")
                self.firsts.discard(1 - first)

    def first(self) -> int:
        """Return the number of the first word; call this after all rows have been seen."""
        if len(self._places) == 2:
            (zero_key, zero), (last_key, last) = (self._places[first] for first in (0, 1))
            raise self._file.error(zero_key, f"{zero} and {last_key!r} {last}", self._expected)
        if len(self.firsts) == 2:
            problem = f"the word numbers are {self._least} to {self._most}, so the {self._size} words may count"
            raise DataError(f"{self._file.path}: {problem} from 0 or from 1; set first_index to say which")
        (first,) = self.firsts
        return first


def _number(
    file: ArrayFile, arrays: dict[str, LazyArray], size: int, first_index: int | None, K: int
) -> dict[str, LazyArray]:
    """
    Return the arrays with words numbered from 0, contexts cut to the last K words, after one pass over all of them.

    The fingerprints are those of the numbers from 0. So each array has two, until the data tell how the file counts.
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
