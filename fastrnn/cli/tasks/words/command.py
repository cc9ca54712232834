"""``fastrnn-train words``: predict the next word."""

from pathlib import Path
from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.data import STREAM
from fastrnn.cli.options.estimator import knowing, make_estimator
from fastrnn.cli.options.option import DATA, MODEL, REOPENS, TRAINING, Option
from fastrnn.cli.tasks.task import Prepared, Task

MANUAL = "the English in Python's own manual"  # the default data
TEST_FRACTION = 0.1  # share of the data held out for testing if the file has no test set
ORDER, VOCABULARY_SIZE = 4, 2000  # if not set, and not given by DATA


def prepare(parameters: dict[str, Any]) -> Prepared:
    """Return the model and its n-grams; nothing is written yet."""
    from fastrnn.cli.tasks.words.report import read_contexts

    dataset = load(parameters)
    model = make_estimator(WORDS, parameters, vocabulary=dataset.words)
    validation = None if dataset.x_validation is None else (dataset.x_validation, dataset.y_validation)
    fitting = model.prepare(dataset.x_train, dataset.y_train, validation_data=validation)
    read_contexts(model, parameters["context"])
    fitting = knowing(fitting, test_x=dataset.x_test, test_y=dataset.y_test)
    return Prepared(model, dataset, fitting, describe(dataset, parameters, len(model.validation_rows_)))


def load(parameters: dict[str, Any]) -> Any:
    """Return n-grams, always with a test set; add their order and vocabulary size to the parameters."""
    from fastrnn import data
    from fastrnn._checks import check_number
    from fastrnn.cli.run.block_reading import can_stream

    path = parameters["data"]
    possible = can_stream(path, parameters["stream"])
    if path is not None and Path(path).suffix.lower() in (".h5", ".hdf5", ".npz"):
        return _load_ngrams(parameters, possible)
    if parameters["first_index"] is not None:
        raise UsageError("first_index is for files of numbered words; leave it out for a text")
    for name, default in (("order", ORDER), ("vocabulary_size", VOCABULARY_SIZE)):
        parameters[name] = default if parameters[name] is None else parameters[name]
    fraction = check_number("validation_fraction", parameters["validation_fraction"], f"[0, {1 - TEST_FRACTION})")
    sentences = data.topics() if path is None else data.load_text(path)
    try:
        parts = data.split_sentences(sentences, (fraction, TEST_FRACTION), parameters["random_state"])
        words = data.vocabulary_of(parts[0], parameters["vocabulary_size"])
        none: tuple[Any, Any] = (None, None)
        ngrams = [data.ngrams_of(part, words, parameters["order"]) if part else none for part in parts]
    except data.DataError as error:
        raise UsageError(f"{path or MANUAL}: {error}") from error
    (x, y), (x_validation, y_validation), (x_test, y_test) = ngrams
    return data.NGrams(x, y, x_validation, y_validation, x_test, y_test, words)


def _load_ngrams(parameters: dict[str, Any], can_stream: bool) -> Any:
    """Return the n-grams of a file, shortened if the parameter order says so."""
    from dataclasses import replace

    from fastrnn import data
    from fastrnn.cli.run.block_reading import has_to_stream

    path, stream = parameters["data"], parameters["stream"]
    if parameters["vocabulary_size"] is not None:
        raise UsageError(f"vocabulary_size is for texts, but {path} has its own words; leave it out")
    options = {"first_index": parameters["first_index"], "order": parameters["order"]}
    dataset: Any = data.load_ngrams(path, **options, stream=can_stream)
    parameters["order"] = dataset.x_train.shape[1] + 1
    if dataset.x_test is None:
        dataset = hold_out_test(dataset, parameters["random_state"])
    if can_stream and not (has_to_stream(memory_needed(dataset)) if stream is None else stream):
        return replace(dataset, **{name: array.in_memory() for name, array in arrays_of(dataset).items()})
    return dataset


def hold_out_test(dataset: Any, seed: int) -> Any:
    """Return the n-grams with a test set held out from the training set."""
    from dataclasses import replace

    import numpy as np
    from sklearn.model_selection import train_test_split

    from fastrnn.data.fingerprint import taken
    from fastrnn.data.lazy_array import as_lazy

    parts = train_test_split(np.arange(len(dataset.y_train)), test_size=TEST_FRACTION, random_state=seed)
    train, test = map(np.sort, parts)  # sorted, so that the file is read in order
    x, y = as_lazy(dataset.x_train), as_lazy(dataset.y_train)
    sets = {"x_train": (x, train), "y_train": (y, train), "x_test": (x, test), "y_test": (y, test)}
    return replace(dataset, **{name: taken(*rows) for name, rows in sets.items()})


def arrays_of(dataset: Any) -> dict[str, Any]:
    """Return the arrays of n-grams by name."""
    names = (f"{axis}_{name}" for name in ("train", "validation", "test") for axis in "xy")
    return {name: array for name in names if (array := getattr(dataset, name)) is not None}


def memory_needed(dataset: Any) -> int:
    """Return the bytes of all n-grams in memory; those used while the net trains count twice."""
    arrays = arrays_of(dataset)
    return sum(array.nbytes * (1 if name.endswith("test") else 2) for name, array in arrays.items())


def describe(dataset: Any, parameters: dict[str, Any], held_out: int) -> str:
    """Describe the model and its data in one line."""
    from fastrnn.cli.run import block_reading

    source = parameters["data"] or MANUAL
    validation = held_out if dataset.x_validation is None else len(dataset.x_validation)
    sets = [f"{len(dataset.x_train) - held_out} for training", f"{len(dataset.x_test)} for testing"]
    if validation:
        sets.insert(1, f"{validation} for validation")
    how = block_reading.describe(memory_needed(dataset)) if getattr(dataset.x_train, "on_disk", False) else ""
    return (
        f"{source}: {parameters['order']}-grams of {len(dataset.words)} words, {', '.join(sets[:-1])} and {sets[-1]}, "
        f"embedding size {parameters['embedding']}, {parameters['hidden_size']} hidden units{how}"
    )


WORDS = Task(
    name="words",
    help="Train a model of the next word and show its predictions.",
    estimator="fastrnn.estimators.ngram.NGramLanguageModel",
    prepare=prepare,
    report="fastrnn.cli.tasks.words.report",
    predict="fastrnn.cli.tasks.words.predict",
    data="HDF5 or npz file with trainx, traind, valx, vald, testx, testd and words; or a plain text: 10 % of its "
    "sentences are held out for testing. Without DATA, the English in Python's own manual.",
    options=(
        Option(
            "order", int, "Number of words in an n-gram, including the predicted one.",
            shown="4, or as many as DATA has", minimum=2, panel=MODEL,
        ),
        Option(
            "validation_fraction", float, "Share of the sentences or n-grams held out as a validation set.", 0.1,
            shown="0.1, unless DATA has a validation set", flags=("--validation",), panel=TRAINING,
        ),
        STREAM,
        Option(
            "vocabulary_size", int, "Number of words to learn from a text: the most frequent ones.", shown="2000",
            minimum=2, panel=DATA,
        ),
        Option(
            "first_index", int, "Number of the first word in a file of numbers: 0 or 1.", shown="found in DATA",
            panel=DATA,
        ),
        Option(
            "context", list, 'Words such as "one of the": the run shows the most likely next words; can be repeated.',
            [], item=str, repeated=True, metavar="WORDS", panel=DATA, resumed=REOPENS,
        ),
    ),
    left_out=("vocabulary", "vocabulary_size", "unknown"),
    measures=("validation.loss", "test.loss", "test.accuracy", "test.perplexity"),
    best=min,
    drawn="test.loss",
)  # fmt: skip
