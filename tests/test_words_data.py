"""data: texts as sentences of words, n-grams out of files and sentences, and what of them is refused."""

import sys
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fastrnn.data import (
    DataError,
    load_ngrams,
    load_text,
    ngrams_of,
    sentences_of,
    split_sentences,
    topics,
    vocabulary_of,
)

Writer = Callable[..., Path]
WORDS = ["the", "a", "é", "$", "'s"]
# Numbered from 0; neither the first nor the last word is in every array.
TRAINX = np.array([[0, 3], [2, 1], [1, 1], [3, 2]])
TRAIND = np.array([2, 4, 1, 3])
SETS = {
    "trainx": TRAINX,
    "traind": TRAIND,
    "valx": np.array([[1, 2], [2, 3], [3, 1]]),
    "vald": np.array([1, 3, 2]),
    "testx": np.array([[4, 1], [1, 2]]),
    "testd": np.array([3, 0]),
}
ROLES = ["x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test"]


def counted_from(first: int, **changes: Any) -> dict[str, Any]:
    return {**{key: array + first for key, array in SETS.items()}, "words": WORDS, **changes}


# N-grams of files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_index", [None, "known"])
@pytest.mark.parametrize("first", [0, 1])
def test_words_count_from_0_or_from_1(first: int, first_index: str | None, write: Writer) -> None:
    path = write(**counted_from(first))
    ngrams = load_ngrams(path, first_index=None if first_index is None else first)
    for role, array in zip(ROLES, SETS.values(), strict=True):
        np.testing.assert_array_equal(getattr(ngrams, role), array)
    assert ngrams.words == WORDS


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("key", ["trainx", "traind", "testx", "testd"])
def test_one_number_in_any_array_tells(key: str, first: int, write: Writer) -> None:
    arrays = {name: np.clip(array, 1, 3) + first for name, array in SETS.items()}
    arrays[key].flat[1] = 0 if first == 0 else len(WORDS)
    loaded = load_ngrams(write(**arrays, words=WORDS))
    np.testing.assert_array_equal(loaded.x_train, arrays["trainx"] - first)
    np.testing.assert_array_equal(loaded.y_test, arrays["testd"] - first)


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i4", "u8", "f4", ">f8"])
def test_any_whole_numbers_become_the_smallest_dtype(dtype: str, write: Writer) -> None:
    path = write(**{key: array.astype(dtype) for key, array in counted_from(1).items() if key != "words"}, words=WORDS)
    ngrams = load_ngrams(path)
    for role, array in zip(ROLES, SETS.values(), strict=True):
        assert getattr(ngrams, role).dtype == np.uint8
        np.testing.assert_array_equal(getattr(ngrams, role), array)
    many = [f"word{i}" for i in range(257)]
    assert load_ngrams(write(trainx=TRAINX, traind=TRAIND, words=many)).y_train.dtype == np.uint16
    assert load_ngrams(write(trainx=TRAINX, traind=TRAIND, words=many[:256])).y_train.dtype == np.uint8
    path = write(trainx=TRAINX + 254, traind=TRAIND, words=many[:256])
    with pytest.raises(DataError, match="'trainx' is 257 in row 0, column 1; expected whole numbers from 0 to 255 or"):
        load_ngrams(path)


@pytest.mark.parametrize("form", [lambda x: x, lambda x: x[:, np.newaxis]], ids=["row", "column"])
@pytest.mark.parametrize("kind", ["U", "S"])
def test_forms_of_words_and_next_words(form: Callable[[np.ndarray], np.ndarray], kind: str, write: Writer) -> None:
    words = np.array(WORDS) if kind == "U" else np.char.encode(np.array(WORDS), "utf-8")
    ngrams = load_ngrams(write(trainx=TRAINX, traind=form(TRAIND), words=form(words)))
    assert ngrams.words == WORDS
    np.testing.assert_array_equal(ngrams.y_train, TRAIND)


def test_validation_and_test_sets_may_be_absent(write: Writer) -> None:
    arrays = counted_from(0)
    without_validation = load_ngrams(write(**{key: x for key, x in arrays.items() if not key.startswith("val")}))
    assert without_validation.x_validation is None
    assert without_validation.y_validation is None
    np.testing.assert_array_equal(without_validation.y_test, SETS["testd"])
    without_test = load_ngrams(write(**{key: x for key, x in arrays.items() if not key.startswith("test")}))
    assert without_test.x_test is None
    assert without_test.y_test is None
    np.testing.assert_array_equal(without_test.x_validation, SETS["valx"])


def test_four_grams_of_the_course(data_folder: Path) -> None:
    path = data_folder / "data2.h5"
    ngrams = load_ngrams(path)
    assert len(ngrams.words) == 250
    assert [getattr(ngrams, role).shape for role in ROLES] == [
        *((372500, 3), (372500,)),
        *((46500, 3), (46500,)),
        *((46500, 3), (46500,)),
    ]
    assert {getattr(ngrams, role).dtype for role in ROLES} == {np.dtype(np.uint8)}
    first = [[ngrams.words[i] for i in (*x, y)] for x, y in zip(ngrams.x_train[:3], ngrams.y_train, strict=False)]
    assert first == [[",", "you", "get", "used"], ["and", "that", "'s", "all"], ["you", "and", "me", "."]]
    with h5py.File(path) as file:
        np.testing.assert_array_equal(ngrams.x_test + 1, file["testx"])
    with pytest.raises(
        DataError, match=r"is 250 in row .*; expected whole numbers from 0 to 249, as there are 250 words"
    ):
        load_ngrams(path, first_index=0)


def changed(key: str, index: Any, value: Any, dtype: Any = None) -> dict[str, np.ndarray]:
    array = SETS[key].astype(dtype) if dtype else SETS[key].copy()
    array[index] = value
    return {key: array}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            changed("valx", (1, 1), 5),
            ": 'trainx' is 0 in row 0, column 0 and 'valx' is 5 in row 1, column 1; expected whole numbers from 0 to 4 "
            "or from 1 to 5, as there are 5 words",
        ),
        (
            changed("trainx", (2, 1), 6),
            ": 'trainx' is 6 in row 2, column 1; expected whole numbers from 0 to 4 or from 1",
        ),
        (changed("testd", 1, -1), ": 'testd' is -1 in row 1; expected whole numbers from 0 to 4 or from 1 to 5, as"),
        (changed("vald", 2, 1.5, float), ": 'vald' is 1.5 in row 2; expected whole numbers from 0 to 4 or from 1 to 5"),
        (changed("vald", 2, np.nan, float), ": 'vald' is nan in row 2; expected whole numbers"),
        (changed("vald", 2, np.inf, float), ": 'vald' is inf in row 2; expected whole numbers"),
        (
            {key: np.clip(array, 1, 4) for key, array in SETS.items()},
            ": the word numbers are 1 to 4, so the 5 words may count from 0 or from 1; set first_index to say which",
        ),
        ({"traind": TRAIND[:3]}, ": 'traind' has shape (3,); expected (4,), one word for each row of 'trainx'"),
        ({"traind": np.eye(4, 5)}, ": 'traind' has shape (4, 5); expected (4,), one word for"),
        ({"testx": SETS["testx"][:, :1]}, ": 'testx' has shape (2, 1); expected 2 columns, like 'trainx'"),
        ({"valx": SETS["valx"][:, [0, 1, 1]]}, ": 'valx' has shape (3, 3); expected 2 columns, like 'trainx'"),
        ({"trainx": TRAIND}, ": 'trainx' has shape (4,); expected (examples, context words), each axis at least 1"),
        (
            {"trainx": TRAINX[:0]},
            ": 'trainx' has shape (0, 2); expected (examples, context words), each axis at least 1",
        ),
        ({"trainx": np.array(WORDS)[TRAINX]}, ": 'trainx' has dtype <U3; expected word numbers"),
        ({"vald": np.ones(3, bool)}, ": 'vald' has dtype bool; expected word numbers"),
        ({"words": ["a", "b", "c", "b", "a"]}, ": 'words' is 'b' in rows 1 and 3; expected every word once"),
        ({"words": WORDS[:1]}, ": 'words' has dtype <U3 and shape (1,); expected at least two texts, (words,)"),
        ({"words": np.arange(5)}, ": 'words' has dtype int64 and shape (5,); expected at least two texts, (words,)"),
        ({"words": [WORDS]}, ": 'words' has dtype <U3 and shape (1, 5); expected at least two texts, (words,)"),
        ({"vald": None}, ": has 'valx' but no 'vald'; expected both or neither"),
        ({"testx": None}, ": has 'testd' but no 'testx'; expected both or neither"),
        ({"traind": None}, ": has 'trainx' but no 'traind'; expected both or neither"),
        ({"words": None}, ": has no 'words'; it has "),
        ({"trainx": None, "traind": None}, ": has no 'trainx'; it has "),
    ],
    ids=lambda value: value[2:40] if isinstance(value, str) else "",
)
def test_ngrams_that_cannot_be_used(changes: dict[str, Any], message: str, write: Writer) -> None:
    arrays = counted_from(0, **changes)
    path = write(**{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(DataError) as caught:
        load_ngrams(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("first_index", "expected"), [(0, [2, 3, 1, 3]), (1, [1, 2, 0, 2])])
def test_first_index_decides_where_the_data_do_not(first_index: int, expected: list[int], write: Writer) -> None:
    path = write(**{key: np.clip(array, 1, 3) for key, array in SETS.items()}, words=WORDS)
    assert load_ngrams(path, first_index=first_index).y_train.tolist() == expected


def test_first_index_that_the_data_contradict(write: Writer) -> None:
    with pytest.raises(
        DataError, match="'trainx' is 0 in row 0, column 0; expected whole numbers from 1 to 5, as there"
    ):
        load_ngrams(write(**counted_from(0)), first_index=1)
    with pytest.raises(DataError, match="'traind' is 5 in row 1; expected whole numbers from 0 to 4, as there are 5"):
        load_ngrams(write(**counted_from(1)), first_index=0)
    with pytest.raises(ValueError, match="first_index is 2, expected one of None, 0, 1"):
        load_ngrams(write(**counted_from(1)), first_index=2)


# Sentences of texts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don\u2019t o'clock rock'n'roll", "don't o'clock rock'n'roll"),
        ("the dogs' 'quoted'", "the dogs ' ' quoted '"),
        ("snake_case __init__ _stressed_", "snake_case init stressed"),
        ("well-known -- and so---on", "well - known -- and so --- on"),
        ("$1,000.50, 3.5% of 42 x2 v1.5", "$ 1,000.50 , 3.5 % of 42 x2 v1 . 5"),
        ("Ünï ÉCOLE cafe\N{COMBINING ACUTE ACCENT} Ελλάδα", "ünï école café ελλάδα"),
        ("an <unk> or <UNK>", "an <unk> or <unk>"),
        ("a<b>c d < e", "a <b> c d < e"),
        ("i.e. the u.s. of a.", "i.e. the u.s. of a ."),
        ("wait ... a file.txt", "wait ... | a file . txt"),
        ("Mr. Smith and St. Ives, first. Dr. No", "mr. smith and st. ives , first . | dr. no"),
        ("One. Two! Three?! 4", "one . | two ! | three ? ! | 4"),
        ('"Stop!" (He did.) So', '" stop ! " | ( he did . ) | so'),
        ("wrapped\nline\n\nblank\r\n \t\r\nlines\n\n\n\n", "wrapped line | blank | lines"),
        ("3.14 is pi.A", "3.14 is pi . a"),
        ("", ""),
        (" \n\n \n", ""),
    ],
)
def test_sentences(text: str, tokens: str) -> None:
    assert sentences_of(text) == [sentence.split() for sentence in tokens.split("|") if tokens]


def test_equal_words_are_one_object() -> None:
    (first,), (second,) = sentences_of("unusually\n\nUnusually")
    assert first is second


def test_text_files(tmp_path: Path) -> None:
    path = tmp_path / "a text"
    path.write_bytes(b"\xef\xbb\xbf" + "Él canta.\r\nElla baila.".encode())
    assert load_text(path) == [["él", "canta", "."], ["ella", "baila", "."]]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"one\ntwo\nthr\xe9e", ": has byte 0xe9 in line 3 (byte 11); expected text in UTF-8"),
        ("é\ntext".encode("utf-16-le"), ": has byte 0xe9 in line 1 (byte 0); expected text in UTF-8"),
        ("é\n\n".encode() + "text".encode("utf-16-le"), ": has byte 0x00 in line 3 (byte 5); expected text in UTF-8"),
        (b"", ": has no words"),
        (b"\xef\xbb\xbf \n\n", ": has no words"),
    ],
    ids=["latin-1", "utf-16", "utf-16-ascii", "empty", "blank"],
)
def test_texts_that_cannot_be_used(raw: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(raw)
    with pytest.raises(DataError) as caught:
        load_text(path)
    assert str(caught.value) == f"{path}{message}"


def test_text_that_is_not_there(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "is a folder; expected a file"), (tmp_path / "text.txt", "there is no such file")):
        with pytest.raises(DataError) as caught:
            load_text(path)
        assert str(caught.value) == f"{path}: {message}"


def test_shakespeare(data_folder: Path) -> None:
    sentences = load_text(data_folder / "text" / "tinyshakespeare.txt")
    assert sentences[1] == ["all", ":", "speak", ",", "speak", "."]
    assert sum(map(len, sentences)) > 250_000
    words = vocabulary_of(sentences, 2000)
    assert words[:4] == ["<unk>", ",", ":", "."]
    x, y = ngrams_of(sentences, words, 4)
    assert x.shape == (len(y), 3)
    assert len(y) == sum(max(0, len(sentence) - 3) for sentence in sentences)


def test_topics_are_english() -> None:
    sentences = topics()
    counts = Counter(word for sentence in sentences for word in sentence)
    assert counts.total() > 40_000
    assert [word for word, _ in counts.most_common(5) if word.isalpha()] == ["the", "a", "is"]
    assert counts[">>>"] == counts["__init__"] == counts['"'] == counts["==="] == 0
    share = sum(len(sentence) > 3 and sentence[-1] in ".:!?)" for sentence in sentences) / len(sentences)
    assert share > 0.9
    assert len(set(map(tuple, sentences))) == len(sentences)


MANUAL = """The "if" statement
******************

The *if* statement is used for (*conditional*) execution of "x ** 2":

   if_stmt ::= "if" expression

       >>> f(x). Never read.

   Nor this.

It ends there. Also:

   * one thing.

     And more of it.

   * another:

        code in it.

See also:

  Module "x"
     Not indented enough for code.

str.capitalize(self)

   Return a copy. It ends there.
"""


def test_topics_without_titles_code_and_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pydoc_data.topics.topics", {"if": MANUAL, "again": MANUAL})
    assert [" ".join(sentence) for sentence in topics()] == [
        "the if statement is used for ( conditional ) execution of x * * 2 :",
        "it ends there .",
        "also :",
        "one thing .",
        "and more of it .",
        "another :",
        "see also :",
        "module x not indented enough for code .",
        "return a copy .",
    ]


def test_python_without_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match=r"^this Python has no module pydoc_data\.topics; use a text of your own$"):
        topics()


# Vocabulary and n-grams of sentences ----------------------------------------------------------------------------------

SENTENCES = [text.split() for text in ("b a c b d", "a", "c b a d d b", "e b a", "d d")]


def test_vocabulary_by_frequency_then_alphabet() -> None:
    assert vocabulary_of(SENTENCES) == ["<unk>", "b", "d", "a", "c", "e"]
    assert vocabulary_of(SENTENCES, unknown=None) == ["b", "d", "a", "c", "e"]
    assert vocabulary_of(SENTENCES, 4) == ["<unk>", "b", "d", "a"]
    assert vocabulary_of(SENTENCES, 4, unknown=None) == ["b", "d", "a", "c"]
    assert vocabulary_of(SENTENCES, 4, unknown="c") == ["c", "b", "d", "a"]
    assert vocabulary_of(SENTENCES, unknown="c") == ["c", "b", "d", "a", "e"]
    assert vocabulary_of(SENTENCES, 99) == vocabulary_of(SENTENCES)
    assert vocabulary_of([[*"zyx"], [*"yzw"]], 4) == ["<unk>", "y", "z", "w"]


@pytest.mark.parametrize("order", [2, 3, 5, 6])
def test_ngrams_stay_within_their_sentence(order: int) -> None:
    words = vocabulary_of(SENTENCES, 4)
    known = [[word if word in words else "<unk>" for word in sentence] for sentence in SENTENCES]
    expected = [tuple(s[i : i + order]) for s in known for i in range(len(s) - order + 1)]
    x, y = ngrams_of(SENTENCES, words, order)
    assert x.shape == (len(y), order - 1)
    assert x.dtype == y.dtype == np.uint8
    assert x.flags.c_contiguous
    assert y.flags.c_contiguous
    assert [(*(words[i] for i in before), words[after]) for before, after in zip(x, y, strict=True)] == expected


def test_ngrams_of_a_large_vocabulary() -> None:
    words = [f"w{i}" for i in range(300)]
    x, y = ngrams_of([words], words, 3, unknown=None)
    assert x.dtype == y.dtype == np.uint16
    assert x[-1].tolist() == [297, 298]
    assert y[-1] == 299


@pytest.mark.parametrize(
    ("sentences", "words", "unknown", "message"),
    [
        (SENTENCES, [*"bda"], None, "sentence 0 has 'c', which is not in the vocabulary; add it"),
        (
            SENTENCES[1:],
            [*"abcd"],
            "?",
            "sentence 2 has 'e', which is not in the vocabulary; add it, or '?' for all unknown words",
        ),
        (SENTENCES, [*"abcda"], "?", "the vocabulary has 'a' twice; expected every word once"),
        (SENTENCES[3:], [*"abcde"], "?", "the longest of 2 sentences has 3 words; an n-gram needs 4"),
        ([], [*"abcde"], "?", "the longest of 0 sentences has 0 words; an n-gram needs 4"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_sentences_that_give_no_ngrams(
    sentences: list[list[str]], words: list[str], unknown: str | None, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        ngrams_of(sentences, words, 4, unknown)
    assert str(caught.value) == message


def test_what_is_not_sentences() -> None:
    for wrong, message in [
        (["a b c"], "sentence 0 is the text 'a b c', exp"),
        ([[*"ab"], "c"], "sentence 1 is the text"),
    ]:
        with pytest.raises(TypeError, match=message):
            vocabulary_of(wrong)
        with pytest.raises(TypeError, match=message):
            ngrams_of(wrong, [*"abc"], 2)
    with pytest.raises(TypeError, match="sentence 0 is the text 'a sentence of many w', expected a list of words"):
        vocabulary_of("a sentence of many words")
    with pytest.raises(DataError, match="the sentences have no words to make a vocabulary of"):
        vocabulary_of([[], []])
    with pytest.raises(ValueError, match="size is 1, expected at least 2"):
        vocabulary_of(SENTENCES, 1)
    with pytest.raises(ValueError, match="order is 1, expected at least 2"):
        ngrams_of(SENTENCES, [*"abcde"], 1)


# Parts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fractions", "sizes"), [((0.1, 0.2), (21, 3, 6)), ((0.0, 0.1), (27, 0, 3)), ((0.001, 0.0), (29, 1, 0))]
)
def test_every_sentence_is_in_one_part(fractions: tuple[float, float], sizes: tuple[int, ...]) -> None:
    sentences = [[f"s{i:02d}"] for i in range(30)]
    parts = split_sentences(sentences, fractions, seed=3)
    assert tuple(map(len, parts)) == sizes
    assert sorted(chain.from_iterable(parts)) == sentences
    assert all(part == sorted(part) for part in parts)
    assert split_sentences(sentences, fractions, seed=3) == parts
    assert split_sentences(sentences, fractions, seed=4) != parts


def test_too_few_sentences_for_the_parts() -> None:
    assert list(map(len, split_sentences(SENTENCES[:3]))) == [1, 1, 1]
    with pytest.raises(
        DataError, match="the text has only 2 sentences; expected at least 3, because some are held out"
    ):
        split_sentences(SENTENCES[:2])
    with pytest.raises(DataError, match="the text has only 1 sentence; expected at least 2"):
        split_sentences(SENTENCES[:1], (0, 0.1))
    with pytest.raises(ValueError, match=r"fractions is \(0.5, 0.5\), expected a sum below 1"):
        split_sentences(SENTENCES, (0.5, 0.5))
    with pytest.raises(ValueError, match=r"fraction is -0.1, expected a number in \[0, 1\)"):
        split_sentences(SENTENCES, (-0.1, 0.5))
