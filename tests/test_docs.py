"""What the documentation shows runs: examples in docstrings, in the README, and the scripts."""

import doctest
import importlib
import pkgutil
import re
import runpy
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import fastrnn
from fastrnn.cli.train import app

ROOT = Path(__file__).parents[1]
MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastrnn.__path__, "fastrnn.")
    if "native_" not in module.name and "fastrnn.cli" not in module.name
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_first_examples_of_the_readme(tmp_path, monkeypatch, capsys):
    """The second goes on with what the first has made."""
    monkeypatch.chdir(tmp_path)
    names = {}
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for code, printed in zip(examples[:2], ["accuracy 1.0", "fast 0.9"], strict=True):
        assert len(code.splitlines()) <= 16
        exec(compile(code, "README.md", "exec"), names)
        assert printed in capsys.readouterr().out


def test_the_readme_names_every_command_and_task():
    readme = (ROOT / "README.md").read_text()
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    tasks = [command.name for command in app.registered_commands]
    assert len(commands) >= 3
    assert len(tasks) >= 6
    for name in (*commands, *(f"fastrnn-train {task}" for task in tasks)):
        assert re.search(rf"{name}\b", readme), name


def test_the_example_of_a_run_that_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "resume.md").read_text(), re.DOTALL)
    X = np.random.default_rng(0).normal(size=(12, 5, 2))
    names = {"X": X, "y": np.arange(12) % 2}
    exec(compile(code.replace("epochs=50", "epochs=3"), "resume.md", "exec"), names)
    assert names["model"].history_["epoch"] == [1, 2, 3]
    assert (tmp_path / "checkpoint.h5").exists()


def test_the_page_on_custom_cells(tmp_path, monkeypatch, capsys):
    """Its code runs from top to bottom, and the cells are those of the example."""
    monkeypatch.chdir(tmp_path)
    example = (ROOT / "examples" / "custom_cell.py").read_text()
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "custom_cell.md").read_text(), re.DOTALL)
    for code in blocks:
        exec(compile(code, "custom_cell.md", "exec"), names)
    cells = re.findall(r"^def .*?^[A-Z]+ = Cell\(.*?\)$", "\n".join(blocks), re.DOTALL | re.MULTILINE)
    assert [cell in example for cell in cells] == [True, True]
    assert len(blocks[0].splitlines()) <= 18  # fifteen and empty ones
    assert (names["again"].predict(names["X_test"]) == names["model"].predict(names["X_test"])).all()
    printed = capsys.readouterr().out
    assert float(re.search(r"accuracy (.*)", printed)[1]) > 0.96
    assert "def step_vjp(kept, s, new, d):" in printed
    assert names["COUPLED"].states == "hc"


@pytest.mark.parametrize("script", sorted(ROOT.glob("examples/*.py")), ids=lambda path: path.stem)
def test_examples_run(script, capsys, monkeypatch, tmp_path):
    arguments = {"large_file": ["large.h5", "--gigabytes", "0.01"]}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), *arguments.get(script.stem, ())])
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out
