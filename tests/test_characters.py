"""A model of characters, and texts as it reads them."""

import itertools
import sys

import numpy as np
import pytest

import fastrnn
from fastrnn import CharacterLanguageModel, data
from fastrnn.data import DataError, manual, read_text, streams_of, windows_of
from fastrnn.sampling import Sampler

TEXT = "the cat sat on the mat, the dog lay on the rug, and the mouse ate all of it.\n" * 12
SMALL = {
    "hidden_size": 12, "layers": 2, "window": 11, "batch_size": 5, "epochs": 3, "random_state": 0, "dtype": "float64",
}  # fmt: skip
WINDOWED = {"stateful": False, "window": 7, "step": 2, "layers": 1}


@pytest.fixture(scope="module")
def models():
    return {
        "stateful": CharacterLanguageModel(**SMALL).fit(TEXT),
        "windowed": CharacterLanguageModel(**SMALL | WINDOWED).fit(TEXT),
    }


@pytest.fixture(params=["stateful", "windowed"])
def model(request, models):
    return models[request.param]


def logits_after(model, text):
    """Return the logits of the next character, from all characters or a window of them alone."""
    symbols = np.array([[model.vocabulary_.index(character) for character in text]])
    if model.stateful:
        return model.model_.predict(symbols)[0, -1]
    return model.model_.predict(symbols[:, -model.window :])[0]


# ---- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("T", "n"), [(2, 1), (13, 3), (14, 3), (15, 4), (5, 9)])
def test_streams_hold_each_symbol_once_with_the_one_after_it(T, n):
    symbols = np.arange(1, T + 1, dtype="u1")
    x, y = streams_of(symbols, n)
    assert x.shape == y.shape
    assert len(x) == min(n, T - 1)
    known = y >= 0
    assert x[known].tolist() == list(range(1, T))
    assert (y[known] == x[known] + 1).all()
    assert known.ravel().tolist() == [True] * (T - 1) + [False] * (y.size - T + 1)
    assert y.size - (T - 1) < len(x)


def test_windows_hold_each_run_with_the_symbol_after_it():
    symbols = np.arange(20, dtype="u1")
    x, y = windows_of(symbols, 5)
    assert x.tolist() == [list(range(first, first + 5)) for first in range(15)]
    assert y.tolist() == list(range(5, 20))
    x, y = windows_of(symbols, 5, 4)
    assert (x[:, 0].tolist(), y.tolist()) == ([0, 4, 8, 12], [5, 9, 13, 17])


def test_files_of_text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeffgrüße\r\nÜbel\n".encode())
    assert read_text(path) == "grüße\nÜbel\n"
    path.write_bytes(b"one\ntwo \xff")
    with pytest.raises(DataError, match=r"text\.txt: has byte 0xff in line 2 \(byte 8\); expected text in UTF-8"):
        read_text(path)
    with pytest.raises(DataError, match="none: there is no such file"):
        read_text(tmp_path / "none")


def test_no_paragraph_of_the_manual_comes_twice(monkeypatch):
    text = manual()
    assert len(text) > 100_000
    paragraphs = text[:-1].split("\n\n")
    assert len(paragraphs) == len(set(paragraphs))
    everything = "\n\n".join(data.python_manual._pages())
    assert len(everything) > len(text)
    assert all(paragraph in everything for paragraph in paragraphs)
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match="has no module"):
        manual()


# ---- the model -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stateful", [True, False])
def test_a_validation_set_of_its_own_is_only_validated_on(stateful):
    parameters, own = SMALL | ({} if stateful else WINDOWED), "the dog sat on the cat, and ate it all.\n" * 2
    fitted = CharacterLanguageModel(**parameters).fit(TEXT, validation_data=(own, None))
    alone = CharacterLanguageModel(**parameters, validation_fraction=None).fit(TEXT)
    assert fitted.history_["train_loss"] == alone.history_["train_loss"]
    assert fitted.vocabulary_ == "".join(sorted(set(TEXT)))
    best = fitted.best_epoch_ - 1
    found = fitted.history_["validation_loss"][best], fitted.history_["validation_accuracy"][best]
    np.testing.assert_allclose(found, fitted.evaluate(own), rtol=1e-12)
    for wrong, error, message in (
        (("the fox sat", None), ValueError, "character 6 of the text of validation_data is 'x', expected one of the"),
        (("t", None), ValueError, "the text has 1 character to validate, expected at least"),
        ((5, None), TypeError, "X of validation_data has type int, expected a text"),
        ((own, own), TypeError, "validation_data has a y, but the targets are characters of X"),
        (own, ValueError, "validation_data has type str, expected a tuple"),
    ):
        with pytest.raises(error, match=message):
            CharacterLanguageModel(**parameters).fit(TEXT, validation_data=wrong)


def test_the_vocabulary_is_the_set_of_characters(model):
    assert model.vocabulary_ == "".join(sorted(set(TEXT)))
    assert model.model_.input_shape == (None, len(set(TEXT)))
    given = CharacterLanguageModel(**SMALL | {"epochs": 1, "vocabulary": model.vocabulary_[::-1]}).fit(TEXT)
    assert given.vocabulary_ == model.vocabulary_[::-1]
    with pytest.raises(ValueError, match="character 44 of the text is 'u', expected one of the 20 of the model"):
        given.set_params(vocabulary=model.vocabulary_.replace("u", "")).fit(TEXT)


def test_it_learns_and_validates_on_the_end_of_the_text(models):
    for name, model in models.items():
        losses = model.history_["train_loss"]
        assert losses[-1] < losses[0]
        held_out = TEXT[len(TEXT) - round(0.1 * len(TEXT)) :]
        loss, accuracy = model.evaluate(held_out)
        best = model.best_epoch_ - 1
        np.testing.assert_allclose(loss, model.history_["validation_loss"][best], rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(accuracy, model.history_["validation_accuracy"][best], rtol=1e-12)
        assert model.score(held_out) == -loss


def test_evaluation_reads_a_text_in_eight_streams_or_by_windows(models):
    text = TEXT[5:150]
    for name, model in models.items():
        losses = []
        steps = len(text) - 1
        length = -(-steps // 8)
        for place in range(1, len(text)):
            first = (place - 1) // length * length
            before = text[first:place] if name == "stateful" else text[max(0, place - 7) : place]
            if name == "windowed" and place < 7:
                continue
            logits = logits_after(model, before)
            losses.append(np.log(np.exp(logits).sum()) - logits[model.vocabulary_.index(text[place])])
        np.testing.assert_allclose(model.evaluate(text)[0], np.mean(losses), rtol=1e-10)


def test_a_stateful_model_is_trained_by_windows_of_parallel_streams():
    model = CharacterLanguageModel(**SMALL | {"epochs": 2, "validation_fraction": None}).fit(TEXT)
    symbols = np.array([model.vocabulary_.index(character) for character in TEXT])
    x, y = streams_of(symbols, 5)
    net = model._net(len(model.vocabulary_)).build((None, len(model.vocabulary_)), "float64", 0)
    trainer = fastrnn.Trainer(net, "cross_entropy", learning_rate=4e-3, schedule="cosine", clip_norm=1.0, seed=0)
    trainer.fit(x, y, epochs=2, batch_size=5, window=11)
    assert (net.flat_parameters == model.model_.flat_parameters).all()


def test_what_is_written_goes_on_from_what_was_read(model):
    prompt = "the cat sat on the "
    for options in ({"temperature": 0}, {"temperature": 0.7, "top_k": 4, "random_state": 3}):
        written = "".join(model.generate(prompt, 15, **options))
        assert len(written) == 15
        rng, expected = np.random.default_rng(options.get("random_state")), prompt
        sampler = Sampler(options["temperature"], options.get("top_k"))
        for _ in range(15):
            expected += model.vocabulary_[sampler(logits_after(model, expected), rng)]
        assert prompt + written == expected
    assert list(model.generate(prompt, 0)) == []
    endless = model.generate(prompt, 10**9, random_state=0)  # each is drawn as it is asked for
    assert len(list(itertools.islice(endless, 5))) == 5
    odds = np.exp(logits_after(model, prompt))
    np.testing.assert_allclose(model.predict_proba(prompt), odds / odds.sum(), rtol=1e-12)


def test_it_can_be_stored(model, tmp_path):
    model.save(tmp_path / "model.h5")
    copy = fastrnn.load(tmp_path / "model.h5")
    assert copy.get_params() == model.get_params()
    assert copy.evaluate(TEXT) == model.evaluate(TEXT)
    prompt = "the cat and the dog"
    assert list(copy.generate(prompt, 9, random_state=1)) == list(model.generate(prompt, 9, random_state=1))


def test_a_run_goes_on_with_the_same_bits():
    options = SMALL | {"dropout": 0.2, "recurrent_dropout": 0.2}
    states, whole = [], CharacterLanguageModel(**options)
    whole.fit(TEXT, batch_callbacks=[lambda report: states.append(whole.trainer_.state())])
    for state in (states[4], states[-2]):
        again = CharacterLanguageModel(**options).fit(TEXT, state=state)
        assert (again.model_.flat_parameters == whole.model_.flat_parameters).all()


@pytest.mark.parametrize(
    ("parameters", "text", "error", "message"),
    [
        ({}, ["a", "b"], TypeError, "X has type list, expected a text: a str"),
        ({}, "aaaaaaa", ValueError, "the text has 1 different character, expected at least 2"),
        ({}, "abababa", ValueError, "the text has 1 character to validate, expected at least 2"),
        (WINDOWED, "abababababab" * 3, ValueError, "the text has 4 characters to validate, expected at least 8"),
        ({"window": 0}, TEXT, ValueError, "window is 0"),
        ({"step": 0}, TEXT, ValueError, "step is 0"),
        ({"stateful": 1.5}, TEXT, ValueError, "stateful is 1.5"),
        ({"vocabulary": "abca"}, TEXT, ValueError, "vocabulary has 'a' twice"),
        ({"vocabulary": ["a"]}, TEXT, ValueError, r"vocabulary is \['a'\], expected a str"),
        ({"validation_fraction": 1.5}, TEXT, ValueError, "validation_fraction is 1.5"),
        ({"cell": "gruu"}, TEXT, ValueError, "gruu"),
        ({"n_threads": 0}, TEXT, ValueError, "n_threads is 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(parameters, text, error, message):
    with pytest.raises(error, match=message):
        CharacterLanguageModel(**SMALL | parameters).fit(text)


def test_what_cannot_be_read_is_refused(models):
    stateful, windowed = models["stateful"], models["windowed"]
    for use, message in (
        (lambda: stateful.generate("", 5), "the text to continue has 0 characters, expected at least 1 character"),
        (
            lambda: windowed.generate("the", 5),
            "has 3 characters, expected at least 7 characters, which",
        ),
        (lambda: stateful.generate("QUIZ", 5), "character 0 of the text is 'Q', expected one of the 21 of the model"),
        (lambda: stateful.generate("the", -1), "length is -1"),
        (lambda: stateful.generate("the", 5, temperature=-1), "temperature is -1"),
        (lambda: stateful.generate("the", 5, random_state=-1), "random_state is -1, expected at least 0"),
        (lambda: stateful.evaluate("t"), "the text has 1 character, expected at least 2"),
        (lambda: windowed.evaluate("the cat"), "the text has 7 characters, expected at least 8"),
    ):
        with pytest.raises(ValueError, match=message):
            use()
