"""The translator as an estimator: against the net below it, its kinds of sequences, its files, what it refuses."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import fastrnn
from fastrnn import GRU, Adam, Dense, EncoderDecoder, Gaussian, SequenceTranslator, Trainer, storage
from fastrnn._kernels.softmax import log_softmax
from fastrnn._random import generators
from fastrnn.decoding import decode
from fastrnn.training.splits import validation_split

RNG = np.random.default_rng(0)
X = ["".join(RNG.choice(list("abcde"), RNG.integers(1, 6))) for _ in range(90)]
Y = [text[::-1].upper().replace("B", "") for text in X]  # some of them are empty
WORDS = [[f"the_{symbol}" for symbol in text] for text in X]
SMALL = {"hidden_size": 12, "batch_size": 8, "epochs": 3, "random_state": 5, "dtype": "float64", "cell": "gru"}


def translator(**parameters):
    return SequenceTranslator(**{**SMALL, "learning_rate": 0.02, "reverse": False} | parameters)


@pytest.fixture(scope="module")
def fitted():
    return translator().fit(X, Y)


@pytest.fixture(scope="module")
def good():
    """One that has learned something, but not all."""
    return translator(hidden_size=24, epochs=8, validation_fraction=None).fit(X, Y)


def weights_of(estimator):
    return estimator.model_.flat_parameters


# ---- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_training_is_that_of_the_net(reverse):
    estimator = translator(reverse=reverse, layers=2, schedule="cosine").fit(X, Y)
    source, target = sorted(set("".join(X))), sorted(set("".join(Y)))
    T, U = max(map(len, X)), max(map(len, Y)) + 1
    x, y = np.zeros((len(X), T), np.uint8), np.full((len(X), U), -1)
    for row, (question, answer) in enumerate(zip(X, Y, strict=True)):
        read = question[::-1] if reverse else question
        x[row, : len(read)] = [source.index(symbol) for symbol in read]
        y[row, : len(answer) + 1] = [*(1 + target.index(symbol) for symbol in answer), 0]
    lengths, V = np.array([len(text) for text in X]), len(target) + 1
    decoder = [GRU(12, layers=2, return_sequences=True), Dense(V)]
    model = EncoderDecoder([GRU(12, layers=2)], decoder).build((None, len(source)), V, "float64", 5)
    some, held_out = validation_split(len(X), 0.1, generators(5).split)
    trainer = Trainer(model, "cross_entropy", Adam(0.02, weight_decay=0.05), schedule="cosine", clip_norm=1.0, seed=5)
    validation = (x[held_out], y[held_out], lengths[held_out])
    history = trainer.fit(x[some], y[some], epochs=3, batch_size=8, lengths=lengths[some], validation=validation)
    np.testing.assert_array_equal(weights_of(estimator), model.flat_parameters)
    assert estimator.validation_rows_.tolist() == held_out.tolist()
    assert dict(estimator.history_) | {"seconds": 0} == dict(history) | {"seconds": 0}
    assert (estimator.source_vocabulary_.tolist(), estimator.target_vocabulary_.tolist()) == (source, target)
    assert estimator.max_steps_ == U  # also of what is held out


def test_the_exact_match_of_the_history_is_that_of_greedy_search(good):
    again = translator(hidden_size=24, epochs=8).fit(X, Y, validation_data=(X[::2], Y[::2]))
    scores = [again.score(X[::2], Y[::2]), good.score(X, Y)]
    best = again.best_epoch_ - 1
    assert again.history_["validation_exact_match"][best] == scores[0]
    assert all(0.05 < score < 0.95 for score in scores)
    # One step with nothing to learn: the running mean of the epoch is that of the weights.
    still = translator(epochs=1, optimizer=fastrnn.SGD(1e-300), batch_size=90, validation_fraction=None).fit(X, Y)
    assert still.history_["train_exact_match"] == [still.score(X, Y)]


def test_evaluate_is_by_symbol_and_score_by_sequence(good):
    loss, accuracy = good.evaluate(X, Y)
    losses, right = [], []
    target = ["", *good.target_vocabulary_]
    for question, answer in zip(X, Y, strict=True):
        x = [good.source_vocabulary_.tolist().index(symbol) for symbol in question]
        y = np.array([*(target.index(symbol) for symbol in answer), 0])
        logits, _ = good.model_.forward(np.array([x]), y[None])
        losses += (-log_softmax(logits)[0, np.arange(len(y)), y]).tolist()
        right += (logits[0].argmax(axis=1) == y).tolist()
    np.testing.assert_allclose([loss, accuracy], [np.mean(losses), np.mean(right)], rtol=1e-12)
    answers = good.predict(X)
    assert good.score(X, Y) == np.mean([one == other for one, other in zip(answers, Y, strict=True)])
    assert good.score(X, answers) == 1


def test_it_learns_to_write_backwards():
    words = [a + b + c for a in "abcdef" for b in "abcdef" for c in "abcdef"]
    backwards = [word[::-1] for word in words]
    estimator = SequenceTranslator(hidden_size=32, learning_rate=0.02, epochs=25, batch_size=16, random_state=0)
    some = np.random.default_rng(0).permutation(len(words))
    train, test = some[:180], some[180:]
    estimator.fit([words[row] for row in train], [backwards[row] for row in train])
    assert estimator.score([words[row] for row in test], [backwards[row] for row in test]) > 0.9


def test_vectors_and_dropout_change_the_net():
    estimator = translator(embedding=4, dropout=0.2, recurrent_dropout=0.1, initializer=Gaussian(0.1)).fit(X, Y)
    assert repr(estimator.model_.encoder.layers[0]) == "Embedding(5, 4)"
    assert repr(estimator.model_.decoder.layers[0]) == "Embedding(6, 4)"  # the symbols ACDE, the end and the beginning
    assert [type(layer).__name__ for layer in estimator.model_.decoder.layers] == [
        "Embedding", "Dropout", "Recurrent", "Dropout", "Dense",
    ]  # fmt: skip
    assert (weights_of(estimator) == weights_of(clone(estimator).fit(X, Y))).all()
    assert (weights_of(estimator) != weights_of(clone(estimator).set_params(dropout=0.3).fit(X, Y))).any()


def test_a_run_goes_on_with_the_same_bits():
    states = []
    whole = translator(recurrent_dropout=0.2)
    whole.fit(X, Y, batch_callbacks=[lambda report: states.append(whole.trainer_.state())])
    again = translator(recurrent_dropout=0.2).fit(X, Y, state=states[4])
    np.testing.assert_array_equal(weights_of(again), weights_of(whole))


# ---- kinds of sequences ----------------------------------------------------------------------------------------------


def test_words_are_symbols_as_characters_are(fitted):
    answers = [list(text) for text in Y]
    by_words = translator().fit(WORDS, answers)
    assert by_words.source_vocabulary_.tolist() == [f"the_{symbol}" for symbol in "abcde"]
    np.testing.assert_array_equal(weights_of(by_words), weights_of(fitted))
    assert by_words.predict(WORDS) == [list(text) for text in fitted.predict(X)]
    assert by_words.score(WORDS, answers) == fitted.score(X, Y)
    mixed = translator().fit(WORDS, Y)
    assert mixed.predict(WORDS) == fitted.predict(X)
    assert (fitted.reads_texts_, mixed.reads_texts_) == (True, False)


def test_arrays_and_tuples_are_lists(fitted):
    np.testing.assert_array_equal(weights_of(translator().fit(np.array(X), tuple(Y))), weights_of(fitted))


def test_vocabularies_may_be_given():
    estimator = translator(source_vocabulary="edcbaz", target_vocabulary=list("XEDCA")).fit(X, Y)
    assert estimator.source_vocabulary_.tolist() == list("edcbaz")
    assert estimator.model_.encoder.input_shape == (None, 6)
    assert estimator.predict(["zab"])[0] is not None
    assert estimator.target_vocabulary_.tolist() == list("XEDCA")
    assert set("".join(estimator.predict(X))) <= set("XEDCA")


def test_search_has_a_width_and_an_end(good):
    numbers = np.array([[good.source_vocabulary_.tolist().index(symbol) for symbol in "cadbe"]])
    for beam_size, max_steps in ((1, 2), (4, 6)):
        own = pickle.loads(pickle.dumps(good)).set_params(beam_size=beam_size)
        own.max_steps_ = max_steps
        found, _ = decode(good.model_, numbers, beam_size=beam_size, max_steps=max_steps)
        (answer,) = own.predict(["cadbe"])
        assert answer == "".join(good.target_vocabulary_[number - 1] for number in found[0] if number > 0)
        assert len(answer) <= max_steps
    assert translator(max_steps=3).fit(X, Y).max_steps_ == 3


# ---- files and tools -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [(X, Y), (WORDS, Y)])
def test_it_can_be_stored(kinds, tmp_path):
    read, written = kinds
    estimator = translator(optimizer=Adam(0.01), source_vocabulary=None, beam_size=2, embedding=3).fit(read, written)
    estimator.save(tmp_path / "model.h5")
    again = fastrnn.load(tmp_path / "model.h5")
    assert again.get_params() == estimator.get_params()
    assert again.predict(read) == estimator.predict(read)
    assert again.evaluate(read, written) == estimator.evaluate(read, written)
    assert dict(again.history_) == {name: own for name, own in estimator.history_.items() if name != "seconds"}
    again.save(tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "model.h5").read_bytes()
    assert pickle.loads(pickle.dumps(estimator)).predict(read) == estimator.predict(read)


def test_a_file_whose_parts_do_not_fit_is_refused(fitted, tmp_path):
    tree = fitted.to_tree()
    tree["source"]["symbols"] = list("abcd")
    storage.write(tmp_path / "model.h5", tree)
    with pytest.raises(storage.StorageError, match=r"it knows 4 and 4 symbols, but its net reads 5 and writes 4"):
        fastrnn.load(tmp_path / "model.h5")


def test_searches_of_scikit_learn_choose_by_the_score():
    search = GridSearchCV(translator(validation_fraction=None), {"epochs": [1, 15]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"epochs": 15}


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_what_is_not_known_is_refused_by_name(fitted):
    message = r"'abxz' \(X\[1\]\) has 'x', expected the 5 characters of the model: a b c d e"
    for use in (fitted.predict, lambda x: fitted.evaluate(x, Y[:2]), lambda x: fitted.score(x, Y[:2])):
        with pytest.raises(ValueError, match=message):
            use(["ab", "abxz"])
    alone = SequenceTranslator(hidden_size=2, epochs=1, validation_fraction=None).fit(["a", "aa"], ["B", ""])
    with pytest.raises(ValueError, match=r"'x' \(X\[0\]\) has 'x', expected the 1 character of the model: a"):
        alone.predict(["x"])
    with pytest.raises(ValueError, match=r"'AZ' \(y\[0\]\) has 'Z', expected the 4 characters"):
        fitted.evaluate(["a"], ["AZ"])
    assert fitted.score(["a"], ["Z"]) == 0  # a wrong answer, whatever is true
    with pytest.raises(TypeError, match="X holds lists of words, expected texts as in training"):
        fitted.predict(WORDS)
    with pytest.raises(NotFittedError):
        translator().predict(X)


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        ("abc", Y, TypeError, "X has type str, expected a list of texts, or of lists of words"),
        ([], [], ValueError, "X is empty, expected a list of texts"),
        ([3], ["a"], TypeError, r"X\[0\] is 3, expected a list of texts, or of lists of words"),
        (["a", ["b"]], ["a", "b"], TypeError, r"X\[1\] is \['b'\], expected a text as X\[0\] is"),
        ([["a"], "b"], ["a", "b"], TypeError, r"X\[1\] is 'b', expected a list of words as X\[0\] is"),
        ([["a"], [3]], ["a", "b"], TypeError, r"X\[1\] is \[3\], expected a list of words"),
        (X, Y[:3], ValueError, "y has 3 sequences, expected 90: one for each of X"),
        (["ab", ""], ["a", "b"], ValueError, r"X\[1\] is empty, expected at least one symbol"),
        (["ab", "a"], ["", ""], ValueError, "y has no symbols"),
    ],
)
def test_sequences_that_cannot_be_are_refused(x, y, error, message):
    with pytest.raises(error, match=message):
        translator().fit(x, y)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"source_vocabulary": "abcc"}, ValueError, "source_vocabulary has 'c' twice"),
        ({"source_vocabulary": ["a", "bc"]}, TypeError, r"source_vocabulary\[1\] is 'bc', expected a character"),
        ({"source_vocabulary": 5}, TypeError, "source_vocabulary is 5, expected a list of characters"),
        ({"target_vocabulary": "ACD"}, ValueError, r"\(y\[\d+\]\) has 'E', expected the 3 characters"),
        ({"beam_size": 0}, ValueError, "beam_size is 0"),
        ({"max_steps": 0}, ValueError, "max_steps is 0"),
        ({"embedding": 0}, ValueError, "embedding is 0"),
        ({"reverse": "yes"}, ValueError, "reverse is 'yes'"),
        ({"cell": "lsdm"}, ValueError, "lsdm"),
        ({"epochs": 0}, ValueError, "epochs is 0"),
        ({"validation_fraction": 1.5}, ValueError, "validation_fraction is 1.5"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        translator(**parameters).fit(X, Y)
    with pytest.raises(ValueError, match="validation_data has type list"):
        translator().fit(X, Y, validation_data=[X])
