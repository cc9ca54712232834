"""N-grams larger than memory: what is read by blocks gives the bits of what lies in memory, for models of words too."""

import re
import runpy
import tomllib
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from blocks import assert_same, assert_same_runs, both
from commands import refused

from fastrnn import NGramLanguageModel, Trainer, data, memory
from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.options.parameters import defaults
from fastrnn.cli.tasks.words import command as words_task
from fastrnn.data import DataError, lazy_array, load_ngrams, read_by_blocks
from fastrnn.data import blocks as data_blocks
from fastrnn.data.fingerprint import fingerprint
from fastrnn.training import shuffle

N, K, V = 1250, 3, 11
WORDS = [f"w{number}" for number in range(V)]
RNG = np.random.default_rng(0)
X = RNG.integers(0, V, (N, K))
Y = (X[:, -1] + RNG.integers(0, 2, N)) % V
LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": (37, 2)},
    "compressed": {"chunks": (130, K), "compression": "gzip", "shuffle": True},
}
SMALL = {"embedding": 3, "hidden_size": 4, "epochs": 2, "batch_size": 90}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 100 examples, of which an epoch takes four at a time, and which are read 30 at a time."""
    monkeypatch.setattr(data_blocks, "BLOCK", 100 * 8)
    monkeypatch.setattr(shuffle, "PART", 70)
    monkeypatch.setattr(lazy_array, "PIECE", 30 * K)
    monkeypatch.setattr(lazy_array, "NEAR", 1)


def model(**parameters):
    return NGramLanguageModel(**SMALL | {"random_state": 1, "vocabulary": WORDS, "learning_rate": 0.02} | parameters)


def write(path, x=X, y=Y, layout="contiguous", first=1, dtype="u1", sets=(900, 150, 200)):
    """Write n-grams to train, to validate and to test with, as many as asked for, and the words."""
    bounds = np.cumsum([0, *sets])
    with h5py.File(path, "w") as file:
        for name, start, stop in zip(("train", "val", "test"), bounds[:-1], bounds[1:], strict=True):
            if stop > start:
                file.create_dataset(f"{name}x", data=(x[start:stop] + first).astype(dtype), **LAYOUTS[layout])
                file[f"{name}d"] = (y[start:stop] + first).astype(dtype)
        file["words"] = WORDS
    return path


# The estimator --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["u1", ">i4", "i8"])
def test_datasets_train_a_model_with_the_bits_of_arrays(dtype, layout, tmp_path):
    expected = model(validation_fraction=0.3).fit(X.astype(dtype), Y)
    path = write(tmp_path / "a.h5", layout=layout, first=0, dtype=dtype, sets=(N, 0, 0))
    with h5py.File(path) as file:
        x, y = file["trainx"], file["traind"]
        got = model(validation_fraction=0.3).fit(x, y)
        assert_same(got.to_tree(), expected.to_tree())
        assert got.trainer_.state()["data"] == expected.trainer_.state()["data"]
        assert got.trainer_.state()["order"] == expected.trainer_.state()["order"]
        assert got.evaluate(x, y) == expected.evaluate(X, Y)
        assert got.perplexity(x, y) == expected.perplexity(X, Y)
        np.testing.assert_array_equal(got.predict_proba(x), expected.predict_proba(X))


@pytest.mark.parametrize("stored", ["both", "contexts", "next words", "mapped"])
def test_either_array_may_lie_in_a_file(stored, tmp_path):
    validation = X[:50], Y[:50]
    expected = model().fit(X, Y, validation_data=validation)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["y"] = X, Y[:, np.newaxis]
        np.save(tmp_path / "x.npy", X)
        x, y = {
            "both": (file["x"], file["y"]), "contexts": (file["x"], Y), "next words": (X, file["y"]),
            "mapped": (np.load(tmp_path / "x.npy", mmap_mode="r"), Y),
        }[stored]  # fmt: skip
        assert_same(model().fit(x, y, validation_data=validation).to_tree(), expected.to_tree())
        got = model().fit(X, Y, validation_data=(x[:50], read_by_blocks(file["y"]).take(slice(50))))
        assert_same(got.to_tree(), expected.to_tree())


def test_a_trainer_reads_targets_by_blocks(tmp_path, reads):
    path = write(tmp_path / "a.h5", first=0, sets=(N, 0, 0))
    array, results = X.astype("u1"), []
    with h5py.File(path) as file:
        for x, y in ((array, Y), (array, read_by_blocks(file["traind"])), (read_by_blocks(file["trainx"]), Y)):
            for validation in (0.2, None):
                net = model().prepare(X, Y).trainer.model
                trainer = Trainer(net, "cross_entropy", seed=1)
                history = trainer.fit(x, y, epochs=2, batch_size=90, validation=validation)
                results.append([*history["train_loss"], *history.get("validation_loss", ()), *trainer.evaluate(x, y)])
                results[-1] += net.flat_parameters.tolist()
    assert results[0] == results[2] == results[4]
    assert results[1] == results[3] == results[5]
    assert max(reads) <= 90


def test_each_epoch_reads_everything_once(tmp_path, reads):
    """And so does the first pass, of numbers that a model is told the words of."""
    with h5py.File(write(tmp_path / "a.h5", first=0, sets=(N, 0, 0))) as file:
        x, y = file["trainx"], file["traind"]
        fitting = model(validation_fraction=None).prepare(x, y)
        assert sum(reads) == 2 * N
        del reads[:]
        model(validation_fraction=None).train(fitting)
        assert sum(reads) == 2 * 2 * N
        del reads[:]
        model(validation_fraction=0.3).prepare(x, y)
        assert sum(reads) == 2 * N
        del reads[:]
        fitted = model(validation_fraction=None).fit(X, Y)
        assert not reads
        fitted.evaluate(x, y)
        assert sum(reads) == 2 * N


def test_numbers_that_no_word_has_are_named_before_training(tmp_path):
    wrong = X.copy()
    wrong[1171, 1] = V
    started = []
    options = {"batch_callbacks": [started.append]}
    with h5py.File(write(tmp_path / "a.h5", wrong, first=0, sets=(N, 0, 0))) as file:
        x, y = file["trainx"], file["traind"]
        for call in (
            lambda: model().fit(x, y, **options),
            lambda: model().fit(wrong, Y, **options),
            lambda: model().fit(X, Y, validation_data=(x, y), **options),
            lambda: model().fit(X, Y).evaluate(x, y),
        ):
            with pytest.raises(ValueError, match=r"^X\[1171\] holds 11, expected the number of a word, 0\.\.10$"):
                call()
    assert not started
    with pytest.raises(ValueError, match=r"^y\[1201\] is -3, expected the number of a word, 0\.\.10$"):
        model().fit(X, np.where(np.arange(N) == 1201, -3, Y))


def test_resumed_within_an_epoch_whatever_the_mode(tmp_path):
    states, whole = [], model(validation_fraction=0.2)
    with h5py.File(write(tmp_path / "a.h5", first=0, sets=(N, 0, 0))) as file:
        x, y = file["trainx"], file["traind"]
        whole.fit(x, y, batch_callbacks=[lambda _: states.append(whole.trainer_.state())])
        for index in (0, 5, 13, 20):
            for given in ((X, Y), (x, y)):
                resumed = model(validation_fraction=0.2).fit(*given, state=states[index])
                assert_same(resumed.to_tree(), whole.to_tree())
        for name, given in (("training x", (X[::-1], Y)), ("training y", (X, Y[::-1]))):
            with pytest.raises(ValueError, match=rf"^{name} of the run is uint8 \(1000,.* BLAKE2 \w+, but uint8"):
                model(validation_fraction=0.2).fit(*given, state=states[5])


def test_memory_holds_a_window_and_not_the_data(tmp_path, monkeypatch):
    """Of ten times as many short rows neither they, nor their targets, nor their order are in memory as a whole."""
    monkeypatch.setattr(data_blocks, "BLOCK", 8 * 10**4)
    monkeypatch.setattr(shuffle, "PART", 10**4)
    monkeypatch.setattr(lazy_array, "PIECE", 10**4)
    x = np.random.default_rng(0).integers(0, V, (10**6, K), "u1")
    values = defaults(options_of(words_task.WORDS)) | SMALL | {"batch_size": 5000, "epochs": 1}

    def peak(n, stream):
        path = write(tmp_path / "a.h5", x, x[:, -1], sets=(n - 10**4, 5000, 5000))
        tracemalloc.start()
        estimator, dataset, fitting, _ = words_task.prepare(values | {"data": str(path), "stream": stream})
        estimator.train(fitting).evaluate(dataset.x_train, dataset.y_train)
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    _, few, many, in_memory = (peak(*call) for call in ((10**5, True), (10**5, True), (10**6, True), (10**6, False)))
    assert many < few + 10**6  # four bytes of data each, and eight of an order
    assert in_memory > many + 4 * 10**6


# Loading --------------------------------------------------------------------------------------------------------------


def arrays(ngrams):
    return [getattr(ngrams, f"{axis}_{name}") for name in ("train", "validation", "test") for axis in "xy"]


@pytest.mark.parametrize("order", [None, 2, 3, 4])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("dtype", ["u1", ">i2", "f8"])
def test_loaded_by_blocks_and_whole(dtype, first, order, tmp_path, reads):
    path = write(tmp_path / "a.h5", layout="chunked", first=first, dtype=dtype)
    streamed = load_ngrams(path, order=order, stream=True)
    assert sum(reads) == 2 * N  # contexts and next words: one pass
    whole = load_ngrams(path, order=order)
    assert streamed.words == whole.words == WORDS
    for got, expected in zip(arrays(streamed), arrays(whole), strict=True):
        assert got.on_disk
        assert (got.shape, got.dtype) == (expected.shape, np.dtype("u1"))
        assert got.known == fingerprint(expected)
        np.testing.assert_array_equal(got.load(), expected)
    np.testing.assert_array_equal(whole.x_train, X[:900, (0 if order is None else -order + 1) :])
    np.testing.assert_array_equal(whole.y_test, Y[1050:])


def test_shorter_ngrams_are_still_checked_as_a_whole(tmp_path):
    """Only a column that is left out tells from where the numbers count, and has one that cannot be."""
    x = X.clip(1, V - 2)
    x[880, 0] = 0
    path = write(tmp_path / "a.h5", x, Y.clip(1, V - 2), first=0)
    for stream in (True, False):
        np.testing.assert_array_equal(load_ngrams(path, order=2, stream=stream).x_train[:9], x[:9, 2:])
    with h5py.File(path, "r+") as file:
        file["trainx"][890, 0] = 99
    for stream in (True, False):
        with pytest.raises(DataError, match="'trainx' is 99 in row 890, column 0; expected whole numbers"):
            load_ngrams(path, order=2, stream=stream)
    for order, error, message in (
        (5, DataError, rf"^order is 5, but the n-grams of {path} have 4 words; use at most 4$"),
        (1, ValueError, "^order is 1, expected at least 2$"),
        (2.0, TypeError, "^order is 2.0, expected a whole number$"),
    ):
        with pytest.raises(error, match=message):
            load_ngrams(path, order=order)


@pytest.mark.parametrize("place", [("trainx", (897, 2)), ("traind", 899), ("testd", 199)])
@pytest.mark.parametrize("first", [0, 1])
def test_one_number_of_the_last_block_tells_from_where_they_count(first, place, tmp_path):
    path = write(tmp_path / "a.h5", X.clip(1, V - 2), Y.clip(1, V - 2), first=first)
    for given, low in ((0, 1 + first), (1, first)):  # until then the data fit both
        np.testing.assert_array_equal(load_ngrams(path, first_index=given, stream=True).x_train.load().min(), low)
    expected = rf"^{path}: the word numbers are {1 + first} to {9 + first}, so the 11 words may count from 0 or"
    for stream in (True, False):
        with pytest.raises(DataError, match=expected):
            load_ngrams(path, stream=stream)
    key, index = place
    with h5py.File(path, "r+") as file:
        file[key][index] = V if first else 0
    streamed, whole = load_ngrams(path, stream=True), load_ngrams(path)
    for got, expected in zip(arrays(streamed), arrays(whole), strict=True):
        assert got.known == fingerprint(expected)
        np.testing.assert_array_equal(got.load(), expected)
    assert whole.y_train[0] == Y.clip(1, V - 2)[0]


@pytest.mark.parametrize(
    ("key", "index", "value", "message"),
    [
        (
            "trainx",
            (889, 2),
            12,
            "'trainx' is 12.0 in row 889, column 2; expected whole numbers from 0 to 10 or from 1",
        ),
        (
            "traind",
            898,
            -1,
            "'traind' is -1.0 in row 898; expected whole numbers from 0 to 10 or from 1 to 11, as there",
        ),
        ("testd", 195, 2.5, "'testd' is 2.5 in row 195; expected whole numbers"),
        ("valx", (140, 0), np.nan, "'valx' is nan in row 140, column 0; expected whole numbers"),
        ("trainx", (895, 1), 0, "'trainx' is 0.0 in row 895, column 1 and 'trainx' is 11.0 in row"),
    ],
)
def test_an_error_in_a_late_block_is_the_same_sentence(key, index, value, message, tmp_path, forks):
    path = write(tmp_path / "a.h5", dtype="f4")
    with h5py.File(path, "r+") as file:
        file[key][index] = value
    with pytest.raises(DataError) as whole:
        load_ngrams(path)
    with pytest.raises(DataError, match=f"^{re.escape(str(whole.value))}$"):
        load_ngrams(path, stream=True)  # by small pieces
    for how in ("--stream", "--in-memory"):
        line = forks.refused("train", "words", path, how, "--out", tmp_path / "run", cwd=tmp_path)
        assert line == f"error: {whole.value}"
    assert f"{path}: {message}" in str(whole.value)
    assert not (tmp_path / "run").exists()


# The command ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sets", [(900, 150, 200), (1000, 0, 250), (1000, 250, 0), (N, 0, 0)])
@pytest.mark.parametrize("order", [None, 3])
def test_words_streamed_and_in_memory(order, sets, tmp_path, capsys, reads):
    path = write(tmp_path / "a.h5", layout="compressed", sets=sets)
    options = SMALL | {"data": str(path), "order": order, "validation_fraction": 0.2, "context": ["w1 w2 w3"]}
    (got, printed), (expected, other) = both(words_task.WORDS, tmp_path, capsys, **options)
    assert assert_same_runs((got, expected)) == {
        "contexts.png", "embeddings.png", "learning_curves.png", "next_words.png",
    }  # fmt: skip
    assert "embedding size 5" not in printed
    assert "embedding size 3, 4 hidden units, read in blocks (in memory: 0.00 GB)\n" in printed
    assert "embedding size 3, 4 hidden units\n" in other
    assert printed.split("epoch  ")[0].count("read in blocks") == 1
    assert 90 < max(reads) <= 130  # by chunks, which are more than 30 examples, or a block
    assert tomllib.loads((got / "config.toml").read_text())["stream"] is True


@pytest.mark.parametrize("sets", [(900, 150, 200), (N, 0, 0)])
def test_one_pass_over_the_file_comes_before_training(sets, tmp_path, reads):
    parameters = defaults(options_of(words_task.WORDS)) | SMALL | {"validation_fraction": 0.2, "stream": True}
    words_task.prepare(parameters | {"data": str(write(tmp_path / "a.h5", sets=sets))})
    assert sum(reads) == 2 * N


def test_a_resumed_run_may_change_the_mode_and_not_the_data(tmp_path, forks):
    path = write(tmp_path / "a.h5")
    arguments = [path, "--embedding", "3", "--hidden", "4", "--batch-size", "90", "--schedule", "none"]
    forks.run("train", "words", *arguments, "--stream", "--epochs", "4", "--out", tmp_path / "whole", cwd=tmp_path)
    forks.run("train", "words", *arguments, "--stream", "--epochs", "2", "--out", tmp_path / "part", cwd=tmp_path)
    forks.run("train", "words", "--resume", tmp_path / "part", "--in-memory", "--epochs", "3", cwd=tmp_path)
    forks.run("train", "words", "--resume", tmp_path / "part", "--stream", "--epochs", "4", cwd=tmp_path)
    config = tmp_path / "whole" / "config.toml"
    (tmp_path / "part" / "config.toml").write_bytes(config.read_bytes())
    assert len(assert_same_runs((tmp_path / "part", tmp_path / "whole"))) == 3
    for key, index, name in (
        ("trainx", (899, 2), "training x"), ("traind", 890, "training y"), ("valx", (149, 0), "validation x"),
        ("vald", 149, "validation y"), ("testx", (199, 1), "test x"), ("testd", 199, "test y"),
    ):  # fmt: skip
        with h5py.File(path, "r+") as file:
            before = file[key][index]
            file[key][index] = 1 + before % V
        for how in ("--stream", "--in-memory"):
            line = forks.refused("train", "words", "--resume", tmp_path / "part", how, "--epochs", "5", cwd=tmp_path)
            assert re.search(rf"cannot resume: {name} of the run is uint8 \(.* BLAKE2 \w+, but uint8 \(", line)
        with h5py.File(path, "r+") as file:
            file[key][index] = before


def test_what_does_not_fit_is_read_by_blocks(tmp_path, monkeypatch):
    path = write(tmp_path / "a.h5", dtype="i8")
    needed = (2 * (900 + 150) + 200) * (K + 1)
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CONTAINER_LIMITS", (limit,))
    values = defaults(options_of(words_task.WORDS)) | {"data": str(path)}
    for size, on_disk in ((2 * needed, False), (2 * needed - 1, True)):
        limit.write_text(f"{size}\n")
        assert words_task.load(dict(values)).x_train.on_disk == on_disk
        assert words_task.load(values | {"stream": not on_disk}).y_test.on_disk != on_disk


def test_the_example_writes_ngrams(tmp_path):
    script = Path(__file__).parents[1] / "examples" / "large_file.py"
    runpy.run_path(str(script))["write_ngrams"](tmp_path / "a.h5", 0.001)
    ngrams = load_ngrams(tmp_path / "a.h5", stream=True)
    assert [len(array) for array in arrays(ngrams)] == [19048, 19048, 2381, 2381, 2381, 2381]
    assert (ngrams.x_test.shape[1], ngrams.x_test.dtype, len(ngrams.words)) == (20, np.uint16, 300)
    np.testing.assert_array_equal(ngrams.y_test.load(), ngrams.x_test.load()[:, -1] % 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["text.txt"], "--stream reads HDF5 files (.h5, .hdf5) in blocks, but {}/text.txt is not one"),
        (["a.npz"], "--stream reads HDF5 files (.h5, .hdf5) in blocks, but {}/a.npz is not one"),
        ([], "--stream reads HDF5 files (.h5, .hdf5) in blocks, but the default data are in memory"),
    ],
)
def test_what_cannot_be_read_by_blocks_is_refused(arguments, message, tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 9)
    np.savez(tmp_path / "a.npz", trainx=X, traind=Y, words=WORDS)
    line = refused("train", "words", *arguments, "--stream", cwd=tmp_path)
    assert line == f"error: {message.format(tmp_path)}; use --in-memory"
    assert not (tmp_path / "runs").exists()
    with pytest.raises(DataError, match=r"a\.npz: cannot be read by blocks; expected an HDF5 file"):
        data.load_ngrams(tmp_path / "a.npz", stream=True)
