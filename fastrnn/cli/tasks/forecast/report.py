"""The result of a forecaster, compared with two naive forecasts: metrics.json, errors.csv, figures, a short table."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from fastrnn import plots
from fastrnn._typing import Array
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.report import print_results, write_metrics
from fastrnn.forecasting import futures, measures, naive, origins_of, scale_of, seasonal_naive, steps_held_out

HORIZONS, PANELS, DRAWN = 8, 4, 6  # horizons and series in a figure, and number of targets with a figure


class Divided(NamedTuple):
    """Series (T, C), the channels to forecast (None for all), where the test set of each begins, and a season."""

    values: list[Array]
    names: list[str]
    columns: list[str]
    targets: list[int] | None
    stops: list[int]
    validation_fraction: float
    season: int

    @property
    def target_names(self) -> list[str]:
        """The channels to forecast."""
        return self.columns if self.targets is None else [self.columns[column] for column in self.targets]

    def parts(self) -> Iterator[tuple[str, list[tuple[int, int]]]]:
        """Yield each set by name, with the start and stop of its steps in each series."""
        starts = [stop - steps_held_out(stop, self.validation_fraction) for stop in self.stops]
        yield "train", [(0, start) for start in starts]
        if self.validation_fraction:
            yield "validation", list(zip(starts, self.stops, strict=True))
        yield "test", [(stop, len(one)) for stop, one in zip(self.stops, self.values, strict=True)]


class Errors(NamedTuple):
    """Errors (n, H, K), forecast - truth, from all origins of a set, and the divisors (n, K) of scaled errors."""

    errors: Array
    scales: Array

    def numbers(self, *column: int) -> dict[str, float | None]:
        """Return the measures over all targets, or of one; None for a measure that is not defined."""
        chosen = slice(None) if not column else list(column)
        values = measures(self.errors[:, :, chosen], self.scales[:, chosen])
        return {name: None if np.isnan(value) else float(value) for name, value in values.items()}


Forecast = Callable[[Array, Array], Array]  # takes a series (T, C) and origins (n,), returns (n, H, K)


def errors_of(forecast: Forecast, forecaster: Any, divided: Divided, spans: list[tuple[int, int]]) -> Errors:
    """Return the errors of a forecast in all series, from every origin whose horizon lies in the steps of the set."""
    W, H, errors, scales = forecaster.window_, forecaster.horizon_, [], []
    learned = next(divided.parts())[1]
    for one, span, (_, learning) in zip(divided.values, spans, learned, strict=True):
        origins = origins_of(*span, W, H)
        truth = one[:, forecaster.columns_]
        errors.append(forecast(one, origins) - futures(truth, origins, H))
        scale = scale_of(truth[:learning], divided.season)
        scales.append(np.broadcast_to(scale, (len(origins), len(scale))))
    return Errors(np.concatenate(errors), np.concatenate(scales))


def report(
    forecaster: Any, divided: Divided, folder: RunFolder, console: Console, parameters: Mapping[str, Any]
) -> None:
    """Evaluate the fitted forecaster on all sets; write metrics and figures, and print a table."""
    H, targets, season = forecaster.horizon_, forecaster.columns_, divided.season
    others: dict[str, Forecast] = {"naive": lambda one, origins: naive(one[:, targets], origins, H)}
    others["seasonal_naive"] = lambda one, origins: seasonal_naive(one[:, targets], origins, H, season)
    spans = dict(divided.parts())
    sets = {name: errors_of(forecaster.backtest, forecaster, divided, span) for name, span in spans.items()}
    on_test = {name: errors_of(other, forecaster, divided, spans["test"]) for name, other in others.items()}

    results: dict[str, Any] = {}
    for name, of_set in sets.items():
        results[name] = {"loss": loss(forecaster, of_set.errors)} | of_set.numbers()
    results["test"] |= {name: other.numbers() for name, other in on_test.items()}
    names = divided.target_names
    results["test"]["targets"] = {name: sets["test"].numbers(k) for k, name in enumerate(names)}
    models = {"net": sets["test"]} | on_test
    folder.write("errors.csv", errors_csv(models, names))
    draw(forecaster, divided, models, others, folder)
    n_examples = len(sets["train"].errors)
    write_metrics(
        "forecast", forecaster, n_examples, folder, results, window=forecaster.window_, horizon=H, season=season
    )

    shown = {name: (of_set, results[name]) for name, of_set in sets.items()}
    shown["  naive"] = (on_test["naive"], results["test"]["naive"])
    if season > 1:
        shown[f"  seasonal naive ({season})"] = (on_test["seasonal_naive"], results["test"]["seasonal_naive"])
    rows = {
        name: (str(len(of_set.errors)), *(_short(numbers[measure]) for measure in ("mae", "rmse", "mase")))
        for name, (of_set, numbers) in shown.items()
    }
    print_results(console, ("forecasts", "MAE", "RMSE", "MASE"), rows, forecaster, folder)
    better = [name.replace("_", " ") for name in others if results["test"][name]["mae"] <= results["test"]["mae"]]
    if better:
        note = f"On the test set, the {better[0]} forecast has the same MAE as the net, or a lower one."
        console.print(note, style="yellow", highlight=False, soft_wrap=True)


def loss(forecaster: Any, errors: Array) -> float:
    """Return the mean squared error of standardised targets: the loss that training minimises."""
    scale = 1.0 if forecaster.targets_ is None else forecaster.targets_.scale
    return float(np.square(errors.reshape(len(errors), -1) / scale).mean())


def errors_csv(models: dict[str, Errors], targets: list[str]) -> bytes:
    """Return a CSV file of the test errors at each step of the horizon, by model and target."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "target", "step", "mae", "rmse", "mase"])
    for model, (errors, scales) in models.items():
        for k, target in enumerate(targets):
            values = measures(errors[:, :, [k]], scales[:, [k]], (0, 2))
            for step, numbers in enumerate(zip(*values.values(), strict=True), 1):
                cells = ["" if np.isnan(number) else f"{number:.6g}" for number in numbers]
                writer.writerow([model, target, step, *cells])
    return text.getvalue().encode()


def draw(
    forecaster: Any, divided: Divided, models: dict[str, Errors], others: dict[str, Forecast], folder: RunFolder
) -> None:
    """Draw the figures of a run."""
    if forecaster.history_.n_epochs:
        figure = plots.learning_curves(forecaster.history_, forecaster.best_epoch_)
        folder.save_figure(figure, "learning_curves")
    season, targets = divided.season, divided.target_names
    titles = {"net": forecaster_name(forecaster), "naive": "naive", "seasonal_naive": f"seasonal naive ({season})"}
    drawn = [name for name in models if season > 1 or name != "seasonal_naive"]
    by_step = {titles[name]: measures(*models[name], (0, 2))["mae"] for name in drawn}
    if len(targets) > 1:  # their units may differ
        by_step = {titles[name]: measures(*models[name], (0, 2))["mase"] for name in drawn}
    measure = "mean absolute error" if len(targets) == 1 else "mean absolute scaled error"
    folder.save_figure(plots.errors_by_step(by_step, measure), "errors_by_step")

    H, last = forecaster.horizon_, drawn[-1]
    parts = []  # for each series in the figure
    for series, one, stop in list(zip(divided.names, divided.values, divided.stops, strict=True))[:PANELS]:
        origins = np.arange(max(stop, forecaster.window_) - 1, len(one) - H, H)[:HORIZONS]
        both = {titles["net"]: forecaster.backtest(one, origins), titles[last]: others[last](one, origins)}
        parts.append((series, one[:, forecaster.columns_], origins, both))
    for k, target in list(enumerate(targets))[:DRAWN]:
        of_target = {
            series: (truth[:, k], origins, {name: model[:, :, k] for name, model in both.items()})
            for series, truth, origins, both in parts
        }
        channel = f"channel {target}" if target.isdigit() else target  # channels of an array have no names
        if len(divided.values) == 1:
            figure = plots.forecasts(*of_target[divided.names[0]], channel)
        else:
            figure = plots.forecasts_of_several({f"{channel} of {name}": part for name, part in of_target.items()})
        name = "forecasts" if len(targets) == 1 else f"forecasts_{k}_{re.sub(r'[^A-Za-z0-9_-]+', '-', target)}"
        folder.save_figure(figure, f"{name}")


def forecaster_name(forecaster: Any) -> str:
    """Return the name of the net in figures."""
    return str(forecaster.cell).upper() if forecaster.cell in ("gru", "lstm", "rnn") else str(forecaster.cell)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:#.4g}".rstrip(".")
