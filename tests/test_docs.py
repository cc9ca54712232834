"""What the documentation shows runs: examples in docstrings and pages, and the scripts. All links lead somewhere."""

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
from fastrnn.cli.train import TASKS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/*.md"))
MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastrnn.__path__, "fastrnn.")
    if "native_" not in module.name and "fastrnn.cli" not in module.name
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(
    ("page", "lines", "printed"),
    [
        ("README.md", 12, "accuracy 1.0"),  # ten and empty ones
        ("docs/classify.md", 16, "accuracy 1.0"),
        ("docs/streams.md", 18, "fast 0.9"),
    ],
)
def test_the_example_of_a_page(tmp_path, monkeypatch, capsys, page, lines, printed):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert len(code.splitlines()) <= lines
    exec(compile(code, page, "exec"), {})
    assert printed in capsys.readouterr().out


def anchors_of(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("http")]
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    assert [page.name for page in ROOT.glob("docs/*.md") if f"({page.name})" not in index] == ["README.md"]


def test_the_readme_names_every_command_and_task():
    readme = (ROOT / "README.md").read_text()
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    tasks = list(TASKS)
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
