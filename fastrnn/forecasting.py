"""Time series: windows, two naive forecasts, measures of forecast errors, and the length of the season.

The array of a series is (T, C). The origin of a forecast is the index t of the last step that it knows. With a horizon
of H steps, it forecasts the steps t + 1 to t + H.
"""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastrnn._typing import Array

__all__ = [
    "find_season", "futures", "measures", "naive", "origins_of", "scale_of", "seasonal_naive", "steps_held_out",
    "windows",
]  # fmt: skip

_CORRELATION = 0.3  # the least autocorrelation of a series at the lag of its season


def steps_held_out(T: int, fraction: float) -> int:
    """
    Return how many steps at the end of a series are held out.

    Parameters
    ----------
    T : int
        The number of steps of the series.
    fraction : float
        The fraction to hold out, in [0, 1).

    Returns
    -------
    int
        The nearest number of steps.
    """
    return round(fraction * T)


def origins_of(start: int, stop: int, window: int, horizon: int) -> Array:
    """
    Return the origins whose whole horizon lies in a part of a series. Their windows may begin before that part.

    Parameters
    ----------
    start, stop : int
        The part: the steps start to stop - 1.
    window, horizon : int
        The number of steps that a forecast sees, and the number that it forecasts.

    Returns
    -------
    ndarray of intp (n,)
        The origins, in ascending order; empty if there are none.
    """
    return np.arange(max(start, window) - 1, stop - horizon, dtype=np.intp)


def windows(series: Array, origins: Array, window: int) -> Array:
    """
    Return the window of each origin: the steps up to and including it.

    Parameters
    ----------
    series : ndarray (T, C)
        The series.
    origins : ndarray of intp (n,)
        The origins, each at least window - 1.
    window : int
        W, the number of steps.

    Returns
    -------
    ndarray (n, W, C)
        Copies; the last step of each is its origin.
    """
    return sliding_window_view(series, window, axis=0)[origins - window + 1].transpose(0, 2, 1)


def futures(series: Array, origins: Array, horizon: int) -> Array:
    """
    Return the steps after each origin.

    Parameters
    ----------
    series : ndarray (T, C)
        The series.
    origins : ndarray of intp, any shape
        The origins, each at most T - horizon - 1.
    horizon : int
        H, the number of steps.

    Returns
    -------
    ndarray (..., H, C)
        Copies.
    """
    return np.moveaxis(sliding_window_view(series, horizon, axis=0)[origins + 1], -1, -2)


def naive(series: Array, origins: Array, horizon: int) -> Array:
    """
    Forecast the last known value for all steps.

    Parameters
    ----------
    series, origins, horizon
        As for `seasonal_naive`.

    Returns
    -------
    ndarray (n, H, C)
        The forecasts.
    """
    return seasonal_naive(series, origins, horizon, 1)


def seasonal_naive(series: Array, origins: Array, horizon: int, season: int) -> Array:
    """
    Forecast the value of one season before, or of as many seasons before as are needed to reach a known step.

    Parameters
    ----------
    series : ndarray (T, C)
        The series.
    origins : ndarray of intp (n,)
        The origins, each at least season - 1.
    horizon : int
        H, the number of steps.
    season : int
        The number of steps of a season; 1 gives the last value.

    Returns
    -------
    ndarray (n, H, C)
        The forecasts.
    """
    return series[origins[:, None] - season + 1 + np.arange(horizon) % season]


def scale_of(series: Array, season: int) -> Array:
    """
    Return the scale of scaled errors: the mean absolute error of seasonal naive forecasts one season ahead.

    Parameters
    ----------
    series : ndarray (T, C)
        The series that a model learns from. T is more than `season`.
    season : int
        The number of steps of a season; 1 for none.

    Returns
    -------
    ndarray (C,)
        The divisor for scaled errors; 0 where the series is constant or repeats itself exactly.
    """
    return np.abs(series[season:] - series[:-season]).mean(axis=0)


def measures(errors: Array, scales: Array, axis: tuple[int, ...] = (0, 1, 2)) -> dict[str, Array]:
    """
    Return the mean absolute error, the root mean squared error and the mean absolute scaled error.

    The scaled error divides each error by the mean absolute error of the seasonal naive forecast in the training part
    of the series, so it has no unit. Below 1, a forecast is on average better than that naive forecast one season
    ahead.

    Parameters
    ----------
    errors : ndarray (n, H, C)
        Forecasts minus true values.
    scales : ndarray (n, C)
        The divisors: `scale_of` the series of each forecast. Errors with a divisor of 0 are left out of the mean.
    axis : tuple of int
        The axes to average over.

    Returns
    -------
    dict of str to ndarray
        ``"mae"`` and ``"rmse"``, in the unit of the series, and ``"mase"``, NaN where no divisor is above 0.

    References
    ----------
    R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International Journal of
    Forecasting 22 (2006) 679-688; for the seasonal form R. J. Hyndman and G. Athanasopoulos, "Forecasting: principles
    and practice", section 5.8.
    """
    absolute = np.abs(errors)
    known = np.broadcast_to((scales > 0)[:, None], errors.shape)
    scaled = np.divide(absolute, scales[:, None], out=np.zeros_like(absolute), where=known)
    counts = known.sum(axis=axis)
    with np.errstate(invalid="ignore"):
        mase = np.where(counts > 0, scaled.sum(axis=axis) / np.maximum(counts, 1), np.nan)
    return {"mae": absolute.mean(axis=axis), "rmse": np.sqrt(np.square(errors).mean(axis=axis)), "mase": mase}


def find_season(series: Sequence[Array]) -> int:
    """
    Find the length of the season: the lag at which the series are most similar to themselves.

    Linear trends are removed, and the autocorrelations of all series and channels are added. The season is the lag with
    the largest sum after the sum has first been negative. It must fit into the series at least three times.

    Parameters
    ----------
    series : sequence of ndarray (T, C)
        One or several series. The shortest one limits the length of the season.

    Returns
    -------
    int
        The number of steps of a season; 1 if there is none.
    """
    from scipy.signal import correlate, detrend

    longest = min(map(len, series)) // 3
    if longest < 2:
        return 1
    total = np.zeros(longest + 1)
    for one in series:
        for channel in detrend(one, axis=0).T:
            size = np.abs(channel).max()
            if size > 1e-9 * max(np.abs(one).max(), 1e-300):  # otherwise a line, and the rest is rounding
                own = correlate(channel / size, channel / size, method="fft")[len(channel) - 1 :]
                total += own[: longest + 1] / own[0]
    negative = np.flatnonzero(total < 0)
    if not len(negative):
        return 1
    first = int(negative[0])
    lag = first + int(np.argmax(total[first:]))
    count = sum(one.shape[1] for one in series)
    inside = lag < longest and total[lag] > _CORRELATION * count
    return lag if inside else 1
