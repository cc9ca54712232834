"""The estimators are scikit-learn's: its own checks, and its tools around them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastrnn
from fastrnn import RecurrentClassifier, RecurrentRegressor

SMALL = {"hidden_size": 16, "head": (16,), "learning_rate": 1e-2}
# Checks that do not apply, and why.
MINIBATCHES = "training by shuffled mini-batches: a weight of 2 is not the example twice, and 0 not its absence"
DOES_NOT_APPLY = {"check_sample_weight_equivalence_on_dense_data": MINIBATCHES}


@parametrize_with_checks(
    [RecurrentClassifier(**SMALL), RecurrentRegressor(**SMALL, epochs=200, patience=20)],
    expected_failed_checks=lambda estimator: DOES_NOT_APPLY,
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def sines(n=120, T=20, seed=0):
    """Slow and fast sines of any phase in two channels, with noise; the second channel far from standardised."""
    rng = np.random.default_rng(seed)
    fast = np.arange(n) % 2
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    wave = np.sin(np.linspace(0, 6, T) * (1 + fast[:, None]) + phase) + 0.1 * rng.normal(size=(n, T))
    X = np.stack([wave, 1e3 + 50 * np.roll(wave, 3, axis=1)], axis=2)
    return X, np.array(["slow", "fast"])[fast]


def ragged(X, seed=0):
    """The same sequences, each cut at a length of its own."""
    lengths = np.random.default_rng(seed).integers(10, X.shape[1] + 1, len(X))
    return [row[:length] for row, length in zip(X, lengths, strict=True)]


def classifier(**parameters):
    return RecurrentClassifier(**{**SMALL, "epochs": 15, "random_state": 0} | parameters)


def test_accuracy_on_held_out_sines():
    """Well above what the mean or a single step tells: the classes differ in frequency alone."""
    X, y = sines(300)
    for cell in ("gru", "lstm"):
        fitted = classifier(cell=cell, epochs=30, bidirectional=True).fit(X[:200], y[:200])
        assert fitted.score(X[200:], y[200:]) > 0.9
    assert set(fitted.classes_) == {"slow", "fast"}
    proba = fitted.predict_proba(X)
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(fitted.classes_[proba.argmax(1)], fitted.predict(X))


def test_pipeline_cross_validation_search_pickle_and_clone():
    X, y = sines()
    table = X[:, :, 0]
    pipeline = make_pipeline(StandardScaler(), classifier(epochs=3))
    assert cross_val_score(pipeline, table, y, cv=3).shape == (3,)
    search = GridSearchCV(classifier(epochs=2), {"cell": ["gru", "rnn"], "hidden_size": [5, 7]}, cv=2, n_jobs=2).fit(
        X, y
    )
    assert len(search.cv_results_["params"]) == 4
    fitted = search.best_estimator_
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), fitted.predict_proba(X))
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "model_")


def test_equal_seeds_give_equal_bits_with_any_number_of_threads():
    X, y = sines()
    expected = classifier(epochs=3, dropout=0.2, recurrent_dropout=0.1).fit(X, y)
    again = classifier(epochs=3, dropout=0.2, recurrent_dropout=0.1, n_threads=2).fit(X, y)
    np.testing.assert_array_equal(again.model_.flat_parameters, expected.model_.flat_parameters)
    other = classifier(epochs=3, dropout=0.2, recurrent_dropout=0.1, random_state=1).fit(X, y)
    assert not np.array_equal(other.model_.flat_parameters, expected.model_.flat_parameters)


def test_kinds_of_inputs_agree():
    X, y = sines()
    by_array = classifier(epochs=2).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(classifier(epochs=2).fit(list(X), y).predict_proba(X), by_array)
    frames = [pd.DataFrame(row) for row in X]
    np.testing.assert_array_equal(classifier(epochs=2).fit(frames, y).predict_proba(X), by_array)
    table = X[:, :, 0]
    by_table = classifier(epochs=2).fit(table, y)
    np.testing.assert_array_equal(
        classifier(epochs=2).fit(X[:, :, :1], y).predict_proba(X[:, :, :1]), by_table.predict_proba(table)
    )
    frame = pd.DataFrame(table, columns=[f"t{t}" for t in range(table.shape[1])])
    by_frame = classifier(epochs=2).fit(frame, y)
    np.testing.assert_array_equal(by_frame.predict_proba(frame), by_table.predict_proba(table))
    assert list(by_frame.feature_names_in_[:2]) == ["t0", "t1"]
    integers = np.rint(table * 10).astype(int)
    whole = classifier(epochs=2).fit(integers, y).predict_proba(integers)
    np.testing.assert_array_equal(classifier(epochs=2).fit(integers.astype(float), y).predict_proba(integers), whole)


def test_one_channel_comes_in_many_ways():
    """Fitted on sequences of one channel, it reads lists of any lengths, tables and (N, T, 1)."""
    X, y = sines()
    rows = ragged(X[:, :, 0])
    fitted = classifier(epochs=1).fit(rows, y)
    assert fitted.n_features_in_ == 1
    expected = fitted.predict_proba(rows)
    np.testing.assert_array_equal(fitted.predict_proba([rows[3]]), expected[[3]])
    np.testing.assert_array_equal(fitted.predict_proba([rows[3], rows[3]]), expected[[3, 3]])
    by_table = fitted.predict_proba(X[:, :, 0])
    np.testing.assert_array_equal(fitted.predict_proba(X[:, :, :1]), by_table)
    table = classifier(epochs=1).fit(X[:, :, 0], y)
    np.testing.assert_array_equal(table.predict_proba(X[:, :, :1]), table.predict_proba(X[:, :, 0]))


def test_tables_and_channels_are_not_confused():
    X, y = sines()
    with pytest.raises(ValueError, match="X has 1 channels, but RecurrentClassifier is expecting 2"):
        classifier(epochs=1).fit(X, y).predict(X[:, 0, :])
    with pytest.raises(ValueError, match="X has 2 channels, but RecurrentClassifier is expecting 1"):
        classifier(epochs=1).fit(X[:, :2, 0], y).predict(X)


def test_numpy_values_as_parameters():
    X, y = sines(40)
    grid = {"bidirectional": np.array([True, False]), "hidden_size": np.array([3, 5]), "standardize": [np.True_]}
    GridSearchCV(classifier(epochs=1), grid, cv=2).fit(X, y)


def test_ragged_sequences_are_judged_each_by_itself():
    X, y = sines()
    cut = ragged(X)
    fitted = classifier(bidirectional=True, layers=2).fit(cut, y)
    together = fitted.predict_proba(cut)
    for index in (0, 7, 119):
        np.testing.assert_array_equal(fitted.predict_proba([cut[index]])[0], together[index])
    assert fitted.score(cut, y) > 0.9


def test_standardising_forgets_scale_and_offset():
    X, y = sines()
    expected = classifier(epochs=3, dtype="float64").fit(X, y).predict_proba(X)
    moved = X * [4.0, 0.5] + [100.0, -3.0]
    np.testing.assert_allclose(
        classifier(epochs=3, dtype="float64").fit(moved, y).predict_proba(moved), expected, atol=1e-6
    )
    raw = classifier(epochs=3, dtype="float64", standardize=False).fit(X, y).predict_proba(X)
    assert np.abs(raw - expected).max() > 1e-3


def test_weights_of_examples_and_classes():
    X, y = sines()
    plain = classifier(epochs=3).fit(X, y).predict_proba(X)[:, 0]
    ones = classifier(epochs=3).fit(X, y, sample_weight=np.full(len(y), 7.0)).predict_proba(X)[:, 0]
    np.testing.assert_allclose(ones, plain, atol=1e-5)
    favoured = classifier(epochs=3, class_weight={"fast": 20.0, "slow": 1.0}).fit(X, y).predict_proba(X)[:, 0]
    assert favoured.mean() > plain.mean() + 0.1
    rare = np.concatenate([np.flatnonzero(y == "slow"), np.flatnonzero(y == "fast")[:10]])
    balanced = classifier(epochs=3, class_weight="balanced").fit(X[rare], y[rare])
    by_hand = np.where(y[rare] == "fast", len(rare) / 20, len(rare) / 120)
    weighted = classifier(epochs=3).fit(X[rare], y[rare], sample_weight=by_hand)
    np.testing.assert_array_equal(balanced.predict_proba(X), weighted.predict_proba(X))


def test_validation_data_and_groups():
    X, y = sines()
    fitted = classifier(epochs=4).fit(X[:80], y[:80], validation_data=(X[80:], y[80:]))
    assert len(fitted.validation_rows_) == 0
    assert len(fitted.history_["validation_loss"]) == fitted.n_iter_
    groups = np.arange(len(y)) // 12
    held_out = classifier(epochs=1, validation_fraction=0.3).fit(X, y, groups=groups).validation_rows_
    assert 0 < len(held_out) < len(y)
    assert not set(groups[held_out]) & set(np.delete(groups, held_out))


def test_early_stopping_keeps_the_best_epoch():
    X, y = sines()
    fitted = classifier(epochs=60, patience=3, learning_rate=0.05).fit(X, y)
    losses = fitted.history_["validation_loss"]
    assert fitted.best_epoch_ == int(np.argmin(losses)) + 1
    rows = fitted.validation_rows_
    proba = fitted.predict_proba(X[rows])[np.arange(len(rows)), np.searchsorted(fitted.classes_, y[rows])]
    np.testing.assert_allclose(-np.log(proba).mean(), min(losses), rtol=1e-4, atol=1e-6)


def test_warm_start_goes_on():
    X, y = sines()
    fitted = classifier(epochs=2, warm_start=True, patience=None, validation_fraction=None).fit(X, y)
    first = fitted.history_["train_loss"][0]
    before = fitted.model_.flat_parameters.copy()
    fitted.fit(X, y)
    assert fitted.history_["train_loss"][0] < first
    assert not np.array_equal(before, fitted.model_.flat_parameters)
    with pytest.raises(ValueError, match=r"continues with .*GRU|Recurrent.*, but the parameters say"):
        clone(fitted).fit(X, y).set_params(hidden_size=5).fit(X, y)
    with pytest.raises(ValueError, match="expected one of the fitted classes"):
        fitted.fit(X, np.where(y == "fast", "other", y))


def test_regressor_finds_numbers_far_from_standardised():
    X, _ = sines(300)
    y = np.stack([1000 + 30 * X[:, -1, 0], X[:, -4:, 1].mean(1)], axis=1)
    fitted = RecurrentRegressor(**SMALL, random_state=0, epochs=40).fit(X[:200], y[:200])
    assert fitted.score(X[200:], y[200:]) > 0.9
    assert fitted.predict(X).shape == y.shape
    alone = RecurrentRegressor(**SMALL, random_state=0, epochs=1).fit(X, y[:, 0])
    assert alone.predict(X).shape == (300,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: np.where(np.arange(2) == 1, np.nan, X) if X.ndim == 3 else X, "NaN at row 0, step 0, channel 1"),
        (lambda X: X[:, :, :1], "X has 1 channels, but RecurrentClassifier is expecting 2"),
        (lambda X: [X[0], X[1][:, :1]], r"X\[1\] has 1 channels, expected 2"),
        (lambda X: [X[0], X[1][:0]], r"X\[1\] has no steps"),
        (lambda X: X[:0], "0 sample"),
        (lambda X: X.astype(str), "expected numbers"),
    ],
)
def test_bad_inputs_are_named(change, message):
    X, y = sines(40)
    fitted = classifier(epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=message):
        fitted.predict(change(X))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cell": "gruu"}, "cell 'gruu' is unknown"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"head": None}, "head is None, expected a tuple"),
        ({"dtype": None}, "dtype is None, expected float32 or float64"),
        ({"optimizer": fastrnn.SGD}, "optimizer is .*SGD"),
        ({"schedule": fastrnn.StepSchedule}, "schedule is .*StepSchedule"),
        ({"n_threads": 0}, "n_threads is 0"),
        ({"class_weight": "even"}, "class_weight is 'even'"),
        ({"head": 64}, r"head is 64, expected a tuple of layer widths such as \(64,\)"),
        ({"optimizer": "adamm"}, "adamm"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"validation_fraction": 1.5}, "validation_fraction"),
        ({"dtype": "float16"}, "float16"),
        ({"schedule": "cosinus"}, "cosinus"),
        ({"epochs": 0}, "epochs"),
        ({"standardize": "yes"}, "standardize"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    X, y = sines(40)
    with pytest.raises((TypeError, ValueError), match=message):
        classifier(**parameters).fit(X, y)
