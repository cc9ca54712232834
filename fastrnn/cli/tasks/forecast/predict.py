"""Forecasts of the steps after the end of series."""

from pathlib import Path
from typing import Any

from fastrnn.cli.run.tables import Rows
from fastrnn.data import load_series


def load(forecaster: Any, path: Path, key: str | None) -> Any:
    """Return series with the channels that the forecaster was trained on."""
    names = getattr(forecaster, "feature_names_in_", None)
    if names is None:
        return load_series(path, key=key)
    is_csv = path.suffix.lower() in (".csv", ".tsv", ".txt")
    if is_csv or all(name.isdigit() for name in names):
        return load_series(
            path, columns=list(names), series_column=forecaster.series_column_ if is_csv else None, key=key
        )
    return load_series(path, key=key)  # arrays have no names


def tabulate(forecaster: Any, series: Any) -> Rows:
    """Return the steps after the end of each series."""
    forecasts = forecaster.predict(series.values)
    names = getattr(forecaster, "feature_names_in_", series.columns)
    rows = [
        [name, str(step), *(f"{value:.10g}" for value in values)]
        for name, steps in zip(series.names, forecasts, strict=True)
        for step, values in enumerate(steps, 1)
    ]
    what = f"{forecaster.horizon_} steps after the end of {len(forecasts)} series"
    return ["series", "step", *(str(names[column]) for column in forecaster.columns_)], rows, what
