"""``fastrnn-train text``: learn from a text, and write more like it."""

from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.estimator import make_estimator
from fastrnn.cli.options.option import TRAINING, Option
from fastrnn.cli.tasks.task import Prepared, Task

MANUAL = "Python's own manual"  # the default data


def prepare(parameters: dict[str, Any]) -> Prepared:
    """Return the model and its text; nothing is written yet."""
    from fastrnn import data

    path = parameters["data"]
    if not parameters["validation_fraction"]:
        raise UsageError("validation_fraction is 0, expected above 0: the model is evaluated on this part of the text")
    text = data.manual() if path is None else data.read_text(path)
    model = make_estimator(TEXT, parameters)
    try:
        fitting = model.prepare(text)
    except ValueError as error:
        if str(error).startswith("the text"):
            raise UsageError(f"{path or MANUAL}: {error}") from error
        raise
    return Prepared(model, text, fitting, describe(model, text, parameters))


def describe(model: Any, text: str, parameters: dict[str, Any]) -> str:
    """Describe the model and its data in one line."""
    from fastrnn.forecasting import steps_held_out

    held_out = steps_held_out(len(text), parameters["validation_fraction"])
    layers = "layer" if parameters["layers"] == 1 else "layers"
    how = (
        f"{parameters['batch_size']} streams, windows of {parameters['window']} characters"
        if parameters["stateful"]
        else f"independent windows of {parameters['window']} characters"
    )
    return (
        f"{parameters['data'] or MANUAL}: {len(text) - held_out} characters for training and {held_out} for "
        f"validation, {len(model.vocabulary_)} different ones; {parameters['layers']} {layers} of "
        f"{parameters['hidden_size']} {parameters['cell']} units, {how}"
    )


TEXT = Task(
    name="text",
    help="Train a model of the next character and let it write text.",
    estimator="fastrnn.estimators.characters.CharacterLanguageModel",
    prepare=prepare,
    report="fastrnn.cli.tasks.text.report",
    data="Plain text in UTF-8; its last tenth is held out for validation. Without DATA, Python's own manual.",
    options=(
        Option(
            "validation_fraction", float, "Share of the text, at its end, held out for validation.", 0.1,
            flags=("--validation",), panel=TRAINING,
        ),
    ),
    left_out=("vocabulary",),
    measures=("validation.loss", "validation.bits_per_character", "validation.accuracy"),
    best=min,
    drawn="validation.loss",
)  # fmt: skip
