"""``fastrnn-train autoencoder`` as a person runs it: what it leaves, what it says, what it refuses, how it goes on."""

import json
import os
import signal
import subprocess
import time
import tomllib

import h5py
import numpy as np
import pytest
from commands import assert_nothing_survives, command, read_csv, refused, run

import fastrnn
from fastrnn import data, storage

TINY = ["--hidden", "6", "--patch-size", "5", "--patches", "150", "--epochs", "3"]


def images(path, n=60):
    """Colour images of 6 x 7 pixels in a file as the layers of pictures: channels first, from 0 to 1."""
    patches = data.sample_patches(7, n, seed=3)[:, :6]
    with h5py.File(path, "w") as file:
        file["data"] = np.moveaxis(patches, 3, 1) / 255
    return patches / 255


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on images, a part of them held out: (folder, data file, images, what was printed)."""
    folder = tmp_path_factory.mktemp("finished")
    patches = images(folder / "images.h5")
    arguments = ["images.h5", *TINY, "--sparsity", "0.2", "--l2", "1e-3", "--validation", "0.25", "--out", "run"]
    done = run("train", "autoencoder", *arguments, cwd=folder)
    return folder / "run", folder / "images.h5", patches, done.stdout


def test_a_run_leaves_everything(finished):
    folder, file, _, printed = finished
    assert {p.name for p in folder.iterdir()} == {
        "config.toml", "model.h5", "checkpoint.h5", "history.csv", "metrics.json", "manifest.txt", "figures",
    }  # fmt: skip
    assert {p.name for p in (folder / "figures").iterdir()} == {
        "patches.png", "features.png", "reconstructions.png", "cost.png",
    }  # fmt: skip
    lines = printed.splitlines()
    assert lines[0] == lines[-1] == "run: run"
    assert lines[1] == (
        f"{file}: 60 colour images of 6 x 7 pixels, 45 for training and 15 for validation, 6 hidden units, lbfgs"
    )
    rows = read_csv(folder / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert list(rows[0]) == [
        "epoch", "train_loss", "reconstruction", "l2", "sparsity", "validation_loss", "seconds"
    ]  # fmt: skip
    config = tomllib.loads((folder / "config.toml").read_text())
    assert (config["task"], config["hidden_size"], config["l2"]) == ("autoencoder", 6, 1e-3)


def test_nothing_survives_overwriting(finished, tmp_path):
    assert_nothing_survives(finished[0], tmp_path / "copy")


def test_metrics_are_those_of_the_stored_model(finished):
    folder, _, patches, _ = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["task"] == "autoencoder"
    assert metrics["epochs"] == metrics["best_epoch"] == 3
    model = fastrnn.load(folder / "model.h5")
    X = model.scaler_.transform(patches)
    assert model.scaler_ == data.ImageScaler.of(patches)
    assert set(metrics["train"]) == set(metrics["validation"]) == {
        "cost", "reconstruction", "l2", "sparsity", "activation", "mean_activation", "psnr",
    }  # fmt: skip
    assert metrics["train"]["cost"] == pytest.approx(model.cost_)
    rows = read_csv(folder / "history.csv")
    assert metrics["validation"]["cost"] == pytest.approx(float(rows[-1]["validation_loss"]))
    for result in (metrics["train"], metrics["validation"]):
        assert result["cost"] == pytest.approx(sum(result[name] for name in ("reconstruction", "l2", "sparsity")))
        assert len(result["mean_activation"]) == 6
        assert result["activation"] == pytest.approx(np.mean(result["mean_activation"]))
    np.testing.assert_allclose(metrics["train"]["mean_activation"], model.mean_activation_, rtol=1e-6)
    shares = np.array([45, 15]) / 60
    errors = [10 ** (-metrics[name]["psnr"] / 10) for name in ("train", "validation")]
    assert model.psnr(X) == pytest.approx(-10 * np.log10(shares @ errors))


def test_new_images_get_the_same_steps(finished, tmp_path):
    folder, file, patches, _ = finished
    done = run("predict", folder, file, "--out", "features.csv", cwd=tmp_path)
    assert done.stdout == "features.csv: 60 rows of 6 activations\n"
    table = read_csv(tmp_path / "features.csv")
    assert list(table[0]) == ["row", "error", *(f"h_{unit}" for unit in range(6))]
    model = fastrnn.load(folder / "model.h5")
    X = model.scaler_.transform(patches)
    h = model.transform(X)
    np.testing.assert_allclose([[float(row[f"h_{unit}"]) for unit in range(6)] for row in table], h, rtol=1e-4)
    errors = ((model.inverse_transform(h) - X) ** 2).mean(axis=1)
    np.testing.assert_allclose([float(row["error"]) for row in table], errors, rtol=1e-4)
    np.savez(tmp_path / "rows.npz", X)
    np.savez(tmp_path / "others.npz", patches[:, :5])
    assert "rows.npz: holds a matrix, expected images as in training" in refused(
        "predict", folder, "rows.npz", cwd=tmp_path
    )
    assert "others.npz: images are 5 x 7 pixels; expected 6 x 7" in refused(
        "predict", folder, "others.npz", cwd=tmp_path
    )


def test_a_run_is_reproduced_by_its_configuration(finished, tmp_path):
    folder, *_ = finished
    run("train", "autoencoder", "--config", folder / "config.toml", "--out", tmp_path / "again")
    a, b = (storage.read(path / "model.h5")["weights"] for path in (folder, tmp_path / "again"))
    assert set(a) == {"W1", "b1", "W2", "b2"}
    for name, value in a.items():
        np.testing.assert_array_equal(b[name], value)


def test_a_matrix_and_tied_weights(tmp_path):
    np.savez(tmp_path / "rows.npz", rows=np.random.default_rng(0).uniform(size=(40, 7)))
    arguments = ["rows.npz", "--hidden", "3", "--epochs", "2", "--tied", "--dtype", "float64", "--out", "run"]
    printed = run("train", "autoencoder", *arguments, cwd=tmp_path).stdout
    assert "40 rows of 7 numbers, all for training, 3 hidden units" in printed
    assert {p.name for p in (tmp_path / "run" / "figures").iterdir()} == {
        "features.png", "reconstructions.png", "cost.png",
    }  # fmt: skip
    model = fastrnn.load(tmp_path / "run" / "model.h5")
    assert model.scaler_ is None
    assert model.weights_.W2 is None
    assert model.weights_.W1.dtype == np.float64


def stop_after(out, epochs, more):
    """Make of a finished run one that was stopped before the last of so many epochs."""
    for name in ("metrics.json", "model.h5"):
        (out / name).unlink()
    text = (out / "config.toml").read_text()
    (out / "config.toml").write_text(text.replace(f"\nepochs = {epochs}\n", f"\nepochs = {more}\n"))


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_a_resumed_run(tmp_path, solver):
    """It ends with the file of a run in one go."""
    arguments = [*TINY, "--solver", solver, "--epochs"]
    run("train", "autoencoder", *arguments, "4", "--out", "whole", cwd=tmp_path)
    run("train", "autoencoder", *arguments, "2", "--out", "part", cwd=tmp_path)
    stop_after(tmp_path / "part", 2, 4)
    printed = run("train", "autoencoder", "--resume", "part", cwd=tmp_path).stdout
    assert "continuing from epoch 3" in printed
    assert (tmp_path / "part" / "model.h5").read_bytes() == (tmp_path / "whole" / "model.h5").read_bytes()
    assert "finished" in run("train", "autoencoder", "--resume", "part", cwd=tmp_path).stdout


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_interrupts_save_and_say_how_to_go_on(tmp_path, solver):
    out = tmp_path / "run"
    # Without penalties and with many hidden units L-BFGS goes on getting better for long.
    arguments = ["autoencoder", *TINY, "--epochs", "1000000", "--hidden", "60", "--l2", "0", "--solver", solver]
    process = subprocess.Popen(
        command("train", *arguments, "--out", out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (out / "history.csv").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, printed + errors
    assert "Traceback" not in errors
    assert printed.splitlines()[-1] == f"fastrnn-train autoencoder --resume {out}"
    epochs = len(read_csv(out / "history.csv"))
    assert epochs == len(storage.read(out / "checkpoint.h5")["history"]["epoch"]) >= 1
    text = (out / "config.toml").read_text().replace("epochs = 1000000", f"epochs = {epochs + 1}")
    (out / "config.toml").write_text(text)
    run("train", "autoencoder", "--resume", out)
    assert json.loads((out / "metrics.json").read_text())["epochs"] == epochs + 1


def test_many_epochs_are_some_lines(tmp_path):
    arguments = [*TINY, "--epochs", "203", "--solver", "sgd", "--out", "run"]
    printed = run("train", "autoencoder", *arguments, cwd=tmp_path).stdout
    shown = [int(line.split()[0]) for line in printed.splitlines() if line[:12].strip().isdigit()]
    assert shown == [1, *range(4, 203, 4), 203]
    assert len(read_csv(tmp_path / "run" / "history.csv")) == 203


def test_a_sweep_compares_features(tmp_path):
    arguments = [*TINY[2:], "--out", "sweep", "--sweep", "hidden=2,5", "--sweep", "l2=0,1e-3"]
    printed = run("train", "autoencoder", *arguments, cwd=tmp_path).stdout
    assert "psnr" in printed
    rows = read_csv(tmp_path / "sweep" / "results.csv")
    assert [(row["hidden_size"], float(row["l2"])) for row in rows] == [("2", 0), ("2", 1e-3), ("5", 0), ("5", 1e-3)]
    for row in rows:
        metrics = json.loads((tmp_path / "sweep" / row["folder"] / "metrics.json").read_text())["train"]
        for name in ("cost", "reconstruction", "sparsity", "activation", "psnr"):
            assert float(row[f"train.{name}"]) == metrics[name]
    assert (tmp_path / "sweep" / "figures" / "features.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.h5"], "none.h5"),
        (["empty"], "empty: has no photographs"),
        (["nan.npz"], "nan.npz"),
        (["--hidden", "0"], "hidden_size is 0, expected at least 1"),
        (["--solver", "newton"], "solver is 'newton', expected one of 'lbfgs', 'adam', 'sgd'"),
        (["--sparsity", "1"], "sparsity is 1.0, expected a number in (0, 1)"),
        (["--dtype", "float16"], "dtype is 'float16', expected float32 or float64"),
        (["--patch-size", "0"], "size is 0, expected at least 1"),
        (["--validation", "1"], "validation_fraction is 1.0"),
        (["--config", "bad.toml"], "bad.toml: hidden is not a parameter of autoencoder"),
        (["--sweep", "hidden=5,x"], "hidden_size is 'x', expected int"),
        (["--cell", "gru"], "No such option: --cell"),
    ],
)
def test_refuses_in_one_line_and_leaves_nothing(tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.toml").write_text("hidden = 3\n")
    np.savez(tmp_path / "nan.npz", np.full((3, 4), np.nan))
    before = sorted(tmp_path.rglob("*"))
    assert message in refused("train", "autoencoder", *arguments, cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_help_shows_the_defaults_of_the_task():
    for task, lines in (
        ("autoencoder", ("--hidden 64", "--epochs 400", "--validation 0", "--solver lbfgs")),
        ("classify", ("--hidden 128", "--epochs 50", "--validation 0.1")),
    ):
        printed = run("train", task, "--help").stdout
        entries = [" ".join(entry.split()) for entry in printed.replace("│", "").split("\n --")]
        options = {f"--{entry.split(',')[0].split()[0]}": entry for entry in entries[1:]}
        for line in lines:
            name, default = line.split()
            assert f"[default: ({default})]" in options[name], printed


def test_natural_images_give_sparse_features(data_folder, tmp_path):
    """A short run on the real file: mean activations go to what was asked for, and images come back."""
    arguments = [data_folder / "data1.h5", "--epochs", "60", "--out", tmp_path / "run"]
    assert "10240 colour images of 16 x 16 pixels" in run("train", "autoencoder", *arguments).stdout
    train = json.loads((tmp_path / "run" / "metrics.json").read_text())["train"]
    assert train["activation"] == pytest.approx(0.05, rel=0.2)
    assert train["psnr"] > 19  # the mean image alone has less than 18
