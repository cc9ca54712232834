"""Words, word numbers and sentences, converted to the numbers that a next-word model takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np

from fastrnn._checks import check_integer, counted
from fastrnn._typing import Array
from fastrnn.data import ngrams_of, vocabulary_of
from fastrnn.data.fingerprint import taken
from fastrnn.data.lazy_array import LazyArray, Rows, as_lazy
from fastrnn.estimators.inputs.sequences import as_stored


class Vocabulary:
    """
    The words that a model knows, by number.

    Parameters
    ----------
    words : sequence of str, or int
        The words; or their number, if they are known by their numbers alone.

    Attributes
    ----------
    words : ndarray (V,)
        Objects: the words; or 0..V-1.
    """

    def __init__(self, words: Sequence[str] | int) -> None:
        self._numbers: dict[str, int] | None = None
        if isinstance(words, int):
            self.words: Array = np.arange(words)
            return
        if isinstance(words, str) or not isinstance(words, Sequence | np.ndarray):
            raise TypeError(f"vocabulary has type {type(words).__name__}, expected a list of words")
        if len(words) < 2:
            raise ValueError(f"vocabulary has {len(words)} words, expected at least 2")
        numbers: dict[str, int] = {}
        for number, word in enumerate(words):
            if not isinstance(word, str):
                raise TypeError(f"vocabulary[{number}] is {word!r}, expected a word")
            before = numbers.setdefault(str(word), number)
            if before != number:
                raise ValueError(f"vocabulary has {word!r} twice, at {before} and {number}; expected every word once")
        self.words, self._numbers = np.array(list(numbers), dtype="O"), numbers

    def __len__(self) -> int:
        return len(self.words)

    @property
    def has_words(self) -> bool:
        """False if the words are known by their numbers alone."""
        return self._numbers is not None

    def number(self, word: Any) -> int:
        """Return the number of a word; an unknown one is an error."""
        return int(self.encode("word is", np.asarray(word), None))

    def encode(self, place: str, items: Array, unknown: str | None) -> Array:
        """
        Return the numbers of words, or numbers as they are, in the smallest dtype.

        Parameters
        ----------
        place : str
            How errors begin, with braces for the row, as ``"X[{}] holds"``.
        items : ndarray
            Words or numbers.
        unknown : str or None
            The word that replaces unknown ones, if it is in the vocabulary.

        Returns
        -------
        ndarray
            Numbers in the shape of `items`.

        Raises
        ------
        TypeError, ValueError
            If an item is not a word, or is unknown.
        """
        if items.dtype.kind in "iu":
            return self._check_numbers(place, items)

        def error(at: int, expected: str, kind: type[Exception] = ValueError) -> Exception:
            columns = items[:1].size if items.ndim else 1
            return kind(f"{place.format(at // columns)} {flat[at]!r}, expected {expected}")

        flat = items.ravel().tolist()
        for at, item in enumerate(flat):
            if not isinstance(item, str):
                raise error(at, "a word" if self._numbers else "a number", TypeError)
        if self._numbers is None:
            raise error(0, "a number, as the model was fitted with numbers alone", TypeError)
        numbers = np.fromiter((self._numbers.get(item, -1) for item in flat), np.intp, count=len(flat))
        other = -1 if unknown is None else self._numbers.get(unknown, -1)
        for at in np.flatnonzero(numbers < 0).tolist():
            if other < 0 or len(flat[at].split()) != 1:  # "in the middle" is not a word
                raise error(at, f"one of the {len(self)} words")
        numbers[numbers < 0] = other
        return numbers.astype(self.dtype).reshape(items.shape)

    def encode_rows(self, place: str, items: Rows, unknown: str | None) -> LazyArray:
        """Return the numbers of words, or given numbers, which are checked when they are read; see `encode`."""
        if not isinstance(items, LazyArray):
            return LazyArray(self.encode(place, items, unknown))
        numbers = items.map(partial(self._check_numbers, place), dtype=self.dtype)
        if items.dtype == self.dtype:
            numbers.known = items.known
        return numbers

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest dtype of the numbers."""
        return np.min_scalar_type(len(self) - 1)

    def _check_numbers(self, place: str, items: Array, rows: Array | None = None) -> Array:
        """Return word numbers of these rows in the smallest dtype; others are an error."""
        wrong = np.argwhere((items < 0) | (items >= len(self)))
        if len(wrong):
            at = tuple(wrong[0].tolist())
            row = 0 if not at else at[0] if rows is None else rows[at[0]]
            raise ValueError(f"{place.format(row)} {items[at]}, expected the number of a word, 0..{len(self) - 1}")
        return items.astype(self.dtype)


class Numbers(NamedTuple):
    """Contexts (N, K) and next words (N,) by their numbers, which are checked when they are read."""

    x: LazyArray
    y: LazyArray

    def take(self, rows: Array) -> Self:
        """Return some of the examples."""
        return type(self)(taken(self.x, rows), taken(self.y, rows))

    def ready(self) -> tuple[Rows, Rows]:
        """Return the arrays that a trainer takes."""
        return self.x.ready(), self.y.ready()


@dataclass(frozen=True)
class Ngrams:
    """Contexts (N, K) and next words (N,): numbers, which may lie in a file, or words."""

    x: Rows
    y: Rows

    def __len__(self) -> int:
        return len(self.x)

    @property
    def has_numbers(self) -> bool:
        """True for numbers, False for words."""
        return self.x.dtype.kind in "iu"

    def largest(self) -> tuple[int, str]:
        """Return the largest number, and its place for errors."""
        largest, found = -1, ""
        for place, items in self._placed():
            for first, piece in as_lazy(items).pieces():
                if piece.max() > largest:
                    row = first + np.unravel_index(piece.argmax(), piece.shape)[0]
                    largest, found = int(piece.max()), f"{place.format(row)} {piece.max()}"
        return largest, found

    def learn(self, size: int | None, unknown: str | None) -> Vocabulary:
        """Return the vocabulary of these words."""
        return Vocabulary(
            vocabulary_of([np.asarray(items).ravel().tolist() for items in (self.x, self.y)], size, unknown)
        )

    def encode(self, vocabulary: Vocabulary, unknown: str | None, *parts: Array) -> list[Numbers]:
        """Return the numbers of each part of the examples, given by its rows, or of all of them."""
        numbers = Numbers(*(vocabulary.encode_rows(place, items, unknown) for place, items in self._placed()))
        return [numbers.take(rows) for rows in parts] or [numbers]

    def _placed(self) -> tuple[tuple[str, Rows], tuple[str, Rows]]:
        """Return both arrays with the beginning of their errors."""
        return ("X[{}] holds", self.x), ("y[{}] is", self.y)


@dataclass(frozen=True)
class Sentences:
    """Sentences as lists of words, and the length of their n-grams."""

    sentences: list[Sequence[str]]
    order: int

    def __len__(self) -> int:
        return len(self.sentences)

    def learn(self, size: int | None, unknown: str | None) -> Vocabulary:
        """Return the vocabulary of these words."""
        return Vocabulary(vocabulary_of(self.sentences, size, unknown))

    def encode(self, vocabulary: Vocabulary, unknown: str | None, *parts: Array) -> list[Numbers]:
        """Return the numbers of the n-grams in each part of the sentences, or in all of them."""
        if not vocabulary.has_words:
            raise TypeError("X holds sentences, but the model was fitted with numbers alone")
        words: list[Any] = vocabulary.words.tolist()
        texts = [[self.sentences[row] for row in rows] for rows in parts] or [self.sentences]
        return [Numbers(*map(as_lazy, ngrams_of(some, words, self.order, unknown))) for some in texts]


def check_texts(X: Any, y: Any, order: int) -> Ngrams | Sentences:
    """Return contexts and next words, or without `y` sentences."""
    return _check_sentences(X, order) if y is None else _check_ngrams(X, y, order - 1)


def _check_ngrams(X: Any, y: Any, K: int) -> Ngrams:
    wide = counted(K, "word")
    try:
        x, y = _as_rows(X), _as_rows(y)
    except ValueError:  # rows of unequal lengths
        raise ValueError(f"X has rows of unequal lengths, expected {wide} in each, as order is {K + 1}") from None
    if x.ndim != 2 or x.shape[1] != K or not len(x):
        raise ValueError(f"X has shape {x.shape}, expected (N, {K}): {wide} before the next, as order is {K + 1}")
    if y.shape == (len(x), 1):
        y = y.map(lambda values, _: values[:, 0], ()) if isinstance(y, LazyArray) else y[:, 0]
    if y.shape != (len(x),):
        raise ValueError(f"y has shape {y.shape}, expected ({len(x)},): the next word for each row of X")
    if (x.dtype.kind in "iu") != (y.dtype.kind in "iu"):
        raise TypeError(f"X has dtype {x.dtype} but y {y.dtype}, expected words in both, or numbers")
    return Ngrams(x, y)


def _as_rows(items: Any) -> Rows:
    """Return numbers, which may lie in a file, as a lazy array, and anything else as an array."""
    stored = as_stored(items)
    array = np.asarray(items) if stored is None or stored.dtype.kind not in "iu" else stored
    return as_lazy(array) if array.dtype.kind in "iu" else array


def _check_sentences(X: Any, order: int) -> Sentences:
    if isinstance(X, str) or not hasattr(X, "__len__") or not len(X):
        raise ValueError("X without y is expected to be a list of sentences, each a list of words")
    sentences = [row.tolist() if hasattr(row, "tolist") else row for row in X]
    for index, sentence in enumerate(sentences):
        is_list = isinstance(sentence, list | tuple)
        wrong = next((word for word in sentence if not isinstance(word, str)), None) if is_list else sentence
        if wrong is not None:
            what = "holds" if is_list else "is"
            raise TypeError(f"X[{index}] {what} {wrong!r}, but X without y is expected to hold lists of words")
    return Sentences(sentences, order)


def learn_vocabulary(
    texts: Ngrams | Sentences,
    words: Sequence[str] | None,
    size: int | None,
    unknown: str | None,
    check_size: Callable[[int, str], None],
) -> Vocabulary:
    """
    Return the vocabulary of a model.

    Parameters
    ----------
    texts : Ngrams or Sentences
        What the model is trained on.
    words : sequence of str or None
        The words; None learns them.
    size : int or None
        Number of most frequent words to learn, or of word numbers.
    unknown : str or None
        The word that replaces unknown ones.
    check_size : callable
        Called with the number of words and its reason before a vocabulary of numbers is made, which may be too large.

    Returns
    -------
    Vocabulary
        The words, or numbers.

    Raises
    ------
    TypeError, ValueError
        If the words or their number cannot be used.
    """
    size = None if size is None else check_integer("vocabulary_size", size, 2)
    if words is not None:
        if size is not None:
            raise ValueError(f"vocabulary_size is {size}, but vocabulary has the words; expected None")
        return Vocabulary(words)
    if not isinstance(texts, Ngrams) or not texts.has_numbers:
        return texts.learn(size, unknown)
    found = f"vocabulary_size is {size}"
    if size is None:
        largest, found = texts.largest()
        size = max(2, largest + 1)
    check_size(size, found)
    return Vocabulary(size)


def check_contexts(X: Any, K: int) -> tuple[Array, bool]:
    """Return the last K words of each context, as an array (N, K) of words or numbers, and whether it is only one."""
    if isinstance(X, str):
        X = X.split()
    elif hasattr(X, "__array__"):
        X = np.asarray(X)
    if not hasattr(X, "__len__") or not len(X):
        raise ValueError("there is no context, expected words, or a list of contexts")
    alone = np.ndim(X[0]) == 0
    rows = [X] if alone else X
    for index, row in enumerate(rows):
        if np.ndim(row) != 1:
            raise ValueError(f"context {index} is {row!r}, expected a list of words")
        if len(row) < K:
            words = counted(len(row), "word")
            raise ValueError(f"context {index} has {words}, expected {K} or more, as order is {K + 1}")
    return np.asarray([row[-K:] for row in rows]), alone
