"""``fastrnn-train arithmetic``: a question such as 535+61 in, 596 out, character by character."""

from pathlib import Path
from typing import Any

from fastrnn.cli.errors import UsageError, one_line_errors
from fastrnn.cli.options import options
from fastrnn.cli.options.estimators import estimator_parameters
from fastrnn.cli.options.parameters import WATCHED
from fastrnn.cli.start import start
from fastrnn.cli.tasks.task import Task

TASK = "arithmetic"
TEST_FRACTION = 0.1  # share of the questions that is the test set
OPTIMIZERS: dict[str, dict[str, Any]] = {  # where these are not set
    "sgd": {"learning_rate": 0.5, "momentum": 0.9, "momentum_form": "nesterov", "weight_decay": 0.0},
    "adam": {"learning_rate": 12e-3, "weight_decay": 0.05},
}
DATA = ("digits", "operation", "questions")

# Parameters by the names of the estimator, as in config.toml; a type stands for one that is not set.
DEFAULTS: dict[str, Any] = {
    "digits": 3,
    "operation": "+,-",
    "questions": 50_000,
    "cell": "lstm",
    "hidden_size": 128,
    "layers": 1,
    "embedding": int,
    "reverse": True,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "initializer": "xavier",
    "forget_bias": 0.0,
    "optimizer": "adam",
    "learning_rate": float,
    "momentum": float,
    "momentum_form": str,
    "weight_decay": float,
    "schedule": "cosine",
    "epochs": 40,
    "batch_size": 128,
    "validation_fraction": 0.1,
    "patience": 0,
    "clip_norm": 1.0,
    "dtype": "float32",
    "n_threads": int,
    "random_state": 0,
    **WATCHED,
}
MEASURES = ("validation.accuracy", "test.accuracy", "test.loss", "test.character_accuracy")


@options.takes(
    options.OF_RECURRENT, options.OF_TRAINING, options.OF_RUN,
    cell="lstm", embedding="none", reverse="reverse", learning_rate="0.012; sgd 0.5",
    momentum="0.9", momentum_form="nesterov", weight_decay="0.05; sgd 0",
    schedule="cosine", epochs="40", batch_size="128", patience="0",
)  # fmt: skip
def arithmetic(
    digits: options.Digits = None,
    operation: options.Operation = None,
    questions: options.Questions = None,
    embedding: options.EmbeddingSize = None,
    reverse: options.Reverse = None,
    weight_decay: options.WeightDecay = None,
    **shared: Any,
) -> None:
    """Teach a net to add and subtract, from questions and answers as texts; it needs no data."""
    given = locals() | shared
    with one_line_errors():
        start(Task(TASK, DEFAULTS, prepare, run, MEASURES, draw=draw), given)


def prepare(parameters: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the estimator, the questions, and what the one has made of the other; nothing is written yet."""
    from fastrnn import SequenceTranslator
    from fastrnn._checks import check_integer
    from fastrnn.data import arithmetic_questions

    operations = operations_of(parameters["operation"])
    symbols = {"source_vocabulary": "".join(sorted(operations)) + "0123456789", "target_vocabulary": "-0123456789"}
    try:
        seed = check_integer("random_state", parameters["random_state"], 0)
        dataset = arithmetic_questions(
            check_integer("questions", parameters["questions"], 3 if parameters["validation_fraction"] else 2),
            digits=parameters["digits"],
            operations=operations,
            test_fraction=TEST_FRACTION,
            seed=seed,
        )
        model = SequenceTranslator(**estimator_parameters(parameters, OPTIMIZERS, DATA), **symbols)
        return model, dataset, model.prepare(dataset.questions_train, dataset.answers_train)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def operations_of(text: str) -> str:
    """Return the signs of ``+``, ``-`` or ``+,-``."""
    signs = text.replace(",", "").replace(" ", "")
    if signs not in ("+", "-", "+-", "-+"):
        raise UsageError(f"operation is {text!r}, expected +, - or both, as +,-")
    return signs


def run(parameters: dict[str, Any], out: Path | None, *, overwrite: bool = False, folder: Any = None) -> None:
    """Ask, train, evaluate, and leave everything in the folder of the run: a new one, or the one given."""
    from fastrnn.cli.run import training
    from fastrnn.cli.tasks.arithmetic.report import COLUMNS, report, watch

    prepared = prepare(parameters)
    description = describe(prepared[1], parameters, len(prepared[0].validation_rows_))
    where: dict[str, Any] = {"overwrite": overwrite, "folder": folder}
    training.run(TASK, parameters, prepared, description, report, out, **where, columns=COLUMNS, watch=watch)


def draw(runs: list[Any], figures: Path) -> None:
    """Draw the test accuracies of a sweep."""
    from fastrnn import plots

    accuracies = [run.metrics["test"]["accuracy"] for run in runs]
    plots.save(plots.sweep([run.swept for run in runs], accuracies, "test accuracy"), figures / "test_accuracy.png")


def describe(dataset: Any, parameters: dict[str, Any], held_out: int) -> str:
    """Say in a line what is trained on what."""
    names = {"+": "sums", "-": "differences"}
    asked = " and ".join(names[sign] for sign in operations_of(parameters["operation"]))
    digits = parameters["digits"]
    all_of_them = ", all there are" if len(dataset) < parameters["questions"] else ""
    sets = [f"{len(dataset.questions_train) - held_out} to train", f"{len(dataset.questions_test)} to test"]
    if held_out:
        sets.insert(1, f"{held_out} to validate")
    return (
        f"{len(dataset)} {asked} of numbers of {'one digit' if digits == 1 else f'up to {digits} digits'}"
        f"{all_of_them}: {', '.join(sets[:-1])} and {sets[-1]}; {parameters['cell']} of {parameters['hidden_size']} "
        f"units, questions read {'backwards' if parameters['reverse'] else 'forwards'}"
    )
