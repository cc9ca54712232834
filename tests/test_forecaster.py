"""The forecaster: what it is trained on, that nothing leaks, units, series of many kinds, files, what it refuses."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score

import fastrnn
from fastrnn import RecurrentForecaster, forecasting
from fastrnn.estimators.inputs.sequences import Standardizer

W, H, C = 7, 3, 2
SMALL = {"window": W, "horizon": H, "hidden_size": 6, "head": (5,), "epochs": 2, "random_state": 0}


def series(T=60, seed=0):
    """Two channels of other scales, with waves and a trend."""
    t = np.arange(T)
    noise = np.random.default_rng(seed).normal(size=(T, C))
    return np.stack([50 + np.sin(t / 2) + t / 40, 1e3 * np.cos(t / 3)], axis=1) + noise * [0.1, 30]


def forecaster(**parameters):
    return RecurrentForecaster(**SMALL | parameters)


def undone(fitted, fitting):
    """What is trained with, as windows and targets in numbers before they were standardised."""
    return fitted.inputs_.undo(fitting.x), fitted.targets_.undo(fitting.y)


@pytest.mark.parametrize("difference", [True, False])
@pytest.mark.parametrize("steps", [False, True])
def test_examples_are_windows_of_the_training_part(difference, steps):
    X = series()
    fitted = forecaster(difference=difference, return_sequences=steps, validation_fraction=0.2)
    fitting = fitted.prepare(X)
    n = 48  # of 60 steps
    origin = X[:n].mean(axis=0)
    expected_x, expected_y = [], []
    for t in range(W - 1, n - H):
        x = X[t - W + 1 : t + 1]
        known = range(t - W + 1, t + 1) if steps else [t]
        rows = [(X[s + 1 : s + 1 + H] - (X[s] if difference else origin)).ravel() for s in known]
        expected_x.append(x - (x[0] if difference else origin))
        expected_y.append(rows if steps else rows[0])
    x, y = undone(fitted, fitting)
    np.testing.assert_allclose(x, expected_x, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(y, expected_y, rtol=1e-5, atol=1e-3)
    scale = Standardizer.of_rows(np.array(expected_y).reshape(-1, H * C))
    np.testing.assert_allclose(fitted.targets_.scale, scale.scale, rtol=1e-5)
    x_held, y_held, lengths = fitting.validation
    assert lengths is None
    if steps:  # each step of these forecasts what is held out alone
        assert x_held.shape == (12 - W - H + 2, W, C)
        first = X[n - 1 : n - 1 + W]
    else:
        assert x_held.shape == (12 - H + 1, W, C)
        first = X[n - W : n]
    base = first[0] if difference else origin
    np.testing.assert_allclose(fitted.inputs_.undo(x_held)[0], first - base, rtol=1e-5, atol=1e-3)
    held = fitted.targets_.undo(y_held)
    last = X[-H:] - (X[-H - 1] if difference else origin)
    np.testing.assert_allclose(held[-1, -1] if steps else held[-1], last.ravel(), rtol=1e-5, atol=1e-3)
    if steps:
        known = X[n - 1] if difference else origin
        np.testing.assert_allclose(held[0, 0], (X[n : n + H] - known).ravel(), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("difference", [True, False])
@pytest.mark.parametrize("steps", [False, True])
def test_a_validation_set_of_its_own_is_only_validated_on(difference, steps):
    X, own = series(), [series(31, seed=1), series(W + H + 1, seed=2) + 40]
    parameters = {"difference": difference, "return_sequences": steps, "dtype": "float64"}
    fitted = forecaster(**parameters).fit(X, validation_data=(own, None))
    alone = forecaster(**parameters, validation_fraction=None).fit(X)
    assert fitted.history_["train_loss"] == alone.history_["train_loss"]
    for own_scale, scale in ((fitted.inputs_, alone.inputs_), (fitted.targets_, alone.targets_)):
        np.testing.assert_array_equal(own_scale, scale)
    np.testing.assert_array_equal(fitted.origin_, X.mean(axis=0))
    assert len(fitted.validation_rows_) == 0
    errors = []
    for one in own:
        for t in range(W - 1, len(one) - H):
            window = one[t - W + 1 : t + 1]
            x = window - (window[0] if difference else fitted.origin_)
            outputs = fitted.model_.predict(fitted.inputs_.apply(x)[None])[0]
            known = range(t - W + 1, t + 1) if steps else [t]
            for s, output in zip(known, np.atleast_2d(outputs), strict=True):
                target = (one[s + 1 : s + 1 + H] - (one[s] if difference else fitted.origin_)).ravel()
                errors.append(output - fitted.targets_.apply(target))
    best = fitted.history_["validation_loss"][fitted.best_epoch_ - 1]
    np.testing.assert_allclose(best, np.mean(np.square(errors)), rtol=1e-10)


def test_a_validation_set_is_like_the_series_to_train_on():
    X = pd.DataFrame(series(), columns=["a", "b"])
    for own, error, message in (
        ((series(), series()), TypeError, "validation_data has a y, but the targets are later steps of X"),
        ((series()[:, :1], None), ValueError, "X of validation_data has 1 channels, expected 2, as it was fitted with"),
        (([series(), series(9)], None), ValueError, r"X of validation_data\[1\] has 9 steps, expected at least 10"),
        ((np.full((20, 2), np.nan), None), ValueError, "X of validation_data holds nan at step 0, channel 0"),
        ((X[["b", "a"]], None), ValueError, "X of validation_data has the columns b, a; expected a, b"),
        ((X, None, None), ValueError, "expected a tuple"),
    ):
        with pytest.raises(error, match=message):
            forecaster().fit(X, validation_data=own)


@pytest.mark.parametrize("parameters", [{}, {"difference": False}, {"return_sequences": True}])
def test_nothing_held_out_is_trained_on(parameters):
    """Other values at the end change validation, and not a bit of what is trained in a first epoch."""
    X = series()
    other = X.copy()
    other[54:] *= 100
    one, two = (forecaster(epochs=1, **parameters).fit(a) for a in (X, other))
    np.testing.assert_array_equal(one.model_.flat_parameters, two.model_.flat_parameters)
    for name in ("inputs_", "targets_"):
        np.testing.assert_array_equal(getattr(one, name).mean, getattr(two, name).mean)
        np.testing.assert_array_equal(getattr(one, name).scale, getattr(two, name).scale)
    assert one.history_["train_loss"] == two.history_["train_loss"]
    assert one.history_["validation_loss"] != two.history_["validation_loss"]


@pytest.mark.parametrize("parameters", [{}, {"return_sequences": True}, {"difference": False, "layers": 2}])
def test_a_forecast_knows_its_window_alone(parameters):
    X = series()
    fitted = forecaster(**parameters).fit(X)
    origins = [W - 1, 20, 59]
    forecasts = fitted.backtest(X, origins)
    assert forecasts.shape == (3, H, C)
    changed = X.copy()
    changed[21:] = -7
    changed[: 20 - W + 1] = 1e5
    np.testing.assert_array_equal(fitted.backtest(changed, [20])[0], forecasts[1])
    np.testing.assert_array_equal(fitted.predict(X), forecasts[2])
    np.testing.assert_array_equal(fitted.predict(X[-W:]), forecasts[2])
    changed[20] += 5
    assert np.abs(fitted.backtest(changed, [20])[0] - forecasts[1]).max() > 1e-4


def test_differences_know_no_level():
    """A level of a million is no noise in float32, as it is subtracted in float64."""
    X = series()
    fitted = forecaster().fit(X)
    far = forecaster().fit(X + 1e6)
    np.testing.assert_allclose(far.predict(X + 1e6) - 1e6, fitted.predict(X), atol=1e-3)
    np.testing.assert_allclose(fitted.predict(X + 1e6) - 1e6, fitted.predict(X), atol=1e-3)
    level = forecaster(difference=False).fit(X + 1e6)
    np.testing.assert_allclose(level.predict(X + 1e6) - 1e6, forecaster(difference=False).fit(X).predict(X), atol=1e-2)


def test_forecasts_are_in_the_units_of_the_series():
    X = series()
    scale = np.array([1024.0, 1 / 64])  # exact in binary: the net sees the very same
    np.testing.assert_allclose(forecaster().fit(X * scale).predict(X * scale), forecaster().fit(X).predict(X) * scale)


@pytest.mark.parametrize("steps", [False, True])
def test_beats_the_naive_forecasts(steps):
    t = np.arange(500)
    X = 30 + t / 50 + 4 * np.sin(2 * np.pi * t / 17) + 0.3 * np.random.default_rng(0).normal(size=500)
    sizes = {"window": 34, "horizon": 6, "hidden_size": 16, "epochs": 60, "learning_rate": 1e-2}
    fitted = forecaster(return_sequences=steps, validation_fraction=None, **sizes).fit(X[:400])
    origins = forecasting.origins_of(400, 500, 34, 6)
    one = X[:, None]
    truth = forecasting.futures(one, origins, 6)
    errors = {
        "net": fitted.backtest(X, origins) - truth,
        "naive": forecasting.naive(one, origins, 6) - truth,
        "seasonal": forecasting.seasonal_naive(one, origins, 6, 17) - truth,
    }
    mae = {name: np.abs(error).mean() for name, error in errors.items()}
    assert mae["net"] < 0.9 * mae["seasonal"] < mae["naive"]
    predicted = fitted.backtest(X, forecasting.origins_of(0, 500, 34, 6)).ravel()
    assert fitted.score(X) == pytest.approx(
        r2_score(forecasting.futures(one, forecasting.origins_of(0, 500, 34, 6), 6).ravel(), predicted)
    )


def test_series_come_in_many_ways():
    X = series()
    by_array = forecaster().fit(X).predict(X)
    assert by_array.shape == (H, C)
    np.testing.assert_array_equal(forecaster().fit([X]).predict([X]), by_array[None])
    np.testing.assert_array_equal(forecaster().fit(pd.DataFrame(X)).predict(pd.DataFrame(X)), by_array)
    assert forecaster().fit(X[:, 0]).predict(X[:, 0]).shape == (H,)
    assert forecaster().fit(X[:, 0].tolist()).predict(X[:, 0].tolist()).shape == (H,)
    whole = np.round(X).astype(np.int16)
    np.testing.assert_array_equal(forecaster().fit(whole).predict(whole), forecaster().fit(np.round(X)).predict(whole))
    several = np.stack([X, series(seed=1), series(seed=2)])
    fitted = forecaster().fit(several)
    assert fitted.predict(several).shape == (3, H, C)
    np.testing.assert_array_equal(fitted.predict(several)[1], fitted.predict(several[1]))
    np.testing.assert_array_equal(forecaster().fit(list(several)).predict(several), fitted.predict(several))
    assert forecaster().fit([X[:, 0], X[:40, 1]]).predict([X[:, 0], X[:, 1]]).shape == (2, H)


def test_no_window_lies_in_two_series():
    one, two = series(40), series(30, seed=1)
    fitted = forecaster(validation_fraction=0.2)
    x, _ = undone(fitted, fitted.prepare([one, two]))
    assert len(x) == (32 - W - H + 1) + (24 - W - H + 1)
    assert len(fitted.trainer_.history) == 0
    starts = [one[t : t + W] - one[t] for t in range(32 - W - H + 1)]
    starts += [two[t : t + W] - two[t] for t in range(24 - W - H + 1)]
    np.testing.assert_allclose(x, starts, rtol=1e-5, atol=1e-3)


def test_some_channels_are_targets_and_all_are_inputs(tmp_path):
    X = series()
    frame = pd.DataFrame(X, columns=["temperature", "power"])
    fitted = forecaster(targets=["power"]).fit(frame)
    assert list(fitted.feature_names_in_) == ["temperature", "power"]
    forecasts = fitted.predict(frame)
    assert forecasts.shape == (H, 1)
    np.testing.assert_array_equal(forecaster(targets=[1]).fit(X).predict(X), forecasts)
    changed = frame.assign(temperature=X[::-1, 0])
    assert np.abs(fitted.predict(changed) - forecasts).max() > 1e-3
    both = forecaster(targets=[1, 0]).fit(X)
    assert both.columns_.tolist() == [1, 0]
    assert np.abs(both.predict(X)[:, 1] - X[-1, 0]).max() < 20  # the temperature comes second
    fitted.save(tmp_path / "model.h5")
    again = fastrnn.load(tmp_path / "model.h5")
    np.testing.assert_array_equal(again.predict(frame), forecasts)
    assert again.get_params()["targets"] == ["power"]
    with pytest.raises(ValueError, match="X has the columns power, temperature; expected temperature, power"):
        again.predict(frame[["power", "temperature"]])


def test_pickle_clone_and_equal_files(tmp_path):
    X = series()
    fitted = forecaster(difference=False, return_sequences=True).fit(X)
    for again in (pickle.loads(pickle.dumps(fitted)), clone(fitted).fit(X)):
        np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
        again.save(tmp_path / "again.h5")
        fitted.save(tmp_path / "model.h5")
        assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "model.h5").read_bytes()
    loaded = fastrnn.load(tmp_path / "model.h5")
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


def test_goes_on_from_a_state_and_from_a_warm_start():
    X = series()
    whole = forecaster(epochs=4).fit(X)
    part = forecaster(epochs=2).fit(X)
    again = forecaster(epochs=4).fit(X, state=part.trainer_.state())
    np.testing.assert_array_equal(again.model_.flat_parameters, whole.model_.flat_parameters)
    warm = forecaster(warm_start=True).fit(X)
    origin = warm.origin_.copy()
    warm.fit(X + 1)
    np.testing.assert_array_equal(warm.origin_, origin)
    with pytest.raises(ValueError, match="X has 1 channels, expected 2, as it was fitted with"):
        warm.fit(X[:, :1])


@pytest.mark.parametrize(
    ("parameters", "change", "error", "message"),
    [
        ({"window": 0}, None, ValueError, "window is 0, expected at least 1"),
        ({"horizon": 2.5}, None, TypeError, "horizon is 2.5, expected a whole number"),
        ({"difference": 1}, None, ValueError, "difference is 1, expected one of False, True"),
        ({"targets": [2]}, None, ValueError, r"targets has 2, expected a number from 0 to 1"),
        ({"targets": ["power"]}, None, ValueError, "targets has 'power', expected a number from 0 to 1"),
        ({"targets": [1, 1]}, None, ValueError, r"targets is \[1, 1\], expected every channel once"),
        ({"targets": "power"}, None, TypeError, "targets is 'power', expected a list of channels, or None"),
        ({"targets": []}, None, TypeError, r"targets is \[\], expected a list"),
        ({"validation_fraction": 1.0}, None, ValueError, r"validation_fraction is 1.0, expected a number in \(0, 1\)"),
        ({"validation_fraction": 0.02}, None, ValueError, "0.02 of X is 1 steps, expected at least 3, as horizon is 3"),
        ({"bidirectional": True, "return_sequences": True}, None, ValueError, "bidirectional reads what"),
        ({"window": 60}, None, ValueError, "X has 54 steps to train with, expected at least 63, as window is 60 and"),
        ({}, lambda X: [X, X[:10]], ValueError, r"X\[1\] has 9 steps to train with, expected at least 10"),
        ({}, lambda X: [X, X[:, 0]], ValueError, r"X\[1\] has 1 channels, expected 2 as X\[0\] has"),
        ({}, lambda X: X[None, None], ValueError, "X has shape"),
        ({}, lambda X: X.astype(str), ValueError, "X has dtype <U32, expected numbers"),
        ({}, lambda X: [], ValueError, "X has shape"),
        ({}, lambda X: np.where(np.equal(X, X[4, 1]), np.nan, X), ValueError, "X holds nan at step 4, channel 1"),
    ],
)
def test_what_is_refused(parameters, change, error, message):
    X = series()
    with pytest.raises(error, match=message):
        forecaster(**parameters).fit(change(X) if change else X)


def test_what_a_fitted_one_refuses():
    X = series()
    fitted = forecaster().fit(X)
    with pytest.raises(TypeError, match="y is given"):
        fitted.fit(X, X)
    for call, message in (
        (lambda: fitted.predict(X[: W - 1]), "X has 6 steps, expected at least 7, the window"),
        (lambda: fitted.predict([X, X[:2]]), r"X\[1\] has 2 steps"),
        (lambda: fitted.predict(X[:, :1]), "X has 1 channels, expected 2"),
        (lambda: fitted.backtest(X, [W - 2]), "origins has 5, expected numbers from window - 1 = 6 to 59"),
        (lambda: fitted.backtest(X, [60]), "origins has 60"),
        (lambda: fitted.score(X[: W + H - 1]), "X has no series of 10 steps or more"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="origins has shape"):
        fitted.backtest(X, [8.0])
    with pytest.raises(TypeError, match="takes windows, not single steps"):
        fastrnn.Stream(fitted)
    assert fitted.backtest(X, []).shape == (0, H, C)
