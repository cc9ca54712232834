"""``fastrnn-predict``: a run or model, and new sequences."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli.errors import UsageError, one_line_errors

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a run, or its model.h5.", show_default=False)],
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="HDF5 or npz file with the sequences: X, or else its test set; for an autoencoder with images or a "
            "matrix, as in training; for a model of words n-grams or a plain text, as in training; for a forecaster "
            "series, as in training; for a model that writes answers a file with a question a line, or questions "
            'themselves, such as "535+61" "12-77".',
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="CSV file: row, prediction, and a probability for each class; of an autoencoder row, mean squared "
            "error of the reconstruction, and the activation of each hidden unit; of a model of words row, context, "
            "next word, its probability, and the ten likeliest words with theirs; of a forecaster row, series, step "
            "after its end, and a value for each target; of a model that writes answers row, question and answer.",
            show_default="predictions.csv; none for questions themselves",
        ),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="Name of the array in DATA.", show_default=False)] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context",
            help='Words such as "in the", of which a model of words shows the likeliest next ones; may be given '
            "several times, and needs no DATA.",
            metavar="WORDS",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Number of threads.", min=1, show_default="all, where it pays")
    ] = None,
) -> None:
    """Predict classes of new sequences, features of new images, next words, what follows on series, or answers."""
    with one_line_errors():
        if not data and not context:
            raise UsageError("DATA is missing; expected a file, or --context with a model of words")
        estimator = load_estimator(model, threads)
        if context:
            show_contexts(model, estimator, context)
        if not data:
            return
        from fastrnn.cli.tasks.arithmetic.questions import are_questions, show_answers

        if are_questions(estimator, data):
            if key is not None:
                raise UsageError(f"--key {key} is for files, but DATA are questions")
            columns, rows, _ = show_answers(estimator, data)
            if out is not None:
                write_rows(out, columns, rows)
        elif len(data) > 1:
            raise UsageError(f"DATA is {' '.join(data)!r}, expected one file")
        else:
            out = out or Path("predictions.csv")
            print(f"{out}: {run(estimator, Path(data[0]), out, key)}")


Rows = tuple[list[str], list[list[str]], str]  # columns, values, and what they are


Load = Callable[[Any, Path, str | None], Any]  # of an estimator, a file, and the name of an array in it


def kinds() -> dict[str, tuple[Load, Callable[[Any, Any], Rows]]]:
    """Return, by the name of the estimator, what loads its data and what makes rows of these."""
    from fastrnn.cli.run.block_reading import can_stream
    from fastrnn.cli.tasks.arithmetic.questions import answers, load_lines
    from fastrnn.data import load_images, load_inputs

    return {
        "RecurrentClassifier": (lambda _, path, key: load_inputs(path, key, stream=can_stream(str(path))), classes),
        "SparseAutoencoder": (lambda _, path, key: load_images(path, key, stream=can_stream(str(path))), features),
        "NGramLanguageModel": (lambda _, path, key: load_words(path, key), next_words),
        "RecurrentForecaster": (load_series, next_steps),
        "SequenceTranslator": (lambda _, path, key: load_lines(path, key), answers),
    }


def load_estimator(model: Path, threads: int | None) -> Any:
    """Return the estimator of a run or file, if it is of a kind that predicts here."""
    import fastrnn

    path = model / "model.h5" if model.is_dir() else model
    estimator = fastrnn.load(path)
    if isinstance(estimator, fastrnn.CharacterLanguageModel):
        raise UsageError(f"{path}: holds a model of characters, which writes texts; expected fastrnn-generate {model}")
    if type(estimator).__name__ not in kinds():
        raise UsageError(f"{path}: holds a {type(estimator).__name__}, expected a {' or '.join(kinds())}")
    return estimator.set_params(n_threads=threads)


def show_contexts(model: Path, estimator: Any, contexts: list[str]) -> None:
    """Print what a model of words expects after contexts."""
    from rich.console import Console

    from fastrnn import NGramLanguageModel
    from fastrnn.cli.tasks.words.report import expect_after, show_own

    if not isinstance(estimator, NGramLanguageModel):
        raise UsageError(f"{model}: holds a {type(estimator).__name__}, but --context is for models of words")
    show_own(Console(), expect_after(estimator, contexts), len(estimator.vocabulary_))


def write_rows(out: Path, columns: list[str], rows: list[list[str]]) -> None:
    """Write a CSV file."""
    import csv
    import io

    from fastrnn._atomic import replace_file

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", *columns])
    writer.writerows([index, *row] for index, row in enumerate(rows))
    replace_file(out, text.getvalue().encode())


def run(estimator: Any, data: Path, out: Path, key: str | None) -> str:
    """Write what the estimator makes of the data, and say what it is."""
    load, tabulate = kinds()[type(estimator).__name__]
    X = load(estimator, data, key)
    try:
        columns, rows, what = tabulate(estimator, X)
    except (TypeError, ValueError) as error:
        named = str(error).startswith(f"{data}: ")  # of what is found as the file is read
        raise UsageError(str(error) if named else f"{data}: {error}") from error
    write_rows(out, columns, rows)
    return what


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

    from fastrnn.data.lazy_array import as_lazy

    scaler = autoencoder.scaler_
    if (X.ndim == 2) != (scaler is None):
        kinds = ("a matrix", "images")
        raise ValueError(f"holds {kinds[X.ndim > 2]}, expected {kinds[scaler is not None]} as in training")
    x = X if scaler is None else scaler.transform(X, autoencoder.weights_.W1.dtype, "last")
    rows = []
    for _, piece in as_lazy(x).pieces():
        h = autoencoder.transform(piece)
        errors = np.square(autoencoder.inverse_transform(h) - piece, dtype=np.float64).mean(axis=1)
        rows += [[f"{value:.6g}" for value in (error, *row)] for error, row in zip(errors, h, strict=True)]
    units = [f"h_{unit}" for unit in range(len(autoencoder.weights_.b1))]
    return ["error", *units], rows, f"{len(rows)} rows of {len(units)} activations"


def load_words(path: Path, key: str | None) -> Any:
    """Return n-grams as rows of words (N, K + 1), the next word last, or a text as sentences."""
    import numpy as np

    from fastrnn.data import load_ngrams, load_text

    if path.suffix.lower() not in (".h5", ".hdf5", ".npz"):
        if key is not None:
            raise UsageError(f"--key {key} is for files of arrays, but {path} is taken for a text")
        return load_text(path)
    ngrams = load_ngrams(path)
    parts = {
        "testx": (ngrams.x_test, ngrams.y_test),
        "valx": (ngrams.x_validation, ngrams.y_validation),
        "trainx": (ngrams.x_train, ngrams.y_train),
    }
    x, y = parts.get(key or "testx", (None, None))
    if x is None or y is None:
        there = " or ".join(f"--key {name}" for name, (part, _) in parts.items() if part is not None)
        raise UsageError(f"{path}: has no n-grams {key or 'testx'}; expected {there}")
    return np.array(ngrams.words, object)[np.column_stack([x, y])]


def next_words(model: Any, texts: Any) -> Rows:
    """Return each context with the word that came next, its probability, and the likeliest words with theirs."""
    import numpy as np

    from fastrnn.cli.tasks.words.report import LIKELIEST, expect
    from fastrnn.data import ngrams_of

    order = model.n_features_in_ + 1
    if isinstance(texts, np.ndarray):
        texts = texts[:, -order:].tolist()
    x, y = ngrams_of(texts, model.vocabulary_.tolist(), order, model.unknown)
    k = min(LIKELIEST, len(model.vocabulary_))
    rows = []
    for context, words, probabilities, truth in expect(model, x, y):
        assert truth is not None
        pairs = zip((truth.word, *words), (truth.probability, *probabilities), strict=True)
        rows.append([" ".join(context), *(value for word, p in pairs for value in (word, f"{p:.6g}"))])
    likeliest = [name for place in range(1, k + 1) for name in (f"word_{place}", f"p_{place}")]
    return ["context", "next", "p_next", *likeliest], rows, f"{len(rows)} contexts with the {k} likeliest next words"


def load_series(forecaster: Any, path: Path, key: str | None) -> Any:
    """Return series with the channels that the forecaster was trained on."""
    from fastrnn.data import load_series

    names = getattr(forecaster, "feature_names_in_", None)
    if names is None:
        return load_series(path, key=key)
    is_csv = path.suffix.lower() in (".csv", ".tsv", ".txt")
    if is_csv or all(name.isdigit() for name in names):
        return load_series(
            path, columns=list(names), series_column=forecaster.series_column_ if is_csv else None, key=key
        )
    return load_series(path, key=key)  # arrays have no names


def next_steps(forecaster: Any, series: Any) -> Rows:
    """Return the steps after the end of each series."""
    forecasts = forecaster.predict(series.values)
    names = getattr(forecaster, "feature_names_in_", series.columns)
    rows = [
        [name, str(step), *(f"{value:.10g}" for value in values)]
        for name, steps in zip(series.names, forecasts, strict=True)
        for step, values in enumerate(steps, 1)
    ]
    what = f"{forecaster.horizon_} steps after the end of {len(forecasts)} series"
    return ["series", "step", *(str(names[column]) for column in forecaster.columns_)], rows, what
