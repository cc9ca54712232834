"""``fastrnn-train text`` and ``fastrnn-generate`` as a person runs them."""

import io
import json
import os
import signal
import subprocess
import tomllib

import numpy as np
import pytest
from commands import assert_nothing_survives, command, read_csv, refused, run, waves
from rich.console import Console

import fastrnn
from fastrnn import storage
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.tasks.text import report as text_report

TEXT = "the cat sat on the mat,\nthe dog lay on the rug,\nand the mouse ate all of it.\n\n" * 30
TINY = ["--hidden", "9", "--window", "20", "--batch-size", "6", "--epochs", "3"]


def write(folder):
    (folder / "mice.txt").write_text(TEXT, encoding="utf-8")


def same(a, b):
    """Are the stored models equal to the bit?"""
    one, other = (storage.read(path / "model.h5")["model"]["parameters"] for path in (a, b))
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and what it has printed."""
    folder = tmp_path_factory.mktemp("finished")
    write(folder)
    return folder / "run", run("train", "text", "mice.txt", *TINY, "--out", "run", cwd=folder).stdout


def test_a_run_leaves_everything(finished):
    folder, printed = finished
    assert {p.name for p in folder.iterdir()} == {
        "config.toml", "model.h5", "checkpoint.h5", "history.csv", "metrics.json", "manifest.txt", "figures", "samples",
    }  # fmt: skip
    assert {p.name for p in (folder / "figures").iterdir()} == {"learning_curves.png", "bits_per_character.png"}
    lines = printed.splitlines()
    assert lines[0] == lines[-1] == "run: run"
    assert lines[1] == (
        f"{folder.parent / 'mice.txt'}: 2106 characters for training and 234 for validation, "
        f"{len(set(TEXT))} different ones; 2 layers of 9 lstm units, 6 streams, windows of 20 characters"
    )
    config = tomllib.loads((folder / "config.toml").read_text())
    assert (config["task"], config["window"], config["stateful"], config["learning_rate"]) == ("text", 20, True, 0.004)


def test_nothing_survives_overwriting(finished, tmp_path):
    assert_nothing_survives(finished[0], tmp_path / "copy")


def test_metrics_and_lines_are_those_of_the_stored_model(finished):
    folder, printed = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    loss, accuracy = fastrnn.load(folder / "model.h5").evaluate(TEXT[2106:])
    expected = {"loss": loss, "bits_per_character": loss / np.log(2), "perplexity": np.exp(loss), "accuracy": accuracy}
    assert metrics["validation"] == pytest.approx(expected, rel=1e-6)
    row = next(line for line in printed.splitlines() if line.startswith("validation"))
    assert row.split()[1:] == ["234", *(f"{value:.4f}" for value in expected.values())]
    header = ["epoch", "train", "loss", "valid.", "loss", "bits/char", "perplexity", "seconds"]
    lines = printed.splitlines()
    first = next(number for number, line in enumerate(lines) if line.split() == header) + 1
    for line, epoch in zip(lines[first : first + 3], read_csv(folder / "history.csv"), strict=True):
        nats = float(epoch["validation_loss"])
        losses = f"{float(epoch['train_loss']):.4f}", f"{nats:.4f}"
        shown = [epoch["epoch"], *losses, f"{nats / np.log(2):.4f}", f"{np.exp(nats):.3f}"]
        assert line.split()[:5] == shown
        assert len(line) < 80


def test_samples_go_on_from_a_place_in_the_text_that_was_held_out(finished):
    folder, printed = finished
    model = fastrnn.load(folder / "model.h5")
    for temperature in (0.2, 0.5, 1.0, 1.2):
        written = (folder / "samples" / f"temperature_{temperature}.txt").read_text()
        prompt, rest = written[:80], written[80:-1]
        assert prompt in TEXT[2106:]
        assert "\n" + prompt in TEXT
        assert rest == "".join(model.generate(prompt, 1000, temperature=temperature, random_state=0))
        assert f"\ntemperature {temperature}\n{written[:300]}" in printed


def test_a_sample_of_blanks_is_seen(finished):
    console = Console(file=io.StringIO(), width=80)
    text_report.show_samples(console, "the cat", {0.2: " \n " * 9, 0.5: " sat "}, RunFolder(finished[0]))
    assert "the cat(only blanks) …\n" in console.file.getvalue()
    assert "the cat sat …\n" in console.file.getvalue()


def test_generate_writes_on(finished, tmp_path):
    folder, _ = finished
    model = fastrnn.load(folder / "model.h5")
    options = ["--prompt", "the cat", "--length", "30", "--temperature", "0.5", "--top-k", "3", "--top-p", "0.9"]
    options += ["--seed", "4"]
    for where in (folder, folder / "model.h5"):
        written = run("generate", where, *options, cwd=tmp_path).stdout
        how = {"temperature": 0.5, "top_k": 3, "top_p": 0.9, "random_state": 4}
        assert written == "the cat" + "".join(model.generate("the cat", 30, **how)) + "\n"
    written = run("generate", folder, "--seed", "1", "--length", "50").stdout
    assert written == "".join(model.generate("\n", 50, temperature=0.8, random_state=1)) + "\n"
    assert len({run("generate", folder, "--temperature", "3").stdout for _ in range(2)}) == 2
    assert list(tmp_path.iterdir()) == []


def test_generate_refuses(finished, tmp_path):
    folder, _ = finished
    waves(tmp_path / "waves.h5")
    run("train", "classify", "waves.h5", "--hidden", "3", "--epochs", "1", "--out", "classes", cwd=tmp_path)
    for arguments, message in (
        (["none"], "none"),
        (
            ["classes"],
            "holds a RecurrentClassifier, expected a character model from fastrnn-train text; "
            "use fastrnn-predict classes for this model",
        ),
        ([folder, "--prompt", ""], "the text to continue has 0 characters"),
        ([folder, "--prompt", "the Cat"], "character 4 of the text is 'C', expected one of the"),
        ([folder, "--top-p", "2"], "top_p is 2.0"),
        ([folder, "--temperature", "-1"], "temperature is -1.0"),
        ([folder, "--top-k", "0"], "top_k is 0"),
    ):
        assert message in refused("generate", *arguments, cwd=tmp_path)
    line = refused("predict", folder, "waves.h5", cwd=tmp_path)
    assert line.endswith(f"holds a character model, which writes text: use fastrnn-generate {folder}")


def test_a_reader_that_leaves_ends_generate_quietly(finished):
    arguments = command("generate", finished[0], "--length", "10000000")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(5)  # comes before all is written
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_a_terminal_that_lacks_a_character_shows_another(tmp_path, monkeypatch):
    (tmp_path / "grüße.txt").write_text("süße grüße, " * 60, encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    run("train", "text", "grüße.txt", *TINY, "--out", "run", cwd=tmp_path)
    assert (tmp_path / "run" / "metrics.json").exists()
    assert run("generate", "run", "--prompt", "grüße", "--length", "3", cwd=tmp_path).stdout.startswith("gr??e")


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_ctrl_c_ends_generate_without_a_word(finished):
    arguments = command("generate", finished[0], "--length", "10000000")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, b"")


def test_windows_by_themselves(tmp_path):
    write(tmp_path)
    arguments = [*TINY, "--windowed", "--window", "10", "--step", "4", "--layers", "1", "--cell", "gru", "--out", "run"]
    printed = run("train", "text", "mice.txt", *arguments, cwd=tmp_path).stdout
    assert "1 layer of 9 gru units, independent windows of 10 characters" in printed
    model = fastrnn.load(tmp_path / "run" / "model.h5")
    assert (model.stateful, model.window, model.step, model.cell) == (False, 10, 4, "gru")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["validation"]["loss"] == pytest.approx(model.evaluate(TEXT[2106:])[0])
    message = refused("generate", "run", cwd=tmp_path)
    assert "--prompt is missing: this model needs 10 characters to start from" in message
    assert len(run("generate", "run", "--prompt", TEXT[:10], "--length", "7", cwd=tmp_path).stdout) == 18


def test_the_embedded_default_needs_no_data(tmp_path):
    printed = run("train", "text", *TINY, "--epochs", "1", "--layers", "1", "--batch-size", "200", cwd=tmp_path).stdout
    folder = tmp_path / printed.splitlines()[0].removeprefix("run: ")
    assert "Python's own manual: " in printed
    assert json.loads((folder / "metrics.json").read_text())["validation"]["perplexity"] < 110


def test_a_resumed_run_has_the_same_bits(tmp_path):
    write(tmp_path)
    arguments = ["mice.txt", *TINY, "--schedule", "none", "--dropout", "0.2", "--checkpoint-minutes", "0"]
    run("train", "text", *arguments, "--out", "whole", cwd=tmp_path)
    run("train", "text", *arguments, "--epochs", "2", "--out", "part", cwd=tmp_path)
    run("train", "text", "--resume", "part", "--epochs", "3", cwd=tmp_path)
    same(tmp_path / "part", tmp_path / "whole")
    samples = [(tmp_path / name / "samples" / "temperature_1.0.txt").read_text() for name in ("part", "whole")]
    assert samples[0] == samples[1]
    message = refused("train", "text", "--resume", "part", "--window", "30", cwd=tmp_path)
    assert "window of the run is 20, but 30 is given" in message


def test_a_sweep_takes_the_least_validation_loss(tmp_path):
    write(tmp_path)
    arguments = ["mice.txt", *TINY, "--sweep", "layers=1,2", "--sweep", "learning-rate=1e-9,0.05", "--out", "sweep"]
    printed = run("train", "text", *arguments, cwd=tmp_path).stdout
    rows = read_csv(tmp_path / "sweep" / "results.csv")
    best = min(rows, key=lambda row: float(row["validation.loss"]))
    assert best["learning_rate"] == "0.05"
    assert float(best["validation.bits_per_character"]) == pytest.approx(float(best["validation.loss"]) / np.log(2))
    line = next(line for line in printed.splitlines() if line.rstrip().endswith("best"))
    assert line.split()[:2] == [best["layers"], best["learning_rate"]]
    assert (tmp_path / "sweep" / "figures" / "validation_loss.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.txt"], "none.txt: there is no such file"),
        (["short.txt"], "short.txt: the text has 0 characters to validate, expected at least 2"),
        (["mice.txt", "--window", "0"], "window is 0, expected at least 1"),
        (
            ["mice.txt", "--windowed", "--window", "300"],
            "has 234 characters to validate, expected at least 301",
        ),
        (["mice.txt", "--validation", "0"], "validation_fraction is 0, expected above 0"),
        (["mice.txt", "--cell", "gruu"], "gruu"),
        (["mice.txt", "--momentum", "0.9"], "momentum is 0.9, but the optimizer adam does not use it"),
    ],
)
def test_what_cannot_be_trained_is_refused(arguments, message, tmp_path):
    write(tmp_path)
    (tmp_path / "short.txt").write_text("abc")
    assert message in refused("train", "text", *arguments, "--out", "run", cwd=tmp_path)
    assert not (tmp_path / "run").exists()
