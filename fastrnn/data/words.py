"""Texts as sentences of words, and the n-grams that a next-word model learns from."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice, repeat
from sys import intern
from unicodedata import normalize

import numpy as np

from fastrnn._checks import check_integer, check_number
from fastrnn.data._files import DataError
from fastrnn.data.characters import pages, read_text

__all__ = ["load_text", "ngrams_of", "sentences_of", "split_sentences", "topics", "vocabulary_of"]

_TOKEN = re.compile(
    r"""
    <\w+>                                     # a symbol: <unk>
    | \d+ (?: [.,] \d+ )+                     # a number: 1,000.50
    | (?: [^\W\d_] \. ){2,} (?! \w )          # an abbreviation: e.g.
    | (?: dr | mr | mrs | ms | prof | st ) \. (?= \s )
    | [^\W_]+ (?: (?: ' | _+ ) [^\W_]+ )*     # a word: don't, x2, snake_case
    | \.{2,} | -{2,}                          # an ellipsis, a dash
    | [^\w\s]                                 # any other mark
    """,
    re.VERBOSE,
)
_SENTENCE_END = re.compile(
    r"""
    (?<! \bdr ) (?<! \bmr ) (?<! \bmrs ) (?<! \bms ) (?<! \bprof ) (?<! \bst ) (?<! [^\W\d_] \. [^\W\d_] )
    (?<! [.!?…] ) [.!?…]++     # tried at the first of a run only, which may be long
    ["'”\u2019»)\]]*+ (?= \s | \Z )
    | \n \s* \n
    """,
    re.VERBOSE,
)
_MARKUP = re.compile(r'"|(?<![\w"])\*+(?=\w)|(?<=[\w)])\*+(?!\w)|^\s*\*(?=\s)', re.MULTILINE)  # "dict", *mapping*


def sentences_of(text: str) -> list[list[str]]:
    """
    Divide a text into sentences of words.

    Everything is in lower case. A token is a word of letters and digits of any alphabet, with apostrophes and
    underscores inside it (don't, snake_case); a number (1,000.50); an abbreviation or title with its dots (e.g., mr.);
    a symbol such as ``<unk>``; or a punctuation mark, where ``...`` and ``--`` are one. Hyphens divide: "well-known"
    is three tokens. A sentence ends at ``.``, ``!``, ``?`` or ``…`` before white space, with the closing quotes and
    brackets that follow it, and at a blank line; other ends of lines are white space.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    list of list of str
        The sentences, none of them empty.
    """
    text = normalize("NFC", text).lower().replace("\u2019", "'")  # accents are part of letters
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    pieces = (text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True))
    # Without `intern` each occurrence of a word would be an object of its own: some 60 bytes rather than 8.
    return [sentence for piece in pieces if (sentence := list(map(intern, _TOKEN.findall(piece))))]


def load_text(path: str | os.PathLike[str]) -> list[list[str]]:
    """
    Load a plain text file as sentences of words.

    Parameters
    ----------
    path : path-like
        The file, in UTF-8.

    Returns
    -------
    list of list of str
        The sentences, as of `sentences_of`.

    Raises
    ------
    DataError
        When the file cannot be read, is not text in UTF-8, or has no word.
    """
    sentences = sentences_of(read_text(path))
    if not sentences:
        raise DataError(f"{path}: has no words; expected a text")
    return sentences


def topics() -> list[list[str]]:
    """
    Return the English inside Python's own manual of its language, `pydoc_data.topics` of the standard library.

    Titles, signatures, grammar and examples of code are left out, and so are sentences that have been there before:
    topics contain each other, and what is held out of training must not be in it. Some 50,000 words are left of 500 kB;
    they are not the same in every version of Python.

    Returns
    -------
    list of list of str
        The sentences, as of `sentences_of`.

    Raises
    ------
    DataError
        When this Python comes without the module.
    """
    sentences = sentences_of("\n\n".join(chain.from_iterable(map(_english, pages()))))
    return list(map(list, dict.fromkeys(map(tuple, sentences))))


def _english(topic: str) -> Iterable[str]:
    """Yield the paragraphs of a manual's page that are neither titles nor code, without their marks."""
    introduction: int | None = None  # how far the last paragraph is indented, if it ends with a colon
    code: int | None = None
    for paragraph in re.split(r"\n\s*?\n", topic.strip("\n")):
        text = paragraph.lstrip()
        indent = len(paragraph) - len(text)
        is_listed = re.match(r"\* |\d+\. ", text) is not None
        if code is None and introduction is not None and indent >= introduction + 3 and not is_listed:
            code = indent
        if code is not None and indent >= code:
            continue
        code = None
        introduction = indent if text.endswith(":") else None
        if re.search(r"[.!?:]['\")”\u2019]*\Z", text):
            yield _MARKUP.sub("", text)


def split_sentences(
    sentences: Sequence[list[str]], fractions: tuple[float, float] = (0.1, 0.1), seed: int = 0
) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
    """
    Hold sentences out for validation and for the test, at random.

    Parameters
    ----------
    sentences : sequence of list of str
        The sentences.
    fractions : (float, float)
        The shares of validation and test, each at least one sentence unless it is 0.
    seed : int
        The same seed gives the same parts.

    Returns
    -------
    training, validation, test : list of list of str
        The sentences of each part, in the order in which they came.

    Raises
    ------
    DataError
        When there are too few sentences.
    ValueError
        When the fractions leave nothing to train on.
    """
    for fraction in fractions:
        check_number("fraction", fraction, "[0, 1)")
    if sum(fractions) >= 1:
        raise ValueError(f"fractions is {fractions}, expected less than 1 together")
    n = len(sentences)
    counts = [max(1, round(fraction * n)) if fraction else 0 for fraction in fractions]
    if n <= sum(counts):
        least = 1 + np.count_nonzero(counts)
        raise DataError(
            f"the text has only {n} sentence{'s' * (n != 1)}; expected at least {least}, to hold some out of training"
        )
    rest, test = _hold_out(list(range(n)), counts[1], seed)
    training, validation = _hold_out(rest, counts[0], seed)
    return ([sentences[i] for i in training], [sentences[i] for i in validation], [sentences[i] for i in test])


def _hold_out(rows: list[int], count: int, seed: int) -> tuple[list[int], list[int]]:
    from sklearn.model_selection import train_test_split

    if not count:
        return rows, []
    kept, held = train_test_split(rows, test_size=count, random_state=seed)
    return sorted(kept), sorted(held)


def vocabulary_of(
    sentences: Sequence[Sequence[str]], size: int | None = None, unknown: str | None = "<unk>"
) -> list[str]:
    """
    Return the most frequent words.

    Parameters
    ----------
    sentences : sequence of sequence of str
        The sentences, as words.
    size : int, optional
        How many words at most, the one for unknown words included; None for all.
    unknown : str, optional
        What stands for all other words, always the first; None for no such word.

    Returns
    -------
    list of str (V,)
        The words, the most frequent ones first, equally frequent ones by alphabet.

    Raises
    ------
    DataError
        When there is no word.
    TypeError, ValueError
        When a sentence is not divided into words, or `size` is no whole number, or below 2.
    """
    if size is not None:
        size = check_integer("size", size, 2)
    _lengths(sentences)
    counts = Counter(chain.from_iterable(sentences))
    if not counts:
        raise DataError("the sentences have no words; expected some to choose from")
    special = [] if unknown is None else [unknown]
    words = sorted(counts.keys() - set(special), key=lambda word: (-counts[word], word))
    return [*special, *words][:size]


def ngrams_of(
    sentences: Sequence[Sequence[str]], words: Sequence[str], order: int, unknown: str | None = "<unk>"
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return every run of `order` words within a sentence: the words before, and the next one.

    Nothing is put in front of a sentence: L words give L - order + 1 n-grams, and shorter sentences none.

    Parameters
    ----------
    sentences : sequence of sequence of str
        The sentences, as words.
    words : sequence of str (V,)
        The vocabulary.
    order : int
        The number of words in an n-gram, the next word included.
    unknown : str, optional
        The word of the vocabulary that stands for those outside it; without it (None, or not in the vocabulary) these
        are refused.

    Returns
    -------
    x : ndarray (N, K)
        The numbers, from 0, of the K = order - 1 words before, of the smallest unsigned dtype.
    y : ndarray (N,)
        The numbers of the next words, of the same dtype.

    Raises
    ------
    DataError
        When a word is not known, a word is twice in the vocabulary, or no sentence is long enough.
    TypeError, ValueError
        When a sentence is not divided into words, or `order` is no whole number, or below 2.
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
        raise DataError(f"the longest of {len(lengths)} sentences has {longest} words; expected {order} for an n-gram")

    other = -1 if unknown is None else numbers_of.get(unknown, -1)
    tokens = chain.from_iterable(sentences)
    numbers = np.fromiter(map(numbers_of.get, tokens, repeat(other)), np.intp, count=ends[-1])
    if numbers.min() < 0:
        place = int(np.argmin(numbers))
        word = next(islice(chain.from_iterable(sentences), place, None))
        sentence = np.searchsorted(ends, place, side="right")
        expected = "one of these" if unknown is None else f"one of these, or {unknown!r} among them"
        raise DataError(f"sentence {sentence} has {word!r}, none of the {len(words)} words; expected {expected}")
    numbers = numbers.astype(np.min_scalar_type(len(words) - 1))
    ngrams = np.lib.stride_tricks.sliding_window_view(numbers, order)[starts]
    return np.ascontiguousarray(ngrams[:, :-1]), np.ascontiguousarray(ngrams[:, -1])


def _lengths(sentences: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the number of words in each sentence."""
    for i, sentence in enumerate([sentences] if isinstance(sentences, str) else sentences):
        if isinstance(sentence, str):  # whose words would be its letters
            raise TypeError(f"sentence {i} is the text {sentence[:20]!r}, expected a list of words")
    return np.fromiter(map(len, sentences), np.intp, count=len(sentences))
