"""The result of a classifier: metrics.json, figures, and a short table."""

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

import fastrnn
from fastrnn import plots
from fastrnn._kernels import backends
from fastrnn._kernels.threads import available_threads
from fastrnn.cli._folder import RunFolder


def evaluate(classifier: Any, X: Any, y: Any, classes: list[Any]) -> dict[str, Any]:
    """Return loss, accuracy and confusion matrix (rows true, columns predicted, in this order of classes)."""
    proba = classifier.predict_proba(X)
    predicted = classifier.classes_[proba.argmax(1)]
    return {
        "loss": float(log_loss(y, proba, labels=classifier.classes_)),
        "accuracy": float(accuracy_score(y, predicted)),
        "confusion_matrix": confusion_matrix(y, predicted, labels=classes).tolist(),
    }


def report(classifier: Any, dataset: Any, folder: RunFolder, console: Console) -> None:
    """Evaluate the fitted classifier on all sets; write metrics and figures, and print a table."""
    held_out = classifier.validation_rows_
    X, y = dataset.X_train, dataset.y_train
    parts = {"train": (np.delete(X, held_out, axis=0), np.delete(y, held_out))}
    if len(held_out):
        parts["validation"] = (X[held_out], y[held_out])
    parts["test"] = (dataset.X_test, dataset.y_test)
    known = set(classifier.classes_)
    classes = [name for name in dataset.classes or classifier.classes_ if name in known]
    names = [str(name) for name in classes]
    results = {name: evaluate(classifier, *part, classes) for name, part in parts.items()}

    history = classifier.history_
    plots.save(plots.learning_curves(history, classifier.best_epoch_), folder.figures / "learning_curves.png")
    for name, title in (("train", "Training set"), ("test", "Test set")):
        figure = plots.confusion_matrix(results[name]["confusion_matrix"], names, title)
        plots.save(figure, folder.figures / f"confusion_matrix_{name}.png")

    seconds = float(sum(history["seconds"]))
    native = backends.native()
    folder.write_metrics(
        {
            "task": "classify",
            "version": fastrnn.__version__,
            "backend": f"native {native.instruction_set}" if native else "numba",
            "n_threads": classifier.n_threads or available_threads(),
            "epochs": classifier.n_iter_,
            "best_epoch": classifier.best_epoch_,
            "seconds": seconds,
            "samples_per_second": len(parts["train"][0]) * classifier.n_iter_ / seconds,
            "classes": names,
        }
        | results
    )
    console.print()
    console.print(_table(results, parts))
    console.print(
        f"{classifier.n_iter_} epochs in {seconds:.1f} s, best {classifier.best_epoch_}; figures in {folder.figures}",
        highlight=False,
        soft_wrap=True,
    )


def _table(results: dict[str, Any], parts: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("set")
    for column in ("sequences", "loss", "accuracy"):
        table.add_column(column, justify="right")
    for name, result in results.items():
        table.add_row(name, str(len(parts[name][0])), f"{result['loss']:.4f}", f"{result['accuracy']:.4f}")
    return table
