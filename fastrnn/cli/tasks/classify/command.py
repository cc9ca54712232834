"""``fastrnn-train classify``: sequences in, classes out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli.errors import UsageError, one_line_errors
from fastrnn.cli.options import options
from fastrnn.cli.options.estimators import estimator_parameters, knowing
from fastrnn.cli.options.parameters import WATCHED, widths
from fastrnn.cli.start import start
from fastrnn.cli.tasks.task import Task

TASK = "classify"
HELD_OUT = 0.2  # share of the data that is the test set where the file has none
OPTIMIZERS = {"adam": {"learning_rate": 1e-3}, "sgd": {"learning_rate": 0.1}}  # where it is not set
ROLES = {"x_train": "X_train", "y_train": "y_train", "x_test": "X_test", "y_test": "y_test"}

# Parameters by the names of the estimator, as in config.toml; a type stands for one that is not set.
DEFAULTS: dict[str, Any] = {
    "data": str,
    "cell": "gru",
    "hidden_size": 128,
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
    "validation_fraction": 0.1,
    "patience": 7,
    "clip_norm": 1.0,
    "class_weight": "none",
    "standardize": True,
    "dtype": "float32",
    "memory_limit": "none",
    "stream": bool,
    "n_threads": int,
    "random_state": 0,
    **WATCHED,
    "x_train": str,
    "y_train": str,
    "x_test": str,
    "y_test": str,
}


@options.takes(options.OF_RECURRENT, options.OF_TRAINING, options.OF_RUN)
def classify(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="HDF5 or npz file with trX, trY, tstX, tstY or X_train, y_train, X_test, y_test; without it, the "
            "hand-written digits inside scikit-learn, row by row. Without a test set, 20 % are held out as one.",
            show_default=False,
        ),
    ] = None,
    bidirectional: options.Bidirectional = None,
    head: options.Head = None,
    class_weight: options.ClassWeight = None,
    memory_limit: options.MemoryLimit = None,
    standardize: options.Standardize = None,
    stream: options.Stream = None,
    x_train: options.XTrain = None,
    y_train: options.YTrain = None,
    x_test: options.XTest = None,
    y_test: options.YTest = None,
    **shared: Any,
) -> None:
    """Train a classifier of sequences, and look at its confusion matrix."""
    given = locals() | shared
    with one_line_errors():
        given["head"] = widths(head)
        given["data"] = None if data is None else str(data.resolve())
        start(Task(TASK, DEFAULTS, prepare, run, ("validation.accuracy", "test.accuracy"), draw=draw), given)


def prepare(parameters: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the estimator, the data set, and what the one has made of the other; nothing is written yet."""
    from fastrnn._checks import check_integer

    try:
        check_integer("random_state", parameters["random_state"], 0)
        classifier = make_classifier(parameters)
        dataset = load(parameters)
        fitting = classifier.prepare(dataset.X_train, dataset.y_train)
        return classifier, dataset, knowing(fitting, test_x=dataset.X_test, test_y=dataset.y_test)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def run(parameters: dict[str, Any], out: Path | None, *, overwrite: bool = False, folder: Any = None) -> None:
    """Load, train, evaluate, and leave everything in the folder of the run: a new one, or the one given."""
    from fastrnn.cli.run import training
    from fastrnn.cli.tasks.classify.report import report

    prepared = prepare(parameters)
    description = describe(prepared[1], parameters)
    training.run(TASK, parameters, prepared, description, report, out, overwrite=overwrite, folder=folder)


def draw(runs: list[Any], figures: Path) -> None:
    """Draw the test accuracies of a sweep."""
    from fastrnn import plots

    accuracies = [run.metrics["test"]["accuracy"] for run in runs]
    plots.save(plots.sweep([run.swept for run in runs], accuracies, "test accuracy"), figures / "test_accuracy.png")


def load(parameters: dict[str, Any]) -> Any:
    """Return the data set with names as labels where the file has them, and always with a test set."""
    from dataclasses import replace

    import numpy as np
    from sklearn.model_selection import train_test_split

    from fastrnn import data
    from fastrnn.cli.run.block_reading import can_stream, has_to_stream
    from fastrnn.data.lazy_array import as_lazy

    path, stream = parameters["data"], parameters["stream"]
    possible = can_stream(path, stream)
    dataset: Any
    if path is None:
        dataset = data.digits()
    else:
        keys = {role: parameters[name] for name, role in ROLES.items() if parameters[name] is not None}
        dataset = data.load_sequences(path, keys=keys, stream=possible)
    if dataset.X_test is None:
        options = {"test_size": HELD_OUT, "random_state": parameters["random_state"]}
        X, y = as_lazy(dataset.X_train), dataset.y_train
        try:
            parts = train_test_split(np.arange(len(y)), stratify=y, **options)
        except ValueError as error:
            raise UsageError(f"{path}: {error} (20 % are held out as a test set)") from error
        train, test = map(np.sort, parts)  # in the order of the file, which is read in it
        dataset = replace(dataset, X_train=X.take(train), X_test=X.take(test), y_train=y[train], y_test=y[test])
    if possible:
        if stream is None:
            stream = has_to_stream(memory_needed(dataset, parameters))
        if not stream:
            dataset = replace(dataset, X_train=dataset.X_train.load(), X_test=dataset.X_test.load())
    if dataset.classes is not None:
        names = np.array(dataset.classes)
        dataset = replace(dataset, y_train=names[dataset.y_train], y_test=names[dataset.y_test])
    unknown = set(dataset.y_test) - set(dataset.y_train)
    if unknown:
        raise UsageError(f"{path}: the test set has class {min(unknown)}, of which the training set has no example")
    return dataset


def memory_needed(dataset: Any, parameters: dict[str, Any]) -> int:
    """Return the bytes that all sequences would take in memory, those to train with in the dtype of the net, too."""
    import numpy as np

    X, itemsize = dataset.X_train, np.dtype(parameters["dtype"]).itemsize
    return int(X.nbytes + X.size * itemsize + dataset.X_test.nbytes)


def make_classifier(parameters: dict[str, Any]) -> Any:
    """Return the estimator with these parameters."""
    from fastrnn import RecurrentClassifier

    values = estimator_parameters(parameters, OPTIMIZERS, ("data", "stream", *ROLES))
    return RecurrentClassifier(**values | {"head": tuple(values["head"])})


def describe(dataset: Any, parameters: dict[str, Any]) -> str:
    """Say in a line what is trained on what."""
    import numpy as np

    from fastrnn.cli.run import block_reading

    X = dataset.X_train
    how = block_reading.describe(memory_needed(dataset, parameters)) if getattr(X, "on_disk", False) else ""
    channels = X.shape[2] if X.ndim == 3 else 1
    source = parameters["data"] or "the digits inside scikit-learn, row by row"
    classes = len(np.unique(dataset.y_train))
    return (
        f"{source}: {len(X)} sequences to train and {len(dataset.X_test)} to test, "
        f"{X.shape[1]} steps of {channels} channels, {classes} classes{how}"
    )
