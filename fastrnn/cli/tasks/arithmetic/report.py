"""The result of arithmetic: some questions with their answers, metrics.json, figures, and a short table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from fastrnn import plots
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.progress import Column
from fastrnn.cli.run.report import print_results, write_metrics
from fastrnn.cli.tasks.arithmetic.predict import NOTHING
from fastrnn.data import Arithmetic, count_carries

SHOWN, EVERY = 10, 5  # number of test questions to show, and of epochs between showing them
COLUMNS = (  # of the lines for epochs; the accuracy by character says less
    Column("epoch", "epoch", "d"),
    Column("train loss", "train_loss"),
    Column("right", "train_exact_match"),
    Column("valid. loss", "validation_loss"),
    Column("right", "validation_exact_match"),
    Column("seconds", "seconds", ".2f"),
)
OPERATIONS = {"+": "sums", "-": "differences"}


def watch(model: Any, dataset: Arithmetic, epoch: int, console: Console) -> None:
    """Print some answers of the test set every few epochs."""
    if _is_shown(model, epoch):
        console.print()
        show(console, f"Held-out questions after epoch {epoch}", ask(model, dataset))
        console.print()


def _is_shown(model: Any, epoch: int) -> bool:
    """Return whether answers are shown after this epoch; the report shows those after the last one."""
    return epoch % EVERY == 0 and epoch < model.epochs


def ask(model: Any, dataset: Arithmetic) -> list[dict[str, str]]:
    """Return some questions of the test set (always the same), with the true and the given answers."""
    questions, truths = dataset.questions_test, dataset.answers_test
    rows = np.random.default_rng(model.random_state).permutation(len(questions))[:SHOWN]
    answers = model.predict([questions[row] for row in rows])
    return [
        {"question": questions[row], "truth": truths[row], "answer": answer}
        for row, answer in zip(rows, answers, strict=True)
    ]


def show(console: Console, title: str, asked: Sequence[Mapping[str, str]]) -> None:
    """Print questions with the true and the given answers."""
    widths = [max(len(row[name]) for row in asked) for name in ("question", "truth")]
    console.print(Text(f"{title} (question = truth, answer of the net)", style="bold"), soft_wrap=True)
    for row in asked:
        question, truth, answer = row["question"], row["truth"], row["answer"]
        right = answer == truth
        line = Text(f"{question:>{widths[0] + 4}} = {truth:<{widths[1]}}  ")
        line.append(f"{_mark(console, right=right)} {answer or NOTHING}", "green" if right else "bold red")
        console.print(line, soft_wrap=True)


def _mark(console: Console, *, right: bool) -> str:
    """Return a sign, or a word if the terminal may lack the sign."""
    marks = ("wrong:", "right:") if console.options.ascii_only else ("✗", "✓")
    return marks[right]


def report(model: Any, dataset: Arithmetic, folder: RunFolder, console: Console, parameters: Mapping[str, Any]) -> None:
    """Evaluate the fitted model, write metrics and figures, and show answers and a short table."""
    held_out = set(model.validation_rows_.tolist())
    pairs = list(zip(dataset.questions_train, dataset.answers_train, strict=True))
    parts = {"train": [pair for row, pair in enumerate(pairs) if row not in held_out]}
    if held_out:
        parts["validation"] = [pairs[row] for row in sorted(held_out)]
    parts["test"] = list(zip(dataset.questions_test, dataset.answers_test, strict=True))
    results: dict[str, Any] = {}
    for name, part in parts.items():
        questions, truths = map(list, zip(*part, strict=True))
        answers = model.predict(questions)
        right = [answer == truth for answer, truth in zip(answers, truths, strict=True)]
        loss, by_character = model.evaluate(questions, truths)
        results[name] = {"loss": loss, "accuracy": sum(right) / len(right), "character_accuracy": by_character}
    results["test"] |= {"wrong_by": wrong_by(questions, right)}  # the last part is the test set
    shown = ask(model, dataset)
    folder.save_figure(plots.learning_curves(model.history_, model.best_epoch_), "learning_curves")
    folder.save_figure(plots.wrong_shares(results["test"]["wrong_by"]), "wrong_answers")

    write_metrics("arithmetic", model, len(parts["train"]), folder, results, questions=len(dataset), answers=shown)
    if not _is_shown(model, model.n_iter_):  # else there is already an empty line
        console.print()
    show(console, "Held-out questions after training", shown)
    _show_wrong(console, questions, truths, answers)
    rows = {
        name: (str(len(parts[name])), *(f"{result[key]:.4f}" for key in ("loss", "accuracy", "character_accuracy")))
        for name, result in results.items()
    }
    print_results(console, ("questions", "loss", "answers right", "characters right"), rows, model, folder)


def _show_wrong(console: Console, questions: Sequence[str], truths: Sequence[str], answers: Sequence[str]) -> None:
    """Print the first wrong answers of the test set."""
    wrong = [pair for pair in zip(questions, truths, answers, strict=True) if pair[1] != pair[2]]
    mark = _mark(console, right=False)
    some = ", ".join(f"{question} = {truth} {mark} {answer or NOTHING}" for question, truth, answer in wrong[:4])
    said = f"{len(wrong)} of {len(questions)} held-out answers are wrong"
    console.print(f"\n{said}{': ' if some else ''}{some}", highlight=False, markup=False, soft_wrap=True)


def wrong_by(questions: Sequence[str], right: Sequence[bool]) -> dict[str, dict[str, dict[str, list[int]]]]:
    """Count wrong and all answers of each operation, by digits of the longer number and by carries or borrows."""
    groups: dict[str, dict[str, dict[str, list[int]]]] = {}
    for sign, name in OPERATIONS.items():
        own = [(question, good) for question, good in zip(questions, right, strict=True) if sign in question]
        keys = {
            "digits of the longer number": [max(map(len, question.split(sign))) for question, _ in own],
            "carries" if sign == "+" else "borrows": [count_carries(question) for question, _ in own],
        }
        for key, values in keys.items():
            everything = Counter(values)
            wrong = Counter(value for value, (_, good) in zip(values, own, strict=True) if not good)
            counts = {str(value): [wrong[value], everything[value]] for value in sorted(everything)}
            if counts:
                groups.setdefault(name, {})[key] = counts
    return groups
