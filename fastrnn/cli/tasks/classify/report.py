"""The result of a classifier: metrics.json, figures, and a short table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from fastrnn import plots
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.report import print_results, write_metrics
from fastrnn.data.lazy_array import as_lazy


def evaluate(classifier: Any, X: Any, y: Any, classes: list[Any]) -> dict[str, Any]:
    """Return loss, accuracy and confusion matrix (rows true, columns predicted, in this order of classes)."""
    proba = classifier.predict_proba(X)
    predicted = classifier.classes_[proba.argmax(1)]
    return {
        "loss": float(log_loss(y, proba, labels=classifier.classes_)),
        "accuracy": float(accuracy_score(y, predicted)),
        "confusion_matrix": confusion_matrix(y, predicted, labels=classes).tolist(),
    }


def report(classifier: Any, dataset: Any, folder: RunFolder, console: Console, parameters: Mapping[str, Any]) -> None:
    """Evaluate the fitted classifier on all sets; write metrics and figures, and print a table."""
    held_out = classifier.validation_rows_
    X, y = as_lazy(dataset.X_train), dataset.y_train
    trained = np.delete(np.arange(len(X)), held_out)
    parts = {"train": (X.take(trained), y[trained])}
    if len(held_out):
        parts["validation"] = (X.take(held_out), y[held_out])
    parts["test"] = (as_lazy(dataset.X_test), dataset.y_test)
    known = set(classifier.classes_)
    classes = [name for name in dataset.classes or classifier.classes_ if name in known]
    names = [str(name) for name in classes]
    results = {name: evaluate(classifier, *part, classes) for name, part in parts.items()}

    figure = plots.learning_curves(classifier.history_, classifier.best_epoch_)
    folder.save_figure(figure, "learning_curves")
    for name, title in (("train", "Training set"), ("test", "Test set")):
        figure = plots.confusion_matrix(results[name]["confusion_matrix"], names, title)
        folder.save_figure(figure, f"confusion_matrix_{name}")

    write_metrics("classify", classifier, len(parts["train"][0]), folder, results, classes=names)
    rows = {
        name: (str(len(parts[name][0])), f"{result['loss']:.4f}", f"{result['accuracy']:.4f}")
        for name, result in results.items()
    }
    print_results(console, ("sequences", "loss", "accuracy"), rows, classifier, folder)
