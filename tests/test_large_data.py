"""Data larger than memory: what is read by blocks gives the bits of what lies in memory, and never lies there whole."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from blocks import assert_same, assert_same_runs, both
from commands import command, read_csv, refused

from fastrnn import RecurrentClassifier, RecurrentRegressor, SparseAutoencoder, data, memory, sparse_autoencoder_cost
from fastrnn.cli.errors import one_line_errors
from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.options.parameters import defaults
from fastrnn.cli.run.training import run as run_task
from fastrnn.cli.tasks.autoencoder import command as autoencoder_task
from fastrnn.cli.tasks.classify import command as classify_task
from fastrnn.data import DataError, lazy_array, read_by_blocks
from fastrnn.data import blocks as data_blocks
from fastrnn.estimators.inputs.sequences import Moments, check_sequences, learn_scales
from fastrnn.training import autoencoder
from fastrnn.training.history import History

N, T, I = 110, 6, 3
PIECE = 5 * T * I
LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": (9, 4, 2)},
    "compressed": {"chunks": (18, T, I), "compression": "gzip", "shuffle": True},
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 12 sequences, which are read 5 at a time."""
    monkeypatch.setattr(data_blocks, "BLOCK", 12 * T * I * 4)
    monkeypatch.setattr(lazy_array, "PIECE", PIECE)
    monkeypatch.setattr(lazy_array, "NEAR", 1)
    monkeypatch.setattr(autoencoder, "AT_A_TIME", 7 * T * I)


def sequences(n=N, seed=0):
    """Slow and fast waves far from standardised, in double precision."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = np.sin(np.arange(T)[:, None] * (1 + y[:, None, None]) + rng.uniform(0, 6, (n, 1, 1)))
    return 1e3 + 50 * X + rng.normal(size=(n, T, I)), y


def write(path, layout="contiguous", **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            array = np.asarray(array)
            options = LAYOUTS[layout] if array.shape[1:] == (T, I) else {}
            file.create_dataset(name, data=array, **options)
    return path


# Estimators -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f8", "f4", ">f4", "i2"])
def test_a_dataset_trains_a_classifier_with_the_bits_of_an_array(dtype, layout, tmp_path):
    X, y = sequences()
    X = X.astype(dtype)
    options = {
        "hidden_size": 5, "head": (4,), "epochs": 3, "batch_size": 9, "dropout": 0.1, "validation_fraction": 0.3,
        "random_state": 1,
    }  # fmt: skip
    expected = RecurrentClassifier(**options).fit(X, y)
    with h5py.File(write(tmp_path / "a.h5", layout, X=X)) as file:
        got = RecurrentClassifier(**options).fit(file["X"], y)
        assert_same(got.to_tree(), expected.to_tree())
        assert_same(got.trainer_.state()["order"], expected.trainer_.state()["order"])
        np.testing.assert_array_equal(got.predict_proba(file["X"]), expected.predict_proba(X))
        assert got.score(file["X"], y) == expected.score(X, y)


def test_dtypes_of_the_data_change_no_bit():
    """So it is the row as the net takes it whose bytes count, not as somebody's array has it."""
    X, y = sequences()
    X = np.rint(X)
    options = {"hidden_size": 5, "epochs": 2, "random_state": 1}
    trees = [RecurrentClassifier(**options).fit(X.astype(dtype), y).to_tree() for dtype in ("f8", "f4", "i4", "i8")]
    for tree in trees[1:]:
        assert_same(tree, trees[0])


@pytest.mark.parametrize("options", [{"standardize": False}, {"dtype": "float64"}, {"warm_start": True}])
def test_other_parameters(options, tmp_path):
    X, y = sequences()
    X, table = X / 1e3, X[:, :, 0] / 1e3
    validation = X[:20], y[:20]
    options = {"hidden_size": 5, "epochs": 2, "random_state": 1, **options}
    with h5py.File(write(tmp_path / "a.h5", X=X, table=table, held=X[:20])) as file:
        for given, stored in ((X, file["X"]), (table, file["table"])):
            expected, got = (RecurrentRegressor(**options) for _ in range(2))
            for _ in range(2):
                expected.fit(given, y * 30.0)
                got.fit(stored, y * 30.0)
            assert_same(got.to_tree(), expected.to_tree())
            np.testing.assert_array_equal(got.predict(stored), expected.predict(given))
        expected = RecurrentClassifier(**options).fit(X, y, validation_data=validation)
        got = RecurrentClassifier(**options).fit(file["X"], y, validation_data=(file["held"], y[:20]))
        assert_same(got.to_tree(), expected.to_tree())


def test_a_mapped_array(tmp_path):
    X, y = sequences()
    np.save(tmp_path / "X.npy", X)
    expected = RecurrentClassifier(hidden_size=5, epochs=2, random_state=1).fit(X, y)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    got = RecurrentClassifier(hidden_size=5, epochs=2, random_state=1).fit(mapped, y)
    assert_same(got.to_tree(), expected.to_tree())


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_dataset_trains_an_autoencoder_with_the_bits_of_an_array(solver, tmp_path):
    X = np.random.default_rng(0).integers(0, 2, (N, T * I)).astype("u1")
    options = {
        "hidden_size": 5, "solver": solver, "epochs": 3, "batch_size": 9, "validation_fraction": 0.3, "random_state": 1,
    }  # fmt: skip
    expected = SparseAutoencoder(**options).fit(X)
    with h5py.File(write(tmp_path / "a.h5", X=X)) as file:
        got = SparseAutoencoder(**options).fit(file["X"])
        assert_same(got.to_tree(), expected.to_tree())
        np.testing.assert_array_equal(got.transform(file["X"]), expected.transform(X))
        assert got.cost(file["X"]) == expected.cost(X)
        assert got.psnr(file["X"]) == expected.psnr(X)
        np.testing.assert_array_equal(got.evaluate(file["X"])[2], expected.evaluate(X)[2])
    np.testing.assert_allclose(got.evaluate(X)[2], got.transform(X).mean(axis=0), rtol=1e-6)
    penalties = {"l2": 5e-4, "sparsity": 0.05, "sparsity_weight": 0.5}
    cost, parts, _ = sparse_autoencoder_cost(got.weights_, X.astype("f4"), **penalties)
    assert got.cost(X)[0] == pytest.approx(cost, rel=1e-6)
    assert got.cost(X)[1] == pytest.approx(parts, rel=1e-6)


def test_scales_are_learned_by_pieces():
    """As from plain formulas over the valid steps of the training rows, with means that are large."""
    rng = np.random.default_rng(3)
    rows = [1e4 + rng.normal(size=(n, I)) * [1, 2, 3] for n in rng.integers(1, T + 1, 47)]
    estimator, training = RecurrentClassifier(dtype="float64"), np.sort(rng.permutation(47)[:33])
    scales, known = learn_scales(check_sequences(estimator, rows, reset=True), training)
    assert known == check_sequences(estimator, rows, reset=True).read_through()
    steps = np.concatenate([rows[row] for row in training])
    np.testing.assert_allclose(scales.mean, steps.mean(0), rtol=1e-14)
    np.testing.assert_allclose(scales.scale, steps.std(0), rtol=1e-11)


def test_moments_of_no_rows_and_of_large_numbers():
    moments = Moments(1)
    for part in ([], [1e200, 3e200], [], [5e200]):
        moments.add(np.reshape(part, (-1, 1)) / 1e100)
    np.testing.assert_allclose(moments.mean, 3e100)
    np.testing.assert_allclose(moments.squares, 8e200)
    assert moments.n == 3


def test_a_number_that_is_not_finite_is_named_before_training(tmp_path):
    X, y = sequences()
    X[40, 2, 1] = np.nan
    started = []
    with h5py.File(write(tmp_path / "a.h5", X=X, small=X[:20], table=X[:, :, 1])) as file:
        fitted = RecurrentClassifier(hidden_size=5, epochs=1).fit(file["small"], y[:20])
        raw = RecurrentClassifier(hidden_size=5, epochs=1, standardize=False)
        small, options = (file["small"], y[:20]), {"batch_callbacks": [started.append]}
        for call in (
            lambda X: fitted.fit(X, y, **options),
            lambda X: raw.fit(X, y, **options),
            lambda X: raw.fit(*small, validation_data=(X, y), **options),
            fitted.predict,
        ):
            with pytest.raises(ValueError, match="X contains NaN at row 40, step 2, channel 1; expected finite num"):
                call(file["X"])
        with pytest.raises(ValueError, match="X contains NaN at row 40, column 2; expected finite numbers"):
            SparseAutoencoder(solver="adam").fit(file["table"], batch_callbacks=[started.append])
        large = write(tmp_path / "large.h5", X=np.where(np.isnan(X), 1e300, X))
    with h5py.File(large) as file, pytest.raises(ValueError, match=r"too large for its dtype.* at row 40, step 2, ch"):
        RecurrentClassifier().fit(file["X"], y)
    assert not started


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 0, 3)), r"X has shape \(4, 0, 3\)"),
        (np.zeros((0, 2, 3)), r"X has shape \(0, 2, 3\): found array with 0 sample"),
        (np.zeros((4, 0)), r"X has shape \(4, 0\), expected \(N, F\)"),
        (np.zeros((4, 2, 2, 3)), r"X has shape \(4, 2, 2, 3\), expected \(N, F\)"),
        (np.zeros((4, 2, 3), complex), "X has dtype complex128, expected numbers"),
        (np.zeros((4, 2), "S3"), r"X has dtype \|S3, expected numbers"),
    ],
)
def test_datasets_that_cannot_be_used(array, message, tmp_path):
    with h5py.File(write(tmp_path / "a.h5", X=array)) as file, pytest.raises(ValueError, match=message):
        RecurrentClassifier().fit(file["X"], [0, 1, 0, 1])


def test_resumed_within_an_epoch_whatever_the_mode(tmp_path):
    X, y = sequences()
    options = {"hidden_size": 5, "epochs": 3, "batch_size": 9, "dropout": 0.1, "random_state": 1}
    states, whole = [], RecurrentClassifier(**options)
    with h5py.File(write(tmp_path / "a.h5", X=X)) as file:
        whole.fit(file["X"], y, batch_callbacks=[lambda _: states.append(whole.trainer_.state())])
        for index in (0, 5, 13, 20):
            for given in (X, file["X"]):
                resumed = RecurrentClassifier(**options).fit(given, y, state=states[index])
                assert_same(resumed.to_tree(), whole.to_tree())


@pytest.mark.parametrize("standardize", [True, False])
def test_one_pass_over_the_data_comes_before_training(standardize, tmp_path, reads):
    X, y = sequences()
    with h5py.File(write(tmp_path / "a.h5", X=X)) as file:
        RecurrentClassifier(hidden_size=5, standardize=standardize).prepare(file["X"], y)
        assert sum(reads) == N
        del reads[:]
        SparseAutoencoder(hidden_size=5, solver="adam").prepare(read_by_blocks(file["X"]).map(flat, (T * I,)))
        assert sum(reads) == N
        states = []
        del reads[:]
        classifier = RecurrentClassifier(hidden_size=5, epochs=1, validation_fraction=None, random_state=0)
        classifier.fit(file["X"], y, batch_callbacks=[lambda _: states.append(sum(reads))])
        assert states[-1] == 2 * N  # the fingerprints, too, come from the first


def flat(values, numbers):
    return 1 / (1 + np.exp(-values.reshape(len(values), -1)))


def test_memory_holds_a_window_and_not_the_data(tmp_path, monkeypatch):
    """The small form of the slow test below: all that Python and NumPy allocate, against the size of the data."""
    monkeypatch.setattr(data_blocks, "BLOCK", 2**17)
    monkeypatch.setattr(lazy_array, "PIECE", 2**13)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4000, 50, 10)), rng.integers(0, 2, 4000)
    path = write(tmp_path / "a.h5", X=X)
    classifier = RecurrentClassifier(hidden_size=4, epochs=1, random_state=0).fit(X[:99], y[:99])  # all is imported
    n_bytes = X.nbytes
    del X
    tracemalloc.start()
    with h5py.File(path) as file:
        classifier.fit(file["X"], y).predict(file["X"])
        streamed = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        classifier.fit(file["X"][:], y)
    in_memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert streamed < n_bytes / 5 < n_bytes < in_memory


@pytest.mark.slow
@pytest.mark.parametrize("form", ["sequences", "ngrams"])
def test_four_gigabytes_take_less_than_one_of_memory(form, tmp_path):
    if shutil.disk_usage(tmp_path).free < 6e9:
        pytest.skip("needs 6 GB on the disk of temporary files")
    path = tmp_path / "large.h5"
    script = Path(__file__).parents[1] / "examples" / "large_file.py"
    try:
        options = ["--ngrams"] if form == "ngrams" else []
        subprocess.run([sys.executable, script, path, *options], check=True, timeout=600)
        arguments = {
            "sequences": ["classify", path, "--hidden", "16"],
            "ngrams": ["words", path, "--embedding", "4", "--hidden", "8", "--batch-size", "1000"],
        }[form]
        process = subprocess.Popen(command("train", *arguments, "--stream", "--epochs", "1", "--out", tmp_path / "run"))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        assert path.stat().st_size > 3.9e9
        assert usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) < 1e9
    finally:
        path.unlink(missing_ok=True)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["accuracy"] > 0.9


# The command ----------------------------------------------------------------------------------------------------------


SMALL = {"hidden_size": 5, "head": [4], "epochs": 2, "batch_size": 9, "patience": 0, "validation_fraction": 0.2}


@pytest.mark.parametrize("test_set", [True, False])
def test_classify_streamed_and_in_memory(test_set, tmp_path, capsys, reads):
    X, y = sequences()
    arrays = {"X": X, "y": y}
    if test_set:
        arrays = {"X_train": X[:90], "y_train": y[:90], "X_test": X[90:], "y_test": y[90:]}
    path = write(tmp_path / "a.h5", "compressed", **arrays)
    (got, printed), (expected, other) = both(classify_task.CLASSIFY, tmp_path, capsys, data=str(path), **SMALL)
    assert len(assert_same_runs((got, expected))) == 3
    training, testing = (90, 20) if test_set else (88, 22)
    sizes = f"{training} sequences for training and {testing} for testing"
    gigabytes = (8 * N + 4 * (90 if test_set else 88)) * T * I / 1e9
    what = f"{sizes}, 6 steps of 3 channels, 2 classes"
    assert f"{what}, read in blocks (in memory: {gigabytes:.2f} GB)\n" in printed
    assert f"{what}\n" in other
    assert 5 < max(reads) <= 18  # by chunks, which are more than 5 sequences
    assert tomllib.loads((got / "config.toml").read_text())["stream"] is True


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda images: images, id="uint8"),
        pytest.param(lambda images: np.moveaxis(images, 3, 1).astype("i4"), id="whole-channels-first"),
        pytest.param(lambda images: (images / 255).astype(">f4"), id="big-endian-floats"),
        pytest.param(lambda images: images[..., 0], id="grey"),
        pytest.param(lambda images: images[..., :1] > 127, id="truth-values"),
        pytest.param(lambda images: images[:, :, :, 0].reshape(N, -1) / 255, id="matrix"),
    ],
)
def test_autoencoder_streamed_and_in_memory(form, tmp_path, capsys, reads):
    images = form(data.sample_patches(7, N, seed=3)[:, :5])
    path = write(tmp_path / "a.h5", data=images)
    options = SMALL | {"solver": "adam", "dtype": "float64"}
    del options["head"]
    (got, printed), (expected, _) = both(autoencoder_task.AUTOENCODER, tmp_path, capsys, data=str(path), **options)
    assert len(assert_same_runs((got, expected))) == (3 if images.ndim == 2 else 4)
    assert "88 for training and 22 for validation, 5 hidden units, adam, read in blocks" in printed
    assert max(reads) * images[0].size <= max(PIECE, images[0].size)


def test_predictions_are_read_by_blocks(tmp_path, reads):
    X, y = sequences()
    classifier = RecurrentClassifier(hidden_size=5, epochs=1, random_state=1).fit(X, y)
    classifier.save(tmp_path / "c.h5")
    stored = data.load_inputs(write(tmp_path / "a.h5", X=X), stream=True)
    np.testing.assert_array_equal(classifier.predict_proba(stored), classifier.predict_proba(X))
    assert max(reads) == 5
    X[70, 1, 2] = np.inf
    path = write(tmp_path / "b.h5", X=X)
    line = refused("predict", tmp_path / "c.h5", path, "--out", tmp_path / "p.csv")
    assert line == f"error: {path}: 'X' holds inf in row 70, step 1, channel 2; expected finite numbers"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("key", ["X_train", "X_test"])
def test_a_number_that_is_not_finite_leaves_no_run(key, stream, tmp_path):
    X, y = sequences()
    arrays = {"X_train": X[:90], "y_train": y[:90], "X_test": X[50:], "y_test": y[50:]}
    arrays[key][40, 2, 1] = np.nan
    path = write(tmp_path / "a.h5", **arrays)
    option = "--stream" if stream else "--in-memory"
    line = refused("train", "classify", path, option, "--out", tmp_path / "run")
    problem = f"{path}: '{key}' holds nan in row 40, step 2, channel 1; expected finite numbers"
    assert line == f"error: {problem}"
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match=re.escape(problem)):
        getattr(data.load_sequences(path, stream=True), key).load()  # here by small pieces


def test_a_file_that_shrinks_stops_the_run_in_one_line(tmp_path, capsys, monkeypatch):
    X, y = sequences()
    path = write(tmp_path / "a.h5", X_train=X[:90], y_train=y[:90], X_test=X[90:], y_test=y[90:])
    written, size = History.append, path.stat().st_size

    def shrink(self, row):
        written(self, row)
        os.truncate(path, size // 2)

    monkeypatch.setattr(History, "append", shrink)
    values = defaults(options_of(classify_task.CLASSIFY))
    with pytest.raises(SystemExit) as ended, one_line_errors():
        run_task(classify_task.CLASSIFY, values | SMALL | {"data": str(path), "stream": True}, tmp_path / "run")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said == f"error: {path}: 'X_train': the file has shrunk from {size:,} bytes to {size // 2:,}\n"
    assert len(read_csv(tmp_path / "run" / "history.csv")) == 1
    assert (tmp_path / "run" / "checkpoint.h5").exists()


def test_images_out_of_range_leave_no_run(tmp_path):
    images = data.sample_patches(7, N, seed=3).astype("f4")
    images[70, 2, 3, 1] = 0.5
    path = write(tmp_path / "a.h5", data=images)
    line = refused("train", "autoencoder", path, "--stream", "--solver", "adam", "--out", tmp_path / "run")
    problem = f"{path}: 'data' holds 0.5 in image 70, row 2, column 3; expected whole numbers from 0 to 255 or floats"
    assert problem in line
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match=re.escape(problem)):
        data.load_images(path, stream=True).load()  # here by small pieces


def test_matrices_are_checked_as_they_are_read(tmp_path):
    matrix = np.random.default_rng(0).random((N, T * I))
    matrix[70, 3] = np.nan
    with pytest.raises(DataError, match=r"a\.h5: 'm' holds nan in row 70, column 3; expected finite numbers$"):
        data.load_images(write(tmp_path / "a.h5", m=matrix), stream=True).load()


def test_what_does_not_fit_is_read_by_blocks(tmp_path, capsys, monkeypatch):
    X, y = sequences()
    path = write(tmp_path / "a.h5", X_train=X[:90], y_train=y[:90], X_test=X[90:], y_test=y[90:])
    needed = (8 * N + 4 * 90) * T * I
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CONTAINER_LIMITS", (limit,))
    values = defaults(options_of(classify_task.CLASSIFY)) | SMALL | {"data": str(path)}
    for size, streams in ((2 * needed, False), (2 * needed - 1, True)):
        limit.write_text(f"{size}\n")
        assert isinstance(classify_task.load(values).X_train, lazy_array.LazyArray) == streams
        assert isinstance(classify_task.load(values | {"stream": not streams}).X_test, np.ndarray) == streams
    values = defaults(options_of(autoencoder_task.AUTOENCODER))
    values |= {"data": str(write(tmp_path / "b.h5", data=X[:, :, 0])), "solver": "adam"}
    limit.write_text("max\n")
    assert isinstance(autoencoder_task.load(values).X, np.ndarray)
    limit.write_text(f"{2 * N * T * (8 + 4) - 1}\n")
    assert autoencoder_task.load(values).X.on_disk
    message = f"b.h5 would take {N * T * 12 / 1e9:.2f} GB of memory, but the solver lbfgs takes all examples at once"
    with pytest.raises(ValueError, match=re.escape(message)):
        autoencoder_task.load(values | {"solver": "lbfgs"})


def test_available_memory(tmp_path, monkeypatch):
    assert memory.available_bytes() > 10**7
    info, limit = tmp_path / "meminfo", tmp_path / "limit"
    info.write_text("MemTotal:  9999 kB\nMemFree:  5 kB\nMemAvailable:     1234 kB\n")
    monkeypatch.setattr(memory, "MEMORY_INFO", info)
    monkeypatch.setattr(memory, "CONTAINER_LIMITS", (limit, tmp_path / "none"))
    assert memory.available_bytes() == 1234 * 1024
    for text, expected in (("max\n", 1234 * 1024), ("70000\n", 70000), ("9223372036854771712", 1234 * 1024)):
        limit.write_text(text)
        assert memory.available_bytes() == expected
    info.unlink()
    limit.unlink()
    assert memory.available_bytes() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("task", "arguments", "message"),
    [
        ("classify", ["a.npz"], "a.npz is not one; use --in-memory"),
        ("classify", [], "but the default data are in memory; use --in-memory"),
        ("autoencoder", ["--solver", "adam"], "but the default data are in memory"),
        ("autoencoder", ["photos", "--solver", "adam"], "photos is not one"),
        ("autoencoder", ["a.h5"], "--stream is given, but the solver lbfgs takes all examples at once; use"),
        ("classify", ["none.h5"], "none.h5: there is no such file"),
    ],
)
def test_what_cannot_be_read_by_blocks_is_refused(task, arguments, message, tmp_path):
    (tmp_path / "photos").mkdir()
    np.savez(tmp_path / "a.npz", X=np.zeros((4, 2)))
    write(tmp_path / "a.h5", data=np.random.default_rng(0).random((20, 6)))
    before = sorted(tmp_path.rglob("*"))
    assert message in refused("train", task, *arguments, "--stream", cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(DataError, match=r"a\.npz: cannot be read by blocks; expected an HDF5 file"):
        data.load_sequences(tmp_path / "a.npz", keys={"X_train": "X", "y_train": "X"}, stream=True)
