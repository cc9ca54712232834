"""Estimators and models through files."""

from pathlib import Path

import numpy as np
import pytest
from golden.make_files import RESULTS

import fastrnn
from fastrnn import SGD, RecurrentClassifier, RecurrentRegressor, SparseAutoencoder, storage
from fastrnn.cells import CELLS, Cell

GOLDEN = Path(__file__).parent / "golden"
RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, (40, 6, 3))
LABELS = np.arange(40) % 3


@pytest.mark.parametrize(
    "labels", [LABELS, LABELS == 1, np.array(["a", "b", "ü"])[LABELS], np.array(["x", "yy", "z"], object)[LABELS]],
    ids=["integers", "bools", "strings", "objects"],
)  # fmt: skip
def test_classifier(tmp_path, labels):
    fitted = RecurrentClassifier(
        "lstm", 7, layers=2, bidirectional=True, head=(5, 4), optimizer=SGD(0.1, momentum=0.85, form="averaged"),
        class_weight={label: 1.0 + index for index, label in enumerate(np.unique(labels).tolist())}, epochs=2,
        random_state=0, dtype="float64",
    ).fit(X, labels)  # fmt: skip
    fitted.save(tmp_path / "model.h5")
    loaded = fastrnn.load(tmp_path / "model.h5")
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    assert loaded.classes_.dtype == fitted.classes_.dtype
    assert loaded.get_params() == {**fitted.get_params(), "head": [5, 4]} or loaded.get_params() == fitted.get_params()
    assert dict(loaded.history_) == {name: column for name, column in fitted.history_.items() if name != "seconds"}
    assert repr(loaded) == repr(fitted)


def test_regressor(tmp_path):
    fitted = RecurrentRegressor(hidden_size=5, epochs=2, random_state=0).fit(X, X.mean(1) * 100)
    fitted.save(tmp_path / "model.h5")
    loaded = fastrnn.load(tmp_path / "model.h5")
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    loaded.set_params(warm_start=True).fit(X, X.mean(1) * 100)


def test_a_cell_of_ones_own_is_given_to_load(tmp_path):
    mine = Cell("mine", "h", "h", CELLS["rnn_tanh"].step, CELLS["rnn_tanh"].step_vjp)
    fitted = RecurrentClassifier(mine, 5, epochs=1, random_state=0).fit(X, LABELS)
    fitted.save(tmp_path / "model.h5")
    np.testing.assert_array_equal(fastrnn.load(tmp_path / "model.h5", [mine]).predict_proba(X), fitted.predict_proba(X))
    with pytest.raises(ValueError, match=r"custom cell 'mine': pass it as cells=\[mine\]"):
        fastrnn.load(tmp_path / "model.h5")


def test_equal_runs_give_equal_files(tmp_path):
    for name in ("a", "b"):
        RecurrentClassifier(hidden_size=5, epochs=1, random_state=0).fit(X, LABELS).model_.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nothing_of_the_clock_or_the_machine_is_in_a_file(tmp_path):
    for name, options in (("a", {}), ("b", {"n_threads": 2, "memory_limit": "1 GB"})):
        RecurrentClassifier(hidden_size=5, epochs=2, random_state=0, **options).fit(X, LABELS).save(tmp_path / name)
        rows = X.reshape(40, -1) / 20 + 0.5
        options.pop("memory_limit", None)
        SparseAutoencoder(5, epochs=3, random_state=0, **options).fit(rows.clip(0, 1)).save(tmp_path / f"{name}s")
    for name in ("", "s"):
        assert (tmp_path / f"a{name}").read_bytes() == (tmp_path / f"b{name}").read_bytes()
    assert "seconds" not in fastrnn.load(tmp_path / "a").history_


@pytest.mark.parametrize("version", sorted(path.stem[6:] for path in GOLDEN.glob("files-*.npz")))
def test_models_of_all_releases_are_read(version):
    models = {}
    with np.load(GOLDEN / f"files-{version}.npz") as given:
        for name, expected in given.items():
            models[name] = fastrnn.load(GOLDEN / f"{name}-{version}.h5")
            np.testing.assert_allclose(RESULTS[name](models[name]), expected, rtol=1e-9, atol=1e-12, err_msg=name)
    classifier = models["classifier"]
    assert list(classifier.classes_) == ["geht", "läuft", "sitzt"]
    assert classifier.optimizer == SGD(0.1, 0.9, "nesterov")
    assert classifier.history_["epoch"] == [1, 2]


def test_other_files_are_refused(tmp_path):
    storage.write(tmp_path / "other.h5", {"kind": "recipe"})
    with pytest.raises(fastrnn.StorageError, match=r"other.h5: holds 'recipe', expected one of Sequential"):
        fastrnn.load(tmp_path / "other.h5")
    storage.write(tmp_path / "part.h5", {"kind": "RecurrentClassifier"})
    with pytest.raises(fastrnn.StorageError, match=r"part.h5: this RecurrentClassifier is not complete"):
        fastrnn.load(tmp_path / "part.h5")
    with pytest.raises(fastrnn.StorageError, match=r"none.h5"):
        fastrnn.load(tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree.update(classes=np.arange(9)), "it has 9 classes, but its net 3 outputs"),
        (lambda tree: tree.update(parameters=5), "this RecurrentClassifier cannot be loaded"),
        (lambda tree: tree["inputs"].update(mean=np.zeros(7)), "its scales are of 7 channels"),
        (lambda tree: tree["model"].update(layers="abc"), "this RecurrentClassifier cannot be loaded"),
        (lambda tree: tree["model"].update(parameters={"1.W": 3}), "parameters are missing"),
        (
            lambda tree: tree["model"]["layers"][0].update(layer="Tower"),
            "this model uses the custom layer 'Tower': pass it as",
        ),
        (lambda tree: tree.pop("history"), "this RecurrentClassifier is not complete: 'history' is missing"),
    ],
)
def test_wrong_contents_are_refused_by_file(tmp_path, change, message):
    tree = RecurrentClassifier(hidden_size=3, epochs=1, random_state=0).fit(X, LABELS).to_tree()
    change(tree)
    storage.write(tmp_path / "model.h5", tree)
    with pytest.raises(fastrnn.StorageError, match=rf"model.h5: .*{message}"):
        fastrnn.load(tmp_path / "model.h5")


def test_what_a_file_cannot_hold_is_said(tmp_path):
    fitted = RecurrentClassifier(hidden_size=3, epochs=1, schedule=lambda rate, *_: rate).fit(X, LABELS)
    with pytest.raises(TypeError, match="a file cannot hold"):
        fitted.save(tmp_path / "model.h5")


def test_nothing_is_saved_before_fit(tmp_path):
    with pytest.raises(ValueError, match="not fitted"):
        RecurrentClassifier().save(tmp_path / "model.h5")
    assert not list(tmp_path.iterdir())
