"""Python's language reference, which comes with Python, as a text to learn from."""

import re
from collections.abc import Iterable
from itertools import chain

from fastrnn.data.errors import DataError
from fastrnn.data.sentences import sentences_of

__all__ = ["manual", "topics"]

_MARKUP = re.compile(r'"|(?<![\w"])\*+(?=\w)|(?<=[\w)])\*+(?!\w)|^\s*\*(?=\s)', re.MULTILINE)  # "dict", *mapping*


def _pages() -> list[str]:
    """Return the pages of Python's language reference."""
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise DataError("this Python has no module pydoc_data.topics; use a text of your own") from error
    return list(topics.values())


def manual() -> str:
    """
    Return Python's language reference as a text; it is `pydoc_data.topics` in the standard library.

    Repeated paragraphs are left out: pages contain each other, and text held out for validation must not occur in the
    training text. Some 400,000 characters are left; they depend on the version of Python.

    Returns
    -------
    str
        The text.

    Raises
    ------
    DataError
        When this Python does not have the module.
    """
    paragraphs = re.split(r"\n\s*?\n", "\n\n".join(page.strip("\n") for page in _pages()))
    return "\n\n".join(dict.fromkeys(paragraphs)) + "\n"


def topics() -> list[list[str]]:
    """
    Return the English sentences of Python's language reference; it is `pydoc_data.topics` in the standard library.

    Titles, signatures, grammar and code are left out. So are repeated sentences: pages contain each other, and
    sentences held out for validation must not occur in the training text. Some 50,000 words are left of 500 kB; they
    depend on the version of Python.

    Returns
    -------
    list of list of str
        The sentences, split as by `sentences_of`.

    Raises
    ------
    DataError
        When this Python does not have the module.
    """
    sentences = sentences_of("\n\n".join(chain.from_iterable(map(_english, _pages()))))
    return list(map(list, dict.fromkeys(map(tuple, sentences))))


def _english(page: str) -> Iterable[str]:
    """Yield the paragraphs of a page that are neither titles nor code, without their markup."""
    introduction: int | None = None  # indentation of the last paragraph, if it ends with a colon
    code: int | None = None
    for paragraph in re.split(r"\n\s*?\n", page.strip("\n")):
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
