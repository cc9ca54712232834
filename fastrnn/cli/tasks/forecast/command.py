"""``fastrnn-train forecast``: forecast the next steps of series."""

from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.data import KEY
from fastrnn.cli.options.estimator import knowing, make_estimator
from fastrnn.cli.options.option import DATA, MODEL, TRAINING, Option
from fastrnn.cli.tasks.task import Prepared, Task

FORMULA = "a series made by a formula"  # the default data
SHORTEST, LONGEST = 24, 200  # limits of the default window


def prepare(parameters: dict[str, Any]) -> Prepared:
    """Return the forecaster and the divided series; nothing is written yet."""
    import numpy as np

    found = parameters["season"] is None
    divided = load(parameters)
    forecaster = make_estimator(FORECAST, parameters).set_params(targets=divided.targets)
    fitting = forecaster.prepare([one[:n] for one, n in zip(divided.values, divided.stops, strict=True)])
    forecaster.feature_names_in_ = np.array(divided.columns, dtype=object)
    forecaster.series_column_ = parameters["series_column"]
    fitting = knowing(fitting, series=np.concatenate(divided.values))
    return Prepared(forecaster, divided, fitting, describe(divided, parameters, found=found))


def load(parameters: dict[str, Any]) -> Any:
    """Return the series, and where their test sets begin; add the window and the season to the parameters."""
    from fastrnn import data
    from fastrnn._checks import check_integer, check_number
    from fastrnn.cli.tasks.forecast.report import Divided
    from fastrnn.forecasting import find_season, steps_held_out

    path, H = parameters["data"], check_integer("horizon", parameters["horizon"], 1)
    at_the_end = check_number("test_fraction", parameters["test_fraction"], "(0, 1)")
    validation = check_number("validation_fraction", parameters["validation_fraction"], "[0, 1)")
    if path is None:
        own = [name for name in ("columns", "targets", "time_column", "series_column", "key") if parameters[name]]
        if own:
            raise UsageError(f"{own[0]} is for a file, but DATA is missing; give both or neither")
        series = data.sample_series()
    else:
        asked = {name: parameters[name] for name in ("time_column", "series_column", "key")}
        series = data.load_series(path, columns=parameters["columns"], **asked)
    unknown = [name for name in parameters["targets"] if name not in series.columns]
    if unknown:
        raise UsageError(f"targets has {unknown[0]!r}, expected names of columns: {', '.join(series.columns)}")
    stops = [len(one) - steps_held_out(len(one), at_the_end) for one in series.values]
    for name, one, stop in zip(series.names, series.values, stops, strict=True):
        if len(one) - stop < H:
            what = f"{name!r} has {len(one)} steps, of which the last {len(one) - stop} are for testing"
            raise UsageError(f"{path or FORMULA}: {what}; expected at least {H}, the horizon")
    learning = min(stop - steps_held_out(stop, validation) for stop in stops)
    if parameters["season"] is None:
        parameters["season"] = find_season([one[:n] for one, n in zip(series.values, stops, strict=True)])
    season = check_integer("season", parameters["season"], 1)
    if season >= learning:
        raise UsageError(f"season is {season}, but the shortest series has {learning} training steps; use less")
    if parameters["window"] is None:
        parameters["window"] = max(1, min(max(SHORTEST, 2 * season), LONGEST, (learning - H) // 2))
    targets = [series.columns.index(name) for name in parameters["targets"]] or None
    return Divided(series.values, series.names, series.columns, targets, stops, validation, season)


def describe(divided: Any, parameters: dict[str, Any], *, found: bool) -> str:
    """Describe the model and its data in one line."""
    shortest, longest = (f(map(len, divided.values)) for f in (min, max))
    steps = str(longest) if shortest == longest else f"{shortest} to {longest}"
    C, K = len(divided.columns), len(divided.targets or divided.columns)
    channels = "1 channel" if C == 1 else f"{C} channels"
    targets = "" if K == C else f" ({', '.join(divided.target_names)} to forecast)"
    if divided.season > 1:
        season = f"season {divided.season}{' (found)' * found}"
    else:
        season = f"no season{' found' * found}"
    return (
        f"{parameters['data'] or FORMULA}: {len(divided.values)} series of {steps} steps, {channels}{targets}, "
        f"the last {parameters['test_fraction']:.0%} for testing; window {parameters['window']}, "
        f"horizon {parameters['horizon']}, {season}"
    )


FORECAST = Task(
    name="forecast",
    help="Train a net that forecasts series and compare it with two naive forecasts.",
    estimator="fastrnn.estimators.forecaster.RecurrentForecaster",
    prepare=prepare,
    report="fastrnn.cli.tasks.forecast.report",
    predict="fastrnn.cli.tasks.forecast.predict",
    data="CSV file with the names of the columns in the first line and one row per time step; or HDF5, npz or npy file "
    "with arrays (steps,), (steps, channels) or (series, steps, channels). Without DATA, a series made by a formula: a "
    "trend, a daily and a weekly wave, and noise.",
    options=(
        Option(
            "window", int, "Number of past steps that a forecast sees.", shown="two seasons, 24 to 200", minimum=1,
            panel=MODEL,
        ),
        Option(
            "validation_fraction", float, "Share of the steps of each series, just before the test set, held out for "
            "validation.", 0.1, flags=("--validation",), panel=TRAINING,
        ),
        Option(
            "columns", list, "Columns of DATA to use as channels: names or numbers, separated by commas.", [],
            shown="all", item=str, panel=DATA,
        ),
        Option("targets", list, "Channels to forecast, separated by commas.", [], shown="all", item=str, panel=DATA),
        Option(
            "time_column", str, "Time column of a CSV file, which is not used as an input.",
            shown="one called time, date, ...", flags=("--time",), panel=DATA,
        ),
        Option(
            "series_column", str, "Column of a CSV file that names the series of each row.", flags=("--series",),
            panel=DATA,
        ),
        KEY,
        Option(
            "season", int, "Number of steps in a season, for the seasonal naive forecast and scaled errors; 1: none.",
            shown="found in DATA", minimum=1, panel=DATA,
        ),
        Option(
            "test_fraction", float, "Share of the steps at the end of each series that is held out for testing.", 0.2,
            flags=("--test",), panel=DATA,
        ),
    ),
    left_out=("targets",),
    measures=("validation.mase", "test.mase", "validation.mae", "test.mae", "test.rmse"),
    best=min,
    drawn="test.mae",
)  # fmt: skip
