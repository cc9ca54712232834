"""``fastrnn-predict``: apply a trained model to new data."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli.errors import UsageError, one_line_errors
from fastrnn.cli.train import tasks_by_estimator

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a run, or its model.h5.", show_default=False)],
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="New data, in the same format as for training. Classifier: an HDF5 or npz file with X, or else its "
            "test set. Autoencoder: a file of images or a matrix. Word model: n-grams or a plain text. Forecaster: "
            "series. Arithmetic: a text file with one question per line, or the questions themselves, such as "
            '"535+61" "12-77".',
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="CSV file to write: the row number, and these columns. Classifier: prediction, and the probability "
            "of each class. Autoencoder: mean squared error of the reconstruction, and the activation of each hidden "
            "unit. Word model: context, next word, its probability, and the ten most likely words with theirs. "
            "Forecaster: series, step after its end, and a value for each target. Arithmetic: question and answer.",
            show_default="predictions.csv; no file for questions on the command line",
        ),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="Name of the array in DATA.", show_default=False)] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context",
            help='Words such as "one of the": a word model shows the most likely next words; can be repeated, and '
            "needs no DATA.",
            metavar="WORDS",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", help="Number of threads.", min=1, show_default="chosen by the size of the problem"),
    ] = None,
) -> None:
    """Apply a trained model to new data: predict classes, features, next words, future values or answers."""
    with one_line_errors():
        if not data and not context:
            raise UsageError("DATA is missing; give a file, or --context for a word model")
        estimator = load_estimator(model, threads)
        if context:
            show_contexts(model, estimator, context)
        if not data:
            return
        from fastrnn.cli.run.tables import write_rows
        from fastrnn.cli.tasks.arithmetic.predict import are_questions, show_answers

        if are_questions(estimator, data):
            if key is not None:
                raise UsageError(f"--key {key} is for files, but DATA holds questions")
            columns, rows, _ = show_answers(estimator, data)
            if out is not None:
                write_rows(out, columns, rows)
        elif len(data) > 1:
            raise UsageError(f"DATA is {' '.join(data)!r}, expected one file")
        else:
            out = out or Path("predictions.csv")
            print(f"{out}: {run(estimator, Path(data[0]), out, key)}")


def load_estimator(model: Path, threads: int | None) -> Any:
    """Load the estimator of a run folder or file; refuse one that this command cannot use."""
    import fastrnn

    path = model / "model.h5" if model.is_dir() else model
    estimator = fastrnn.load(path)
    if isinstance(estimator, fastrnn.CharacterLanguageModel):
        raise UsageError(f"{path}: holds a character model, which writes text: use fastrnn-generate {model}")
    if type(estimator).__name__ not in tasks_by_estimator():
        expected = " or ".join(tasks_by_estimator())
        raise UsageError(f"{path}: holds a {type(estimator).__name__}, expected a {expected}")
    return estimator.set_params(n_threads=threads)


def show_contexts(model: Path, estimator: Any, contexts: list[str]) -> None:
    """Print the next words that a word model expects after contexts."""
    from rich.console import Console

    from fastrnn import NGramLanguageModel
    from fastrnn.cli.tasks.words.report import expect_after, show_own

    if not isinstance(estimator, NGramLanguageModel):
        raise UsageError(f"{model}: holds a {type(estimator).__name__}, but --context is for word models")
    show_own(Console(), expect_after(estimator, contexts), len(estimator.vocabulary_))


def run(estimator: Any, data: Path, out: Path, key: str | None) -> str:
    """Write the predictions for the data, and return a description of them."""
    from fastrnn.cli.run.tables import write_rows

    module = import_module(tasks_by_estimator()[type(estimator).__name__].predict)
    X = module.load(estimator, data, key)
    try:
        columns, rows, what = module.tabulate(estimator, X)
    except (TypeError, ValueError) as error:
        named = str(error).startswith(f"{data}: ")  # an error found while reading the file
        raise UsageError(str(error) if named else f"{data}: {error}") from error
    write_rows(out, columns, rows)
    return what
