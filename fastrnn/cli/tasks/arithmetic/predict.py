"""Questions on the command line or in a file, and what a model answers."""

from pathlib import Path
from typing import Any

from fastrnn import SequenceTranslator
from fastrnn.cli.errors import UsageError
from fastrnn.cli.run.tables import Rows

NOTHING = "(nothing)"  # what an empty answer is shown as


def are_questions(estimator: Any, data: list[str]) -> bool:
    """Are these what the model reads, rather than the file that holds it?"""
    return isinstance(estimator, SequenceTranslator) and not (len(data) == 1 and Path(data[0]).is_file())


def show_answers(translator: Any, questions: list[str]) -> Rows:
    """Print what a model answers, a line for each question; return what `tabulate` does."""
    try:
        result = tabulate(translator, questions)
    except ValueError as error:
        hint = "" if len(questions) > 1 else f"; and there is no file {questions[0]!r}"
        raise UsageError(f"{error}{hint}") from error
    _, rows, _ = result
    width = max(len(question) for question, _ in rows)
    for question, answer in rows:
        print(f"{question:<{width}}  {answer or NOTHING}")
    return result


def load(translator: Any, path: Path, key: str | None) -> list[str]:
    """Return the lines of a text that are not empty."""
    if key is not None:
        raise UsageError(f"--key {key} is for files of arrays, but {path} is taken for a text")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not text in UTF-8 (byte {error.start}); expected a question a line") from error
    lines = [line for line in lines if line]
    if not lines:
        raise UsageError(f"{path}: has no questions; expected one a line")
    return lines


def tabulate(translator: Any, questions: list[str]) -> Rows:
    """Return each question with what the model writes for it, as columns, rows, and what they are."""
    reads_texts = translator.reads_texts_
    written = translator.predict(questions if reads_texts else [question.split() for question in questions])
    texts = [answer if isinstance(answer, str) else " ".join(answer) for answer in written]
    rows = [list(pair) for pair in zip(questions, texts, strict=True)]
    return ["question", "answer"], rows, f"{len(rows)} answers"
