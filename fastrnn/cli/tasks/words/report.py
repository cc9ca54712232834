"""The result of a word model: its predictions after some contexts, metrics.json, figures, and a short table."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.text import Text

from fastrnn import plots
from fastrnn._checks import counted
from fastrnn._typing import Array
from fastrnn.cli.errors import UsageError
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.report import print_results, write_metrics
from fastrnn.data import sentences_of
from fastrnn.data.lazy_array import LazyArray, as_lazy

CONTEXTS, LIKELIEST = 5, 10  # number of test contexts to show, and of next words for each
IN_A_LINE, WIDTH = 5, 15  # next words in a printed line, and the width of each with its probability


class Truth(NamedTuple):
    """The true next word, its probability, and its rank among all words, from 1."""

    word: str
    probability: float
    place: int


class Expected(NamedTuple):
    """The most likely words after a context, with their probabilities, and the true word if it is known."""

    context: list[str]
    words: list[str]
    probabilities: list[float]
    truth: Truth | None = None


def expect(model: Any, x: Array, y: Array | None = None) -> Iterator[Expected]:
    """Yield the predictions after contexts (N, K), with the true next words (N,) if given; both are word numbers."""
    names = model.vocabulary_
    for first in range(0, len(x), 1000):  # limits the probabilities in memory
        rows = x[first : first + 1000]
        best = model.top_k(rows, min(LIKELIEST, len(names)))
        truths: Iterable[Truth | None] = [None] * len(rows)
        if y is not None:
            true, all_of = y[first : first + 1000], model.predict_proba(rows)
            p = all_of[np.arange(len(rows)), true]
            places = 1 + (all_of > p[:, None]).sum(axis=1)
            truths = map(Truth, names[true].tolist(), p.tolist(), places.tolist())
        columns = (names[rows].tolist(), *(part.tolist() for part in best), truths)
        yield from map(Expected, *columns)


def read_contexts(model: Any, texts: list[str]) -> tuple[Array, list[str]]:
    """Return contexts (N, K) from texts, as word numbers, and notes on unknown words."""
    numbers = {word: number for number, word in enumerate(model.vocabulary_)}
    K, other, notes, rows = model.n_features_in_, numbers.get(model.unknown), [], []
    for text in texts:
        words = []
        for piece in text.split():
            words += [piece] if piece in numbers else [word for sentence in sentences_of(piece) for word in sentence]
        if len(words) < K:
            raise UsageError(
                f"--context {text!r} has {counted(len(words), 'word')}, expected {K} or more (order is {K + 1})"
            )
        for word in words[-K:]:
            if word not in numbers:
                if other is None:
                    raise UsageError(f"--context {text!r}: {word!r} is not among the {len(numbers)} words of the model")
                notes.append(
                    f"{word!r} is not among the {len(numbers)} words of the model; it is read as {model.unknown}"
                )
        rows.append([numbers.get(word, other) for word in words[-K:]])
    return np.array(rows, np.intp).reshape(-1, K), list(dict.fromkeys(notes))


def show(console: Console, title: str, expected: Iterable[Expected], size: int) -> None:
    """Print the most likely words after each context; `size` is the number of words that the model knows."""
    console.print(f"\n{title}", style="bold")
    for one in expected:
        heading = Text(f"\n{' '.join(one.context)} …", style="bold")
        if one.truth is not None:
            word, p, place = one.truth
            heading.append(f" {word}").append(f"  {_percent(p)}, rank {place} of {size}", style="not bold")
        console.print(heading, soft_wrap=True)
        line = Text()
        for place, (word, p) in enumerate(zip(one.words, one.probabilities, strict=True), 1):
            is_true = one.truth is not None and word == one.truth.word
            line.append(f"{_short(word, WIDTH - 7):>{WIDTH - 6}}{_percent(p):>6}", "bold" if is_true else "")
            line.append("\n" if place % IN_A_LINE == 0 and place < len(one.words) else "")
        console.print(line, soft_wrap=True)


def expect_after(model: Any, texts: list[str]) -> tuple[list[Expected], list[str]]:
    """Return the predictions after contexts given by the user, and notes on unknown words."""
    x, notes = read_contexts(model, texts)
    return list(expect(model, x)), notes


def show_own(console: Console, own: tuple[list[Expected], list[str]], size: int) -> None:
    """Print what `expect_after` returned."""
    expected, notes = own
    if expected:
        show(console, "Most likely next words", expected, size)
    for note in notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)


def _short(word: str, width: int) -> str:
    return word if len(word) <= width else f"{word[: width - 1]}…"


def _percent(p: float) -> str:
    """Return a probability in at most five characters."""
    return f"{p:.1%}" if p < 0.9995 else "100%"


def report(model: Any, dataset: Any, folder: RunFolder, console: Console, parameters: Mapping[str, Any]) -> None:
    """Evaluate the fitted model; write metrics and figures, and print its predictions and a table."""
    held_out = model.validation_rows_
    parts = {"train": (as_lazy(dataset.x_train), as_lazy(dataset.y_train))}
    if len(held_out):
        x, y = parts["train"]
        trained = np.delete(np.arange(len(x)), held_out)
        parts = {"train": (x.take(trained), y.take(trained)), "validation": (x.take(held_out), y.take(held_out))}
    elif dataset.x_validation is not None:
        parts["validation"] = (as_lazy(dataset.x_validation), as_lazy(dataset.y_validation))
    parts["test"] = (as_lazy(dataset.x_test), as_lazy(dataset.y_test))
    results = {}
    for name, part in parts.items():
        loss, accuracy = model.evaluate(*part)
        results[name] = {"loss": loss, "accuracy": accuracy, "perplexity": float(np.exp(loss))}

    x, y = parts["test"]
    some = np.sort(np.random.default_rng(model.random_state).choice(len(x), min(CONTEXTS, len(x)), replace=False))
    of_test = list(expect(model, x.take(some).load(), y.take(some).load()))
    own = expect_after(model, parameters["context"])
    draw(model, count(parts["train"][1], len(dataset.words)), of_test, own[0], folder)

    shown = [one._asdict() | {"truth": one.truth._asdict() if one.truth else None} for one in (*of_test, *own[0])]
    write_metrics("words", model, len(parts["train"][0]), folder, results, next_words=shown)
    show(console, "Most likely next words in the test set, and the true one", of_test, len(dataset.words))
    show_own(console, own, len(dataset.words))
    rows = {
        name: (str(len(parts[name][0])), *(f"{value:.4f}" for value in result.values()))
        for name, result in results.items()
    }
    print_results(console, ("n-grams", "loss", "accuracy", "perplexity"), rows, model, folder)


def count(y: LazyArray, size: int) -> Array:
    """Return how often each of `size` words occurs."""
    counts = np.zeros(size, np.intp)
    for _, piece in y.pieces():
        counts += np.bincount(piece, minlength=size)
    return counts


def draw(model: Any, counts: Array, of_test: list[Expected], own: list[Expected], folder: RunFolder) -> None:
    """Draw the figures of a run; `counts` are the frequencies of the words in the training set."""
    folder.save_figure(plots.learning_curves(model.history_, model.best_epoch_), "learning_curves")
    for name, expected in (("next_words", of_test), ("contexts", own)):
        if expected:
            contexts, words, probabilities, truths = zip(*expected, strict=True)
            true = [truth.word for truth in truths] if expected is of_test else None
            folder.save_figure(plots.next_words(contexts, words, probabilities, true), f"{name}")
    figure = plots.embedding_map(model.embeddings_, model.vocabulary_, counts)
    folder.save_figure(figure, "embeddings")
