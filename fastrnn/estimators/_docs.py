"""Complete docstrings: a class documents what it adds, and the entries of its bases are put in when it is made."""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY
from inspect import get_annotations, signature
from types import FunctionType
from typing import Any, ClassVar, get_origin

from fastrnn._docstrings import sections, whole_entries
from fastrnn.cells import ALIASES, CELLS
from fastrnn.optimizers import OPTIMIZERS
from fastrnn.schedules import SCHEDULES

NAMES = {"{CELLS}": (*ALIASES, *CELLS), "{OPTIMIZERS}": OPTIMIZERS, "{SCHEDULES}": SCHEDULES}  # allowed in docstrings


def complete_docstrings(cls: type) -> None:
    """
    Complete the docstrings of a class and of its `fit`.

    Its Parameters (in the order of the signature) and Attributes get the entries of its bases; own entries win. X and y
    of `fit` are those of its `prepare`.

    Parameters
    ----------
    cls : type
        An estimator, before it becomes a dataclass.
    """
    if cls.__dict__.get("__doc__"):
        known = _inherited([base.__doc__ for base in reversed(cls.__mro__) if _is_estimator(base)])
        known["Parameters"] = _picked(known["Parameters"], _signature_of(cls))
        cls.__doc__ = _completed(cls.__doc__ or "", known)
    if "prepare" in cls.__dict__:
        _complete_prepare(cls)
    if "fit" in cls.__dict__ or "prepare" in cls.__dict__:
        _complete_fit(cls)


def _complete_prepare(cls: Any) -> None:
    """Give the docstring of `prepare` the entries and sections that those of the bases have and it has not."""
    documented = [base.__dict__["prepare"].__doc__ for base in reversed(cls.__mro__) if "prepare" in base.__dict__]
    known = _inherited(documented)
    parameters = _picked(known["Parameters"], signature(cls.prepare).parameters)
    complete = {title: "\n".join(lines).strip() for title, lines in sections(documented[0]).items() if title}
    complete |= {"Parameters": "\n".join(parameters.values())}
    cls.prepare.__doc__ = _joined(cls.prepare.__doc__ or "", complete)


def _complete_fit(cls: Any) -> None:
    """Give the class a copy of `fit` whose docstring is complete: the one it inherits documents another X and y."""
    fit = cls.fit
    if not isinstance(fit, FunctionType):  # a wrapper, whose author documents it
        return
    documented = [base.__dict__["fit"].__doc__ for base in reversed(cls.__mro__) if "fit" in base.__dict__]
    known = _inherited([*documented, fit.__doc__])
    arrays = whole_entries(sections(cls.prepare.__doc__ or "").get("Parameters", []))
    known["Parameters"] |= {name: arrays[name] for name in ("X", "y") if name in arrays}
    known["Parameters"] = _picked(known["Parameters"], signature(fit).parameters)
    own = FunctionType(fit.__code__, fit.__globals__, fit.__name__, fit.__defaults__, fit.__closure__)
    own.__kwdefaults__, own.__annotations__ = fit.__kwdefaults__, fit.__annotations__
    own.__qualname__ = f"{cls.__qualname__}.fit"
    own.__doc__ = _completed(fit.__doc__ or "", known)
    cls.fit = own


def _is_estimator(cls: type) -> bool:
    """Is it an estimator of ours, rather than a base or mixin of scikit-learn?"""
    return any("prepare" in base.__dict__ for base in cls.__mro__)


def _signature_of(cls: type) -> list[str]:
    """Return the names of the fields in the order in which the constructor will have them."""
    keyword_only: dict[str, bool] = {}
    for base in reversed(cls.__mro__):
        fields, after = base.__dict__.get("__dataclass_fields__", {}), False
        for name, annotation in get_annotations(base).items():
            if annotation is KW_ONLY:
                after = True
            elif get_origin(annotation) is not ClassVar and _is_estimator(base):
                keyword_only[name] = fields[name].kw_only if name in fields else after
    return sorted(keyword_only, key=lambda name: keyword_only[name])


def _inherited(docstrings: Iterable[str | None]) -> dict[str, dict[str, str]]:
    """Return the entries by section and name, those of later docstrings in place of those of earlier ones."""
    known: dict[str, dict[str, str]] = {"Parameters": {}, "Attributes": {}}
    for text in docstrings:
        found = sections(text)
        for title, entries in known.items():
            entries |= whole_entries(found.get(title, []))
    return known


def _picked(entries: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: entries[name] for name in names if name in entries}


def _completed(text: str, known: Mapping[str, Mapping[str, str]]) -> str:
    """Return a docstring with these entries in its sections, and with the names that placeholders stand for."""
    return _joined(text, {title: "\n".join(entries.values()) for title, entries in known.items() if entries})


def _joined(text: str, complete: Mapping[str, str]) -> str:
    """Return a docstring with these sections in place of its own or added to them."""
    own = {title: "\n".join(lines).strip() for title, lines in sections(text).items()}
    bodies = {**complete, **{title: body for title, body in own.items() if title and title not in complete}}
    parts = [f"{title}\n{'-' * len(title)}\n{body}" for title, body in bodies.items()]
    whole = "\n\n".join([own[""], *parts])
    for placeholder, names in NAMES.items():
        whole = whole.replace(placeholder, "{" + ", ".join(f'"{name}"' for name in names) + "}")
    return whole.strip() + "\n"
