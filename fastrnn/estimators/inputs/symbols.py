"""Texts and lists of words, converted to the numbers of their symbols."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastrnn._checks import counted
from fastrnn._typing import Array

Row = Sequence[str]  # a text, whose symbols are its characters, or a list of words


class Symbols:
    """
    The symbols of the sources or the targets: characters of texts, or words.

    Parameters
    ----------
    symbols : sequence of str
        The symbols by number.
    of_texts : bool
        True for characters of texts, False for words.
    name : str
        What errors call them.

    Raises
    ------
    TypeError, ValueError
        If they are not symbols of this kind, or one comes twice.
    """

    def __init__(self, symbols: Sequence[str], of_texts: bool, name: str) -> None:
        self.of_texts = of_texts
        self.kind = "characters" if of_texts else "words"
        if isinstance(symbols, str) and of_texts:
            symbols = list(symbols)
        if isinstance(symbols, str) or not isinstance(symbols, Sequence | np.ndarray) or not len(symbols):
            raise TypeError(f"{name} is {symbols!r}, expected a list of {self.kind}")
        self.numbers: dict[str, int] = {}
        for number, symbol in enumerate(symbols):
            if not isinstance(symbol, str) or (of_texts and len(symbol) != 1):
                raise TypeError(f"{name}[{number}] is {symbol!r}, expected a {self.kind[:-1]}")
            if self.numbers.setdefault(str(symbol), number) != number:
                raise ValueError(f"{name} has {symbol!r} twice, expected every symbol once")

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def array(self) -> Array:
        """The symbols (V,), objects."""
        return np.array(list(self.numbers), dtype="O")

    def check(self, name: str, rows: Any) -> list[Row]:
        """Return sequences; another kind of sequence or an unknown symbol is an error."""
        found, of_texts = check_rows(name, rows)
        if of_texts != self.of_texts:
            kinds = ("lists of words", "texts")
            raise TypeError(f"{name} holds {kinds[of_texts]}, expected {kinds[self.of_texts]} as in training")
        known = self.numbers.keys()
        for index, row in enumerate(found):
            unknown = next((symbol for symbol in row if symbol not in known), None)
            if unknown is not None:
                listed = f": {' '.join(known)}" if len(known) <= 40 and self.of_texts else ""
                own = counted(len(self), self.kind[:-1])
                raise ValueError(f"{row!r} ({name}[{index}]) has {unknown!r}, expected the {own} of the model{listed}")
        return found

    def pad(self, rows: Sequence[Row], first: int, padding: int) -> tuple[Array, Array]:
        """Return padded numbers (N, T) of known symbols, counted from `first`, and lengths (N,)."""
        lengths = np.fromiter(map(len, rows), np.intp, count=len(rows))
        dtype = np.min_scalar_type(len(self) - 1 + first) if padding >= 0 else np.int32
        padded = np.full((len(rows), int(lengths.max(initial=0))), padding, dtype)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = [
            self.numbers[symbol] + first for row in rows for symbol in row
        ]
        return padded, lengths


def check_rows(name: str, rows: Any) -> tuple[list[Row], bool]:
    """Return sequences, and whether they are texts rather than lists of words."""
    rows = rows.tolist() if hasattr(rows, "tolist") else rows
    expected = "expected a list of texts, or of lists of words"
    if not isinstance(rows, list | tuple):
        raise TypeError(f"{name} has type {type(rows).__name__}, {expected}")
    if not len(rows):
        raise ValueError(f"{name} is empty, {expected}")
    of_texts = isinstance(rows[0], str)
    found: list[Row] = []
    for index, row in enumerate(rows):
        row = row.tolist() if hasattr(row, "tolist") else row
        if of_texts and not isinstance(row, str):
            raise TypeError(f"{name}[{index}] is {row!r}, expected a text as {name}[0] is")
        if not of_texts and not (isinstance(row, list | tuple) and all(isinstance(word, str) for word in row)):
            expected = f"expected a list of words as {name}[0] is" if index else expected
            raise TypeError(f"{name}[{index}] is {row!r}, {expected}")
        found.append(row)
    return found, of_texts


def learn_symbols(rows: Sequence[Row], of_texts: bool, name: str) -> Symbols:
    """Return the symbols of sequences, sorted."""
    symbols = sorted({symbol for row in rows for symbol in row})
    if not symbols:
        raise ValueError(f"{name} has no symbols, expected a sequence that is not empty")
    return Symbols(symbols, of_texts, name)
