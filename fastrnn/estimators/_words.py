"""What people have, as the symbols that a next-word model takes: words, numbers of words, sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn._kernels.types import Array
from fastrnn.data import ngrams_of, vocabulary_of


class Vocabulary:
    """
    The words that a model knows, by number.

    Parameters
    ----------
    words : sequence of str, or int
        The words; or how many symbols there are, which then are numbers and nothing else.

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
        """Are the symbols words?"""
        return self._numbers is not None

    def number(self, word: Any) -> int:
        """Return the number of a word; one that is not known is refused."""
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
            The word that stands for those that are not known, if it is itself.

        Returns
        -------
        ndarray
            Numbers in the shape of `items`.

        Raises
        ------
        TypeError, ValueError
            If one of them is no word, or is not known.
        """
        dtype, columns = np.min_scalar_type(len(self) - 1), items[:1].size if items.ndim else 1

        def error(at: int, expected: str, kind: type[Exception] = ValueError) -> Exception:
            return kind(f"{place.format(at // columns)} {items.ravel().tolist()[at]!r}, expected {expected}")

        if items.dtype.kind in "iu":
            wrong = np.flatnonzero((items < 0) | (items >= len(self)))
            if len(wrong):
                raise error(int(wrong[0]), f"the number of a word, 0..{len(self) - 1}")
            return items.astype(dtype)
        flat = items.ravel().tolist()
        for at, item in enumerate(flat):
            if not isinstance(item, str):
                raise error(at, "a word" if self._numbers else "a number", TypeError)
        if self._numbers is None:
            raise error(0, "a number, as the model was fitted with numbers alone", TypeError)
        numbers = np.fromiter((self._numbers.get(item, -1) for item in flat), np.intp, count=len(flat))
        other = -1 if unknown is None else self._numbers.get(unknown, -1)
        for at in np.flatnonzero(numbers < 0).tolist():
            if other < 0 or len(flat[at].split()) != 1:  # "in the middle" is no word at all
                raise error(at, f"one of the {len(self)} words")
        numbers[numbers < 0] = other
        return numbers.astype(dtype).reshape(items.shape)


@dataclass(frozen=True)
class Examples:
    """Contexts (N, K) and the words after them (N,), as arrays of words or of numbers."""

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Array) -> "Examples":
        """Return some of the examples."""
        return Examples(self.x[rows], self.y[rows])

    def learn(self, size: int | None, unknown: str | None) -> Vocabulary:
        """Return the vocabulary of these words; of numbers as many as there are, or `size`."""
        if self.x.dtype.kind not in "iu":
            return Vocabulary(vocabulary_of([self.x.ravel().tolist(), self.y.tolist()], size, unknown))
        if size is not None:
            return Vocabulary(size)
        return Vocabulary(max(2, int(self.x.max()) + 1, int(self.y.max()) + 1))

    def encode(self, vocabulary: Vocabulary, unknown: str | None) -> tuple[Array, Array]:
        """Return the numbers of the words before (N, K) and of the next words (N,)."""
        return vocabulary.encode("X[{}] holds", self.x, unknown), vocabulary.encode("y[{}] is", self.y, unknown)


@dataclass(frozen=True)
class Sentences:
    """Sentences as lists of words, and the length of the n-grams to take from them."""

    sentences: list[Sequence[str]]
    order: int

    def __len__(self) -> int:
        return len(self.sentences)

    def take(self, rows: Array) -> "Sentences":
        """Return some of the sentences."""
        return Sentences([self.sentences[row] for row in rows], self.order)

    def learn(self, size: int | None, unknown: str | None) -> Vocabulary:
        """Return the vocabulary of these words."""
        return Vocabulary(vocabulary_of(self.sentences, size, unknown))

    def encode(self, vocabulary: Vocabulary, unknown: str | None) -> tuple[Array, Array]:
        """Return the numbers of the words before (N, K) and of the next words (N,)."""
        if not vocabulary.has_words:
            raise TypeError("X holds sentences, but the model was fitted with numbers alone")
        words: list[Any] = vocabulary.words.tolist()
        return ngrams_of(self.sentences, words, self.order, unknown)


def check_texts(X: Any, y: Any, order: int) -> Examples | Sentences:
    """Return what a model learns from or is judged by: contexts and next words, or without `y` sentences."""
    return _check_sentences(X, order) if y is None else _check_examples(X, y, order - 1)


def _check_examples(X: Any, y: Any, K: int) -> Examples:
    try:
        x, y = np.asarray(X), np.asarray(y)
    except ValueError:  # rows of unequal lengths
        raise ValueError(f"X has rows of unequal lengths, expected {_words(K)} in each, as order is {K + 1}") from None
    if x.ndim != 2 or x.shape[1] != K or not len(x):
        raise ValueError(f"X has shape {x.shape}, expected (N, {K}): {_words(K)} before the next, as order is {K + 1}")
    y = y[:, 0] if y.shape == (len(x), 1) else y
    if y.shape != (len(x),):
        raise ValueError(f"y has shape {y.shape}, expected ({len(x)},): the next word for each row of X")
    if (x.dtype.kind in "iu") != (y.dtype.kind in "iu"):
        raise TypeError(f"X has dtype {x.dtype} but y {y.dtype}, expected words in both, or numbers")
    return Examples(x, y)


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


def check_contexts(X: Any, K: int) -> tuple[Array, bool]:
    """Return the last K words of each context, as an array (N, K) of words or of numbers; is it one alone?"""
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
            raise ValueError(f"context {index} has {_words(len(row))}, expected {K} or more, as order is {K + 1}")
    return np.asarray([row[-K:] for row in rows]), alone


def _words(n: int) -> str:
    return "1 word" if n == 1 else f"{n} words"
