"""``fastrnn-train words``: the words before in, the next one out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli.errors import UsageError, one_line_errors
from fastrnn.cli.options import options
from fastrnn.cli.options.estimators import estimator_parameters, knowing
from fastrnn.cli.options.parameters import WATCHED
from fastrnn.cli.start import start
from fastrnn.cli.tasks.task import Task

TASK = "words"
MANUAL = "the English in Python's own manual"  # where there is no DATA
TEST_FRACTION = 0.1  # share of the data that is the test set where the file has none
ORDER, VOCABULARY_SIZE = 4, 2000  # where they are not set, and DATA has none of its own
OPTIMIZERS: dict[str, dict[str, Any]] = {  # where these are not set
    "sgd": {"learning_rate": 0.5, "momentum": 0.9, "momentum_form": "nesterov"},
    "adam": {"learning_rate": 4e-3},
}
DATA = ("data", "stream", "vocabulary_size", "first_index", "context")

# Parameters by the names of the estimator, as in config.toml; a type stands for one that is not set.
DEFAULTS: dict[str, Any] = {
    "data": str,
    "embedding": 32,
    "hidden_size": 256,
    "order": int,
    "vocabulary_size": int,
    "first_index": int,
    "initializer": "xavier",
    "optimizer": "sgd",
    "learning_rate": float,
    "momentum": float,
    "momentum_form": str,
    "schedule": "cosine",
    "epochs": 15,
    "batch_size": 200,
    "validation_fraction": 0.1,
    "patience": 0,
    "clip_norm": 0.0,
    "dtype": "float32",
    "stream": bool,
    "n_threads": int,
    "random_state": 0,
    **WATCHED,
    "context": [],
}
MEASURES = ("validation.loss", "test.loss", "test.accuracy", "test.perplexity")


@options.takes(
    options.OF_TRAINING, options.OF_RUN,
    hidden_size="256", optimizer="sgd", learning_rate="0.5; adam 0.004", momentum="0.9", momentum_form="nesterov",
    schedule="cosine", epochs="15", batch_size="200", clip_norm="0", patience="0",
    validation_fraction="0.1, unless DATA has such a set",
)  # fmt: skip
def words(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="HDF5 or npz file with trainx, traind, valx, vald, testx, testd and words; or a plain text, which is "
            "read as a whole, and of which 10 % of the sentences are held out as a test set; without it, the English "
            "in Python's own manual.",
            show_default=False,
        ),
    ] = None,
    embedding: options.EmbeddingSize = None,
    hidden_size: options.Hidden = None,
    order: options.Order = None,
    initializer: options.Initializer = None,
    dtype: options.Dtype = None,
    stream: options.Stream = None,
    vocabulary_size: options.VocabularySize = None,
    first_index: options.FirstIndex = None,
    context: options.Context = None,
    **shared: Any,
) -> None:
    """Train a model of the next word, and look at what it expects."""
    given = locals() | shared
    with one_line_errors():
        given["data"] = None if data is None else str(data.resolve())
        given["context"] = context or None
        start(Task(TASK, DEFAULTS, prepare, run, MEASURES, best=min, draw=draw), given)


def prepare(parameters: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the estimator, the data set, and what the one has made of the other; nothing is written yet."""
    from fastrnn import NGramLanguageModel
    from fastrnn._checks import check_integer
    from fastrnn.cli.tasks.words.report import read_contexts

    try:
        check_integer("random_state", parameters["random_state"], 0)
        dataset = load(parameters)
        model = NGramLanguageModel(**estimator_parameters(parameters, OPTIMIZERS, DATA), vocabulary=dataset.words)
        validation = None if dataset.x_validation is None else (dataset.x_validation, dataset.y_validation)
        fitting = model.prepare(dataset.x_train, dataset.y_train, validation_data=validation)
        read_contexts(model, parameters["context"])
        return model, dataset, knowing(fitting, test_x=dataset.x_test, test_y=dataset.y_test)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def load(parameters: dict[str, Any]) -> Any:
    """Return n-grams, always with a test set; what they say of order and vocabulary goes into the parameters."""
    from fastrnn import data
    from fastrnn._checks import check_number
    from fastrnn.cli.run.block_reading import can_stream

    path = parameters["data"]
    possible = can_stream(path, parameters["stream"])
    if path is not None and Path(path).suffix.lower() in (".h5", ".hdf5", ".npz"):
        return _load_ngrams(parameters, possible)
    if parameters["first_index"] is not None:
        raise UsageError("first_index is for files of numbered words; expected none with a text")
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
    """Return the n-grams of a file; shorter ones than it has, if order says so."""
    from dataclasses import replace

    from fastrnn import data
    from fastrnn.cli.run.block_reading import has_to_stream

    path, stream = parameters["data"], parameters["stream"]
    if parameters["vocabulary_size"] is not None:
        raise UsageError(f"vocabulary_size is for texts, but {path} has words of its own; expected none")
    options = {"first_index": parameters["first_index"], "order": parameters["order"]}
    dataset: Any = data.load_ngrams(path, **options, stream=can_stream)
    parameters["order"] = dataset.x_train.shape[1] + 1
    if dataset.x_test is None:
        dataset = hold_out_test(dataset, parameters["random_state"])
    if can_stream and not (has_to_stream(memory_needed(dataset)) if stream is None else stream):
        return replace(dataset, **{name: array.in_memory() for name, array in arrays_of(dataset).items()})
    return dataset


def hold_out_test(dataset: Any, seed: int) -> Any:
    """Return the n-grams with a test set out of those to train with."""
    from dataclasses import replace

    import numpy as np
    from sklearn.model_selection import train_test_split

    from fastrnn.data.fingerprint import taken
    from fastrnn.data.lazy_array import as_lazy

    parts = train_test_split(np.arange(len(dataset.y_train)), test_size=TEST_FRACTION, random_state=seed)
    train, test = map(np.sort, parts)  # in the order of the file, which is read in it
    x, y = as_lazy(dataset.x_train), as_lazy(dataset.y_train)
    sets = {"x_train": (x, train), "y_train": (y, train), "x_test": (x, test), "y_test": (y, test)}
    return replace(dataset, **{name: taken(*rows) for name, rows in sets.items()})


def arrays_of(dataset: Any) -> dict[str, Any]:
    """Return the arrays that n-grams have, by name."""
    names = (f"{axis}_{name}" for name in ("train", "validation", "test") for axis in "xy")
    return {name: array for name in names if (array := getattr(dataset, name)) is not None}


def memory_needed(dataset: Any) -> int:
    """Return the bytes that all n-grams would take in memory, and once more those that the net sees while it trains."""
    arrays = arrays_of(dataset)
    return sum(array.nbytes * (1 if name.endswith("test") else 2) for name, array in arrays.items())


def run(parameters: dict[str, Any], out: Path | None, *, overwrite: bool = False, folder: Any = None) -> None:
    """Load, train, evaluate, and leave everything in the folder of the run: a new one, or the one given."""
    from functools import partial

    from fastrnn.cli.run import training
    from fastrnn.cli.tasks.words.report import report

    prepared = prepare(parameters)
    description = describe(prepared[1], parameters, len(prepared[0].validation_rows_))
    own = partial(report, texts=parameters["context"])
    training.run(TASK, parameters, prepared, description, own, out, overwrite=overwrite, folder=folder)


def draw(runs: list[Any], figures: Path) -> None:
    """Draw the test losses of a sweep."""
    from fastrnn import plots

    losses = [run.metrics["test"]["loss"] for run in runs]
    plots.save(plots.sweep([run.swept for run in runs], losses, "test loss"), figures / "test_loss.png")


def describe(dataset: Any, parameters: dict[str, Any], held_out: int) -> str:
    """Say in a line what is trained on what."""
    from fastrnn.cli.run import block_reading

    source = parameters["data"] or MANUAL
    validation = held_out if dataset.x_validation is None else len(dataset.x_validation)
    sets = [f"{len(dataset.x_train) - held_out} to train", f"{len(dataset.x_test)} to test"]
    if validation:
        sets.insert(1, f"{validation} to validate")
    how = block_reading.describe(memory_needed(dataset)) if getattr(dataset.x_train, "on_disk", False) else ""
    return (
        f"{source}: {parameters['order']}-grams of {len(dataset.words)} words, {', '.join(sets[:-1])} and {sets[-1]}, "
        f"{parameters['embedding']} numbers a word, {parameters['hidden_size']} hidden units{how}"
    )
