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
        typer.Argument(help="HDF5 or npz file with the sequences: X, or else its test set.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="CSV file with row, prediction, and a probability for each class.")
    ] = Path("predictions.csv"),
    key: Annotated[str | None, typer.Option("--key", help="Name of the sequences in DATA.", show_default=False)] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Number of threads.", min=1, show_default="all, where it pays")
    ] = None,
) -> None:
    """Predict the classes of new sequences with a trained model."""
    with one_line_errors():
        n, names = run(model, data, out, key, threads)
        print(f"{out}: {n} predictions of {len(names)} classes ({', '.join(names)})")


def run(model: Path, data: Path, out: Path, key: str | None, threads: int | None) -> tuple[int, list[str]]:
    """Write the predictions; return how many they are, and the names of the classes."""
    import csv
    import io

    import fastrnn
    from fastrnn._files import replace_file
    from fastrnn.data import load_inputs

    path = model / "model.h5" if model.is_dir() else model
    classifier: Any = fastrnn.load(path)
    if not isinstance(classifier, fastrnn.RecurrentClassifier):
        raise UsageError(f"{path}: holds a {type(classifier).__name__}, expected a RecurrentClassifier")
    X = load_inputs(data, key)
    try:
        proba = classifier.set_params(n_threads=threads).predict_proba(X)
    except ValueError as error:
        raise UsageError(f"{data}: {error}") from error
    names = [str(label) for label in classifier.classes_]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "prediction", *(f"p_{name}" for name in names)])
    for row, values in enumerate(proba):
        writer.writerow([row, names[int(values.argmax())], *(f"{value:.6g}" for value in values)])
    replace_file(out, text.getvalue().encode())
    return len(X), names
