"""``fastrnn-train text``: a text in, and more like it out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli.errors import UsageError, one_line_errors
from fastrnn.cli.options import options
from fastrnn.cli.options.estimators import estimator_parameters
from fastrnn.cli.options.parameters import WATCHED
from fastrnn.cli.start import start
from fastrnn.cli.tasks.task import Task

TASK = "text"
MANUAL = "Python's own manual"  # where there is no DATA
OPTIMIZERS: dict[str, dict[str, Any]] = {  # where these are not set
    "sgd": {"learning_rate": 1.0, "momentum": 0.9, "momentum_form": "nesterov"},
    "adam": {"learning_rate": 4e-3},
}

# Parameters by the names of the estimator, as in config.toml; a type stands for one that is not set.
DEFAULTS: dict[str, Any] = {
    "data": str,
    "cell": "lstm",
    "hidden_size": 256,
    "layers": 2,
    "window": 64,
    "stateful": True,
    "step": 3,
    "dropout": 0.2,
    "recurrent_dropout": 0.0,
    "initializer": "xavier",
    "forget_bias": 0.0,
    "optimizer": "adam",
    "learning_rate": float,
    "momentum": float,
    "momentum_form": str,
    "schedule": "cosine",
    "epochs": 12,
    "batch_size": 32,
    "validation_fraction": 0.1,
    "patience": 0,
    "clip_norm": 1.0,
    "dtype": "float32",
    "n_threads": int,
    "random_state": 0,
    **WATCHED,
}
MEASURES = ("validation.loss", "validation.bits_per_character", "validation.accuracy")


@options.takes(
    options.OF_RECURRENT, options.OF_TRAINING, options.OF_RUN,
    cell="lstm", hidden_size="256", layers="2", dropout="0.2", schedule="cosine", epochs="12", batch_size="32",
    patience="0", learning_rate="0.004; sgd 1", momentum="0; sgd 0.9", momentum_form="nesterov",
)  # fmt: skip
def text(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="Plain text in UTF-8, whose last tenth is for validation; without it, Python's own manual.",
            show_default=False,
        ),
    ] = None,
    window: options.CharacterWindow = None,
    stateful: options.Stateful = None,
    step: options.CharacterStep = None,
    batch_size: options.Streams = None,
    **shared: Any,
) -> None:
    """Train a model of the next character, and let it write."""
    given = locals() | shared
    with one_line_errors():
        given["data"] = None if data is None else str(data.resolve())
        start(Task(TASK, DEFAULTS, prepare, run, MEASURES, best=min, draw=draw), given)


def prepare(parameters: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the estimator, the text, and what the one has made of the other; nothing is written yet."""
    from fastrnn import CharacterLanguageModel, data
    from fastrnn._checks import check_integer

    path = parameters["data"]
    try:
        check_integer("random_state", parameters["random_state"], 0)
        if not parameters["validation_fraction"]:
            raise ValueError("validation_fraction is 0, expected a share of the text that says how good the model is")
        text = data.manual() if path is None else data.read_text(path)
        model = CharacterLanguageModel(**estimator_parameters(parameters, OPTIMIZERS, ("data",)))
        return model, text, model.prepare(text)
    except data.DataError as error:
        raise UsageError(str(error)) from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path or MANUAL}: {error}" if str(error).startswith("the text") else str(error)) from error


def run(parameters: dict[str, Any], out: Path | None, *, overwrite: bool = False, folder: Any = None) -> None:
    """Load, train, evaluate, and leave everything in the folder of the run: a new one, or the one given."""
    from fastrnn.cli.run import training
    from fastrnn.cli.tasks.text.report import COLUMNS, report

    prepared = prepare(parameters)
    description = describe(prepared[0], prepared[1], parameters)
    where: dict[str, Any] = {"overwrite": overwrite, "folder": folder}
    training.run(TASK, parameters, prepared, description, report, out, **where, columns=COLUMNS)


def draw(runs: list[Any], figures: Path) -> None:
    """Draw the validation losses of a sweep."""
    from fastrnn import plots

    losses = [run.metrics["validation"]["loss"] for run in runs]
    plots.save(plots.sweep([run.swept for run in runs], losses, "validation loss"), figures / "validation_loss.png")


def describe(model: Any, text: str, parameters: dict[str, Any]) -> str:
    """Say in a line what is trained on what."""
    from fastrnn.forecasting import steps_held_out

    held_out = steps_held_out(len(text), parameters["validation_fraction"])
    layers = "layer" if parameters["layers"] == 1 else "layers"
    how = (
        f"{parameters['batch_size']} streams in windows of {parameters['window']}"
        if parameters["stateful"]
        else f"windows of {parameters['window']} by themselves"
    )
    return (
        f"{parameters['data'] or MANUAL}: {len(text) - held_out} characters to train and {held_out} to validate, "
        f"{len(model.vocabulary_)} different ones; {parameters['layers']} {layers} of {parameters['hidden_size']} "
        f"{parameters['cell']} units, {how}"
    )
