"""Arithmetic questions and their answers as texts, such as "535+61" and "596"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastrnn._checks import check_integer, check_number

__all__ = ["OPERATIONS", "Arithmetic", "arithmetic_questions", "count_carries", "count_questions"]

OPERATIONS = ("+", "-")
MOST_DIGITS = 9  # so that both numbers of a question, side by side, fit into 64 bits


_QUESTION = re.compile(r"(\d+)([+-])(\d+)", re.ASCII)


@dataclass(frozen=True)
class Arithmetic:
    """
    Arithmetic questions and answers, to train and test a model on.

    Attributes
    ----------
    questions_train, questions_test : list of str
        Such as ``"535+61"``.
    answers_train, answers_test : list of str
        Such as ``"596"`` or ``"-65"``.
    """

    questions_train: list[str]
    answers_train: list[str]
    questions_test: list[str]
    answers_test: list[str]

    def __len__(self) -> int:
        return len(self.questions_train) + len(self.questions_test)


def arithmetic_questions(
    n: int = 50_000,
    *,
    digits: int = 3,
    operations: Sequence[str] = OPERATIONS,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Arithmetic:
    """
    Draw distinct sums and differences of two numbers, and hold some out for testing.

    1+2 and 2+1 count as one question, and only one of them is drawn. So a sum of the test set is not in the training
    set in the other order. Differences in the other order are other questions, because their answers differ. Each
    operation has an equal share of the questions, or all that exist if there are fewer.

    Parameters
    ----------
    n : int
        How many questions to draw. If fewer exist (see `count_questions`), all are drawn.
    digits : int
        The most digits of a number, 1 to 9. The number of digits is drawn first, then the number, so that short numbers
        are as frequent as long ones (as in Keras' example of learning to add). But if `n` is more than half of the
        questions that exist, all questions are equally likely.
    operations : sequence of {"+", "-"}
        What to ask. Differences may be negative.
    test_fraction : float
        The fraction of the questions to hold out, at least one question.
    seed : int
        The same seed gives the same questions.

    Returns
    -------
    Arithmetic
        Questions and answers, in random order.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.

    Examples
    --------
    >>> from fastrnn.data import arithmetic_questions
    >>> few = arithmetic_questions(20, digits=2, operations="-", seed=1)
    >>> few.questions_test, few.answers_test
    (['11-98', '42-0'], ['-87', '42'])
    """
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    fraction = check_number("test_fraction", test_fraction, "(0, 1)")
    texts, answers = [], []
    for operation, count in _shares(check_integer("n", n, 2), digits, operations).items():
        numbers = _draw(rng, count, digits, commutes=operation == "+")
        for a, b in numbers.tolist():
            texts.append(f"{a}{operation}{b}")
            answers.append(str(a + b if operation == "+" else a - b))
    held_out = min(max(1, round(fraction * len(texts))), len(texts) - 1)
    order = rng.permutation(len(texts)).tolist()
    test, train = order[:held_out], order[held_out:]
    parts = [[some[row] for row in rows] for rows in (train, test) for some in (texts, answers)]
    return Arithmetic(*parts)


def count_questions(digits: int, operations: Sequence[str] = OPERATIONS) -> int:
    """
    Return how many distinct questions exist.

    Parameters
    ----------
    digits : int
        Most digits of a number, 1 to 9.
    operations : sequence of {"+", "-"}
        What to ask.

    Returns
    -------
    int
        The number of questions; 1+2 and 2+1 count as one.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.
    """
    return sum(_exist(digits, operations).values())


def count_carries(question: str) -> int:
    """
    Return how many digits of a sum carry into the next digit, or how many of a difference borrow from it.

    Parameters
    ----------
    question : str
        Such as ``"535+61"``. For a negative difference, the numbers are swapped first.

    Returns
    -------
    int
        The number of carries or borrows.

    Raises
    ------
    ValueError
        If it is not such a question.

    Examples
    --------
    >>> from fastrnn.data import count_carries
    >>> count_carries("95+7"), count_carries("100-1"), count_carries("1-100")
    (2, 2, 2)
    """
    match = _QUESTION.fullmatch(question)
    if match is None:
        raise ValueError(f"question is {question!r}, expected a text such as '535+61' or '12-77'")
    a, operation, b = int(match[1]), match[2], int(match[3])
    if operation == "-":  # a digit borrows where the sum of difference and subtrahend carries
        a, b = abs(a - b), min(a, b)
    # Without carries, the digit sums add up; each carry takes 10 from a digit and adds 1 to the next.
    return (_digit_sum(a) + _digit_sum(b) - _digit_sum(a + b)) // 9


def _digit_sum(number: int) -> int:
    return sum(map(int, str(number)))


def _exist(digits: int, operations: Sequence[str]) -> dict[str, int]:
    """Return how many questions of each operation exist."""
    if check_integer("digits", digits, 1) > MOST_DIGITS:
        raise ValueError(f"digits is {digits}, expected at most {MOST_DIGITS}")
    asked = list(operations)
    if not asked or len(set(asked)) < len(asked) or not set(asked) <= set(OPERATIONS):
        raise ValueError(f"operations is {operations!r}, expected '+', '-' or both, each once")
    numbers = 10**digits
    return {name: numbers * (numbers + 1) // 2 if name == "+" else numbers**2 for name in asked}


def _shares(n: int, digits: int, operations: Sequence[str]) -> dict[str, int]:
    """Return how many questions of each operation to draw: equally many, unless too few exist of one."""
    exist = _exist(digits, operations)
    shares, left = {}, n
    for place, name in enumerate(sorted(exist, key=exist.__getitem__)):  # the scarcest first
        shares[name] = min(left // (len(exist) - place), exist[name])
        left -= shares[name]
    return {name: shares[name] for name in exist}


def _draw(rng: np.random.Generator, n: int, digits: int, *, commutes: bool) -> np.ndarray:
    """Return n distinct pairs of numbers (n, 2); if the operation commutes, only one order of each pair."""
    base = 10**digits
    exist = base * (base + 1) // 2 if commutes else base**2
    if 2 * n > exist:
        a, b = np.divmod(np.arange(base**2), base)
        numbers = np.column_stack([a, b])[a <= b] if commutes else np.column_stack([a, b])
        numbers = rng.permutation(numbers)[:n]
        return rng.permuted(numbers, axis=1) if commutes else numbers
    numbers = np.zeros((0, 2), np.int64)
    while len(numbers) < n:
        more = rng.integers(0, 10 ** rng.integers(1, digits, (n, 2), endpoint=True))
        numbers = np.concatenate([numbers, more])
        ordered = np.sort(numbers, axis=1) if commutes else numbers
        _, first = np.unique(ordered[:, 0] * base + ordered[:, 1], return_index=True)
        numbers = numbers[np.sort(first)]
    return numbers[:n]
