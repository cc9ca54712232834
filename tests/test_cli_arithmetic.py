"""``fastrnn-train arithmetic`` as a person runs it: what it leaves, shows and refuses, how it goes on, and its use."""

import io
import json
import re
import subprocess
import tomllib

import numpy as np
import pytest
from commands import Leaving, assert_nothing_survives, command, read_csv, refused, run
from rich.console import Console

import fastrnn
from fastrnn import SequenceTranslator, storage
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.tasks.arithmetic import report as arithmetic_report
from fastrnn.data import arithmetic_questions, count_carries

TINY = ["--digits", "2", "--questions", "300", "--hidden", "12", "--batch-size", "20", "--weight-decay", "0"]
TINY += ["--learning-rate", "0.02"]


def blocks(printed):
    """The answers that are shown, by title: lists of (question, truth, mark, answer)."""
    found, lines = {}, printed.splitlines()
    for start, line in enumerate(lines):
        if line.startswith("Held-out questions"):
            rows = []
            for row in lines[start + 1 :]:
                match = re.fullmatch(r" +(\d+[+-]\d+) = (-?\d+) +([✓✗]) ([-\d]+|\(nothing\))", row)
                if match is None:
                    break
                rows.append(match.groups())
            found[line.split(" (")[0]] = rows
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of seven epochs: its folder, and what was printed."""
    folder = tmp_path_factory.mktemp("finished")
    done = run("train", "arithmetic", *TINY, "--epochs", "7", "--out", "run", cwd=folder)
    return folder / "run", done.stdout


def test_a_run_leaves_everything(finished):
    folder, printed = finished
    assert {p.name for p in folder.iterdir()} == {
        "config.toml", "model.h5", "checkpoint.h5", "history.csv", "metrics.json", "manifest.txt", "figures",
    }  # fmt: skip
    assert {p.name for p in (folder / "figures").iterdir()} == {"learning_curves.png", "wrong_answers.png"}
    lines = printed.splitlines()
    assert lines[0] == lines[-1] == "run: run"
    assert lines[1] == (
        "300 sums and differences of numbers with up to 2 digits: 243 for training, 27 for validation and "
        "30 for testing; lstm of 12 units, questions read backwards"
    )
    rows = read_csv(folder / "history.csv")
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 8)]
    assert {"train_exact_match", "validation_exact_match", "validation_accuracy"} <= set(rows[0])
    config = tomllib.loads((folder / "config.toml").read_text())
    assert (config["task"], config["operation"], config["questions"], config["reverse"]) == (
        "arithmetic", "+,-", 300, True,
    )  # fmt: skip


def test_nothing_survives_overwriting(finished, tmp_path):
    assert_nothing_survives(finished[0], tmp_path / "copy")


def test_metrics_are_those_of_the_stored_model(finished):
    folder, printed = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["task"], metrics["epochs"], metrics["questions"]) == ("arithmetic", 7, 300)
    dataset = arithmetic_questions(300, digits=2, operations="+-", seed=0)
    model = fastrnn.load(folder / "model.h5")
    held_out = fastrnn.SequenceTranslator(random_state=0).prepare(dataset.questions_train, dataset.answers_train)
    n_validation = len(held_out.validation[0])
    parts = {"test": (dataset.questions_test, dataset.answers_test)}
    assert len(parts["test"][0]) == 30
    assert n_validation == 27
    for name, (questions, truths) in parts.items():
        loss, accuracy = model.evaluate(questions, truths)
        assert metrics[name]["accuracy"] == model.score(questions, truths)
        assert (metrics[name]["loss"], metrics[name]["character_accuracy"]) == pytest.approx((loss, accuracy))
    best = read_csv(folder / "history.csv")[metrics["best_epoch"] - 1]
    assert metrics["validation"]["accuracy"] == float(best["validation_exact_match"])
    assert metrics["validation"]["loss"] == pytest.approx(float(best["validation_loss"]), rel=1e-5)
    for name, n in (("train", 243), ("validation", 27), ("test", 30)):
        row = next(line for line in printed.splitlines() if line.startswith(f"{name} ")).split()
        values = [f"{metrics[name][key]:.4f}" for key in ("loss", "accuracy", "character_accuracy")]
        assert row == [name, str(n), *values]


def test_wrong_answers_are_counted_by_what_was_asked(finished):
    folder, printed = finished
    groups = json.loads((folder / "metrics.json").read_text())["test"]["wrong_by"]
    dataset, model = arithmetic_questions(300, digits=2, seed=0), fastrnn.load(folder / "model.h5")
    wrong = np.array(model.predict(dataset.questions_test)) != np.array(dataset.answers_test)
    for sign, name, key in (("+", "sums", "carries"), ("-", "differences", "borrows")):
        own = [(question, bad) for question, bad in zip(dataset.questions_test, wrong, strict=True) if sign in question]
        assert list(groups[name]) == ["digits of the longer number", key]
        for carries, (bad, everything) in groups[name][key].items():
            of_group = [bad for question, bad in own if count_carries(question) == int(carries)]
            assert (bad, everything) == (sum(of_group), len(of_group))
        for counts in groups[name].values():
            assert sum(everything for _, everything in counts.values()) == len(own)
    assert f"{wrong.sum()} of 30 held-out answers are wrong: " in printed


def test_ten_held_out_questions_are_shown_every_five_epochs_and_in_the_end(finished):
    folder, printed = finished
    shown = blocks(printed)
    assert list(shown) == ["Held-out questions after epoch 5", "Held-out questions after training"]
    dataset, model = arithmetic_questions(300, digits=2, seed=0), fastrnn.load(folder / "model.h5")
    truths = dict(zip(dataset.questions_test, dataset.answers_test, strict=True))
    for rows in shown.values():
        assert len({question for question, *_ in rows}) == 10
        for question, truth, mark, answer in rows:
            assert truths[question] == truth
            assert mark == ("✓" if answer == truth else "✗")
    first, last = shown.values()
    assert [row[0] for row in first] == [row[0] for row in last]
    answers = model.predict([row[0] for row in last])
    assert [row[3] for row in last] == [answer or "(nothing)" for answer in answers]
    assert [row[3] for row in first] != [row[3] for row in last]
    stored = json.loads((folder / "metrics.json").read_text())["answers"]
    assert [tuple(row.values()) for row in stored] == [
        (q, t, own) for (q, t, *_), own in zip(last, answers, strict=True)
    ]


def test_the_last_answers_are_shown_once(tmp_path):
    done = run("train", "arithmetic", *TINY, "--epochs", "10", "--out", "run", cwd=tmp_path)
    assert list(blocks(done.stdout)) == ["Held-out questions after epoch 5", "Held-out questions after training"]
    assert "\n\n\n" not in done.stdout
    stopped = run("train", "arithmetic", *TINY, "--epochs", "30", "--patience", "4", "--learning-rate", "1e-30",
                  "--dtype", "float64", "--out", "stopped", cwd=tmp_path).stdout  # fmt: skip
    epochs = json.loads((tmp_path / "stopped" / "metrics.json").read_text())["epochs"]
    assert epochs == 5
    assert len(blocks(stopped)) == 2
    assert "\n\n\n" not in stopped


def test_an_empty_answer_can_be_seen(tmp_path):
    model = SequenceTranslator(hidden_size=3, epochs=1, random_state=0).fit(["1+1", "2+2"] * 5, [""] * 9 + ["4"])
    model.model_.parameters["decoder.1.b"][0] = 99  # the end
    assert model.predict(["1+2"]) == [""]
    model.save(tmp_path / "model.h5")
    assert run("predict", "model.h5", "1+2", cwd=tmp_path).stdout == "1+2  (nothing)\n"
    console = Console(file=io.StringIO(), width=80)
    arithmetic_report.show(console, "title", [{"question": "1+2", "truth": "3", "answer": ""}])
    assert console.file.getvalue().splitlines()[1:] == ["    1+2 = 3  ✗ (nothing)"]


@pytest.mark.parametrize(("encoding", "marks"), [("utf-8", "✗✓"), ("ascii", ("wrong:", "right:"))])
def test_marks_are_told_apart_on_every_terminal(encoding, marks):
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding), width=80)
    rows = [{"question": "1+2", "truth": "3", "answer": answer} for answer in "43"]
    arithmetic_report.show(console, "title", rows)
    console.file.seek(0)
    lines = console.file.read().splitlines()[1:]
    assert lines == [f"    1+2 = 3  {mark} {answer}" for mark, answer in zip(marks, "43", strict=True)]


def test_all_is_written_before_it_is_shown(tmp_path):
    dataset = arithmetic_questions(40, digits=1, seed=0)
    model = SequenceTranslator(hidden_size=3, epochs=1, random_state=0)
    model.fit(dataset.questions_train, dataset.answers_train)
    folder = RunFolder.create("arithmetic", tmp_path / "run", overwrite=False)
    with pytest.raises(KeyboardInterrupt):
        arithmetic_report.report(model, dataset, folder, Console(file=Leaving()), {})
    assert json.loads(folder.metrics.read_text())["questions"] == 40
    assert len(list(folder.figures.iterdir())) == 2


def test_a_resumed_run_has_the_same_bits_and_shows_the_same(tmp_path):
    arguments = [*TINY, "--schedule", "none", "--recurrent-dropout", "0.1", "--epochs"]
    whole = run("train", "arithmetic", *arguments, "11", "--out", "whole", cwd=tmp_path).stdout
    run("train", "arithmetic", *arguments, "7", "--out", "part", cwd=tmp_path)
    printed = run("train", "arithmetic", "--resume", "part", "--epochs", "11", cwd=tmp_path).stdout
    models = [storage.read(tmp_path / name / "model.h5") for name in ("part", "whole")]
    for net in ("encoder", "decoder"):
        one, other = (model["model"][net]["parameters"] for model in models)
        for name, value in one.items():
            np.testing.assert_array_equal(other[name], value)
    histories = [read_csv(tmp_path / name / "history.csv") for name in ("part", "whole")]
    for one, other in zip(*histories, strict=True):
        assert one | {"seconds": ""} == other | {"seconds": ""}
    late = ["Held-out questions after epoch 10", "Held-out questions after training"]
    assert list(blocks(printed)) == late
    assert [blocks(printed)[title] for title in late] == [blocks(whole)[title] for title in late]


def test_config_reproduces_and_all_there_are_is_said(tmp_path):
    arguments = ["--digits", "1", "--operation=-", "--hidden", "6", "--epochs", "2", "--forward", "--cell", "gru"]
    printed = run("train", "arithmetic", *arguments, "--validation", "0", "--out", "one", cwd=tmp_path).stdout
    assert printed.splitlines()[1] == (
        "100 differences of numbers with one digit (all there are): 90 for training and 10 for testing; "
        "gru of 6 units, questions read forwards"
    )
    run("train", "arithmetic", "--config", "one/config.toml", "--out", "two", cwd=tmp_path)
    files = [(tmp_path / name / "model.h5").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]
    assert set(json.loads((tmp_path / "two" / "metrics.json").read_text())["test"]["wrong_by"]) == {"differences"}


def test_optimizers_have_their_decay(tmp_path):
    few = ["--digits", "1", "--hidden", "4", "--epochs", "1"]
    run("train", "arithmetic", *few, "--out", "adam", cwd=tmp_path)
    run("train", "arithmetic", *few, "--optimizer", "sgd", "--weight-decay", "0.01", "--out", "sgd", cwd=tmp_path)
    optimizers = [fastrnn.load(tmp_path / name / "model.h5").optimizer for name in ("adam", "sgd")]
    assert optimizers == [
        fastrnn.Adam(0.012, weight_decay=0.05), fastrnn.SGD(0.5, 0.9, form="nesterov", weight_decay=0.01)
    ]  # fmt: skip
    config = tomllib.loads((tmp_path / "adam" / "config.toml").read_text())
    assert (config["optimizer"], config["learning_rate"], config["weight_decay"]) == ("adam", 0.012, 0.05)


def test_a_sweep_takes_the_best_validation_accuracy(tmp_path):
    arguments = [*TINY[:-2], "--epochs", "6", "--sweep", "learning-rate=1e-9,0.02", "--sweep", "operation=+,-"]
    printed = run("train", "arithmetic", *arguments, "--out", "sweep", cwd=tmp_path).stdout
    rows = read_csv(tmp_path / "sweep" / "results.csv")
    assert [(float(row["learning_rate"]), row["operation"]) for row in rows] == [
        (1e-9, "+"), (1e-9, "-"), (0.02, "+"), (0.02, "-")
    ]  # fmt: skip
    for row in rows:
        metrics = json.loads((tmp_path / "sweep" / row["folder"] / "metrics.json").read_text())
        assert float(row["validation.accuracy"]) == metrics["validation"]["accuracy"]
        assert float(row["test.character_accuracy"]) == metrics["test"]["character_accuracy"]
    best = max(rows, key=lambda row: float(row["validation.accuracy"]))
    line = next(line for line in printed.splitlines() if line.rstrip().endswith("best"))
    assert line.split()[:2] == [best["learning_rate"], best["operation"]]
    assert (tmp_path / "sweep" / "figures" / "test_accuracy.png").exists()


def test_a_run_answers_questions(finished, tmp_path):
    folder, _ = finished
    model = fastrnn.load(folder / "model.h5")
    questions = ["5+61", "12-77"]
    answers = model.predict(questions)
    printed = run("predict", folder, *questions, cwd=tmp_path).stdout
    assert printed == f"5+61   {answers[0]}\n12-77  {answers[1]}\n"
    assert not (tmp_path / "predictions.csv").exists()
    assert run("predict", folder, *questions, "--out", "own.csv", cwd=tmp_path).stdout == printed
    (tmp_path / "questions.txt").write_text("5+61\n\n12-77\n", encoding="utf-8")
    printed = run("predict", folder, "questions.txt", "--threads", "1", cwd=tmp_path).stdout
    assert printed == "predictions.csv: 2 answers\n"
    rows = read_csv(tmp_path / "predictions.csv")
    assert [(row["row"], row["question"], row["answer"]) for row in rows] == [
        ("0", "5+61", answers[0]), ("1", "12-77", answers[1])
    ]  # fmt: skip
    assert read_csv(tmp_path / "own.csv") == rows


def test_a_model_of_words_is_asked_by_words(tmp_path):
    read, written = [["one", "two"], ["two", "one"]] * 5, [["a"], ["b", "a"]] * 5
    model = fastrnn.SequenceTranslator(hidden_size=8, epochs=20, learning_rate=0.05, batch_size=4, random_state=0)
    model.fit(read, written).save(tmp_path / "model.h5")
    assert run("predict", "model.h5", "two one", cwd=tmp_path).stdout == "two one  b a\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["1*2"], "'1*2' (X[0]) has '*', expected the 12 characters of the model: + - 0 1 2 3 4 5 6 7 8 9"),
        (["1+2", ""], "X[1] is empty"),
        (["bad.txt"], "bad.txt: '1:2' (X[1]) has ':'"),
        (["none.txt"], "8 9 (there is no file 'none.txt' either)"),
        (["blank.txt"], "blank.txt: has no questions; expected one per line"),
        (["latin.txt"], "latin.txt: is not UTF-8 text (byte 1)"),
        (["bad.txt", "--key", "x"], "--key x is for files of arrays"),
        (["1+2", "--key", "x"], "--key x is for files, but DATA holds questions"),
        ([], "DATA is missing"),
        (["1+2", "--context", "1+2"], "--context is for word models"),
    ],
)
def test_questions_that_cannot_be_read_are_refused(finished, tmp_path, arguments, message):
    (tmp_path / "bad.txt").write_text("1+2\n1:2\n")
    (tmp_path / "blank.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes(b"1\xff")
    assert message in refused("predict", finished[0], *arguments, cwd=tmp_path)
    assert not (tmp_path / "predictions.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--operation", "*"], "operation is '*', expected + or -, or +,- for both"),
        (["--operation", "+,+"], "operation is '+,+'"),
        (["--digits", "10"], "Invalid value for '--digits'"),
        (["--questions", "2"], "Invalid value for '--questions'"),
        (["--validation", "0.9999"], "the validation fraction 0.9999 holds all 45 examples out, expected less"),
        (["--config", "bad.toml"], "digits is 0, expected at least 1"),
        (["--hidden", "0"], "hidden_size is 0, expected at least 1"),
        (["--cell", "lsdm"], "lsdm"),
        (["--optimizer", "adamm"], "optimizer is 'adamm'"),
        (["--embedding", "0"], "embedding is 0, expected at least 1"),
        (["--validation", "1"], "validation_fraction is 1.0"),
        (["--sweep", "operation=+,x"], "operation is 'x'"),
        (["digits.h5"], "Got unexpected extra argument"),
    ],
)
def test_refuses_in_one_line_and_leaves_nothing(tmp_path, arguments, message):
    (tmp_path / "bad.toml").write_text("digits = 0\n")
    before = sorted(tmp_path.rglob("*"))
    assert message in refused("train", "arithmetic", "--questions", "50", *arguments, cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_help_is_quick():
    code = (
        "import sys; sys.argv = ['fastrnn-train', 'arithmetic', '--help']\n"
        "from fastrnn.cli import train\n"
        "try: train()\n"
        "except SystemExit: pass\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & {'numpy', 'h5py', 'sklearn', 'matplotlib', 'numba'}))"
    )
    done = subprocess.run([*command("train")[:1], "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == ""  # none of them was imported


def test_one_digit_is_learned(tmp_path):
    """The small form of the next one: 100 differences, of which a tenth was never seen."""
    arguments = ["--digits", "1", "--operation=-", "--hidden", "64", "--batch-size", "8", "--validation", "0"]
    run("train", "arithmetic", *arguments, "--epochs", "60", "--out", "run", cwd=tmp_path)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["train"]["accuracy"] > 0.95
    assert metrics["test"]["accuracy"] > 0.25  # of 19 answers the most frequent one is right in a tenth


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "accuracy"), [("+", 0.995), ("-", 0.995), ("+,-", 0.99)])
def test_the_defaults_reach_the_figures(tmp_path, operation, accuracy):
    run("train", "arithmetic", f"--operation={operation}", "--out", "run", cwd=tmp_path, timeout=1800)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] >= accuracy
