"""Questions on the command line or in a file, and the answers of a model."""

from pathlib import Path
from typing import Any

from fastrnn import SequenceTranslator
from fastrnn.cli.errors import UsageError
from fastrnn.cli.run.tables import Rows

NOTHING = "(nothing)"  # shown for an empty answer


def are_questions(estimator: Any, data: list[str]) -> bool:
    """Return whether these are questions, not the name of a file with questions."""
    return isinstance(estimator, SequenceTranslator) and not (len(data) == 1 and Path(data[0]).is_file())


def show_answers(translator: Any, questions: list[str]) -> Rows:
    """Print the answer of a model to each question; return the same as `tabulate`."""
    try:
        result = tabulate(translator, questions)
    except ValueError as error:
        hint = "" if len(questions) > 1 else f" (there is no file {questions[0]!r} either)"
        raise UsageError(f"{error}{hint}") from error
    _, rows, _ = result
    width = max(len(question) for question, _ in rows)
    for question, answer in rows:
        print(f"{question:<{width}}  {answer or NOTHING}")
    return result


def load(translator: Any, path: Path, key: str | None) -> list[str]:
    """Return the non-empty lines of a text file."""
    if key is not None:
        raise UsageError(f"--key {key} is for files of arrays, but {path} is read as text")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text (byte {error.start}); expected one question per line") from error
    lines = [line for line in lines if line]
    if not lines:
        raise UsageError(f"{path}: has no questions; expected one per line")
    return lines


def tabulate(translator: Any, questions: list[str]) -> Rows:
    """Return each question with the answer of the model, as columns, rows and a description."""
    reads_texts = translator.reads_texts_
    written = translator.predict(questions if reads_texts else [question.split() for question in questions])
    texts = [answer if isinstance(answer, str) else " ".join(answer) for answer in written]
    rows = [list(pair) for pair in zip(questions, texts, strict=True)]
    return ["question", "answer"], rows, f"{len(rows)} answers"
