"""Questions of arithmetic: what is asked, that it is right, and that nothing of the test is in training."""

import numpy as np
import pytest

from fastrnn.data import arithmetic_questions, count_carries, count_questions


def pairs(dataset):
    """All questions with their answers."""
    questions = dataset.questions_train + dataset.questions_test
    return list(zip(questions, dataset.answers_train + dataset.answers_test, strict=True))


def asked(question):
    """What two forms of the same question have in common."""
    sign = "+" if "+" in question else "-"
    numbers = tuple(map(int, question.split(sign)))
    return (sign, *(sorted(numbers) if sign == "+" else numbers))


@pytest.mark.parametrize(
    ("n", "options", "sums"),
    [
        (3001, {}, 1500),
        (500, {"operations": "-"}, 0),
        (400, {"operations": "+", "digits": 2}, 400),
        (4000, {"operations": "+", "digits": 2}, 4000),  # of 5,050
        (12_000, {"digits": 2}, 5050),  # there are no more sums
        (50, {"digits": 9}, 25),
    ],
)
def test_questions_are_distinct_and_answers_right(n, options, sums):
    dataset = arithmetic_questions(n, **options)
    found = pairs(dataset)
    assert len(dataset) == len(found) == n
    assert len(dataset.questions_test) == round(n / 10)
    assert len({asked(question) for question, _ in found}) == n
    assert sum("+" in question for question, _ in found) == sums
    for question, answer in found:
        assert str(eval(question)) == answer
        assert max(map(len, question.replace("-", "+").split("+"))) <= options.get("digits", 3)


@pytest.mark.parametrize(
    ("digits", "operations", "n"), [(1, "+", 55), (1, "-", 100), (1, "+-", 155), (2, "-+", 15_050)]
)
def test_there_are_no_more_than_all(digits, operations, n):
    assert count_questions(digits, operations) == n
    dataset = arithmetic_questions(50_000, digits=digits, operations=operations)
    assert len({asked(question) for question, _ in pairs(dataset)}) == len(dataset) == n


def test_short_numbers_are_as_frequent_as_long_ones_and_sums_come_in_both_orders():
    lengths: list[int] = []
    falling = 0
    for question, _ in pairs(arithmetic_questions(3000, digits=4, operations="+")):
        a, b = question.split("+")
        lengths += [len(a), len(b)]
        falling += int(a) > int(b)
    shares = np.bincount(lengths)[1:] / len(lengths)
    assert ((shares > 0.2) & (shares < 0.3)).all()  # of all numbers below 10,000 one in a thousand has one digit
    assert 0.45 < falling / 3000 < 0.55
    all_but_few = pairs(arithmetic_questions(50, digits=1, operations="+"))
    assert {question[0] > question[2] for question, _ in all_but_few} == {False, True}


def test_the_seed_says_which():
    one, again, other = (arithmetic_questions(200, seed=seed) for seed in (3, 3, 4))
    assert one == again
    assert not set(one.questions_test) & set(other.questions_test)
    assert set(one.questions_train[:20]) != set(sorted(one.questions_train)[:20])  # in random order


def test_carries_are_counted_as_on_paper():
    def on_paper(a, b, sign):
        carry = count = 0
        for place in range(4):
            x, y = (number // 10**place % 10 for number in (a, b))
            carry = int(x + y + carry > 9) if sign == "+" else int(x - y - carry < 0)
            count += carry
        return count

    rng = np.random.default_rng(0)
    for a, b in rng.integers(0, 1000, (300, 2)).tolist():
        assert count_carries(f"{a}+{b}") == on_paper(a, b, "+")
        assert count_carries(f"{a}-{b}") == on_paper(max(a, b), min(a, b), "-")
    for question in ("1*2", "-1+2", "12", "1+2+3", "\uff11+2"):
        with pytest.raises(ValueError, match=r"expected a text such as '535\+61'"):
            count_carries(question)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 1}, ValueError, "n is 1, expected at least 2"),
        ({"digits": 0}, ValueError, "digits is 0, expected at least 1"),
        ({"digits": 10}, ValueError, "digits is 10, expected at most 9"),
        ({"operations": ""}, ValueError, r"operations is '', expected '\+', '-' or both"),
        ({"operations": ("+", "+")}, ValueError, "or both, each once"),
        ({"operations": "*"}, ValueError, r"operations is '\*'"),
        ({"test_fraction": 1}, ValueError, "test_fraction is 1, expected a number in"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"digits": 2.0}, TypeError, "digits is 2.0, expected a whole number"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        arithmetic_questions(**{"n": 10} | arguments)
