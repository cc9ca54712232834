"""The commands as a person runs them: what they leave, what they say, what they refuse."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib

import h5py
import numpy as np
import pytest
from commands import FAST, assert_nothing_survives, command, read_csv, refused, run, waves

import fastrnn
from fastrnn import storage


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on waves: (folder, data file, what was printed)."""
    folder = tmp_path_factory.mktemp("finished")
    waves(folder / "waves.h5")
    done = run("train", "classify", folder / "waves.h5", *FAST, "--out", folder / "run")
    return folder / "run", folder / "waves.h5", done.stdout


def test_a_run_leaves_everything(finished):
    folder, data, printed = finished
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["config.toml", "model.h5", "checkpoint.h5", "history.csv", "metrics.json", "manifest.txt", "figures"]
    )
    assert {p.name for p in (folder / "figures").iterdir()} == {
        "learning_curves.png", "confusion_matrix_train.png", "confusion_matrix_test.png",
    }  # fmt: skip
    lines = printed.splitlines()
    assert lines[0] == lines[-1] == f"run: {folder}"
    rows = read_csv(folder / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert list(rows[0]) == [
        "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "seconds",
    ]  # fmt: skip
    config = tomllib.loads((folder / "config.toml").read_text())
    assert config["data"] == str(data.resolve())
    assert (config["task"], config["hidden_size"], config["head"]) == ("classify", 12, [8])


def test_nothing_survives_overwriting(finished, tmp_path):
    assert_nothing_survives(finished[0], tmp_path / "copy")


def test_metrics_are_those_of_the_model(finished):
    folder, data, _ = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["task"], metrics["version"], metrics["epochs"]) == ("classify", fastrnn.__version__, 3)
    assert metrics["samples_per_second"] > 0
    model = fastrnn.load(folder / "model.h5")
    with h5py.File(data) as file:
        X, y, names = file["tstX"][:], file["tstY"][:].argmax(1), np.array(file.attrs["classes"])
    predicted = model.predict(X)
    assert metrics["classes"] == list(names)
    matrix = np.array(metrics["test"]["confusion_matrix"])
    for true in range(3):
        for guess in range(3):
            assert matrix[true, guess] == np.sum((y == true) & (predicted == names[guess]))
    assert metrics["test"]["accuracy"] == pytest.approx(np.mean(predicted == names[y]))
    column = np.searchsorted(model.classes_, names[y])
    loss = -np.log(model.predict_proba(X)[np.arange(len(y)), column]).mean()
    assert metrics["test"]["loss"] == pytest.approx(loss, rel=1e-6)
    assert np.sum(metrics["train"]["confusion_matrix"]) == 54
    assert np.sum(metrics["validation"]["confusion_matrix"]) == 6
    best = min(float(row["validation_loss"]) for row in read_csv(folder / "history.csv"))
    assert metrics["validation"]["loss"] == pytest.approx(best, rel=1e-4)


def test_a_runs_own_config_reproduces_it(finished, tmp_path):
    folder, _, _ = finished
    run("train", "classify", "--config", folder / "config.toml", "--out", tmp_path / "again")
    model, again = (storage.read(path / "model.h5") for path in (folder, tmp_path / "again"))
    for name, value in model["model"]["parameters"].items():
        np.testing.assert_array_equal(again["model"]["parameters"][name], value)
    run("train", "classify", "--config", folder / "config.toml", "--epochs", "1", "--out", tmp_path / "short")
    assert len((tmp_path / "short" / "history.csv").read_text().splitlines()) == 2


def test_predict(finished, tmp_path):
    folder, data, _ = finished
    run("predict", folder, data, "--out", tmp_path / "p.csv")
    rows = read_csv(tmp_path / "p.csv")
    with h5py.File(data) as file:
        X = file["tstX"][:]
    model = fastrnn.load(folder / "model.h5")
    assert list(rows[0]) == ["row", "prediction", "p_fast", "p_faster", "p_slow"]
    assert [row["prediction"] for row in rows] == list(model.predict(X))
    assert float(rows[7]["p_slow"]) == pytest.approx(model.predict_proba(X)[7, 2], rel=1e-5)
    run("predict", folder / "model.h5", data, "--key", "trX", "--out", tmp_path / "p.csv")
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 61


def test_predict_refuses(finished, tmp_path):
    folder, data, _ = finished
    waves(tmp_path / "wide.h5", channels=5)
    line = refused("predict", folder, tmp_path / "wide.h5", "--out", tmp_path / "p.csv")
    assert "wide.h5: X has 5 channels" in line
    assert "2" in line
    assert "model.h5" in refused("predict", tmp_path, data, "--out", tmp_path / "p.csv")
    assert "has 'trX'" in refused("predict", folder, data, "--key", "Z", "--out", tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


def test_the_embedded_default_needs_no_data(tmp_path):
    printed = run("train", "classify", *FAST, cwd=tmp_path).stdout
    folder = tmp_path / printed.splitlines()[0].removeprefix("run: ")
    assert folder.parent == tmp_path / "runs"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert np.sum(metrics["test"]["confusion_matrix"]) == 360
    assert len(metrics["classes"]) == 10


def test_resume_goes_on_where_it_was(tmp_path):
    waves(tmp_path / "waves.h5")
    whole, part = tmp_path / "whole", tmp_path / "part"
    run("train", "classify", tmp_path / "waves.h5", *FAST, "--dropout", "0.2", "--epochs", "4", "--out", whole)
    run("train", "classify", tmp_path / "waves.h5", *FAST, "--dropout", "0.2", "--epochs", "2", "--out", part)
    # As if it had been stopped after the second of four epochs:
    for name in ("metrics.json", "model.h5"):
        (part / name).unlink()
    config = (part / "config.toml").read_text().replace("epochs = 2", "epochs = 4")
    (part / "config.toml").write_text(config)
    run("train", "classify", "--resume", part)
    assert (part / "model.h5").read_bytes() == (whole / "model.h5").read_bytes()
    assert "finished" in run("train", "classify", "--resume", part).stdout


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupts_save_and_say_how_to_go_on(tmp_path, number, code):
    out = tmp_path / "run"
    arguments = ["classify", *FAST, "--epochs", "100000", "--validation", "0", "--out", out]
    process = subprocess.Popen(command("train", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "history.csv").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == code, printed + errors
    assert "Traceback" not in errors
    assert printed.splitlines()[-1] == f"fastrnn-train classify --resume {out}"
    state = storage.read(out / "checkpoint.h5")
    epochs = len(state["history"]["epoch"])
    assert epochs >= 1
    assert not (out / "metrics.json").exists()
    config = (out / "config.toml").read_text().replace("epochs = 100000", f"epochs = {epochs + 1}")
    (out / "config.toml").write_text(config)
    run("train", "classify", "--resume", out)
    assert json.loads((out / "metrics.json").read_text())["epochs"] == epochs + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.h5"], "none.h5"),
        (["README.txt"], "README.txt"),
        (["waves.h5", "--cell", "gruu"], "cell 'gruu' is unknown"),
        (["waves.h5", "--hidden", "0"], "hidden_size is 0"),
        (["waves.h5", "--head", "64x"], "--head is '64x', expected whole numbers such as 64,32"),
        (["waves.h5", "--optimizer", "adamm"], "adamm"),
        (["waves.h5", "--momentum", "0.9"], "momentum is 0.9, but the optimizer adam does not use it"),
        (["waves.h5", "--optimizer", "sgd", "--momentum-form", "heavy"], "heavy"),
        (["waves.h5", "--validation", "1.5"], "validation_fraction"),
        (["waves.h5", "--epochs", "0"], "epochs is 0"),
        (["waves.h5", "--dtype", "float16"], "float16"),
        (["waves.h5", "--x-train", "Z"], "'Z'"),
        (["waves.h5", "--config", "bad.toml"], "bad.toml: hiden_size is not a parameter of classify"),
        (["waves.h5", "--config", "kind.toml"], "kind.toml: epochs is 'ten', expected int"),
        (["waves.h5", "--config", "broken.toml"], "broken.toml: is not valid TOML"),
        (["--config", "other.toml"], "other.toml: is a configuration of another task, expected task = 'classify'"),
        (["--resume", "nothing"], "nothing: holds no run to resume"),
        (["waves.h5", "--checkpoint-minutes", "-1"], "Invalid value for '--checkpoint-minutes'"),
        (["waves.h5", "--out", "waves.h5"], "waves.h5: is a file"),
        (["nan.h5"], "nan.h5"),
        (["waves.h5", "--hidden", "x"], "Invalid value for '--hidden'"),
        (["waves.h5", "--threads", "0"], "n_threads is 0, expected at least 1"),
        (["waves.h5", "--foo"], "No such option: --foo"),
        (["waves.h5", "--class-weight", "even"], "class_weight is 'even', expected None, 'balanced' or a dict"),
        (["waves.h5", "--head", "-3"], "head[0] is -3, expected at least 1"),
        (["waves.h5", "--config", "threads.toml"], "threads.toml: n_threads is 'x', expected int"),
        (["--config", "data.toml"], "data.toml: data is 5, expected str"),
        (["waves.h5", "--config", "head.toml"], "head.toml: head is ['a'], expected a list of whole numbers"),
        (["waves.h5", "--config", "seed.toml"], "random_state is -1, expected at least 0"),
    ],
)
def test_train_refuses_in_one_line_and_leaves_nothing(tmp_path, arguments, message):
    waves(tmp_path / "waves.h5")
    waves(tmp_path / "nan.h5")
    with h5py.File(tmp_path / "nan.h5", "r+") as file:
        file["trX"][3, 5, 1] = np.nan
    (tmp_path / "README.txt").write_text("hello")
    (tmp_path / "bad.toml").write_text("hiden_size = 3\n")
    (tmp_path / "kind.toml").write_text('epochs = "ten"\n')
    (tmp_path / "broken.toml").write_text("epochs = \n")
    (tmp_path / "other.toml").write_text('task = "words"\n')
    (tmp_path / "threads.toml").write_text('n_threads = "x"\n')
    (tmp_path / "data.toml").write_text("data = 5\n")
    (tmp_path / "head.toml").write_text('head = ["a"]\n')
    (tmp_path / "seed.toml").write_text("random_state = -1\n")
    before = sorted(tmp_path.rglob("*"))
    assert message in refused("train", "classify", *arguments, cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_holds_a_run_is_refused_and_kept(finished):
    folder, data, _ = finished
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    line = refused("train", "classify", data, *FAST, "--out", folder)
    assert "already holds config.toml; give another --out, or --overwrite, or --resume" in line
    # Nor does a wrong option together with --overwrite destroy it.
    refused("train", "classify", data, "--cell", "gruu", "--out", folder, "--overwrite")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_files_that_are_no_run_are_kept(tmp_path):
    (tmp_path / "mine" / "figures").mkdir(parents=True)
    (tmp_path / "mine" / "model.h5").write_text("mine")
    (tmp_path / "mine" / "figures" / "thesis.png").write_text("mine too")
    assert "already holds model.h5" in refused("train", "classify", *FAST, "--out", "mine", cwd=tmp_path)
    assert (tmp_path / "mine" / "model.h5").read_text() == "mine"
    run("train", "classify", *FAST, "--out", "mine", "--overwrite", cwd=tmp_path)
    assert (tmp_path / "mine" / "figures" / "thesis.png").read_text() == "mine too"


def test_an_edited_run_is_not_resumed(tmp_path):
    waves(tmp_path / "waves.h5")
    run("train", "classify", "waves.h5", *FAST, "--out", "run", cwd=tmp_path)
    (tmp_path / "run" / "metrics.json").unlink()
    config = (tmp_path / "run" / "config.toml").read_text().replace("hidden_size = 12", "hidden_size = 13")
    (tmp_path / "run" / "config.toml").write_text(config)
    assert "run: cannot resume: model of the run is" in refused("train", "classify", "--resume", "run", cwd=tmp_path)


def test_divergence_is_one_line(tmp_path):
    waves(tmp_path / "waves.h5")
    arguments = [
        "waves.h5",
        *FAST,
        "--optimizer",
        "sgd",
        "--learning-rate",
        "1e30",
        "--clip",
        "0",
        "--cell",
        "rnn_relu",
    ]
    line = refused("train", "classify", *arguments, "--out", "run", cwd=tmp_path)
    assert "epoch 1, batch 2: try a learning_rate below 1e+30" in line
    assert np.isfinite(fastrnn.load(tmp_path / "run" / "model.h5").model_.flat_parameters).all()


def test_help_is_quick_and_names_all_options():
    code = (
        "import sys; sys.argv = ['fastrnn-train', 'classify', '--help']\n"
        "from fastrnn.cli import train\n"
        "try: train()\n"
        "except SystemExit: pass\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & {'numpy', 'h5py', 'sklearn', 'matplotlib', 'numba'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"}
    )
    assert done.stdout.splitlines()[-1] == ""  # none of them was imported
    for option in (
        "--cell",
        "--hidden",
        "--clip",
        "--seed",
        "--threads",
        "--config",
        "--resume",
        "--overwrite",
        "--out",
    ):
        assert option in done.stdout


def test_no_task_shows_the_help():
    done = run("train", code=2)
    assert "classify" in done.stdout
    assert done.stderr == ""
    assert "Did you mean 'classify'" in refused("train", "classifyy")


def test_activity_data_of_the_course(data_folder, tmp_path):
    """One epoch on the real file: its keys, one-hot labels and class names."""
    run("train", "classify", data_folder / "data3.h5", *FAST, "--epochs", "1", "--out", tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["classes"] == ["walking", "upstairs", "downstairs", "sitting", "standing", "laying"]
    assert np.sum(metrics["test"]["confusion_matrix"]) == 600


def test_a_damaged_manifest_is_one_line(tmp_path):
    run("train", "classify", *FAST, "--epochs", "1", "--out", "run", cwd=tmp_path)
    (tmp_path / "run" / "manifest.txt").write_bytes(b"figures/\xff\n")
    line = refused("train", "classify", *FAST, "--out", "run", "--overwrite", cwd=tmp_path)
    assert "manifest.txt: is damaged; remove it" in line
    assert (tmp_path / "run" / "model.h5").exists()


def test_a_rate_is_refused_by_its_own_name(tmp_path):
    assert "dropout is 1.0, expected a number in [0, 1)" in refused("train", "classify", "--dropout", "1", cwd=tmp_path)
    assert "dropout is nan" in refused("train", "arithmetic", "--dropout", "nan", cwd=tmp_path)


def test_resuming_takes_a_value_that_the_run_has(tmp_path):
    """Also one that its configuration does not name, as those of version 0.1.0."""
    run("train", "classify", *FAST, "--epochs", "1", "--out", "run", cwd=tmp_path)
    lines = (tmp_path / "run" / "config.toml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("weight_decay", "beta", "epsilon"))]
    (tmp_path / "run" / "config.toml").write_text("\n".join(kept))
    done = run("train", "classify", "--resume", "run", "--weight-decay", "0", "--epochs", "2", cwd=tmp_path)
    assert "2 epochs in" in done.stdout
    line = refused("train", "classify", "--resume", "run", "--weight-decay", "0.1", cwd=tmp_path)
    assert "weight_decay of the run is 0.0, but 0.1 is given" in line
