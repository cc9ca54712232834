"""Texts as sentences of words."""

import os
import re
from collections.abc import Sequence
from sys import intern
from unicodedata import normalize

import numpy as np

from fastrnn._checks import check_number, counted
from fastrnn.data.errors import DataError
from fastrnn.data.text_files import read_text

__all__ = ["load_text", "sentences_of", "split_sentences"]

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
    (?<! [.!?…] ) [.!?…]++     # tried only at the first of a run, which may be long
    ["'”\u2019»)\]]*+ (?= \s | \Z )
    | \n \s* \n
    """,
    re.VERBOSE,
)


def sentences_of(text: str) -> list[list[str]]:
    """
    Split a text into sentences of words.

    Everything becomes lower case. A token is a word of letters and digits of any alphabet, with apostrophes and
    underscores inside it (don't, snake_case); a number (1,000.50); an abbreviation or title with its dots (e.g., mr.);
    a symbol such as ``<unk>``; or a punctuation mark, where ``...`` and ``--`` are one mark. Hyphens split words:
    "well-known" is three tokens. A sentence ends at a blank line, and at ``.``, ``!``, ``?`` or ``…`` before white
    space; closing quotes and brackets after the mark belong to the sentence. A single line break is white space.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    list of list of str
        The sentences, none of them empty.
    """
    text = normalize("NFC", text).lower().replace("\u2019", "'")  # NFC makes a letter and its accent one character
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    pieces = (text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True))
    # Without `intern`, each occurrence of a word would be a separate object of some 60 bytes, instead of 8.
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
        The sentences, split as by `sentences_of`.

    Raises
    ------
    DataError
        When the file cannot be read, is not text in UTF-8, or has no words.
    """
    sentences = sentences_of(read_text(path))
    if not sentences:
        raise DataError(f"{path}: has no words")
    return sentences


def split_sentences(
    sentences: Sequence[list[str]], fractions: tuple[float, float] = (0.1, 0.1), seed: int = 0
) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
    """
    Hold out random sentences for validation and for testing.

    Parameters
    ----------
    sentences : sequence of list of str
        The sentences.
    fractions : (float, float)
        The fractions for validation and for testing. Each gives at least one sentence, unless it is 0.
    seed : int
        The same seed gives the same parts.

    Returns
    -------
    training, validation, test : list of list of str
        The sentences of each part, in their original order.

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
        raise ValueError(f"fractions is {fractions}, expected a sum below 1")
    n = len(sentences)
    counts = [max(1, round(fraction * n)) if fraction else 0 for fraction in fractions]
    if n <= sum(counts):
        least = 1 + np.count_nonzero(counts)
        raise DataError(
            f"the text has only {counted(n, 'sentence')}; expected at least {least}, because some are held out"
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
