"""Windows, naive forecasts, seasons and scaled errors, each against a loop or numbers worked out by hand."""

import numpy as np
import pytest

from fastrnn import forecasting

T, C, W, H = 23, 2, 5, 4
SERIES = np.random.default_rng(0).normal(size=(T, C))


@pytest.mark.parametrize(("start", "stop"), [(0, 17), (17, 23), (2, 15), (0, 8), (19, 23)])
def test_origins_are_all_that_have_a_window_before_and_a_horizon_in_the_part(start, stop):
    expected = [t for t in range(T) if t - W + 1 >= 0 and t + 1 >= start and t + H < stop]
    assert forecasting.origins_of(start, stop, W, H).tolist() == expected


def test_windows_and_futures_are_the_steps_around_the_origins():
    origins = np.array([4, 11, 18])
    before, after = forecasting.windows(SERIES, origins, W), forecasting.futures(SERIES, origins, H)
    assert (before.shape, after.shape) == ((3, W, C), (3, H, C))
    for t, x, y in zip(origins, before, after, strict=True):
        np.testing.assert_array_equal(x, SERIES[t - W + 1 : t + 1])
        np.testing.assert_array_equal(y, SERIES[t + 1 : t + 1 + H])
    many = forecasting.futures(SERIES, origins[:, None] - np.arange(2), H)
    np.testing.assert_array_equal(many[1, 1], SERIES[11 : 11 + H])
    after[:] = 0  # copies
    assert SERIES[5, 0] != 0


@pytest.mark.parametrize("season", [1, 3, 4, 6])
def test_naive_forecasts_repeat_what_was_a_season_before(season):
    origins = np.array([7, 12])
    forecast = forecasting.seasonal_naive(SERIES, origins, H, season)
    for t, row in zip(origins, forecast, strict=True):
        for h in range(1, H + 1):
            step = t + h
            while step > t:
                step -= season
            np.testing.assert_array_equal(row[h - 1], SERIES[step])
    if season == 1:
        np.testing.assert_array_equal(forecasting.naive(SERIES, origins, H), forecast)


def test_scaled_errors_by_hand():
    """Two steps of two series, of which one repeats itself: it has no scale, and counts in the others alone."""
    train = np.array([[1.0, 5.0], [4.0, 6.0], [2.0, 5.0], [8.0, 6.0]])
    scale = forecasting.scale_of(train, 2)
    np.testing.assert_allclose(scale, [(1 + 4) / 2, 0])
    errors = np.array([[[1.0, 3.0], [-2.0, 0.0]], [[0.0, 1.0], [5.0, -1.0]]])
    scales = np.tile(scale, (2, 1))
    got = forecasting.measures(errors, scales)
    assert got["mae"] == pytest.approx(13 / 8)
    assert got["rmse"] == pytest.approx(np.sqrt((1 + 9 + 4 + 1 + 25 + 1) / 8))
    assert got["mase"] == pytest.approx((1 + 2 + 0 + 5) / 4 / 2.5)
    by_step = forecasting.measures(errors, scales, (0, 2))
    np.testing.assert_allclose(by_step["mae"], [5 / 4, 8 / 4])
    np.testing.assert_allclose(by_step["mase"], [0.5 / 2.5, 3.5 / 2.5])
    assert np.isnan(forecasting.measures(errors[:, :, [1]], scales[:, [1]])["mase"])


def test_a_naive_forecast_of_what_it_is_scaled_by_has_one():
    """The seasonal naive forecast a season ahead, over the very steps of the scale."""
    season = 3
    origins = np.arange(season - 1, T - 1)
    forecast = forecasting.seasonal_naive(SERIES, origins, 1, season)
    errors = forecast - forecasting.futures(SERIES, origins, 1)
    scales = np.tile(forecasting.scale_of(SERIES, season), (len(origins), 1))
    assert forecasting.measures(errors, scales)["mase"] == pytest.approx(1)


@pytest.mark.parametrize("season", [2, 7, 24])
def test_finds_the_season_of_noisy_waves_with_a_trend(season):
    rng = np.random.default_rng(season)
    t = np.arange(400)
    waves = [5 * (t % season == 0) + 0.05 * t + 0.3 * rng.normal(size=400) for _ in range(2)]
    series = [np.stack([waves[0], 1e-6 * waves[1]], axis=1), waves[1][:300, None].repeat(2, axis=1)]
    assert forecasting.find_season(series) == season


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(size=300),
        np.cumsum(np.random.default_rng(1).normal(size=300)),
        np.arange(300.0),
        np.full(300, 0.1),
        np.sin(np.arange(300) / 30),  # a period of 188 steps, which does not come three times
        np.arange(5.0),
    ],
    ids=["noise", "walk", "line", "constant", "long", "short"],
)
def test_finds_no_season_where_there_is_none(values):
    assert forecasting.find_season([values[:, None]]) == 1


def test_shares_of_steps():
    assert [forecasting.steps_held_out(*of) for of in ((100, 0.2), (7, 0.2), (24, 0.1), (9, 0.0))] == [20, 1, 2, 0]
