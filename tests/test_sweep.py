"""Sweeps as a person runs them: a grid of runs, each of them as if started by hand."""

import json
import os
import shutil
import signal
import subprocess
import time
import tomllib

import numpy as np
import pytest
from commands import command, read_csv, refused, run, waves
from joblib import cpu_count

from fastrnn import storage
from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.options.parameters import defaults, read_sweep, write_options, write_sweep
from fastrnn.cli.sweep.grid import create_runs
from fastrnn.cli.tasks.classify.command import CLASSIFY

TINY = ["--hidden", "5", "--head", "none", "--epochs", "2", "--patience", "0"]
GRID = ["--sweep", "hidden=6,4", "--sweep", "head=none,8x4"]
FIXED = ["--epochs", "2", "--patience", "0", "--dropout", "0.2"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep on waves: (folder, data file, what was printed)."""
    folder = tmp_path_factory.mktemp("swept")
    waves(folder / "waves.h5")
    done = run("train", "classify", folder / "waves.h5", *FIXED, *GRID, "--out", folder / "sweep")
    return folder / "sweep", folder / "waves.h5", done.stdout


def times(folder, run="*=*"):
    """Return when the files of the runs were written."""
    return {path: path.stat().st_mtime_ns for path in folder.glob(f"{run}/**/*") if path.is_file()}


def assert_same_weights(folder, other):
    a, b = (storage.read(path / "model.h5")["model"]["parameters"] for path in (folder, other))
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(b[name], value)


def test_a_sweep_leaves_a_run_for_every_point(swept):
    folder, _, printed = swept
    names = [f"hidden_size={h},head={head}" for h in (6, 4) for head in ("none", "8x4")]
    assert {path.name for path in folder.iterdir()} == {"config.toml", "manifest.txt", "results.csv", "figures", *names}
    assert (folder / "figures" / "test_accuracy.png").stat().st_size > 1000
    for name, hidden, head in zip(names, (6, 6, 4, 4), ([], [8, 4], [], [8, 4]), strict=True):
        config = tomllib.loads((folder / name / "config.toml").read_text())
        assert (config["hidden_size"], config["head"], config["dropout"]) == (hidden, head, 0.2)
        assert config["n_threads"] == 1
        assert {"model.h5", "history.csv", "checkpoint.h5"} < {path.name for path in (folder / name).iterdir()}
    lines = printed.splitlines()
    assert lines[0] == lines[-1] == f"sweep: {folder}"
    assert sorted(line.split()[0] for line in lines[3:7]) == ["1/4", "2/4", "3/4", "4/4"]


def test_results_are_those_of_the_runs(swept):
    folder, _, printed = swept
    rows = read_csv(folder / "results.csv")
    assert [(row["hidden_size"], row["head"]) for row in rows] == [
        ("6", "none"), ("6", "8x4"), ("4", "none"), ("4", "8x4"),
    ]  # fmt: skip
    for row in rows:
        metrics = json.loads((folder / row["folder"] / "metrics.json").read_text())
        for name in ("epochs", "best_epoch", "seconds", "samples_per_second", "n_threads"):
            assert float(row[name]) == metrics[name]
        for part in ("train", "validation", "test"):
            for name in ("loss", "accuracy"):
                assert float(row[f"{part}.{name}"]) == metrics[part][name]
        assert row["error"] == ""
        assert not any("confusion" in name or "classes" in name or name in ("task", "version") for name in row)
    table = [line for line in printed.splitlines() if line.endswith("best") and "/" not in line]
    best = max(rows, key=lambda row: float(row["validation.accuracy"]))
    assert [line.split()[:2] for line in table] == [[best["hidden_size"], best["head"]]]


def test_a_run_is_the_one_started_by_hand(swept, tmp_path):
    folder, data, _ = swept
    run(
        "train", "classify", data, *FIXED, "--hidden", "4", "--head", "8,4", "--threads", "2", "--out", tmp_path / "run"
    )
    assert_same_weights(folder / "hidden_size=4,head=8x4", tmp_path / "run")


def test_a_finished_sweep_is_kept(swept):
    """Its own configuration names all of it."""
    folder, _, printed = swept
    before = times(folder)
    again = run("train", "classify", "--config", folder / "config.toml", "--out", folder).stdout
    assert times(folder) == before
    assert "4 runs (4 finished before)" in again
    assert again.splitlines()[-8:] == printed.splitlines()[-8:]


def test_another_grid_takes_the_runs_that_it_has(swept, tmp_path):
    folder, data, _ = swept
    shutil.copytree(folder, tmp_path / "sweep")
    before = times(tmp_path / "sweep")
    arguments = ["classify", data, *FIXED, "--sweep", "hidden=3,4", "--head", "8,4", "--out", tmp_path / "sweep"]
    assert "2 runs (1 finished before)" in run("train", *arguments).stdout
    rows = read_csv(tmp_path / "sweep" / "results.csv")
    assert [(row["hidden_size"], row["folder"]) for row in rows] == [
        ("3", "hidden_size=3"),
        ("4", "hidden_size=4,head=8x4"),
    ]
    now = times(tmp_path / "sweep")
    assert {path: now[path] for path in before} == before
    # What is in neither grid must be as it was.
    line = refused("train", *arguments, "--epochs", "3")
    assert "sweep: its runs have epochs 2, but 3 is given; give another --out" in line
    assert times(tmp_path / "sweep") == now


def test_overwrite_begins_again(swept, tmp_path):
    folder, _, _ = swept
    shutil.copytree(folder, tmp_path / "sweep")
    parameters = defaults(options_of(CLASSIFY)) | {"random_state": 1}
    grid = {"hidden_size": [6], "head": [[]]}
    _, runs = create_runs(CLASSIFY, parameters, grid, tmp_path / "sweep", overwrite=True)
    assert [run.folder.path.name for run in runs] == ["hidden_size=6,head=none"]
    assert [run.metrics for run in runs] == [{}]
    files = [path.relative_to(folder) for path in times(folder)]
    lost = {path.parts[0] for path in files if not (tmp_path / "sweep" / path).exists()}
    assert lost == {"hidden_size=6,head=none"}
    assert not (runs[0].folder.path / "checkpoint.h5").exists()
    assert (folder / "results.csv").exists()
    assert not (tmp_path / "sweep" / "results.csv").exists()
    assert [path.name for path in (folder / "figures").iterdir()] == ["test_accuracy.png"]
    assert not list((tmp_path / "sweep" / "figures").iterdir())


def test_runs_of_one_name_have_folders_of_their_own(tmp_path):
    grid = {"data": ["/a/x.h5", "/b/x.h5"]}
    for _ in range(2):  # the second time it finds them
        _, runs = create_runs(CLASSIFY, defaults(options_of(CLASSIFY)), grid, tmp_path / "sweep", overwrite=False)
        assert [run.folder.path.name for run in runs] == ["data=x.h5", "data=x.h5-2"]
        assert [run.swept for run in runs] == [{"data": "/a/x.h5"}, {"data": "/b/x.h5"}]


def test_a_run_that_fails_stops_no_other(tmp_path):
    waves(tmp_path / "waves.h5")
    arguments = ["waves.h5", *TINY, "--cell", "rnn_relu", "--optimizer", "sgd", "--clip", "0", "--out", "sweep"]
    arguments += ["--sweep", "learning-rate=1e30,0.01", "--jobs", "64", "--threads", "2"]
    printed = run("train", "classify", *arguments, code=1, cwd=tmp_path).stdout
    assert f"2 runs, {max(1, cpu_count() // 2)} at a time, 2 threads each" in printed
    first, second = read_csv(tmp_path / "sweep" / "results.csv")
    assert first["learning_rate"] == "1e+30"
    assert "epoch 1, batch 2: try a learning_rate below 1e+30" in first["error"]
    assert first["test.accuracy"] == ""
    assert (second["error"], second["n_threads"]) == ("", "2")
    assert float(second["test.accuracy"]) > 0
    assert "failed: learning_rate=1e+30: " in printed
    assert not (tmp_path / "sweep" / "learning_rate=1e-30" / "metrics.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_interrupted_sweeps_go_on(tmp_path):
    waves(tmp_path / "waves.h5")
    sweep, endless = tmp_path / "sweep", tmp_path / "sweep" / "epochs=100000"
    fixed = ["--hidden", "5", "--head", "none", "--patience", "0", "--dropout", "0.2"]
    arguments = ["waves.h5", *fixed, "--sweep", "epochs=1,100000,2", "--jobs", "1", "--out", "sweep"]
    epochs = interrupt(tmp_path, arguments, signal.SIGINT, 130)
    before = times(sweep, "epochs=1")
    assert sorted(path.parent.name for path in sweep.glob("*/model.h5")) == ["epochs=1"]
    assert [row["epochs"] for row in read_csv(sweep / "results.csv")] == ["1"]
    epochs = interrupt(tmp_path, ["--resume", "sweep", "--jobs", "1"], signal.SIGTERM, 143, after=epochs)
    for config in (sweep / "config.toml", endless / "config.toml"):
        config.write_text(config.read_text().replace("100000", str(epochs + 1)))
    run("train", "classify", "--resume", "sweep", cwd=tmp_path)
    assert times(sweep, "epochs=1") == before
    assert [row["epochs"] for row in read_csv(sweep / "results.csv")] == ["1", str(epochs + 1), "2"]


def interrupt(folder, arguments, number, code, after=0):
    """Send the signal to the group, as a terminal does, when the endless run is past this epoch; return its epochs."""
    process = subprocess.Popen(
        command("train", "classify", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    history, deadline = folder / "sweep" / "epochs=100000" / "history.csv", time.monotonic() + 60
    while not history.exists() or len(history.read_text().splitlines()) < after + 2:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, number)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == code, printed + errors
    assert errors == ""
    assert f"stopped by {number.name}; 1 of 3 runs are finished" in printed
    assert printed.splitlines()[-1] == "fastrnn-train classify --resume sweep"
    assert f"stopped by {number.name}; the run is saved" in history.with_name("log.txt").read_text()
    epochs = len(storage.read(history.with_name("checkpoint.h5"))["history"]["epoch"])
    assert epochs > after
    time.sleep(0.2)  # whoever trained on would write now
    assert len(history.read_text().splitlines()) == epochs + 1
    return epochs


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("hidden=10,20", "hidden_size", [10, 20]),
        ("hidden-size=10", "hidden_size", [10]),
        ("hidden_size=10", "hidden_size", [10]),
        ("--clip=1,0.5", "clip_norm", [1.0, 0.5]),
        ("validation=0,1e-1", "validation_fraction", [0.0, 0.1]),
        ("seed=2,1,0", "random_state", [2, 1, 0]),
        ("threads=none,2", "n_threads", [None, 2]),
        ("head=64x32,16,none", "head", [[64, 32], [16], []]),
        ("bidirectional=true,false", "bidirectional", [True, False]),
        ("learning_rate=none,1e-3", "learning_rate", [None, 1e-3]),
        ("schedule=none,cosine", "schedule", ["none", "cosine"]),
        ("memory-limit=none,1 GB", "memory_limit", ["none", "1 GB"]),
        ("data=none,/a/b.h5", "data", [None, "/a/b.h5"]),
    ],
)
def test_values_have_the_type_of_the_parameter(text, name, values):
    grid = read_sweep([text], "classify", options_of(CLASSIFY))
    assert grid == {name: values}
    assert [type(value) for value in grid[name]] == [type(value) for value in values]
    assert read_sweep(write_sweep(grid), "classify", options_of(CLASSIFY)) == grid


def test_switches_are_written_as_options_spell_them():
    values = {"stream": False, "tensorboard": False, "bidirectional": True, "epochs": 3}
    assert write_options(options_of(CLASSIFY), values) == [
        "--in-memory",
        "--no-tensorboard",
        "--bidirectional",
        "--epochs",
        "3",
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["hidden"], "--sweep is 'hidden', expected NAME=V1,V2,... such as hidden=16,32"),
        (["units=3"], "--sweep units=3: units is not a parameter of classify; expected one of data, cell"),
        (["one-direction=true"], "--sweep one-direction=true: one-direction is not a parameter of classify"),
        (["hidden=3,x"], "--sweep hidden=3,x: hidden_size is 'x', expected int"),
        (["hidden=3.5"], "hidden_size is '3.5', expected int"),
        (["patience=none"], "patience is 'none', expected int"),
        (["dropout=a"], "dropout is 'a', expected float"),
        (["head=64,8x"], "head is '8x', expected whole numbers such as 64x32, or none"),
        (["bidirectional=yes"], "bidirectional is 'yes', expected true or false"),
        (["hidden="], "hidden_size has an empty value, expected int"),
        (["hidden=3,,4"], "hidden_size has an empty value, expected int"),
        (["clip=1,0.5,1.0"], "--sweep clip=1,0.5,1.0: 1.0 is given twice"),
        (["hidden=3", "hidden_size=4"], "--sweep hidden_size=4: hidden_size is already swept"),
    ],
)
def test_bad_sweeps_are_one_sentence(texts, message):
    with pytest.raises(UsageError) as caught:
        read_sweep(texts, "classify", options_of(CLASSIFY))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sweep", "hidden=3,x"], "--sweep hidden=3,x: hidden_size is 'x', expected int"),
        (["--sweep", "hidden=3,4", "--hidden", "5"], "hidden_size is given both as an option and in --sweep"),
        (["--sweep", "cell=gru,gruu"], "cell 'gruu' is unknown"),
        (["--sweep", "hidden=3,4", "--out", "single"], "single: holds a single run, not a sweep; give another --out"),
        (["--jobs", "2"], "--jobs is for sweeps"),
        (["--sweep", "hidden=3,4", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["--config", "bad.toml"], "bad.toml: sweep is 'hidden=3', expected a list"),
    ],
)
def test_a_refused_sweep_leaves_nothing(tmp_path, arguments, message):
    waves(tmp_path / "waves.h5")
    (tmp_path / "single").mkdir()
    (tmp_path / "single" / "config.toml").write_text('task = "classify"\n')
    (tmp_path / "bad.toml").write_text('sweep = "hidden=3"\n')
    before = sorted(tmp_path.rglob("*"))
    assert message in refused("train", "classify", "waves.h5", *arguments, cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_single_run_has_no_jobs(swept, tmp_path):
    folder, _, _ = swept
    shutil.copytree(folder / "hidden_size=4,head=none", tmp_path / "run")
    assert "run holds a single run" in refused("train", "classify", "--resume", tmp_path / "run", "--jobs", "2")


def test_runs_are_compared_by_what_all_of_them_have(tmp_path):
    waves(tmp_path / "waves.h5")
    out = ["--out", tmp_path / "sweep", "--sweep", "validation=0.25,0", "--jobs", "1"]
    done = run("train", "classify", tmp_path / "waves.h5", *TINY, *out)
    rows = read_csv(tmp_path / "sweep" / "results.csv")
    assert [row["validation.accuracy"] != "" for row in rows] == [True, False]
    best = max(rows, key=lambda row: float(row["test.accuracy"]))
    (marked,) = [line for line in done.stdout.splitlines() if line.endswith("best")]
    assert marked.split()[0] == best["validation_fraction"]


def test_an_error_leaves_no_run_behind(tmp_path):
    """Not even one whose results cannot be written."""
    folder = tmp_path / "sweep"
    options = ["--patches", "200", "--solver", "adam", "--sweep", "epochs=1,1000000", "--jobs", "2", "--out", folder]
    process = subprocess.Popen(
        command("train", "autoencoder", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (folder / "results.csv").is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    (folder / "results.csv").unlink()
    (folder / "results.csv").mkdir()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.startswith("error: ")
    assert "stopped by SIGTERM" in (folder / "epochs=1000000" / "log.txt").read_text()


def test_a_damaged_result_is_named(tmp_path):
    waves(tmp_path / "waves.h5")
    arguments = [tmp_path / "waves.h5", *TINY, "--sweep", "hidden=4,5", "--out", tmp_path / "sweep"]
    arguments.remove("5")
    arguments.remove("--hidden")
    run("train", "classify", *arguments)
    metrics = tmp_path / "sweep" / "hidden_size=4" / "metrics.json"
    metrics.write_text("")
    assert f"{metrics}: is damaged" in refused("train", "classify", "--resume", tmp_path / "sweep")
