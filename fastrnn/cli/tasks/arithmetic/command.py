"""``fastrnn-train arithmetic``: read a question such as 535+61, and write 596, character by character."""

from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.estimator import make_estimator
from fastrnn.cli.options.option import DATA, Option
from fastrnn.cli.tasks.task import Prepared, Task

TEST_FRACTION = 0.1  # share of the questions held out for testing


def prepare(parameters: dict[str, Any]) -> Prepared:
    """Return the model and its questions; nothing is written yet."""
    from fastrnn._checks import check_integer
    from fastrnn.data import arithmetic_questions

    operations = operations_of(parameters["operation"])
    symbols = {"source_vocabulary": "".join(sorted(operations)) + "0123456789", "target_vocabulary": "-0123456789"}
    dataset = arithmetic_questions(
        check_integer("questions", parameters["questions"], 3 if parameters["validation_fraction"] else 2),
        digits=parameters["digits"],
        operations=operations,
        test_fraction=TEST_FRACTION,
        seed=parameters["random_state"],
    )
    model = make_estimator(ARITHMETIC, parameters, **symbols)
    fitting = model.prepare(dataset.questions_train, dataset.answers_train)
    return Prepared(model, dataset, fitting, describe(dataset, parameters, len(model.validation_rows_)))


def operations_of(text: str) -> str:
    """Return the signs of ``+``, ``-`` or ``+,-``."""
    signs = text.replace(",", "").replace(" ", "")
    if signs not in ("+", "-", "+-", "-+"):
        raise UsageError(f"operation is {text!r}, expected + or -, or +,- for both")
    return signs


def describe(dataset: Any, parameters: dict[str, Any], held_out: int) -> str:
    """Describe the model and its data in one line."""
    names = {"+": "sums", "-": "differences"}
    asked = " and ".join(names[sign] for sign in operations_of(parameters["operation"]))
    digits = parameters["digits"]
    all_of_them = " (all there are)" if len(dataset) < parameters["questions"] else ""
    sets = [f"{len(dataset.questions_train) - held_out} for training", f"{len(dataset.questions_test)} for testing"]
    if held_out:
        sets.insert(1, f"{held_out} for validation")
    return (
        f"{len(dataset)} {asked} of numbers with {'one digit' if digits == 1 else f'up to {digits} digits'}"
        f"{all_of_them}: {', '.join(sets[:-1])} and {sets[-1]}; {parameters['cell']} of {parameters['hidden_size']} "
        f"units, questions read {'backwards' if parameters['reverse'] else 'forwards'}"
    )


ARITHMETIC = Task(
    name="arithmetic",
    help="Train a net to add and subtract numbers written as text; needs no data.",
    estimator="fastrnn.estimators.translator.SequenceTranslator",
    prepare=prepare,
    report="fastrnn.cli.tasks.arithmetic.report",
    predict="fastrnn.cli.tasks.arithmetic.predict",
    options=(
        Option("digits", int, "Maximum number of digits in a number, 1 to 9.", 3, minimum=1, maximum=9, panel=DATA),
        Option("operation", str, "Operations: + or -, or +,- for both.", "+,-", panel=DATA),
        Option(
            "questions", int, "Number of distinct questions (or all there are, if fewer); 10 % are held out for "
            "testing.", 50_000, minimum=3, panel=DATA,
        ),
    ),
    left_out=("source_vocabulary", "target_vocabulary", "beam_size", "max_steps"),
    measures=("validation.accuracy", "test.accuracy", "test.loss", "test.character_accuracy"),
    drawn="test.accuracy",
)  # fmt: skip
