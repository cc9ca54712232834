"""Forecast a series, and compare the forecaster with the seasonal naive forecast on steps that it has not seen."""

import numpy as np

from fastrnn import RecurrentForecaster, data, forecasting

series = data.sample_series().values[0]  # hourly values: a trend, a daily and a weekly wave, and noise
horizon, learned = 12, 1600
season = forecasting.find_season([series[:learned]])
forecaster = RecurrentForecaster(window=48, horizon=horizon, hidden_size=32, epochs=15, random_state=0)
forecaster.fit(series[:learned])

origins = forecasting.origins_of(learned, len(series), forecaster.window, horizon)
truth = forecasting.futures(series, origins, horizon)
scales = np.broadcast_to(forecasting.scale_of(series[:learned], season), (len(origins), 1))
for name, forecasts in (
    ("net", forecaster.backtest(series, origins)),
    (f"a season of {season} hours before", forecasting.seasonal_naive(series, origins, horizon, season)),
):
    found = forecasting.measures(forecasts - truth, scales)
    print(f"{name}: mean absolute error {found['mae']:.2f}, scaled {found['mase']:.2f}")
print("the next hours:", *(f"{value:.1f}" for value in forecaster.predict(series)[:, 0]))
