"""Sections of numpydoc docstrings: the one place where a parameter's sentence stands is read, never copied."""

import re
from collections.abc import Iterable
from inspect import cleandoc
from typing import NamedTuple


class Entry(NamedTuple):
    """An entry of a section, such as ``epochs : int`` and the sentences below it."""

    type: str
    text: str


def sections(docstring: str | None) -> dict[str, list[str]]:
    """Return the lines of each section of a docstring by its title; lines before the first title have the title ""."""
    lines = cleandoc(docstring or "").splitlines()
    found: dict[str, list[str]] = {"": []}
    title = ""
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if line and following and set(following) == {"-"}:
            title = line
            found[title] = []
        elif not (line and set(line) == {"-"}):
            found[title].append(line)
    return found


def whole_entries(lines: Iterable[str]) -> dict[str, str]:
    """Return the entries of a section, each with all its lines, by name; names that share an entry are one."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if line and not line.startswith(" "):
            name = line.split(" : ")[0]
            found[name] = []
        if name:
            found[name].append(line)
    return {name: "\n".join(entry).rstrip() for name, entry in found.items()}


def entries(docstring: str | None, section: str) -> dict[str, Entry]:
    """Return type and text of each entry of a section by name; ``beta1, beta2 : float`` is one for each of them."""
    found: dict[str, Entry] = {}
    for names, entry in whole_entries(sections(docstring).get(section, [])).items():
        head, *body = entry.splitlines()
        text = " ".join(line.strip() for line in body if line.strip())
        found |= {name.strip(): Entry(head.partition(" : ")[2], text) for name in names.split(",")}
    return found


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, without the marks of reStructuredText."""
    plain = text.replace("`", "")
    end = re.search(r"[.](?=\s|$)", plain)
    return plain[: end.end()] if end else plain
