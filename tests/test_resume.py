"""Runs that were stopped, killed, or had no room to write go on with the bits of those that were not."""

import json
import os
import random
import re
import shutil
import signal
import time
import tomllib

import h5py
import numpy as np
import pytest
from commands import read_csv, waves

from fastrnn import storage
from fastrnn.training.history import History

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and forks are POSIX")
CLASSIFY = [
    "classify", "waves.h5", "--hidden", "5", "--head", "4", "--dropout", "0.2", "--batch-size", "16", "--patience", "0",
]  # fmt: skip
AUTOENCODER = [
    "autoencoder", "rows.npz", "--hidden", "40", "--l2", "0", "--validation", "0.3", "--sparsity-weight", "0.01",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the data."""
    path = tmp_path_factory.mktemp("data")
    waves(path / "waves.h5")
    np.savez(path / "rows.npz", rows=np.random.default_rng(0).uniform(size=(60, 30)))
    return path


@pytest.fixture(scope="module")
def whole(forks, folder):
    """A run of 8 epochs that nothing has stopped."""
    forks.run("train", *CLASSIFY, "--epochs", "8", "--out", "whole", cwd=folder)
    return folder / "whole"


@pytest.fixture
def part(forks, folder, whole, tmp_path):
    """A copy of a finished run of 5 of these epochs."""
    if not (folder / "part").exists():
        forks.run("train", *CLASSIFY, "--epochs", "5", "--out", "part", cwd=folder)
    shutil.copytree(folder / "part", tmp_path / "run")
    return tmp_path / "run"


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_same_run(run, whole, config=True):
    """The same files, but for what the clock has written."""
    assert (run / "model.h5").read_bytes() == (whole / "model.h5").read_bytes()
    for name in ("config.toml",) if config else ():
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    rows, expected = (read_csv(path / "history.csv") for path in (run, whole))
    assert [row | {"seconds": 0} for row in rows] == [row | {"seconds": 0} for row in expected]
    got, state = (storage.read(path / "checkpoint.h5") for path in (run, whole))
    for tree in (got, state):
        tree["history"].pop("seconds")
        for name in ("weights", "best"):
            tree[name] = tree[name].tobytes()
        tree["optimizer"] = repr(tree["optimizer"])
    assert got == state
    results = [json.loads((path / "metrics.json").read_text()) for path in (run, whole)]
    for result in results:
        for name in ("seconds", "samples_per_second", "n_threads"):
            del result[name]
    assert results[0] == results[1]
    assert {path.name for path in run.rglob("*")} == {path.name for path in whole.rglob("*")}


# ---- killed at random moments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "arguments", [[*CLASSIFY, "--epochs", "6"], [*AUTOENCODER, "--epochs", "25"]], ids=["classify", "autoencoder"]
)
def test_killed_at_random_moments(forks, folder, tmp_path, arguments, kills):
    rng = random.Random()
    arguments = [*arguments, "--checkpoint-minutes", "0"]
    for name in ("waves.h5", "rows.npz"):
        (tmp_path / name).symlink_to(folder / name)
    start = time.monotonic()
    forks.run("train", *arguments, "--out", "whole", cwd=tmp_path)
    longest = time.monotonic() - start
    killed, ended = 0, 0
    while killed < kills or not ended:
        run = f"run{ended}"
        begun = (tmp_path / run / "config.toml").exists()
        again = [arguments[0], "--resume", run] if begun else [*arguments, "--out", run]
        forks.start("train", *again, cwd=tmp_path)
        if killed < kills:
            time.sleep(rng.uniform(0, longest))
            forks.send(signal.SIGKILL)
        done = forks.wait()
        killed += done.code == -signal.SIGKILL
        if done.code != -signal.SIGKILL:
            assert (done.code, done.err) == (0, "")
            assert_same_run(tmp_path / run, tmp_path / "whole")
            ended += 1


# ---- what may be given ----------------------------------------------------------------------------------------------


def test_a_finished_run_says_so(forks, folder, part):
    before = contents(part)
    for more in (
        [],
        ["--epochs", "5", "--hidden", "5", "--out", part],
        [folder / "waves.h5", "--config", part / "config.toml"],
        ["--threads", "1", "--checkpoint-minutes", "3"],
    ):
        done = forks.run("train", "classify", "--resume", part, *more, cwd=folder)
        assert done.out == f"The run in {part} is finished; its result is in {part / 'metrics.json'}.\n"
    assert contents(part) == before


def test_a_finished_run_goes_on_for_more_epochs(forks, folder, part, whole):
    printed = forks.run("train", "classify", "--resume", part, "--epochs", "8", cwd=folder).out
    assert "continuing from epoch 6\n" in printed
    assert_same_run(part, whole)


def test_its_result_stays_until_there_is_another(forks, folder, part, whole):
    """It is stopped in between, and needs no option to go on then."""
    before = contents(part)
    arguments = ["train", "classify", "--resume", part, "--epochs", "100000"]
    done = forks.interrupt(*arguments, cwd=folder, when=lambda: len(read_csv(part / "history.csv")) > 8)
    assert done.code == 130
    for name in ("model.h5", "metrics.json"):
        assert (part / name).read_bytes() == next(data for path, data in before.items() if path.name == name)
    assert tomllib.loads((part / "config.toml").read_text())["epochs"] == 100000
    done_epochs = len(read_csv(part / "history.csv"))
    line = forks.refused("train", "classify", "--resume", part, "--epochs", "7", cwd=folder)
    assert line == (
        f"error: {part}: cannot resume: epochs is 7, but the run has done {done_epochs}; expected at least as many"
    )
    assert tomllib.loads((part / "config.toml").read_text())["epochs"] == 100000
    forks.run("train", "classify", "--resume", part, "--epochs", done_epochs + 1, cwd=folder)
    assert json.loads((part / "metrics.json").read_text())["epochs"] == done_epochs + 1
    assert [row | {"seconds": 0} for row in read_csv(part / "history.csv")[:8]] == [
        row | {"seconds": 0} for row in read_csv(whole / "history.csv")
    ]


def test_patience_that_is_raised_goes_on(forks, folder, tmp_path):
    arguments = [*CLASSIFY[:-2], "--learning-rate", "0.3", "--epochs", "60"]
    for name, patience in (("run", 2), ("long", 5)):
        forks.run("train", *arguments, "--patience", patience, "--out", tmp_path / name, cwd=folder)
    short, long = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("run", "long"))
    assert short["ended"] == long["ended"] == "patience"
    assert short["epochs"] == short["best_epoch"] + 2 < long["epochs"]
    forks.run("train", "classify", "--resume", tmp_path / "run", "--patience", 5, cwd=folder)
    assert_same_run(tmp_path / "run", tmp_path / "long")
    line = forks.refused("train", "classify", "--resume", tmp_path / "run", "--patience", "2", cwd=folder)
    assert "cannot resume: patience is 2, but the run has gone on for " in line


def test_neither_threads_nor_memory_nor_saving_change_a_byte(forks, folder, part, whole):
    options = ["--threads", "2", "--memory-limit", "1 GB", "--checkpoint-minutes", "0", "--epochs", "8"]
    forks.run("train", "classify", "--resume", part, *options, cwd=folder)
    assert_same_run(part, whole, config=False)
    config = tomllib.loads((part / "config.toml").read_text())
    assert (config["n_threads"], config["memory_limit"], config["checkpoint_minutes"]) == (2, "1 GB", 0.0)
    first = contents(part)
    forks.run("train", "classify", "--config", part / "config.toml", "--out", part, "--overwrite", cwd=folder)
    assert contents(part)[next(p for p in first if p.name == "config.toml")] == (part / "config.toml").read_bytes()
    assert_same_run(part, whole, config=False)  # and the configuration still tells all of it


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hidden", "6"], "hidden_size of the run is 5, but 6 is given"),
        (["--head", "4,3"], "head of the run is 4, but 4x3 is given"),
        (["--seed", "1"], "random_state of the run is 0, but 1 is given"),
        (["--learning-rate", "0.01"], "learning_rate of the run is 0.001, but 0.01 is given"),
        (["--raw"], "standardize of the run is true, but false is given"),
        (["other.h5"], "waves.h5, but "),
        (["--config", "batch.toml"], "batch_size of the run is 16, but 7 is given"),
        (["--sweep", "hidden=5,6"], "the sweep is none, but another one is given"),
        (["--jobs", "2"], "--jobs is for sweeps, but"),
        (["--out", "elsewhere"], "--out is elsewhere, but --resume continues in"),
        (["--overwrite"], "--overwrite starts again, but --resume"),
    ],
)
def test_other_options_are_refused_with_both_values(forks, folder, part, options, message):
    (folder / "batch.toml").write_text("batch_size = 7\n")
    before = contents(part)
    assert message in forks.refused("train", "classify", "--resume", part, *options, "--epochs", "9", cwd=folder)
    assert contents(part) == before


def test_epochs_that_decide_the_schedule_stay(forks, folder, tmp_path):
    arguments = [*CLASSIFY, "--schedule", "cosine", "--epochs", "3", "--out", tmp_path / "run"]
    forks.run("train", *arguments, cwd=folder)
    before = contents(tmp_path / "run")
    line = forks.refused("train", "classify", "--resume", tmp_path / "run", "--epochs", "4", cwd=folder)
    why = "epochs of the run is 3, but 4 is given, and the schedule depends on it"
    assert line == f"error: {tmp_path / 'run'}: cannot resume: {why}"
    assert contents(tmp_path / "run") == before


def test_data_that_have_changed_are_refused(forks, folder, part, tmp_path):
    shutil.copy(folder / "waves.h5", tmp_path / "mine.h5")
    run = tmp_path / "mine"
    forks.run("train", "classify", tmp_path / "mine.h5", *CLASSIFY[2:], "--epochs", "2", "--out", run, cwd=folder)
    with h5py.File(tmp_path / "mine.h5", "r+") as file:
        file["trX"][3, 5, 1] += 1e-3
    before = contents(run)
    line = forks.refused("train", "classify", "--resume", run, "--epochs", "9", cwd=folder)
    kind = r"float32 \(54, 15, 2\) BLAKE2 \w{32}"
    assert re.search(f"training x of the run is {kind}, but {kind} is given", line)
    assert contents(run) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file["tstX"].__setitem__((2, 3, 1), 7), "test x of the run is float32"),
        (lambda file: file["tstY"].__setitem__(slice(None), file["tstY"][:][::-1]), "test y of the run is "),
        (lambda file: file.attrs.__setitem__("classes", ["slow", "fast", "new"]), "classes of the run is "),
    ],
    ids=["test x", "test y", "classes"],
)
def test_a_test_set_or_names_of_classes_that_have_changed_are_refused(change, message, forks, folder, tmp_path):
    shutil.copy(folder / "waves.h5", tmp_path / "mine.h5")
    arguments = ["classify", tmp_path / "mine.h5", *CLASSIFY[2:], "--epochs", "2", "--out", tmp_path / "run"]
    forks.run("train", *arguments, cwd=folder)
    with h5py.File(tmp_path / "mine.h5", "r+") as file:
        change(file)
    before = contents(tmp_path / "run")
    line = forks.refused("train", "classify", "--resume", tmp_path / "run", "--epochs", "9", cwd=folder)
    assert f"cannot resume: {message}" in line
    assert contents(tmp_path / "run") == before


def test_words_that_have_changed_are_refused(forks, tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "ngrams.h5", "w") as file:
        for name, n in (("train", 60), ("val", 20), ("test", 20)):
            file[f"{name}x"], file[f"{name}d"] = rng.integers(1, 6, (n, 2)), rng.integers(1, 6, n)
        file["words"] = np.array(["a", "b", "c", "d", "e"], "S1")
    arguments = ["--embedding", "2", "--hidden", "3", "--epochs", "2", "--schedule", "none", "--out", "run"]
    forks.run("train", "words", "ngrams.h5", *arguments, cwd=tmp_path)
    for name, message in (("words", "words of the run is "), ("testx", "test x of the run is ")):
        with h5py.File(tmp_path / "ngrams.h5", "r+") as file:
            before = file[name][:]
            file[name][:] = before[::-1]
        line = forks.refused("train", "words", "--resume", "run", "--epochs", "3", cwd=tmp_path)
        assert f"cannot resume: {message}" in line
        with h5py.File(tmp_path / "ngrams.h5", "r+") as file:
            file[name][:] = before
    forks.run("train", "words", "--resume", "run", "--epochs", "3", cwd=tmp_path)


def test_an_edited_checkpoint_or_configuration_is_refused(forks, folder, part):
    (part / "metrics.json").unlink()
    text = (part / "config.toml").read_text()
    (part / "config.toml").write_text(text.replace("clip_norm = 1.0", "clip_norm = 2.0"))
    line = forks.refused("train", "classify", "--resume", part, cwd=folder)
    assert line.endswith("cannot resume: clip_norm of the run is 1.0, but 2.0 is given")
    (part / "config.toml").write_text(text)
    data = (part / "checkpoint.h5").read_bytes()
    (part / "checkpoint.h5").write_bytes(data[:-7] + b"?" + data[-6:])
    assert "checkpoint.h5: is damaged" in forks.refused("train", "classify", "--resume", part, cwd=folder)


def test_a_run_killed_before_its_first_checkpoint_starts_again(forks, folder, whole, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(whole / "config.toml", tmp_path / "run")
    (tmp_path / "run" / ".0123456789abcdef.tmp").write_text("what a killed process has begun to write")
    (tmp_path / "run" / "history.csv").write_text("epoch,train_loss\n1,0.7\n2,")
    printed = forks.run("train", "classify", "--resume", tmp_path / "run", cwd=folder).out
    assert "continuing" not in printed
    assert_same_run(tmp_path / "run", whole)


def test_a_sweep_goes_on_with_more_epochs(forks, folder, tmp_path):
    sweep, options = tmp_path / "sweep", [*CLASSIFY[:4], *CLASSIFY[6:], "--epochs", "2"]
    forks.run("train", *options, "--sweep", "head=none,3", "--out", sweep, cwd=folder)
    names = [f"head={head}" for head in ("none", "3")]
    line = forks.refused("train", "classify", "--resume", sweep, "--head", "3", cwd=folder)
    assert "head is swept, so it cannot be given as an option" in line
    line = forks.refused("train", "classify", "--resume", sweep, "--hidden", "4", cwd=folder)
    assert "hidden_size of the run is 5, but 4 is given" in line
    # As if it had been killed when one of them had gone on:
    forks.run("train", "classify", "--resume", sweep / names[0], "--epochs", "4", cwd=folder)
    (sweep / "config.toml").write_text((sweep / "config.toml").read_text().replace("epochs = 2", "epochs = 4"))
    printed = forks.run("train", "classify", "--resume", sweep, "--sweep", "head=none,3", cwd=folder).out
    assert "2 runs (1 finished before)" in printed
    assert {path.name for path in sweep.iterdir()} == {"config.toml", "manifest.txt", "results.csv", "figures", *names}
    assert [row["epochs"] for row in read_csv(sweep / "results.csv")] == ["4", "4"]
    for name, head in zip(names, ("none", "3"), strict=True):
        alone = ["--epochs", "4", "--head", head, "--threads", "1", "--out", tmp_path / name]
        forks.run("train", *options, *alone, cwd=folder)
        assert (sweep / name / "model.h5").read_bytes() == (tmp_path / name / "model.h5").read_bytes()
        assert tomllib.loads((sweep / name / "config.toml").read_text())["epochs"] == 4
    line = forks.run("train", "classify", "--resume", sweep, "--epochs", "3", cwd=folder, code=1).out
    assert "failed: head=none: " in line
    assert "epochs is 3, but the run has done 4" in line


# ---- signals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("arguments", [CLASSIFY, AUTOENCODER], ids=lambda a: a[0])
def test_a_signal_saves_the_batch(forks, folder, tmp_path, arguments, number, code):
    """And another one while it goes on."""
    run, epochs = tmp_path / "run", 0
    again = [*arguments, "--epochs", "1000000", "--out", run]
    for _ in range(2):
        done = forks.interrupt(
            "train", *again, cwd=folder, numbers=[number],
            when=lambda: (run / "history.csv").exists() and len(read_csv(run / "history.csv")) > epochs,  # noqa: B023
        )  # fmt: skip
        assert (done.code, done.err) == (code, "")
        again = [arguments[0], "--resume", run]
        assert done.out.endswith(
            f"stopped by {number.name}; the run is saved. To continue:\nfastrnn-train {arguments[0]} --resume {run}\n"
        )
        rows = read_csv(run / "history.csv")
        assert len(rows) == len(storage.read(run / "checkpoint.h5")["history"]["epoch"]) > epochs
        epochs = len(rows)
    forks.run("train", *again, "--epochs", epochs + 2, cwd=folder)
    forks.run("train", *arguments, "--epochs", epochs + 2, "--out", tmp_path / "whole", cwd=folder)
    assert_same_run(run, tmp_path / "whole")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_within_the_report_leaves_only_that_to_do(forks, folder, whole, tmp_path, number, code):
    run = tmp_path / "run"
    arguments = [*CLASSIFY, "--epochs", "8", "--out", run]
    done = forks.interrupt("train", *arguments, cwd=folder, numbers=[number], when=(run / "model.h5").exists)
    assert (done.code, done.err) == (code, "")
    assert f"stopped by {number.name}; the run is saved" in done.out
    assert not (run / "metrics.json").exists()
    printed = forks.run("train", "classify", "--resume", run, cwd=folder).out
    assert "continuing from epoch 9\n" in printed
    assert_same_run(run, whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_data_are_read_leaves_nothing(forks, folder, tmp_path, number, code):
    """The configuration is a pipe into which nobody writes."""
    os.mkfifo(tmp_path / "config.toml")
    arguments = ["classify", "--config", "config.toml", "--out", "run"]
    forks.start("train", *arguments, cwd=tmp_path)
    pipe = os.open(tmp_path / "config.toml", os.O_WRONLY)  # returns when it is being read
    forks.send(number)
    done = forks.wait()
    os.close(pipe)
    assert (done.code, done.out, done.err) == (code, "", f"stopped by {number.name} before anything was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_second_signal_ends_at_once(forks, folder, tmp_path):
    run = tmp_path / "run"
    arguments = [*CLASSIFY, "--epochs", "1000000", "--out", run]
    codes, rows = [], 0
    for _ in range(4):

        def when(before=rows):
            return (run / "history.csv").exists() and len(read_csv(run / "history.csv")) > before

        done = forks.interrupt("train", *arguments, cwd=folder, when=when, numbers=[signal.SIGINT] * 40)
        codes.append(done.code)
        assert "Traceback" not in done.err
        arguments, rows = ["classify", "--resume", run], len(read_csv(run / "history.csv"))
    assert set(codes) <= {130, -signal.SIGINT}
    state = storage.read(run / "checkpoint.h5")
    epochs = len(state["history"]["epoch"]) + 2
    forks.run("train", *arguments, "--epochs", epochs, cwd=folder)
    forks.run("train", *CLASSIFY, "--epochs", epochs, "--out", tmp_path / "whole", cwd=folder)
    assert_same_run(run, tmp_path / "whole")


# ---- no room, no right -----------------------------------------------------------------------------------------------


def test_a_full_disk_is_one_line_and_leaves_the_last_checkpoint(forks, folder, whole, part, tmp_path):
    """As one: no file may be longer than the checkpoint is after some epochs, and its history makes it longer."""
    run = tmp_path / "full"
    limit = (part / "checkpoint.h5").stat().st_size + 200
    arguments = [*CLASSIFY, "--epochs", "1000", "--checkpoint-minutes", "0", "--out", run]
    line = forks.refused("train", *arguments, cwd=folder, limit=limit)
    assert line == (
        f"error: {run}/checkpoint.h5: cannot be written: File too large; earlier files are intact. To continue: "
        f"fastrnn-train classify --resume {run}"
    )
    assert not [path for path in run.rglob("*") if path.suffix == ".tmp"]
    epochs = len(storage.read(run / "checkpoint.h5")["history"]["epoch"])
    assert 2 < epochs < 200
    assert not (run / "model.h5").exists()
    forks.run("train", "classify", "--resume", run, "--epochs", epochs + 3, cwd=folder)
    forks.run("train", *CLASSIFY, "--epochs", epochs + 3, "--out", tmp_path / "whole", cwd=folder)
    assert_same_run(run, tmp_path / "whole", config=False)


@pytest.mark.parametrize("limit", [400, 600, 900])
def test_a_disk_that_is_full_at_once(forks, folder, tmp_path, limit):
    """Before the configuration, before the first checkpoint."""
    run = tmp_path / "run"
    line = forks.refused("train", *CLASSIFY, "--epochs", "9", "--out", run, cwd=folder, limit=limit)
    assert line.startswith(f"error: {run}/")
    assert "File too large" in line
    assert {path.name for path in run.iterdir()} <= {"config.toml", "history.csv", "figures"}


def test_history_has_whole_rows_when_the_disk_is_full(tmp_path):
    history = History()
    for epoch in range(1, 4):
        history.append({"epoch": epoch, "train_loss": 0.5 / epoch, "seconds": 0.25})
        history.append_csv(tmp_path / "history.csv")
    text = (tmp_path / "history.csv").read_text()
    assert text == "epoch,train_loss,seconds\n1,0.5,0.25\n2,0.25,0.25\n3,0.16666666666666666,0.25\n"
    resource = pytest.importorskip("resource")
    history.append({"epoch": 4, "train_loss": 0.125, "seconds": 0.25})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(text) + 5, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            history.append_csv(tmp_path / "history.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text() == text
    history.append_csv(tmp_path / "history.csv")
    assert read_csv(tmp_path / "history.csv")[3]["train_loss"] == "0.125"


def test_a_folder_that_becomes_closed_is_one_line_and_leaves_the_last_checkpoint(forks, folder, tmp_path):
    run = tmp_path / "run"
    arguments = [*CLASSIFY, "--epochs", "1000000", "--checkpoint-minutes", "0", "--out", run]
    forks.start("train", *arguments, cwd=folder)
    deadline = time.monotonic() + 60
    while not (run / "history.csv").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.chmod(0o500)
    try:
        done = forks.wait()
    finally:
        run.chmod(0o700)
    assert (done.code, done.err) == (
        2,
        f"error: {run}/checkpoint.h5: cannot be written: Permission denied; earlier files are intact. To continue: "
        f"fastrnn-train classify --resume {run}\n",
    )
    epochs = len(storage.read(run / "checkpoint.h5")["history"].get("epoch", ())) + 2
    forks.run("train", "classify", "--resume", run, "--epochs", epochs, cwd=folder)
    forks.run("train", *CLASSIFY, "--epochs", epochs, "--out", tmp_path / "whole", cwd=folder)
    assert_same_run(run, tmp_path / "whole", config=False)


def test_a_closed_folder_is_refused(forks, folder, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    line = forks.refused("train", *CLASSIFY, "--out", tmp_path / "closed" / "run", cwd=folder)
    assert line == f"error: {tmp_path}/closed/run: Permission denied"
    assert list((tmp_path / "closed").iterdir()) == []
