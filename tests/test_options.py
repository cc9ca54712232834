"""Options of the commands: they follow from the estimators, whose source is read without importing it."""

import os
import subprocess
import sys
from dataclasses import MISSING, fields

import pytest
from commands import run

import fastrnn
from fastrnn import optimizers
from fastrnn._docstrings import entries, first_sentence
from fastrnn.cli.options.of_run import CALLED
from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.options.option import PANELS
from fastrnn.cli.options.source import read_class
from fastrnn.cli.train import TASKS

HEAVY = {"numpy", "h5py", "sklearn", "scipy", "matplotlib", "numba", "pandas"}
COMMANDS = [*((name, []) for name in ("train", "predict", "generate")), *(("train", [task]) for task in TASKS)]


@pytest.mark.parametrize(
    ("command", "arguments"), COMMANDS, ids=lambda value: value if isinstance(value, str) else None
)
def test_every_help_is_quick_and_whole(command, arguments):
    """It imports nothing heavy, and each option has a sentence that is not cut."""
    code = (
        f"import sys; sys.argv = ['fastrnn-{command}', *{arguments}, '--help']\n"
        f"from fastrnn.cli import {command}\n"
        f"try: {command}()\n"
        "except SystemExit: pass\n"
        f"print('imported', *sorted({{m.split('.')[0] for m in sys.modules}} & {HEAVY}))"
    )
    environment = os.environ | {"COLUMNS": "300"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1] == "imported"
    assert "…" not in done.stdout
    for task in arguments:
        for option in (*options_of(TASKS[task]).values(), *CALLED):
            if option.name != "data":
                assert option.help[0].isupper(), option
                assert option.help.endswith("."), option
                assert " ".join(option.help.split()) in " ".join(done.stdout.replace("│", " ").split()), option
                assert all(flag.partition("/")[0] in done.stdout for flag in option.spellings), option


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_source_says_what_the_class_has(task):
    """Names, order, defaults and sentences read from the source are those of the class that is imported."""
    kind = getattr(fastrnn, task.estimator_name)
    source = read_class(task.estimator)
    own = [field for field in fields(kind) if field.init]
    assert list(source.parameters) == [field.name for field in sorted(own, key=lambda field: field.kw_only)]
    documented = entries(kind.__doc__, "Parameters")
    for field in own:
        known = source.parameters[field.name]
        assert known.default == (None if field.default is MISSING else field.default), field.name
        assert known.entry.text == documented[field.name].text, field.name
    made = {}
    for name, (called, arguments, keywords) in source.calls.get("_optimizers", {}).items():
        made[name] = getattr(optimizers, called)(*arguments, **keywords)
    assert made == dict(getattr(kind, "_optimizers", {}))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_command_has_the_defaults_of_the_estimator(task):
    """All of them but the seed, and what a task finds in its data."""
    estimator = getattr(fastrnn, task.estimator_name)()
    found_in_data = {"forecast": {"window"}, "words": {"order", "vocabulary_size"}}.get(task.name, set())
    for name, option in options_of(task).items():
        if name in estimator.get_params() and name not in {"random_state", "targets", *found_in_data}:
            value = getattr(estimator, name)
            same = (None, "none", 0) if value is None else (list(value),) if isinstance(value, tuple) else (value,)
            assert option.default in same, name
        assert option.panel in PANELS


def test_a_default_that_does_not_act_is_not_shown():
    """With Adam, arithmetic has no momentum: the help says with which optimizer a default acts."""
    printed = run("train", "arithmetic", "--help").stdout
    lines = " ".join(printed.replace("│", " ").split())
    assert "[default: (0.9 with sgd)]" in lines
    assert "[default: (0.05 with adam, 0 with sgd)]" in lines
    assert "[default: (0.012 with adam, 0.5 with sgd)]" in lines
    assert "[default: (0.9)]" not in lines


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Number of ``units``; 0.5 of them. More.", "Number of units; 0.5 of them."),
        ("No end", "No end"),
    ],
)
def test_first_sentence(text, sentence):
    assert first_sentence(text) == sentence


def test_entries_of_a_section():
    """Names that share an entry, texts of several lines, and the end of the section."""
    docstring = """
    Do it.

    Parameters
    ----------
    a, b : int
        First line
        and second.
    c : {"x", "y"} or None
        Another.

    Returns
    -------
    d : int
        Not a parameter.
    """
    found = entries(docstring, "Parameters")
    assert list(found) == ["a", "b", "c"]
    assert found["b"] == ("int", "First line and second.")
    assert found["c"].type == '{"x", "y"} or None'
    assert entries(docstring, "Attributes") == {}
