"""Series in time: windows of them, the forecasts that need no net, and how far forecasts are off.

Arrays of a series are (T, C). An origin is the index t of the last step that a forecast knows; with a horizon of H
steps it is about the steps t + 1 to t + H.
"""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastrnn._typing import Array

__all__ = [
    "find_season", "futures", "measures", "naive", "origins_of", "scale_of", "seasonal_naive", "steps_held_out",
    "windows",
]  # fmt: skip

_CORRELATION = 0.3  # of a series with itself a season later, at least


def steps_held_out(T: int, fraction: float) -> int:
    """
    Return how many steps at the end of a series are held out.

    Parameters
    ----------
    T : int
        Steps of the series.
    fraction : float
        The share of them, in [0, 1).

    Returns
    -------
    int
        The number that is nearest.
    """
    return round(fraction * T)


def origins_of(start: int, stop: int, window: int, horizon: int) -> Array:
    """
    Return the origins whose whole horizon lies in a part of a series; their windows may begin before it.

    Parameters
    ----------
    start, stop : int
        The part, steps start to stop - 1.
    window, horizon : int
        Steps that a forecast sees, and those that it is about.

    Returns
    -------
    ndarray of intp (n,)
        The origins, in order; empty where there is none.
    """
    return np.arange(max(start, window) - 1, stop - horizon, dtype=np.intp)


def windows(series: Array, origins: Array, window: int) -> Array:
    """
    Return the steps up to each origin.

    Parameters
    ----------
    series : ndarray (T, C)
        The series.
    origins : ndarray of intp (n,)
        The origins, from window - 1.
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
        The origins, up to T - horizon - 1.
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
    Forecast the last value, for all steps.

    Parameters
    ----------
    series, origins, horizon
        As of `seasonal_naive`.

    Returns
    -------
    ndarray (n, H, C)
        The forecasts.
    """
    return seasonal_naive(series, origins, horizon, 1)


def seasonal_naive(series: Array, origins: Array, horizon: int, season: int) -> Array:
    """
    Forecast what was a season before, or as many seasons before as it takes to be known.

    Parameters
    ----------
    series : ndarray (T, C)
        The series.
    origins : ndarray of intp (n,)
        The origins, from season - 1.
    horizon : int
        H, the number of steps.
    season : int
        Steps of a season; 1 gives the last value.

    Returns
    -------
    ndarray (n, H, C)
        The forecasts.
    """
    return series[origins[:, None] - season + 1 + np.arange(horizon) % season]


def scale_of(series: Array, season: int) -> Array:
    """
    Return the mean absolute error of seasonal naive forecasts, a season ahead, in the series that a model learns from.

    Parameters
    ----------
    series : ndarray (T, C)
        The series; `season` is less than T.
    season : int
        Steps of a season; 1 for none.

    Returns
    -------
    ndarray (C,)
        The divisor of scaled errors; 0 where the series is constant or repeats itself.
    """
    return np.abs(series[season:] - series[:-season]).mean(axis=0)


def measures(errors: Array, scales: Array, axis: tuple[int, ...] = (0, 1, 2)) -> dict[str, Array]:
    """
    Return mean absolute, root mean squared, and mean absolute scaled error.

    The last divides each error by the mean absolute error of the seasonal naive forecast in the part of the series that
    was to learn from, and so has no unit: below 1, a forecast is better than that one is a season ahead, on average.

    Parameters
    ----------
    errors : ndarray (n, H, C)
        Forecasts less truth.
    scales : ndarray (n, C)
        The divisors, from `scale_of` the series of each forecast; errors with a divisor of 0 are left out of the mean.
    axis : tuple of int
        What to take the mean over.

    Returns
    -------
    dict of str to ndarray
        ``"mae"`` and ``"rmse"``, in the unit of the series, and ``"mase"``; NaN where no divisor is above 0.

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
    Find the season of series: the lag after which they are most like themselves.

    It is where the autocorrelation, without a straight trend, of all series and channels together is largest after it
    has first been negative; a season comes three times at least, or it is none.

    Parameters
    ----------
    series : sequence of ndarray (T, C)
        One or several; of unequal lengths the shortest tells how long a season may be.

    Returns
    -------
    int
        Steps of a season; 1 if there is none.
    """
    from scipy.signal import correlate, detrend

    longest = min(map(len, series)) // 3
    if longest < 2:
        return 1
    total = np.zeros(longest + 1)
    for one in series:
        for channel in detrend(one, axis=0).T:
            size = np.abs(channel).max()
            if size > 1e-9 * max(np.abs(one).max(), 1e-300):  # else it is a line, and the rest rounding
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
