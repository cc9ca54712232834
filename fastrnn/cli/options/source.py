"""Parameters of a class, read from its source.

The help of a command is shown without importing NumPy or scikit-learn. So the classes with the parameters are not
imported either: `ast` reads their fields and docstrings. A class whose module is already imported, such as a custom
optimizer, is read in the same way.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastrnn._docstrings import Entry, entries

KINDS: dict[str, type] = {"str": str, "bool": bool, "int": int, "float": float, "Sequence": list, "list": list}


@dataclass(frozen=True)
class Parameter:
    """A field of a dataclass: its name, type, default (None if it has none), and entry in the docstring."""

    name: str
    kind: type | None  # None where the command line cannot give such a value
    default: Any
    entry: Entry
    keyword_only: bool = False


@dataclass(frozen=True)
class Source:
    """The source of a class: its parameters, and the calls in its class variables, such as ``SGD(0.1)``."""

    parameters: Mapping[str, Parameter]
    calls: Mapping[str, Mapping[str, tuple[str, tuple[Any, ...], dict[str, Any]]]] = field(default_factory=dict)


def read_class(path: str) -> Source:
    """Read a class and its base classes in fastrnn; ``path`` is, for example, ``fastrnn.optimizers.SGD``."""
    module, _, name = path.rpartition(".")
    return _read(module, name)


@cache
def _read(module: str, name: str) -> Source:
    tree = parse(module)
    node = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    if node is None:  # made by a function, such as `make_dataclass`
        return Source({})
    parameters: dict[str, Parameter] = {}
    calls: dict[str, Any] = {}
    documented: dict[str, Entry] = {}
    for base in reversed(_bases(tree, module, node)):
        if base is not None:
            inherited = _read(*base)
            parameters |= inherited.parameters
            calls |= inherited.calls
    documented |= {known.name: known.entry for known in parameters.values()}
    documented |= entries(ast.get_docstring(node), "Parameters")
    keyword_only = any("kw_only=True" in ast.unparse(decorator) for decorator in node.decorator_list)
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        own, annotation = statement.target.id, ast.unparse(statement.annotation)
        if annotation.startswith("ClassVar"):
            if isinstance(statement.value, ast.Dict):
                calls[own] = dict(_calls(statement.value))
        elif annotation == "KW_ONLY":
            keyword_only = True
        elif not own.startswith("_"):
            was = parameters.get(own)
            default = _literal(statement.value)
            parameters[own] = Parameter(
                own, _kind(annotation), default, was.entry if was else Entry("", ""), keyword_only
            )
    in_order = sorted(parameters.values(), key=lambda parameter: parameter.keyword_only)  # the order of the constructor
    return Source(
        {known.name: replace(known, entry=documented.get(known.name, known.entry)) for known in in_order}, calls
    )


def read_registry(module: str, name: str) -> dict[str, str]:
    """Return the names of a registry, such as ``{"sgd": SGD}``, with the paths of the classes that they stand for.

    A module that is imported may have more entries than its source: custom ones.
    """
    if module in sys.modules:
        return {key: _path(kind) for key, kind in getattr(sys.modules[module], name).items()}
    for node in parse(module).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and target.id == name:
                pairs = zip(node.value.keys, node.value.values, strict=True)
                return {ast.literal_eval(key): f"{module}.{ast.unparse(value)}" for key, value in pairs if key}
    raise AttributeError(f"module {module} has no dict {name}")


def _path(kind: Any) -> str:
    """Return the path of a class that its module defines; empty for other objects, and where there is no source."""
    module = sys.modules.get(getattr(kind, "__module__", ""))
    is_defined = isinstance(kind, type) and "<locals>" not in kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}" if is_defined and getattr(module, "__file__", None) else ""


@cache
def parse(module: str) -> ast.Module:
    """Return the syntax tree of a module, without importing it."""
    return ast.parse(_file(module).read_text(encoding="utf-8"))


def _file(module: str) -> Path:
    if module in sys.modules:
        return Path(str(sys.modules[module].__file__))
    if module.startswith("fastrnn."):  # find_spec would import its parent packages
        path = Path(__file__).parents[2].joinpath(*module.split(".")[1:])
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _bases(tree: ast.Module, module: str, node: ast.ClassDef) -> list[tuple[str, str] | None]:
    """Return the modules and names of the bases: of the class itself if it is imported, else as its source says."""
    if module in sys.modules:
        bases: tuple[type, ...] = getattr(sys.modules[module], node.name).__bases__
        return [(base.__module__, base.__name__) if hasattr(base, "__dataclass_fields__") else None for base in bases]
    return [_home(tree, module, base.id) for base in node.bases if isinstance(base, ast.Name)]


def _home(tree: ast.Module, module: str, name: str) -> tuple[str, str] | None:
    """Return the module and name of a base class that the module defines or imports from fastrnn."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, name
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fastrnn."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return node.module, alias.name
    return None


def _kind(annotation: str) -> type | None:
    """Return the first type of an annotation that the command line supports."""
    return next((KINDS[name] for name in re.findall(r"\w+", annotation) if name in KINDS), None)


def _literal(value: ast.expr | None) -> Any:
    """Return the value of a literal; None if there is no value, or another expression."""
    try:
        return None if value is None else ast.literal_eval(value)
    except ValueError:
        return None


def _calls(value: ast.Dict) -> Iterator[tuple[str, tuple[str, tuple[Any, ...], dict[str, Any]]]]:
    """Yield each name with the class that is called, and its arguments."""
    for key, call in zip(value.keys, value.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            keywords = {keyword.arg: _literal(keyword.value) for keyword in call.keywords if keyword.arg}
            yield str(key.value), (call.func.id, tuple(map(_literal, call.args)), keywords)
