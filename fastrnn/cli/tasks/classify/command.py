"""``fastrnn-train classify``: classify sequences."""

from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.data import STREAM
from fastrnn.cli.options.estimator import knowing, make_estimator
from fastrnn.cli.options.option import DATA, Option
from fastrnn.cli.tasks.task import Prepared, Task

HELD_OUT = 0.2  # share of the data held out for testing if the file has no test set
ROLES = {"x_train": "X_train", "y_train": "y_train", "x_test": "X_test", "y_test": "y_test"}


def prepare(parameters: dict[str, Any]) -> Prepared:
    """Return the classifier and its data; nothing is written yet."""
    classifier = make_estimator(CLASSIFY, parameters)
    dataset = load(parameters)
    fitting = classifier.prepare(dataset.X_train, dataset.y_train)
    fitting = knowing(fitting, test_x=dataset.X_test, test_y=dataset.y_test)
    return Prepared(classifier, dataset, fitting, describe(dataset, parameters))


def load(parameters: dict[str, Any]) -> Any:
    """Return the data set, always with a test set; its labels are class names if the file has them."""
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
            raise UsageError(f"{path}: {error} (20 % are held out for testing)") from error
        train, test = map(np.sort, parts)  # sorted, so that the file is read in order
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
        raise UsageError(f"{path}: the test set has class {min(unknown)}, which the training set does not have")
    return dataset


def memory_needed(dataset: Any, parameters: dict[str, Any]) -> int:
    """Return the bytes of all sequences in memory, plus those of the training set in the dtype of the net."""
    import numpy as np

    X, itemsize = dataset.X_train, np.dtype(parameters["dtype"]).itemsize
    return int(X.nbytes + X.size * itemsize + dataset.X_test.nbytes)


def describe(dataset: Any, parameters: dict[str, Any]) -> str:
    """Describe the model and its data in one line."""
    import numpy as np

    from fastrnn.cli.run import block_reading

    X = dataset.X_train
    how = block_reading.describe(memory_needed(dataset, parameters)) if getattr(X, "on_disk", False) else ""
    channels = X.shape[2] if X.ndim == 3 else 1
    source = parameters["data"] or "the digits in scikit-learn, row by row"
    classes = len(np.unique(dataset.y_train))
    return (
        f"{source}: {len(X)} sequences for training and {len(dataset.X_test)} for testing, "
        f"{X.shape[1]} steps of {channels} channels, {classes} classes{how}"
    )


CLASSIFY = Task(
    name="classify",
    help="Train a classifier of sequences and show its confusion matrix.",
    estimator="fastrnn.estimators.classifier.RecurrentClassifier",
    prepare=prepare,
    report="fastrnn.cli.tasks.classify.report",
    predict="fastrnn.cli.tasks.classify.predict",
    data="HDF5 or npz file with trX, trY, tstX, tstY or X_train, y_train, X_test, y_test. Without a test set, 20 % of "
    "the data are held out for testing. Without DATA, the hand-written digits of scikit-learn, row by row.",
    options=(
        STREAM,
        Option("x_train", str, "Name of the training sequences in DATA.", panel=DATA),
        Option("y_train", str, "Name of the training labels in DATA.", panel=DATA),
        Option("x_test", str, "Name of the test sequences in DATA.", panel=DATA),
        Option("y_test", str, "Name of the test labels in DATA.", panel=DATA),
    ),
    measures=("validation.accuracy", "test.accuracy"),
    drawn="test.accuracy",
)
