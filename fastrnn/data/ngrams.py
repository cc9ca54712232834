"""The vocabulary of sentences, and the n-grams that a next-word model learns from."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain, islice, repeat

import numpy as np

from fastrnn._checks import check_integer
from fastrnn.data.errors import DataError

__all__ = ["ngrams_of", "vocabulary_of"]


def vocabulary_of(
    sentences: Sequence[Sequence[str]], size: int | None = None, unknown: str | None = "<unk>"
) -> list[str]:
    """
    Return the most frequent words of sentences.

    Parameters
    ----------
    sentences : sequence of sequence of str
        The sentences, as words.
    size : int, optional
        The most words to return, including the one for unknown words; None for all.
    unknown : str, optional
        The word that stands for all other words. It comes first. None for no such word.

    Returns
    -------
    list of str (V,)
        The words, most frequent first; equally frequent ones in alphabetical order.

    Raises
    ------
    DataError
        When there are no words.
    TypeError, ValueError
        When a sentence is not split into words, or `size` is not a whole number of at least 2.
    """
    if size is not None:
        size = check_integer("size", size, 2)
    _lengths(sentences)
    counts = Counter(chain.from_iterable(sentences))
    if not counts:
        raise DataError("the sentences have no words to make a vocabulary of")
    special = [] if unknown is None else [unknown]
    words = sorted(counts.keys() - set(special), key=lambda word: (-counts[word], word))
    return [*special, *words][:size]


def ngrams_of(
    sentences: Sequence[Sequence[str]], words: Sequence[str], order: int, unknown: str | None = "<unk>"
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return every run of `order` words within a sentence, as context words and the next word.

    Sentences are not padded: L words give L - order + 1 n-grams, and shorter sentences give none.

    Parameters
    ----------
    sentences : sequence of sequence of str
        The sentences, as words.
    words : sequence of str (V,)
        The vocabulary.
    order : int
        The number of words in an n-gram, including the next word.
    unknown : str, optional
        The word of the vocabulary that stands for words outside it. If it is None, or not in the vocabulary, such words
        raise an error.

    Returns
    -------
    x : ndarray (N, K)
        The numbers, from 0, of the K = order - 1 context words, in the smallest unsigned dtype.
    y : ndarray (N,)
        The numbers of the next words, in the same dtype.

    Raises
    ------
    DataError
        When a word is unknown, the vocabulary has a word twice, or no sentence is long enough.
    TypeError, ValueError
        When a sentence is not split into words, or `order` is not a whole number of at least 2.
    """
    order = check_integer("order", order, 2)
    numbers_of = {word: i for i, word in enumerate(words)}
    if len(numbers_of) < len(words):
        twice = next(word for i, word in enumerate(words) if numbers_of[word] != i)
        raise DataError(f"the vocabulary has {twice!r} twice; expected every word once")
    lengths = _lengths(sentences)
    ends = np.cumsum(lengths)
    starts = np.flatnonzero(np.arange(lengths.sum()) + order <= np.repeat(ends, lengths))
    if not len(starts):
        longest = lengths.max(initial=0)
        raise DataError(f"the longest of {len(lengths)} sentences has {longest} words; an n-gram needs {order}")

    other = -1 if unknown is None else numbers_of.get(unknown, -1)
    tokens = chain.from_iterable(sentences)
    numbers = np.fromiter(map(numbers_of.get, tokens, repeat(other)), np.intp, count=ends[-1])
    if numbers.min() < 0:
        place = int(np.argmin(numbers))
        word = next(islice(chain.from_iterable(sentences), place, None))
        sentence = np.searchsorted(ends, place, side="right")
        hint = "" if unknown is None else f", or {unknown!r} for all unknown words"
        raise DataError(f"sentence {sentence} has {word!r}, which is not in the vocabulary; add it{hint}")
    numbers = numbers.astype(np.min_scalar_type(len(words) - 1))
    ngrams = np.lib.stride_tricks.sliding_window_view(numbers, order)[starts]
    return np.ascontiguousarray(ngrams[:, :-1]), np.ascontiguousarray(ngrams[:, -1])


def _lengths(sentences: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the number of words in each sentence."""
    for i, sentence in enumerate([sentences] if isinstance(sentences, str) else sentences):
        if isinstance(sentence, str):  # its letters would be taken for words
            raise TypeError(f"sentence {i} is the text {sentence[:20]!r}, expected a list of words")
    return np.fromiter(map(len, sentences), np.intp, count=len(sentences))
