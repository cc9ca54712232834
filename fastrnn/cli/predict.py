"""``fastrnn-predict``: a run or model, and new sequences."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli._errors import UsageError, one_line_errors

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a run, or its model.h5.", show_default=False)],
    data: Annotated[
        Path,
        typer.Argument(
            help="HDF5 or npz file with the sequences: X, or else its test set; for an autoencoder with images or a "
            "matrix, as in training.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="CSV file: row, prediction, and a probability for each class; of an autoencoder row, mean squared "
            "error of the reconstruction, and the activation of each hidden unit.",
        ),
    ] = Path("predictions.csv"),
    key: Annotated[str | None, typer.Option("--key", help="Name of the array in DATA.", show_default=False)] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Number of threads.", min=1, show_default="all, where it pays")
    ] = None,
) -> None:
    """Predict the classes of new sequences, or find the features of new images, with a trained model."""
    with one_line_errors():
        print(f"{out}: {run(model, data, out, key, threads)}")


def run(model: Path, data: Path, out: Path, key: str | None, threads: int | None) -> str:
    """Write what the model makes of the data, and say what it is."""
    import csv
    import io

    import fastrnn
    from fastrnn._files import replace_file
    from fastrnn.data import load_images, load_inputs

    path = model / "model.h5" if model.is_dir() else model
    estimator: Any = fastrnn.load(path)
    kinds: dict[type, Any] = {
        fastrnn.RecurrentClassifier: (load_inputs, classes),
        fastrnn.SparseAutoencoder: (load_images, features),
    }
    if type(estimator) not in kinds:
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise UsageError(f"{path}: holds a {type(estimator).__name__}, expected a {expected}")
    load, tabulate = kinds[type(estimator)]
    X = load(data, key)
    try:
        columns, rows, what = tabulate(estimator.set_params(n_threads=threads), X)
    except ValueError as error:
        raise UsageError(f"{data}: {error}") from error
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", *columns])
    writer.writerows([index, *row] for index, row in enumerate(rows))
    replace_file(out, text.getvalue().encode())
    return what


Rows = tuple[list[str], list[list[str]], str]  # columns, values, and what they are


def classes(classifier: Any, X: Any) -> Rows:
    """Return the class of each sequence, and the probabilities."""
    proba = classifier.predict_proba(X)
    names = [str(label) for label in classifier.classes_]
    rows = [[names[int(row.argmax())], *(f"{value:.6g}" for value in row)] for row in proba]
    what = f"{len(rows)} predictions of {len(names)} classes ({', '.join(names)})"
    return ["prediction", *(f"p_{name}" for name in names)], rows, what


def features(autoencoder: Any, X: Any) -> Rows:
    """Return how well each example is reconstructed, and the activations of the hidden units."""
    import numpy as np

    scaler = autoencoder.scaler_
    if (X.ndim == 2) != (scaler is None):
        kinds = ("a matrix", "images")
        raise ValueError(f"holds {kinds[X.ndim > 2]}, expected {kinds[scaler is not None]} as in training")
    x = X if scaler is None else scaler.transform(X, autoencoder.weights_.W1.dtype, "last")
    h = autoencoder.transform(x)
    errors = np.square(autoencoder.inverse_transform(h) - x, dtype=np.float64).mean(axis=1)
    rows = [[f"{value:.6g}" for value in (error, *row)] for error, row in zip(errors, h, strict=True)]
    units = [f"h_{unit}" for unit in range(h.shape[1])]
    return ["error", *units], rows, f"{len(rows)} rows of {len(units)} activations"
