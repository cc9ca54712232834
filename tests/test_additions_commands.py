"""What somebody adds by one line (see `additions.py`) works in the commands, without a change of the package."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from commands import read_csv

import fastrnn
from fastrnn.cli.train import TASKS
from fastrnn.data import digits
from fastrnn.estimators.files import ESTIMATORS
from fastrnn.optimizers import OPTIMIZERS

HERE = Path(__file__).parent
SMALL = ["--hidden", "6", "--head", "none", "--epochs", "3", "--patience", "0", "--rows", "150"]


def command(name, *arguments, folder, code=0):
    """Run a command that imports the additions first, as do the processes of a sweep."""
    source = f"from fastrnn.cli import {name}; {name}()"
    path = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)], capture_output=True, text=True, cwd=folder,
        env=os.environ | {"FASTRNN_ADDITIONS": "additions", "PYTHONPATH": path, "COLUMNS": "200", "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module", autouse=True)
def registries():
    """What these tests import registers itself; other tests are not to see it."""
    before = [(registry, registry.copy()) for registry in (OPTIMIZERS, ESTIMATORS, TASKS)]
    yield
    sys.modules.pop("additions", None)
    for registry, entries in before:
        registry.clear()
        registry.extend(entries) if isinstance(registry, list) else registry.update(entries)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of the added task with the added optimizer: (its folder, what was printed)."""
    folder = tmp_path_factory.mktemp("added")
    arguments = [*SMALL, "--every", "2", "--optimizer", "sign", "--smoothing", "0.5", "--out", "run"]
    return folder, command("train", "reversed", *arguments, folder=folder)


def loaded(path):
    from additions import ReversedClassifier, SignDescent

    return fastrnn.load(path, classes=[SignDescent, ReversedClassifier])


def test_help_has_the_task_and_its_options(tmp_path):
    assert "Train a classifier of digits that are read from their end." in command("train", "--help", folder=tmp_path)
    printed = " ".join(command("train", "reversed", "--help", folder=tmp_path).replace("│", " ").split())
    assert "--every <int> Read every so many steps. [default: (1)]" in printed
    assert "Share of the old mean in the new one (with sign). [default: (0.9 with sign)]" in printed
    assert "--rows <int> Number of digits. [default: (200)]" in printed
    assert "adam, sgd or sign." in printed


def test_a_run_has_the_values_of_the_additions(trained):
    from additions import SignDescent

    folder, printed = trained
    run = folder / "run"
    config = tomllib.loads((run / "config.toml").read_text())
    assert (config["task"], config["every"], config["rows"]) == ("reversed", 2, 150)
    assert (config["optimizer"], config["smoothing"], config["learning_rate"]) == ("sign", 0.5, 0.002)
    assert "momentum" not in config
    estimator = loaded(run / "model.h5")
    assert estimator.optimizer == SignDescent(0.002, 0.5)
    assert estimator.every == 2
    X, y = (np.asarray(part)[:150] for part in (digits().X_train, digits().y_train))
    assert f"accuracy {estimator.score(X, y):.3f}" in printed
    assert estimator.score(X, y) == float((run / "notes" / "score.txt").read_text())


def test_the_same_in_python_has_the_same_weights(trained):
    from additions import ReversedClassifier, SignDescent

    folder, _ = trained
    X, y = (np.asarray(part)[:150] for part in (digits().X_train, digits().y_train))
    estimator = ReversedClassifier(
        hidden_size=6, head=(), epochs=3, patience=None, every=2, optimizer=SignDescent(smoothing=0.5), random_state=0
    )
    weights = loaded(folder / "run" / "model.h5").model_.flat_parameters
    np.testing.assert_array_equal(estimator.fit(X, y).model_.flat_parameters, weights)


def test_a_run_resumes_to_the_same_bits(trained):
    folder, _ = trained
    arguments = [*SMALL, "--every", "2", "--optimizer", "sign", "--smoothing", "0.5", "--epochs", "2", "--out", "half"]
    command("train", "reversed", *arguments, folder=folder)
    command("train", "reversed", "--resume", "half", "--epochs", "3", folder=folder)
    weights = [loaded(folder / name / "model.h5").model_.flat_parameters for name in ("half", "run")]
    np.testing.assert_array_equal(*weights)


def test_overwriting_removes_what_the_manifest_names(trained):
    folder, _ = trained
    command("train", "reversed", *SMALL, "--out", "other", folder=folder)
    (folder / "other" / "notes" / "mine.txt").touch()
    assert (folder / "other" / "manifest.txt").read_text() == "notes/score.txt\n"
    command("train", "classify", "--epochs", "1", "--hidden", "4", "--out", "other", "--overwrite", folder=folder)
    assert not (folder / "other" / "notes" / "score.txt").exists()
    assert (folder / "other" / "notes" / "mine.txt").exists()


def test_predictions_and_a_sweep(trained):
    folder, _ = trained
    X = np.asarray(digits().X_train)[-20:]
    np.savez(folder / "new.npz", X=X)
    assert "20 digits" in command("predict", "run", "new.npz", "--out", "new.csv", folder=folder)
    expected = loaded(folder / "run" / "model.h5").predict(X)
    assert [row["digit"] for row in read_csv(folder / "new.csv")] == [str(label) for label in expected]
    arguments = [*SMALL, "--optimizer", "sign", "--sweep", "smoothing=0.5,0.8", "--every", "2", "--out", "sweep"]
    command("train", "reversed", *arguments, folder=folder)
    first, second = read_csv(folder / "sweep" / "results.csv")
    assert (first["smoothing"], second["smoothing"]) == ("0.5", "0.8")
    assert float(first["test.accuracy"]) == float((folder / "run" / "notes" / "score.txt").read_text())
    assert (folder / "sweep" / "figures" / "test_accuracy.png").exists()


def test_a_field_of_another_optimizer_is_refused(tmp_path):
    line = command("train", "reversed", *SMALL, "--smoothing", "0.5", folder=tmp_path, code=2)
    assert line == "error: smoothing is 0.5, but the optimizer adam does not use it; leave it out, or use sign\n"
    line = command("train", "reversed", *SMALL, "--optimizer", "lion", folder=tmp_path, code=2)
    assert line == "error: optimizer is 'lion', expected one of 'adam', 'sgd', 'sign'\n"


def test_additions_that_are_not_there_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTRNN_ADDITIONS", "missing")
    done = subprocess.run(
        [sys.executable, "-c", "from fastrnn.cli import train; train()", "classify"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: FASTRNN_ADDITIONS: the module 'missing' cannot be imported: No module")


ODD = """
from dataclasses import dataclass, make_dataclass
from functools import partial
from typing import Optional
import fastrnn, fastrnn.optimizers as o

@dataclass(frozen=True)
class Odd(o.SGD):
    extra: Optional[float] = 0.5
    many: tuple = (1, 2)

def make():
    @dataclass(frozen=True)
    class Local(o.SGD):
        pass
    return Local

o.OPTIMIZERS |= {"odd": Odd, "fast": partial(o.SGD, momentum=0.5), "local": make()}
o.OPTIMIZERS["made"] = make_dataclass("Made", [("x", float, 1.0)], bases=(o.SGD,), frozen=True)
"""


def test_optimizers_of_every_kind_of_class(tmp_path, monkeypatch):
    """Fields of classes that have a source are options; the others are chosen by name."""
    (tmp_path / "odd.py").write_text(ODD)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])

    def train(*arguments):
        code = "from fastrnn.cli import train; train()"
        environment = os.environ | {"FASTRNN_ADDITIONS": " odd, ", "PYTHONPATH": path, "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-c", code, "classify", *arguments], capture_output=True, text=True, cwd=tmp_path,
            env=environment,
        )  # fmt: skip

    printed = " ".join(train("--help").stdout.replace("│", " ").split())
    assert "--extra <float> Field extra of the optimizer (with odd). [default: (0.5 with odd)]" in printed
    assert "--many" not in printed
    assert "(with sgd or odd)" in printed
    small = ["--epochs", "1", "--hidden", "4", "--learning-rate", "0.01"]
    for name in ("odd", "fast", "local", "made"):
        done = train(*small, "--optimizer", name, "--out", name)
        assert done.returncode == 0, done.stderr
    done = train(*small, "--optimizer", "odd", "--extra", "0.25", "--out", "quarter")
    assert tomllib.loads((tmp_path / "quarter" / "config.toml").read_text())["extra"] == 0.25


def test_a_field_that_the_estimator_has_is_refused(tmp_path):
    code = ODD.split("@")[0] + "@dataclass(frozen=True)\nclass Mine(o.SGD):\n    epochs: float = 3.0\n"
    (tmp_path / "mine.py").write_text(f'{code}\no.OPTIMIZERS["mine"] = Mine\n')
    environment = os.environ | {"FASTRNN_ADDITIONS": "mine", "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", "from fastrnn.cli import train; train()", "classify"],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "error: the optimizer 'mine' has a field 'epochs', but the estimator has one too\n"
