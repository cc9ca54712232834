"""``fastrnn-train forecast``: the last steps of series in, the next ones out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli.errors import UsageError, one_line_errors
from fastrnn.cli.options import options
from fastrnn.cli.options.estimators import estimator_parameters, knowing
from fastrnn.cli.options.parameters import WATCHED, split_names, widths
from fastrnn.cli.start import start
from fastrnn.cli.tasks.task import Task

TASK = "forecast"
FORMULA = "a series made by a formula"  # where there is no DATA
OPTIMIZERS = {"adam": {"learning_rate": 2e-3}, "sgd": {"learning_rate": 0.1}}  # where it is not set
SHORTEST, LONGEST = 24, 200  # windows, where none is set
DATA = ("data", "columns", "time_column", "series_column", "key", "season", "test_fraction")

# Parameters by the names of the estimator, as in config.toml; a type stands for one that is not set.
DEFAULTS: dict[str, Any] = {
    "data": str,
    "columns": [],
    "targets": [],
    "time_column": str,
    "series_column": str,
    "key": str,
    "window": int,
    "horizon": 12,
    "season": int,
    "difference": True,
    "return_sequences": False,
    "cell": "gru",
    "hidden_size": 64,
    "layers": 1,
    "bidirectional": False,
    "head": [64],
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "initializer": "xavier",
    "forget_bias": 0.0,
    "optimizer": "adam",
    "learning_rate": float,
    "momentum": 0.0,
    "momentum_form": "classical",
    "schedule": "none",
    "epochs": 50,
    "batch_size": 32,
    "test_fraction": 0.2,
    "validation_fraction": 0.1,
    "patience": 7,
    "clip_norm": 1.0,
    "standardize": True,
    "dtype": "float32",
    "memory_limit": "none",
    "n_threads": int,
    "random_state": 0,
    **WATCHED,
}
MEASURES = ("validation.mase", "test.mase", "validation.mae", "test.mae", "test.rmse")


@options.takes(
    options.OF_RECURRENT,
    options.OF_TRAINING,
    options.OF_RUN,
    hidden_size="64",
    learning_rate="0.002; sgd 0.1",
    validation_fraction="0.1, of what is not to test",
)
def forecast(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="CSV file with names of columns in the first line and a row for each step, or HDF5, npz or npy file "
            "with arrays (steps,), (steps, channels) or (series, steps, channels); without it, a series made by a "
            "formula: a trend, a daily and a weekly wave, and noise.",
            show_default=False,
        ),
    ] = None,
    window: options.Window = None,
    horizon: options.Horizon = None,
    difference: options.Difference = None,
    return_sequences: options.ManyToMany = None,
    bidirectional: options.Bidirectional = None,
    head: options.Head = None,
    memory_limit: options.MemoryLimit = None,
    columns: options.Columns = None,
    targets: options.Targets = None,
    time_column: options.TimeColumn = None,
    series_column: options.SeriesColumn = None,
    key: options.Key = None,
    season: options.Season = None,
    test_fraction: options.TestFraction = None,
    standardize: options.Standardize = None,
    **shared: Any,
) -> None:
    """Train a net that forecasts series, and hold it against forecasts that need none."""
    given = locals() | shared
    with one_line_errors():
        given["head"] = widths(head)
        given["columns"], given["targets"] = split_names(columns), split_names(targets)
        given["data"] = None if data is None else str(data.resolve())
        start(Task(TASK, DEFAULTS, prepare, run, MEASURES, best=min, draw=draw), given)


def prepare(parameters: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the estimator, the divided series, and what the one has made of the other; nothing is written yet."""
    import numpy as np

    from fastrnn import RecurrentForecaster
    from fastrnn._checks import check_integer

    try:
        check_integer("random_state", parameters["random_state"], 0)
        divided = load(parameters)
        values = estimator_parameters(parameters, OPTIMIZERS, DATA)
        values |= {"head": tuple(values["head"]), "targets": divided.targets}
        forecaster = RecurrentForecaster(**values)
        fitting = forecaster.prepare([one[:n] for one, n in zip(divided.values, divided.stops, strict=True)])
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    forecaster.feature_names_in_ = np.array(divided.columns, dtype=object)
    forecaster.series_column_ = parameters["series_column"]
    return forecaster, divided, knowing(fitting, series=np.concatenate(divided.values))


def load(parameters: dict[str, Any]) -> Any:
    """Return the series, and where what is to learn from ends; the window and the season go into the parameters."""
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
            raise UsageError(f"{own[0]} is for a file, but there is no DATA; expected both or neither")
        series = data.sample_series()
    else:
        asked = {name: parameters[name] for name in ("time_column", "series_column", "key")}
        series = data.load_series(path, columns=parameters["columns"], **asked)
    unknown = [name for name in parameters["targets"] if name not in series.columns]
    if unknown:
        raise UsageError(f"targets has {unknown[0]!r}, expected some of the columns {', '.join(series.columns)}")
    stops = [len(one) - steps_held_out(len(one), at_the_end) for one in series.values]
    for name, one, stop in zip(series.names, series.values, stops, strict=True):
        if len(one) - stop < H:
            what = f"{name!r} has {len(one)} steps, of which the last {len(one) - stop} are to test"
            raise UsageError(f"{path or FORMULA}: {what}; expected at least {H}, as horizon is {H}")
    learning = min(stop - steps_held_out(stop, validation) for stop in stops)
    if parameters["season"] is None:
        parameters["season"] = find_season([one[:n] for one, n in zip(series.values, stops, strict=True)])
    season = check_integer("season", parameters["season"], 1)
    if season >= learning:
        raise UsageError(f"season is {season}, but the shortest series has {learning} steps to train; expected less")
    if parameters["window"] is None:
        parameters["window"] = max(1, min(max(SHORTEST, 2 * season), LONGEST, (learning - H) // 2))
    targets = [series.columns.index(name) for name in parameters["targets"]] or None
    return Divided(series.values, series.names, series.columns, targets, stops, validation, season)


def run(parameters: dict[str, Any], out: Path | None, *, overwrite: bool = False, folder: Any = None) -> None:
    """Load, train, evaluate, and leave everything in the folder of the run: a new one, or the one given."""
    from fastrnn.cli.run import training
    from fastrnn.cli.tasks.forecast.report import report

    found = parameters["season"] is None
    prepared = prepare(parameters)
    description = describe(prepared[1], parameters, found=found)
    training.run(TASK, parameters, prepared, description, report, out, overwrite=overwrite, folder=folder)


def draw(runs: list[Any], figures: Path) -> None:
    """Draw the test errors of a sweep."""
    from fastrnn import plots

    errors = [run.metrics["test"]["mae"] for run in runs]
    figure = plots.sweep([run.swept for run in runs], errors, "test mean absolute error")
    plots.save(figure, figures / "test_mae.png")


def describe(divided: Any, parameters: dict[str, Any], *, found: bool) -> str:
    """Say in a line what is trained on what."""
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
        f"the last {parameters['test_fraction']:.0%} to test; {parameters['window']} steps in, "
        f"{parameters['horizon']} out, {season}"
    )
