"""Texts as the numbers of their characters."""

from typing import Any

import numpy as np

from fastrnn._checks import counted
from fastrnn._typing import Array


def check_text(text: Any, name: str = "X") -> str:
    """Return a text; `name` is what errors call it."""
    if not isinstance(text, str):
        raise TypeError(f"{name} has type {type(text).__name__}, expected a text: a str")
    return text


def learn_vocabulary(text: str) -> str:
    """Return the characters of a text, in Unicode order."""
    vocabulary = "".join(sorted(set(text)))
    if len(vocabulary) < 2:
        raise ValueError(f"the text has {counted(len(vocabulary), 'different character')}, expected at least 2")
    return vocabulary


def check_vocabulary(vocabulary: Any) -> str:
    """Return the characters; none may come twice."""
    if not isinstance(vocabulary, str) or len(vocabulary) < 2:
        raise ValueError(f"vocabulary is {vocabulary!r}, expected a str of at least 2 characters")
    for number, character in enumerate(vocabulary):
        if vocabulary.index(character) != number:
            raise ValueError(f"vocabulary has {character!r} twice, expected every character once")
    return vocabulary


def encode(vocabulary: str, text: str, name: str = "the text") -> Array:
    """Return the numbers of the characters of a text, in the smallest dtype; `name` is what errors call it."""
    numbers = {character: number for number, character in enumerate(vocabulary)}
    try:
        return np.array([numbers[character] for character in text], np.min_scalar_type(len(vocabulary) - 1))
    except KeyError as error:
        place = text.index(error.args[0])
        raise ValueError(
            f"character {place} of {name} is {error.args[0]!r}, expected one of the {len(vocabulary)} of the model"
        ) from None
