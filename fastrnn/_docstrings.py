"""Read sections of numpydoc docstrings, so that the description of a parameter is written only once."""

import re
from inspect import cleandoc
from typing import NamedTuple


class Entry(NamedTuple):
    """An entry of a section, such as ``epochs : int`` with the sentences below it."""

    type: str
    text: str


def entries(docstring: str | None, section: str) -> dict[str, Entry]:
    """Return the entries of a section by name; ``beta1, beta2 : float`` gives one entry for each name."""
    found = re.search(rf"^{section}\n-+\n(.*?)(?=^\S[^\n]*\n-{{3,}}$|\Z)", cleandoc(docstring or ""), re.M | re.S)
    result: dict[str, Entry] = {}
    if found is None:
        return result
    for head, body in re.findall(r"^(\S[^\n]*)\n((?:[ ]+[^\n]*\n?|\n)*)", found[1], re.M):
        names, _, kind = head.partition(" : ")
        text = " ".join(line.strip() for line in body.splitlines() if line.strip())
        result.update({name.strip(): Entry(kind, text) for name in names.split(",")})
    return result


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, without its backticks."""
    plain = text.replace("`", "")
    end = re.search(r"[.](?=\s|$)", plain)
    return plain[: end.end()] if end else plain
