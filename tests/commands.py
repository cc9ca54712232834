"""The commands as a person runs them, and a small file of sequences for them."""

import atexit
import csv
import io
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import h5py
import numpy as np
from forks import Forks

from fastrnn.cli.run.folder import RunFolder


class Leaving(io.StringIO):
    """The terminal of somebody who leaves at the first word."""

    def write(self, text):
        raise KeyboardInterrupt


FAST = ["--hidden", "12", "--head", "8", "--epochs", "3", "--patience", "0"]


def command(name, *arguments, **options):
    code = f"from fastrnn.cli import {name}; {name}()"
    return [sys.executable, "-W", "error::UserWarning", "-c", code, *map(str, arguments)]


def run(name, *arguments, code=0, cwd=None, timeout=300):
    """Run a command: forked from a process that has imported everything, where the environment is as it was."""
    if hasattr(os, "fork") and _environment() == _ENVIRONMENT:
        _forks().start(name, *arguments, cwd=cwd or Path.cwd())
        forked = _forks().wait(timeout)
        done = subprocess.CompletedProcess([name, *arguments], forked.code, forked.out, forked.err)
    else:
        environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
        done = subprocess.run(
            command(name, *arguments), capture_output=True, text=True, cwd=cwd, env=environment, timeout=timeout
        )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def _environment():
    """Return the variables that tests may have set; those left out pytest and scikit-learn set."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "KMP_"))}


_ENVIRONMENT = _environment()


@cache
def _forks():
    folder = tempfile.TemporaryDirectory()
    forks = Forks(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(forks.close)
    return forks


def read_csv(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def assert_nothing_survives(folder, copy):
    """A run that is overwritten, by one of any task, leaves no file behind; what people keep beside it stays."""
    shutil.copytree(folder, copy)
    mine = [copy / "notes.txt", copy / "figures" / "thesis.png", copy / "samples" / "mine.txt"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    RunFolder.create("classify", copy, overwrite=True)
    assert sorted(path for path in copy.rglob("*") if path.is_file()) == sorted(mine)


def refused(name, *arguments, cwd=None):
    """Run what must end with exit code 2 and one line; return the line."""
    done = run(name, *arguments, code=2, cwd=cwd)
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def waves(path, *, n=90, channels=2, names=("trX", "trY", "tstX", "tstY"), classes=("slow", "fast", "faster")):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    t = np.linspace(0, 6, 15)
    X = np.sin(t * (1 + y[:, None]) + rng.uniform(0, 6, (n, 1)))[:, :, None] + 0.1 * rng.normal(size=(n, 15, channels))
    X = X.astype("float32")
    with h5py.File(path, "w") as file:
        for name, part in zip(names, (X[:60], np.eye(3)[y[:60]], X[60:], np.eye(3)[y[60:]]), strict=True):
            file[name] = part
        file.attrs["classes"] = list(classes)
    return X, y
