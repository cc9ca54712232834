"""``fastrnn-train words`` as a person runs it: what it leaves, what it says, what it refuses, how it goes on."""

import json
import os
import signal
import subprocess
import time
import tomllib

import h5py
import numpy as np
import pytest
from commands import Leaving, assert_nothing_survives, command, read_csv, refused, run, waves
from rich.console import Console

import fastrnn
from fastrnn import NGramLanguageModel, data, storage
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.tasks.words import report as words_report

TINY = ["--embedding", "5", "--hidden", "7", "--epochs", "3", "--batch-size", "20"]
WORDS = ["a", "cat", "dog", "sat", "on", "the", "mat", "and", "then", "ran", ".", "'s"]
SETS = {"train": 150, "val": 40, "test": 50}


def ngrams(path, first=1, sets=SETS, K=3):
    """A file of n-grams in which the next word tells on the ones before; returns the numbers, from 0, by set."""
    rng, parts = np.random.default_rng(0), {}
    with h5py.File(path, "w") as file:
        for name, n in sets.items():
            x = rng.integers(0, len(WORDS), (n, K))
            parts[name] = (x, (x[:, -1] + rng.integers(1, 3, n)) % len(WORDS))
            file[f"{name}x"], file[f"{name}d"] = ((part + first).astype("u1") for part in parts[name])
        file["words"] = np.array(WORDS, "S8")
    return parts


def text(path, n=120):
    """A text of n sentences; "zebra" comes once."""
    who, did = ["the cat", "the dog", "a mouse"], ["sat on the mat", "ran to the house", "ate and then slept"]
    sentences = [f"{who[i % 3].capitalize()} {did[i * 5 % 7 % 3]}." for i in range(n)]
    path.write_text(
        "\n".join([*sentences[: n // 2], "The zebra sat on the mat.", *sentences[n // 2 :]]), encoding="utf-8"
    )


def losses(path):
    return [row["train_loss"] for row in read_csv(path / "history.csv")]


def same(a, b):
    """Are the stored models equal to the bit?"""
    one, other = (storage.read(path / "model.h5")["model"]["parameters"] for path in (a, b))
    assert set(one) == {"0.W", "2.W", "2.b", "3.W", "3.b"}
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on n-grams numbered from 1: (folder, data file, the numbers, what was printed)."""
    folder = tmp_path_factory.mktemp("finished")
    parts = ngrams(folder / "ngrams.h5")
    arguments = ["ngrams.h5", *TINY, "--context", "and then the", "--context", "There, A CAT 's on", "--out", "run"]
    done = run("train", "words", *arguments, cwd=folder)
    return folder / "run", folder / "ngrams.h5", parts, done.stdout


def test_all_is_written_before_it_is_shown(tmp_path):
    ngrams(tmp_path / "ngrams.h5")
    dataset = data.load_ngrams(tmp_path / "ngrams.h5")
    model = NGramLanguageModel(embedding=3, hidden_size=4, epochs=1, vocabulary=dataset.words, random_state=0)
    model.fit(dataset.x_train, dataset.y_train)
    folder = RunFolder.create("words", tmp_path / "run", overwrite=False)
    with pytest.raises(KeyboardInterrupt):
        words_report.report(model, dataset, folder, Console(file=Leaving()), {"context": ["a cat sat"]})
    assert len(json.loads(folder.metrics.read_text())["next_words"]) == 6
    assert (folder.figures / "next_words.png").exists()


def test_a_run_leaves_everything(finished):
    folder, file, _, printed = finished
    assert {p.name for p in folder.iterdir()} == {
        "config.toml", "model.h5", "checkpoint.h5", "history.csv", "metrics.json", "manifest.txt", "figures",
    }  # fmt: skip
    assert {p.name for p in (folder / "figures").iterdir()} == {
        "learning_curves.png", "next_words.png", "contexts.png", "embeddings.png",
    }  # fmt: skip
    lines = printed.splitlines()
    assert lines[0] == lines[-1] == "run: run"
    assert lines[1] == (
        f"{file}: 4-grams of 12 words, 150 for training, 40 for validation and 50 for testing, "
        "embedding size 5, 7 hidden units"
    )
    assert [row["epoch"] for row in read_csv(folder / "history.csv")] == ["1", "2", "3"]
    config = tomllib.loads((folder / "config.toml").read_text())
    assert (config["task"], config["embedding"], config["order"], config["learning_rate"]) == ("words", 5, 4, 0.5)
    assert config["context"] == ["and then the", "There, A CAT 's on"]
    assert "vocabulary_size" not in config


def test_nothing_survives_overwriting(finished, tmp_path):
    assert_nothing_survives(finished[0], tmp_path / "copy")


def test_metrics_are_those_of_the_stored_model(finished):
    folder, _, parts, printed = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["task"], metrics["epochs"]) == ("words", 3)
    model = fastrnn.load(folder / "model.h5")
    assert model.vocabulary_.tolist() == WORDS
    for name, of in (("train", "train"), ("validation", "val"), ("test", "test")):
        x, y = parts[of]
        p = model.predict_proba(x)
        loss = -np.log(p[np.arange(len(x)), y]).mean()
        assert metrics[name] == pytest.approx(
            {"loss": loss, "accuracy": np.mean(p.argmax(1) == y), "perplexity": np.exp(loss)}, rel=1e-5
        )
        row = next(line for line in printed.splitlines() if line.startswith(name)).split()
        assert row[1:] == [str(len(x)), *(f"{metrics[name][key]:.4f}" for key in ("loss", "accuracy", "perplexity"))]
    best = min(float(row["validation_loss"]) for row in read_csv(folder / "history.csv"))
    assert metrics["validation"]["loss"] == pytest.approx(best, rel=1e-5)


def test_five_contexts_of_the_test_set_are_shown_and_ones_own(finished):
    folder, _, parts, printed = finished
    model = fastrnn.load(folder / "model.h5")
    x, y = parts["test"]
    shown = json.loads((folder / "metrics.json").read_text())["next_words"]
    assert len(shown) == 7
    in_test = [(tuple(np.array(WORDS)[row]), WORDS[after]) for row, after in zip(x, y, strict=True)]
    for one in shown:
        words, probabilities = model.top_k(one["context"])
        assert one["words"] == words.tolist()
        assert one["probabilities"] == pytest.approx(probabilities.tolist())
        assert " ".join(one["context"]) + " …" in printed
        assert f"{words[0]:>9} {probabilities[0]:.1%}" in printed
    for one in shown[:5]:
        word, p, place = (one["truth"][name] for name in ("word", "probability", "place"))
        assert (tuple(one["context"]), word) in in_test
        sorted_words, sorted_p = model.top_k(one["context"], len(WORDS))
        assert sorted_words[place - 1] == word
        assert p == pytest.approx(sorted_p[place - 1])
        assert f"{' '.join(one['context'])} … {word}  {p:.1%}, rank {place} of 12" in printed
    assert [one["context"] for one in shown[5:]] == [["and", "then", "the"], ["cat", "'s", "on"]]
    assert [one["truth"] for one in shown[5:]] == [None, None]
    assert max(map(len, printed.split("Most likely")[1].splitlines())) < 80


def test_a_model_that_is_there_is_asked(finished, tmp_path):
    folder, file, parts, printed = finished
    done = run("predict", folder, "--context", "and then the", cwd=tmp_path).stdout
    assert done.strip() in printed
    assert list(tmp_path.iterdir()) == []
    done = run("predict", folder / "model.h5", file, "--context", "a cat 's", "--out", "p.csv", cwd=tmp_path).stdout
    assert "a cat 's …" in done
    assert done.splitlines()[-1] == "p.csv: 50 contexts with the 10 most likely next words"
    rows, (x, y) = read_csv(tmp_path / "p.csv"), parts["test"]
    model = fastrnn.load(folder / "model.h5")
    words, probabilities = model.top_k(x)
    of_truth = model.predict_proba(x)[np.arange(50), y]
    for row, before, after, likeliest, shares, p in zip(rows, x, y, words, probabilities, of_truth, strict=True):
        assert row["context"] == " ".join(np.array(WORDS)[before])
        assert row["next"] == WORDS[after]
        assert float(row["p_next"]) == pytest.approx(p, rel=1e-5)
        assert [row[f"word_{place}"] for place in range(1, 11)] == likeliest.tolist()
        assert float(row["p_10"]) == pytest.approx(shares[9], rel=1e-5)
    run("predict", folder, file, "--key", "valx", "--out", "p.csv", cwd=tmp_path)
    assert len(read_csv(tmp_path / "p.csv")) == 40


def test_predict_reads_texts_and_longer_ngrams(finished, tmp_path):
    folder, *_ = finished
    (tmp_path / "new.txt").write_text("The cat sat on. Then the dog ran on the mat.")
    run("predict", folder, "new.txt", "--out", "p.csv", cwd=tmp_path)
    rows = read_csv(tmp_path / "p.csv")
    assert [row["context"] for row in rows[:3]] == ["the cat sat", "cat sat on", "then the dog"]
    assert [row["next"] for row in rows[:3]] == ["on", ".", "ran"]
    assert len(rows) == 2 + 5
    x, _ = ngrams(tmp_path / "long.h5", K=5)["test"]
    run("predict", folder, "long.h5", "--out", "p.csv", cwd=tmp_path)
    assert [row["context"] for row in read_csv(tmp_path / "p.csv")] == [
        " ".join(np.array(WORDS)[row]) for row in x[:, 2:]
    ]


def test_predict_refuses(finished, tmp_path):
    folder, file, *_ = finished
    (tmp_path / "other.txt").write_text("a cat sat on the sofa")
    ngrams(tmp_path / "train.h5", sets={"train": 30})
    waves(tmp_path / "waves.h5")
    run("train", "classify", "waves.h5", "--hidden", "3", "--epochs", "1", "--out", "classes", cwd=tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for arguments, message in (
        ([folder], "DATA is missing; give a file, or --context for a word model"),
        ([folder, "--context", "the cat"], "--context 'the cat' has 2 words, expected 3 or more (order is 4)"),
        ([folder, "--context", "on the sofa"], "'sofa' is not among the 12 words of the model"),
        ([folder, "other.txt"], "other.txt: sentence 0 has 'sofa', which is not in the vocabulary"),
        ([folder, "other.txt", "--key", "testx"], "--key testx is for files of arrays"),
        ([folder, "train.h5"], "train.h5: has no n-grams testx; use --key trainx"),
        ([folder, file, "--key", "words"], "ngrams.h5: has no n-grams words; use --key testx or --key valx"),
        (["classes", "--context", "on the mat"], "holds a RecurrentClassifier, but --context is for word models"),
    ):
        assert message in refused("predict", *arguments, cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_numbers_from_0_and_from_1_are_the_same(finished, tmp_path):
    folder, *_ = finished
    ngrams(tmp_path / "zero.h5", first=0)
    run("train", "words", "zero.h5", *TINY, "--out", "run", cwd=tmp_path)
    same(tmp_path / "run", folder)
    run("train", "words", "zero.h5", *TINY, "--first-index", "0", "--out", "said", cwd=tmp_path)
    same(tmp_path / "said", folder)


def test_a_run_is_reproduced_by_its_configuration(finished, tmp_path):
    folder, *_ = finished
    run("train", "words", "--config", folder / "config.toml", "--out", tmp_path / "again")
    same(tmp_path / "again", folder)


def test_shorter_ngrams_than_there_are(finished, tmp_path):
    _, file, parts, _ = finished
    printed = run("train", "words", file, *TINY, "--order", "3", "--out", tmp_path / "run").stdout
    assert "3-grams of 12 words" in printed
    x, y = parts["train"]
    x_validation, y_validation = parts["val"]
    model = fastrnn.load(tmp_path / "run" / "model.h5")
    again = fastrnn.NGramLanguageModel(**model.get_params()).set_params(validation_fraction=None)
    again.fit(x[:, 1:], y, validation_data=(x_validation[:, 1:], y_validation))
    np.testing.assert_array_equal(again.model_.flat_parameters, model.model_.flat_parameters)


def test_sets_that_are_not_there_are_held_out(tmp_path):
    ngrams(tmp_path / "all.h5", sets={"train": 200})
    printed = run("train", "words", "all.h5", *TINY, "--validation", "0.2", "--out", "run", cwd=tmp_path).stdout
    assert "144 for training, 36 for validation and 20 for testing" in printed
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    best = min(float(row["validation_loss"]) for row in read_csv(tmp_path / "run" / "history.csv"))
    assert metrics["validation"]["loss"] == pytest.approx(best, rel=1e-5)
    printed = run("train", "words", "all.h5", *TINY, "--validation", "0", "--out", "none", cwd=tmp_path).stdout
    assert "180 for training and 20 for testing" in printed
    assert "validation" not in json.loads((tmp_path / "none" / "metrics.json").read_text())


def test_a_text(tmp_path):
    text(tmp_path / "mice.txt")
    arguments = [*TINY, "--order", "3", "--vocabulary-size", "12", "--context", "The zebra", "--out", "run"]
    printed = run("train", "words", "mice.txt", *arguments, cwd=tmp_path).stdout
    assert f"{tmp_path / 'mice.txt'}: 3-grams of 12 words" in printed
    assert "'zebra' is not among the 12 words of the model; it is read as <unk>" in printed
    assert "the <unk> …" in printed
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert (config["order"], config["vocabulary_size"]) == (3, 12)
    model = fastrnn.load(tmp_path / "run" / "model.h5")
    parts = data.split_sentences(data.load_text(tmp_path / "mice.txt"), (0.1, 0.1), 0)
    assert model.vocabulary_.tolist() == data.vocabulary_of(parts[0], 12)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        assert metrics[name]["perplexity"] == pytest.approx(model.perplexity(part), rel=1e-6)
    whole = run("train", "words", "mice.txt", *TINY, "--out", "whole", cwd=tmp_path).stdout
    assert "4-grams of 1" in whole  # all of them: there are less than 2,000
    assert len(fastrnn.load(tmp_path / "whole" / "model.h5").vocabulary_) > 12
    none = run("train", "words", "mice.txt", *TINY, "--validation", "0", "--out", "none", cwd=tmp_path).stdout
    assert "for validation" not in none


def test_the_embedded_default_needs_no_data(tmp_path):
    printed = run("train", "words", *TINY, "--vocabulary-size", "60", "--batch-size", "500", cwd=tmp_path).stdout
    folder = tmp_path / printed.splitlines()[0].removeprefix("run: ")
    assert folder.parent == tmp_path / "runs"
    assert "the English in Python's own manual: 4-grams of 60 words" in printed
    metrics = json.loads((folder / "metrics.json").read_text())
    assert 1 < metrics["test"]["perplexity"] < 60


def test_sgd_as_published(finished, tmp_path):
    _, file, *_ = finished
    arguments = [
        "--learning-rate", "0.15", "--momentum", "0.85", "--momentum-form", "averaged", "--schedule", "none",
        "--initializer", "gaussian", "--patience", "2",
    ]  # fmt: skip
    run("train", "words", file, *TINY, *arguments, "--out", tmp_path / "run")
    model = fastrnn.load(tmp_path / "run" / "model.h5")
    assert model.optimizer == fastrnn.SGD(0.15, momentum=0.85, form="averaged")
    assert (model.schedule, model.patience, model.clip_norm, model.initializer) == (None, 2, None, "gaussian")
    assert {row["learning_rate"] for row in read_csv(tmp_path / "run" / "history.csv")} == {"0.15"}


def test_a_resumed_run_has_the_same_bits(finished, tmp_path):
    _, file, *_ = finished
    arguments = [file, *TINY, "--schedule", "none", "--context", "on the mat", "--epochs"]
    run("train", "words", *arguments, "4", "--out", "whole", cwd=tmp_path)
    run("train", "words", *arguments, "2", "--out", "part", cwd=tmp_path)
    # As if it had been stopped after the second of four epochs:
    for name in ("metrics.json", "model.h5"):
        (tmp_path / "part" / name).unlink()
    config = tmp_path / "part" / "config.toml"
    config.write_text(config.read_text().replace("\nepochs = 2\n", "\nepochs = 4\n"))
    printed = run("train", "words", "--resume", "part", cwd=tmp_path).stdout
    same(tmp_path / "part", tmp_path / "whole")
    assert losses(tmp_path / "part") == losses(tmp_path / "whole")
    assert "on the mat …" in printed
    assert "finished" in run("train", "words", "--resume", "part", cwd=tmp_path).stdout


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_an_interrupt_saves_and_says_how_to_go_on(finished, tmp_path):
    _, file, *_ = finished
    out = tmp_path / "run"
    arguments = ["words", file, *TINY, "--epochs", "100000", "--schedule", "none", "--out", out]
    process = subprocess.Popen(command("train", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "history.csv").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, printed + errors
    assert printed.splitlines()[-1] == f"fastrnn-train words --resume {out}"
    assert len(storage.read(out / "checkpoint.h5")["history"]["epoch"]) >= 1


def test_a_sweep_takes_the_least_validation_loss(finished, tmp_path):
    _, file, *_ = finished
    arguments = [file, *TINY, "--sweep", "learning-rate=1e-9,0.05", "--sweep", "order=2,4", "--out", "sweep"]
    printed = run("train", "words", *arguments, cwd=tmp_path).stdout
    rows = read_csv(tmp_path / "sweep" / "results.csv")
    assert [(float(row["learning_rate"]), row["order"]) for row in rows] == [
        (1e-9, "2"), (1e-9, "4"), (0.05, "2"), (0.05, "4")
    ]  # fmt: skip
    for row in rows:
        metrics = json.loads((tmp_path / "sweep" / row["folder"] / "metrics.json").read_text())
        for name in ("validation.loss", "test.loss", "test.accuracy", "test.perplexity"):
            part, measure = name.split(".")
            assert float(row[name]) == metrics[part][measure]
    best = min(rows, key=lambda row: float(row["validation.loss"]))
    line = next(line for line in printed.splitlines() if line.rstrip().endswith("best"))
    assert line.split()[:2] == [best["learning_rate"], best["order"]]
    assert best["learning_rate"] == "0.05"
    assert (tmp_path / "sweep" / "figures" / "test_loss.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.h5"], "none.h5: there is no such file"),
        (["none.txt"], "none.txt: there is no such file"),
        (["."], ": is a folder; expected a file"),
        (["waves.h5"], "waves.h5: has no 'trainx'; it has 'trX', 'trY', 'tstX', 'tstY'"),
        (["bad.h5"], "bad.h5: 'trainx' is 13 in row 2, column 1"),
        (["short.txt"], "short.txt: the text has only 1 sentence; expected at least 3"),
        (["short.txt", "--validation", "0"], "short.txt: the text has only 1 sentence; expected at least 2"),
        (["two.txt", "--validation", "0"], "two.txt: the longest of 1 sentences has 3 words; an n-gram needs 4"),
        (["n.h5", "--order", "5"], "n.h5 have 4 words; use at most 4"),
        (["n.h5", "--order", "1"], "Invalid value for '--order'"),
        (["n.h5", "--vocabulary-size", "5"], "vocabulary_size is for texts, but"),
        (["n.h5", "--first-index", "2"], "first_index is 2, expected one of None, 0, 1"),
        (["n.h5", "--first-index", "0"], "n.h5: "),
        (["--validation", "0.95"], "validation_fraction is 0.95, expected a number in [0, 0.9)"),
        (["--order", "300"], "the English in Python's own manual: the longest of"),
        (["n.h5", "--config", "order.toml"], "order is 0, expected at least 2"),
        (["two.txt", "--config", "order.toml"], "order is 0, expected at least 2"),
        (["two.txt", "--first-index", "0"], "first_index is for files of numbered words; leave it out for a text"),
        (["n.h5", "--context", "the cat"], "--context 'the cat' has 2 words, expected 3 or more (order is 4)"),
        (
            ["n.h5", "--context", "on the sofa"],
            "--context 'on the sofa': 'sofa' is not among the 12 words of the model",
        ),
        (["n.h5", "--embedding", "0"], "embedding is 0, expected at least 1"),
        (["n.h5", "--optimizer", "adamm"], "optimizer is 'adamm'"),
        (["n.h5", "--optimizer", "adam", "--momentum", "0.9"], "but the optimizer adam does not use it"),
        (["n.h5", "--learning-rate", "0"], "learning_rate is 0.0"),
        (["n.h5", "--initializer", "zero"], "initializer is 'zero'"),
        (["n.h5", "--cell", "gru"], "No such option: --cell"),
        (["n.h5", "--config", "context.toml"], "context.toml: context is [3], expected a list of strings"),
        (["n.h5", "--sweep", "context=a,b"], "context cannot be swept"),
        (["n.h5", "--sweep", "hidden=5,0"], "hidden_size is 0, expected at least 1"),
    ],
)
def test_refuses_in_one_line_and_leaves_nothing(tmp_path, arguments, message):
    ngrams(tmp_path / "n.h5")
    ngrams(tmp_path / "bad.h5", first=0)
    with h5py.File(tmp_path / "bad.h5", "r+") as file:
        file["trainx"][2, 1] = 13
    waves(tmp_path / "waves.h5")
    (tmp_path / "short.txt").write_text("the cat sat on the mat")
    (tmp_path / "two.txt").write_text("the cat.\n\nThe mat.")
    (tmp_path / "order.toml").write_text("order = 0\nvalidation_fraction = 0\n")
    (tmp_path / "context.toml").write_text("context = [3]\n")
    before = sorted(tmp_path.rglob("*"))
    assert message in refused("train", "words", *arguments, cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_help_is_quick():
    code = (
        "import sys; sys.argv = ['fastrnn-train', 'words', '--help']\n"
        "from fastrnn.cli import train\n"
        "try: train()\n"
        "except SystemExit: pass\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & {'numpy', 'h5py', 'sklearn', 'matplotlib', 'numba'}))"
    )
    done = subprocess.run([*command("train")[:1], "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == ""  # none of them was imported


def test_four_grams_of_the_course(data_folder, tmp_path):
    """Two epochs of a small net on the real file, whose words are numbered from 1."""
    small = ["--embedding", "8", "--hidden", "32", "--epochs", "2", "--context", "he said it"]
    printed = run("train", "words", data_folder / "data2.h5", *small, "--out", tmp_path / "run").stdout
    assert "4-grams of 250 words, 372500 for training, 46500 for validation and 46500 for testing" in printed
    test = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    assert test["loss"] < 3.3  # the frequencies of words alone give 4.39
    assert test["accuracy"] > 0.25


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "loss", "accuracy"), [(None, 2.58, 0.375), (8, 2.60, 0.37)])
def test_the_defaults_reach_the_figures(data_folder, tmp_path, epochs, loss, accuracy):
    arguments = ["--embedding", "32", "--hidden", "256", *([] if epochs is None else ["--epochs", str(epochs)])]
    run("train", "words", data_folder / "data2.h5", *arguments, "--out", tmp_path / "run")
    test = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    assert test["loss"] <= loss
    assert test["accuracy"] >= accuracy
