"""A regressor that predicts numbers at each step: what it learns, its shapes, files, streams, and what it refuses."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

import fastrnn
from fastrnn import RecurrentRegressor

SMALL = {"hidden_size": 9, "head": (7,), "learning_rate": 1e-2, "epochs": 3, "random_state": 0}
K = 2


def walks(n=40, T=11, seed=0):
    """Noise of three channels, and at each step two numbers: the mean of a channel so far, and another channel."""
    X = np.random.default_rng(seed).normal(size=(n, T, 3)) * [1, 5, 0.2] + [0, 100, 3]
    means = np.cumsum(X[:, :, 1], axis=1) / np.arange(1, T + 1)
    return X, np.stack([1e3 * means, X[:, :, 2]], axis=2)


def cut(a, lengths):
    return [row[:length] for row, length in zip(a, lengths, strict=True)]


def regressor(**parameters):
    return RecurrentRegressor(return_sequences=True, **SMALL | parameters)


def test_learns_what_each_step_has_seen():
    X, y = walks(240)
    fitted = regressor(epochs=60, hidden_size=16).fit(X[:200], y[:200])
    predicted = fitted.predict(X[200:])
    assert predicted.shape == (40, 11, K)
    assert predicted.dtype == np.float64
    assert fitted.score(X[200:], y[200:]) > 0.9
    assert fitted.score(X[200:], y[200:]) == pytest.approx(r2_score(y[200:].reshape(-1, K), predicted.reshape(-1, K)))
    last = RecurrentRegressor(**SMALL).fit(X, y[:, -1])
    assert fitted.model_.output_shape == (None, K)
    assert last.model_.output_shape == (K,)


def test_a_step_knows_nothing_of_those_after_it():
    X, y = walks()
    fitted = regressor().fit(X, y)
    whole = fitted.predict(X)
    for t in (1, 6):
        np.testing.assert_array_equal(fitted.predict(X[:, :t]), whole[:, :t])
    stream = fastrnn.Stream(fitted, len(X))
    for t in range(X.shape[1]):
        np.testing.assert_array_equal(stream.step(X[:, t]), whole[:, t])


def test_unequal_lengths():
    X, y = walks()
    lengths = np.random.default_rng(1).integers(2, 11, len(X))
    fitted = regressor(epochs=5).fit(cut(X, lengths), cut(y, lengths))
    predicted = fitted.predict(cut(X, lengths))
    assert [row.shape for row in predicted] == [(length, K) for length in lengths]
    for row, x, length in zip(predicted, X, lengths, strict=True):
        np.testing.assert_array_equal(row, fitted.predict(x[None, :length])[0])
    truth, all_of = np.concatenate(cut(y, lengths)), np.concatenate(predicted)
    assert fitted.score(cut(X, lengths), cut(y, lengths)) == pytest.approx(r2_score(truth, all_of))
    weights = np.arange(1.0, len(X) + 1)
    assert fitted.score(cut(X, lengths), cut(y, lengths), weights) == pytest.approx(
        r2_score(truth, all_of, sample_weight=np.repeat(weights, lengths))
    )
    np.testing.assert_allclose(fitted.targets_.mean, truth[np.repeat(_training(fitted, len(X)), lengths)].mean(0))


def _training(fitted, n):
    """Which examples were not held out."""
    return ~np.isin(np.arange(n), fitted.validation_rows_)


def test_weights_of_examples_count_for_all_their_steps():
    """What is weighted with 0 may have any targets."""
    X, y = walks()
    weights, validation = np.arange(40) % 3 * 1.0, (X[:6], y[:6])
    fitted = [
        regressor(standardize=False).fit(X, target, weights, validation_data=validation).model_.flat_parameters
        for target in (y, np.where(weights[:, None, None], y, -5), np.where(weights[:, None, None], y, y[::-1]))
    ]
    np.testing.assert_array_equal(fitted[0], fitted[1])
    np.testing.assert_array_equal(fitted[0], fitted[2])
    unweighted = regressor(standardize=False).fit(X, y, validation_data=validation)
    assert np.abs(unweighted.model_.flat_parameters - fitted[0]).max() > 1e-4


def test_one_number_a_step_keeps_its_shape(tmp_path):
    X, y = walks()
    fitted = regressor().fit(X, y[:, :, 0], validation_data=(X[:5], y[:5, :, 0]))
    assert fitted.predict(X).shape == (40, 11)
    column = regressor().fit(X, y[:, :, :1], validation_data=(X[:5], y[:5, :, :1]))
    np.testing.assert_array_equal(column.predict(X)[:, :, 0], fitted.predict(X))
    fitted.save(tmp_path / "model.h5")
    again = fastrnn.load(tmp_path / "model.h5")
    assert again.return_sequences
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda y: None, "requires y to be passed"),
        (lambda y: y[:39], "y has 39 rows, expected 40: one for each example of X"),
        (lambda y: y[:, 0], r"y\[0\] has shape \(2,\), expected \(11,\) or \(11, K\), as X\[0\] has 11 steps"),
        (
            lambda y: [*y[:3], y[3, :7], *y[4:]],
            r"y\[3\] has shape \(7, 2\), expected \(11, 2\), as X\[3\] has 11 steps",
        ),
        (lambda y: [*y[:3], y[3, :, 0], *y[4:]], r"y\[3\] has shape \(11,\), expected \(11, 2\)"),
        (lambda y: y[:, :, :0], r"y\[0\] has shape \(11, 0\)"),
        (lambda y: y[:, :, None], r"y\[0\] has shape \(11, 1, 2\)"),
        (lambda y: y.astype(str), r"y\[0\] has dtype <U32, expected numbers"),
        (lambda y: np.where(y == y[4, 6, 1], np.nan, y), "y contains NaN or infinity at row 4, step 6"),
    ],
)
def test_targets_that_are_refused(target, message):
    X, y = walks()
    with pytest.raises(ValueError, match=message):
        regressor().fit(X, target(y))


def test_other_targets_than_it_was_fitted_with():
    X, y = walks()
    with pytest.raises(ValueError, match=r"y has shape \(5, 11\), expected \(5, 11, 2\) as it was fitted with"):
        regressor().fit(X, y, validation_data=(X[:5], y[:5, :, 0]))
    with pytest.raises(ValueError, match="return_sequences is 'yes', expected one of False, True"):
        regressor().set_params(return_sequences="yes").fit(X, y)
