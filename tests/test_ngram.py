"""The next-word model as an estimator: against plain formulas, its kinds of inputs, its files, and what it refuses."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

import fastrnn
from fastrnn import SGD, Gaussian, NGramLanguageModel, memory, storage
from fastrnn._random import generators
from fastrnn.data import ngrams_of

V, K, D, P, N = 7, 3, 5, 4, 26
WORDS = ["a", "cat", "sat", "on", "the", "mat", "."]
RNG = np.random.default_rng(0)
X = RNG.integers(0, V, (N, K))
Y = RNG.integers(0, V, N)
BY_NAME = np.array(WORDS)
SENTENCES = [[WORDS[(start + 2 * step) % V] for step in range(K + 1 + start % 3)] for start in range(20)]


def model(**parameters):
    options = {"embedding": D, "hidden_size": P, "batch_size": 8, "epochs": 3, "random_state": 5, "dtype": "float64"}
    return NGramLanguageModel(**options | {"vocabulary": WORDS, "validation_fraction": None} | parameters)


@pytest.fixture(scope="module")
def fitted():
    return model().fit(X, Y)


def weights_of(estimator):
    return list(estimator.model_.parameters.values())


def same(got, expected):
    """Are all weights equal to the bit?"""
    np.testing.assert_array_equal(got.model_.flat_parameters, expected.model_.flat_parameters)


def probabilities(weights, x):
    """The model, written down; also what the way back needs."""
    E, W1, b1, W2, b2 = weights
    inputs = np.concatenate([E[x[:, k]] for k in range(K)], axis=1)
    h = 1 / (1 + np.exp(-(inputs @ W1 + b1)))
    logits = h @ W2 + b2
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True), h, inputs


def gradients(weights, x, y):
    _, W1, _, W2, _ = weights
    p, h, inputs = probabilities(weights, x)
    d = (p - np.eye(V)[y]) / len(x)
    dh = d @ W2.T * h * (1 - h)
    d_inputs, dE = dh @ W1.T, np.zeros((V, D))
    for row in range(len(x)):
        for k in range(K):
            dE[x[row, k]] += d_inputs[row, k * D : (k + 1) * D]
    return [dE, inputs.T @ dh, dh.sum(0), h.T @ d, d.sum(0)]


def xavier(rng, *shape):
    limit = np.sqrt(6 / sum(shape))
    return rng.uniform(-limit, limit, shape)


def test_training_is_what_one_would_write_down():
    """Momentum in its averaged form, batches of 8 with a last one of 2."""
    optimizer = SGD(0.7, momentum=0.6, form="averaged")
    trained = model(optimizer=optimizer, schedule=None).fit(X, Y)
    rng, order = generators(5).weights, generators(5).order
    weights = [rng.normal(0, 0.5, (V, D)), xavier(rng, K * D, P), np.zeros(P), xavier(rng, P, V), np.zeros(V)]
    velocity = [np.zeros_like(W) for W in weights]
    for epoch in range(3):
        rows, loss, correct = order.permutation(N), 0.0, 0
        for first in range(0, N, 8):
            batch = rows[first : first + 8]
            p = probabilities(weights, X[batch])[0]
            loss -= np.log(p[np.arange(len(batch)), Y[batch]]).sum()
            correct += (p.argmax(1) == Y[batch]).sum()
            moved = zip(velocity, gradients(weights, X[batch], Y[batch]), strict=True)
            velocity = [0.6 * v + 0.4 * g for v, g in moved]
            weights = [W - 0.7 * v for W, v in zip(weights, velocity, strict=True)]
        np.testing.assert_allclose(trained.history_["train_loss"][epoch], loss / N, rtol=1e-10)
        assert trained.history_["train_accuracy"][epoch] == correct / N
    for got, expected in zip(weights_of(trained), weights, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    assert (trained.n_iter_, trained.best_epoch_, trained.n_features_in_) == (3, 3, K)


def test_what_is_known_of_a_fitted_one(fitted):
    p = probabilities(weights_of(fitted), X)[0]
    np.testing.assert_allclose(fitted.predict_proba(X), p, rtol=1e-10)
    np.testing.assert_array_equal(fitted.predict(X), BY_NAME[p.argmax(1)])
    loss, accuracy = fitted.evaluate(X, Y)
    np.testing.assert_allclose(loss, -np.log(p[np.arange(N), Y]).mean(), rtol=1e-10)
    assert accuracy == np.mean(fitted.predict(X) == BY_NAME[Y])
    assert fitted.score(X, Y) == -loss
    assert fitted.perplexity(X, Y) == pytest.approx(np.exp(loss), rel=1e-14)
    assert fitted.vocabulary_.tolist() == WORDS
    assert fitted.embeddings_ is fitted.model_.parameters["0.W"]


def test_many_contexts_are_each_by_itself(fitted):
    """More than are in the net at a time."""
    many = RNG.integers(0, V, (2500, K))
    p, words = fitted.predict_proba(many), fitted.predict(many)
    likeliest, shares = fitted.top_k(many, 2)
    for row in (0, 1023, 1024, 2499):
        np.testing.assert_array_equal(p[row], fitted.predict_proba(many[row]))
        assert words[row] == fitted.predict(many[row]) == likeliest[row, 0]
        np.testing.assert_array_equal(shares[row], fitted.top_k(many[row], 2)[1])


@pytest.mark.parametrize("k", [1, 3, V])
def test_top_k_is_the_head_of_the_sorted_probabilities(fitted, k):
    words, shares = fitted.top_k(X, k)
    p = fitted.predict_proba(X)
    order = np.argsort(-p, axis=1)[:, :k]
    np.testing.assert_array_equal(words, BY_NAME[order])
    np.testing.assert_array_equal(shares, np.take_along_axis(p, order, axis=1))
    alone, share = fitted.top_k(X[4], k)
    assert alone.tolist() == words[4].tolist()
    np.testing.assert_array_equal(share, shares[4])


def test_equally_likely_words_come_in_the_order_of_the_vocabulary():
    flat = model(epochs=1).fit(X, Y)
    flat.model_.parameters["3.W"][...] = 0
    flat.model_.parameters["3.b"][...] = [0, 2, 0, 2, 0, 2, 1]
    words, shares = flat.top_k("the cat sat", 4)
    assert words.tolist() == ["cat", "on", "mat", "."]
    assert shares[0] == shares[2] > shares[3]


def test_contexts_come_in_many_ways(fitted):
    expected = fitted.predict_proba([[4, 1, 2]])[0]
    for context in (
        "the cat sat", ["the", "cat", "sat"], ("the", "cat", "sat"), np.array(["the", "cat", "sat"]), [4, 1, 2],
        np.array([4, 1, 2], "u1"), "on a mat the cat sat", [3, 0, 5, 4, 1, 2], pd.Series(["the", "cat", "sat"]),
    ):  # fmt: skip
        np.testing.assert_array_equal(fitted.predict_proba(context), expected)
    several = [["the", "cat", "sat"], ["a", ".", "the", "cat", "sat"]]
    np.testing.assert_array_equal(fitted.predict_proba(several), [expected, expected])
    frame = pd.DataFrame([["the", "cat", "sat"]], columns=list("xyz"))
    np.testing.assert_array_equal(fitted.predict_proba(frame), [expected])
    assert fitted.predict("the cat sat") in WORDS
    assert fitted.predict([["the", "cat", "sat"]]).shape == (1,)


def test_words_numbers_and_sentences_give_the_same_bits():
    x, y = ngrams_of(SENTENCES, WORDS, K + 1)
    by_number = model().fit(x, y)
    same(model().fit(x.astype("i8").tolist(), y.astype("i8").tolist()), by_number)
    same(model().fit(BY_NAME[x], BY_NAME[y]), by_number)
    same(model().fit(pd.DataFrame(BY_NAME[x]), pd.Series(BY_NAME[y])), by_number)
    same(model().fit(BY_NAME[x].astype(object), BY_NAME[y][:, None]), by_number)
    same(model().fit(SENTENCES), by_number)
    same(model().fit([tuple(sentence) for sentence in SENTENCES]), by_number)
    same(model(vocabulary=np.array(WORDS)).fit(SENTENCES), by_number)
    assert by_number.perplexity(SENTENCES) == by_number.perplexity(x, y) == by_number.perplexity(BY_NAME[x], BY_NAME[y])
    assert not np.array_equal(by_number.predict_proba(X), model().fit(x[::-1], y[::-1]).predict_proba(X))


def test_without_a_vocabulary_numbers_stay_numbers():
    x, y = np.where(X == 6, 2, X), np.where(Y == 6, 2, Y)
    plain = model(vocabulary=None).fit(x, y)
    assert plain.vocabulary_.tolist() == [0, 1, 2, 3, 4, 5]
    same(model(vocabulary=WORDS[:6]).fit(x, y), plain)
    assert plain.predict(x).tolist() == plain.predict_proba(x).argmax(1).tolist()
    assert plain.top_k([4, 1, 2], 2)[0].dtype.kind == "i"
    assert set(plain.nearest(3, 5)[0]) == {0, 1, 2, 4, 5}
    assert len(model(vocabulary=None, vocabulary_size=9).fit(x, y).embeddings_) == 9
    with pytest.raises(
        TypeError, match="context 0 holds 'the', expected a number, as the model was fitted with numbers"
    ):
        plain.predict("the cat sat")
    with pytest.raises(TypeError, match="X holds sentences, but the model was fitted with numbers alone"):
        plain.score(SENTENCES)
    with pytest.raises(ValueError, match=r"context 1 holds 6, expected the number of a word, 0\.\.5"):
        plain.predict([[1, 2, 3], [1, 6, 3]])


def test_numbers_of_more_words_than_memory_holds_are_named(tmp_path, monkeypatch):
    x, y = X.copy(), Y.copy()
    x[19, 2] = y[11] = 2**40
    for given, found in (((x, Y), r"X\[19\] holds 1099511627776"), ((X, y), r"y\[11\] is 1099511627776")):
        message = (
            rf"^{found}, which makes 1,099,511,627,777 words, and training them with embedding {D} "
            rf"and hidden_size {P} takes at least [0-9,]+ GB of memory; expected numbers 0\.\.V-1 of fewer words, or a "
            r"smaller net, as \d+ GB are available$"
        )
        with pytest.raises(ValueError, match=message):
            model(vocabulary=None).fit(*given)
    with pytest.raises(
        ValueError, match=r"^vocabulary_size is 1099511627776, which makes 1,099,511,627,776 words, and"
    ):
        model(vocabulary=None, vocabulary_size=2**40).fit(X, Y)
    with pytest.raises(ValueError, match=r"^X\[19\] holds 1099511627776, expected the number of a word, 0\.\.6$"):
        model(vocabulary=None, vocabulary_size=7).fit(x, Y)
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CONTAINER_LIMITS", (limit,))
    x[19, 2], V_wide = 5000, 5001
    least = 4 * 8 * V_wide * (D + P + 1)  # weights, gradient, the best weights, those of the last epoch
    limit.write_text(f"{least}\n")
    assert len(model(vocabulary=None).fit(x, Y).vocabulary_) == V_wide  # few of which come
    limit.write_text(f"{least - 1}\n")
    with pytest.raises(
        ValueError, match=r"^X\[19\] holds 5000, which makes 5,001 words, and training .* at least 0 GB"
    ):
        model(vocabulary=None).fit(x, Y)
    assert len(model().fit(X, Y).vocabulary_) == 7  # words that are given are in memory already


def test_a_learned_vocabulary_has_the_most_frequent_words():
    sentences = [["b", "b", "b", "c"], ["a", "c", "b", "d"], ["e", "c", "a", "b"]]
    learned = model(vocabulary=None).fit(sentences)
    assert learned.vocabulary_.tolist() == ["<unk>", "b", "c", "a", "d", "e"]
    short = model(vocabulary=None, vocabulary_size=3).fit(sentences)
    assert short.vocabulary_.tolist() == ["<unk>", "b", "c"]
    known = [[word if word in "bc" else "<unk>" for word in sentence] for sentence in sentences]
    same(short, model(vocabulary=["<unk>", "b", "c"]).fit(known))
    np.testing.assert_array_equal(short.predict_proba("a b zebra"), short.predict_proba("<unk> b <unk>"))
    assert model(vocabulary=None, unknown=None).fit(sentences).vocabulary_.tolist() == ["b", "c", "a", "d", "e"]
    contexts, after = [row[:3] for row in sentences], [row[3] for row in sentences]
    same(model(vocabulary=None).fit(contexts, after), learned)


def test_words_that_are_not_known_are_named(fitted):
    for call, message in (
        (lambda: fitted.predict("the zebra sat"), "context 0 holds 'zebra', expected one of the 7 words"),
        (lambda: fitted.top_k([["a", "a", "a"], ["a", "dog", "sat"]]), "context 1 holds 'dog'"),
        (lambda: model().fit([["a", "a", "dog"]], ["a"]), r"X\[0\] holds 'dog', expected one of the 7 words"),
        (lambda: model().fit([["a"] * 3] * 3, ["a", "a", "dog"]), r"y\[2\] is 'dog', expected one of the 7 words"),
        (lambda: model().fit([SENTENCES[0], ["a", "a", "a", "dog"]]), "sentence 1 has 'dog', which is not in"),
        (lambda: fitted.score([["a"] * 3 + ["dog"]]), "sentence 0 has 'dog'"),
        (lambda: fitted.nearest("dog"), "word is 'dog', expected one of the 7 words"),
        (lambda: model().fit([[0, 1, -1]], [2]), r"X\[0\] holds -1, expected the number of a word, 0\.\.6"),
        (lambda: model().fit([[0, 1, 2]], [7]), r"y\[0\] is 7, expected the number of a word, 0\.\.6"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    tolerant = model(vocabulary=[*WORDS, "<unk>"]).fit(SENTENCES)
    tolerant.predict("the zebra sat")
    with pytest.raises(ValueError, match="context 0 holds 'the cat', expected one of the 8 words"):
        tolerant.predict(["the cat", "cat", "sat"])  # a text is no word
    with pytest.raises(ValueError, match="context 0 holds 'zebra'"):
        tolerant.set_params(unknown=None).predict("the zebra sat")


def test_nearest_words_by_hand(fitted):
    E = fitted.embeddings_
    cosines = {w: E[4] @ E[i] / np.sqrt((E[4] @ E[4]) * (E[i] @ E[i])) for i, w in enumerate(WORDS) if w != "the"}
    words, similarities = fitted.nearest("the", 6)
    assert words.tolist() == sorted(cosines, key=lambda word: -cosines[word])
    np.testing.assert_allclose(similarities, [cosines[word] for word in words], rtol=1e-12)
    assert fitted.nearest("the", 2)[0].tolist() == words[:2].tolist()
    assert fitted.nearest(4, 2)[0].tolist() == words[:2].tolist()


def test_it_learns_what_follows():
    """A cycle of words with another one now and then: the next one is certain but for that."""
    cycle = [WORDS[i % 6] for i in range(600)]
    learned = model(epochs=20, learning_rate=0.02, hidden_size=12).fit([cycle])
    assert learned.perplexity([cycle]) < 1.2
    assert all(learned.predict(" ".join(cycle[i : i + 3])) == after for i, after in enumerate(cycle[3:9]))


@pytest.mark.parametrize(("initializer", "deviation"), [("gaussian", 0.01), (Gaussian(0.2), 0.2)])
def test_normal_weights_are_those_of_the_vectors_too(initializer, deviation):
    many = [f"w{i}" for i in range(400)]
    net = model(vocabulary=many, initializer=initializer, embedding=30, hidden_size=40)
    net.prepare([[0, 1, 2]], [3])
    for name in ("0.W", "2.W", "3.W"):
        assert net.model_.parameters[name].std() == pytest.approx(deviation, rel=0.05)


def test_sentences_are_held_out_whole():
    held = model(validation_fraction=0.3, epochs=4).fit(SENTENCES)
    assert len(held.validation_rows_) == 6
    parts = [
        [SENTENCES[row] for row in rows]
        for rows in (held.validation_rows_, np.delete(np.arange(20), held.validation_rows_))
    ]
    same(model(epochs=4).fit(parts[1], validation_data=(parts[0], None)), held)
    x, y = ngrams_of(parts[0], WORDS, K + 1)
    same(model(epochs=4).fit(parts[1], validation_data=(BY_NAME[x], BY_NAME[y])), held)
    assert held.evaluate(parts[0])[0] == pytest.approx(min(held.history_["validation_loss"]), rel=1e-12)
    assert held.best_epoch_ == int(np.argmin(held.history_["validation_loss"])) + 1


def test_early_stopping_keeps_the_best_weights():
    stopped = model(validation_fraction=0.4, patience=2, epochs=300, learning_rate=0.1).fit(X, Y)
    losses = stopped.history_["validation_loss"]
    assert stopped.n_iter_ == stopped.best_epoch_ + 2 < 300
    rows = stopped.validation_rows_
    assert stopped.evaluate(X[rows], Y[rows])[0] == pytest.approx(min(losses), rel=1e-12)


def test_equal_seeds_give_equal_bits_with_any_number_of_threads():
    first = model(dtype="float32", n_threads=1).fit(X, Y)
    same(model(dtype="float32", n_threads=2).fit(X, Y), first)
    assert first.embeddings_.dtype == np.float32
    assert not np.array_equal(model(dtype="float32", random_state=6).fit(X, Y).embeddings_, first.embeddings_)


def test_resumed_run_has_the_same_bits(tmp_path):
    states, whole = [], model(validation_fraction=0.3, epochs=4)
    whole.fit(
        X, Y,
        batch_callbacks=[lambda _: states.append(whole.trainer_.state())],
        callbacks=[lambda *_: states.append(whole.trainer_.state())],
    )  # fmt: skip
    for index in (0, 2, 3, len(states) - 1):  # within epochs and between
        storage.write(tmp_path / "state.h5", states[index])
        resumed = model(validation_fraction=0.3, epochs=4).fit(X, Y, state=storage.read(tmp_path / "state.h5"))
        same(resumed, whole)
        for name in set(whole.history_) - {"seconds"}:
            assert resumed.history_[name] == whole.history_[name]


def test_a_state_brings_its_seed():
    states = []
    first = model(random_state=None, validation_fraction=0.3)
    first.fit(X, Y, callbacks=[lambda *_: states.append(first.trainer_.state())])
    again = model(random_state=None, validation_fraction=0.3).fit(X, Y, state=states[0])
    np.testing.assert_array_equal(again.validation_rows_, first.validation_rows_)
    same(again, first)


@pytest.mark.parametrize(
    "vocabulary", [WORDS, None, np.array(WORDS), np.array(WORDS, object)], ids=["list", "none", "array", "objects"]
)
def test_saved_and_pickled_ones_are_the_same(vocabulary, tmp_path):
    before = model(vocabulary=vocabulary, validation_fraction=0.2).fit(X, Y)
    before.save(tmp_path / "model.h5")
    after = fastrnn.load(tmp_path / "model.h5")
    assert dict(after.history_) == {name: column for name, column in before.history_.items() if name != "seconds"}
    assert type(after) is NGramLanguageModel
    for other in (after, pickle.loads(pickle.dumps(before))):
        same(other, before)
        assert other.vocabulary_.tolist() == before.vocabulary_.tolist()
        assert type(other.predict(X)[0]) is type(before.predict(X)[0])
        np.testing.assert_array_equal(other.predict(X), before.predict(X))
        assert (
            other.nearest(before.vocabulary_[3], 2)[0].tolist() == before.nearest(before.vocabulary_[3], 2)[0].tolist()
        )
        assert other.perplexity(X, Y) == before.perplexity(X, Y)
        assert (other.n_iter_, other.best_epoch_, other.n_features_in_) == (3, before.best_epoch_, K)
        parameters = other.get_params() | {"vocabulary": None}
        assert parameters == before.get_params() | {"vocabulary": None}


def test_damaged_trees_are_refused(fitted, tmp_path):
    tree = fitted.to_tree()
    for change, message in (
        ({"vocabulary": WORDS[:6]}, r"takes 3 of 6 words, but its net takes inputs \(3, 7\)"),
        ({"vocabulary": [*WORDS[:6], "cat"]}, "vocabulary has 'cat' twice, at 1 and 6"),
        ({"n_features_in": 4}, r"takes 4 of 7 words, but its net takes inputs \(3, 7\)"),
    ):
        storage.write(tmp_path / "model.h5", tree | change)
        with pytest.raises(fastrnn.StorageError, match=message):
            fastrnn.load(tmp_path / "model.h5")


def test_searches_choose_by_the_likelihood():
    assert clone(model(embedding=9)).get_params() == model(embedding=9).get_params()
    search = GridSearchCV(model(), {"hidden_size": [2, 6], "epochs": [1, 8]}, cv=3).fit(SENTENCES)
    assert search.best_params_["epochs"] == 8
    assert search.best_score_ == pytest.approx(
        -np.mean(np.log([search.best_estimator_.perplexity(SENTENCES)])), abs=0.5
    )
    scores = cross_val_score(model(), BY_NAME[X], BY_NAME[Y], cv=3)
    assert ((scores < 0) & (scores > -3)).all()


def test_epochs_are_printed(capsys):
    model(verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:8] for line in lines] == ["epoch 1:", "epoch 2:", "epoch 3:"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"embedding": 0}, "embedding is 0, expected at least 1"),
        ({"hidden_size": 0}, "hidden_size is 0, expected at least 1"),
        ({"order": 1}, "order is 1, expected at least 2"),
        ({"order": 3}, r"X has shape \(26, 3\), expected \(N, 2\): 2 words before the next, as order is 3"),
        ({"order": 2}, r"expected \(N, 1\): 1 word before the next"),
        ({"vocabulary": "the"}, "vocabulary has type str, expected a list of words"),
        ({"vocabulary": ["a"]}, "vocabulary has 1 words, expected at least 2"),
        ({"vocabulary": ["a", 5]}, r"vocabulary\[1\] is 5, expected a word"),
        ({"vocabulary": ["a", "b", "a"]}, "vocabulary has 'a' twice, at 0 and 2"),
        ({"vocabulary_size": 5}, "vocabulary_size is 5, but vocabulary has the words; expected None"),
        ({"vocabulary": None, "vocabulary_size": 1}, "vocabulary_size is 1, expected at least 2"),
        ({"vocabulary": None, "vocabulary_size": 5}, r"X\[\d+\] holds [56], expected the number of a word, 0\.\.4"),
        ({"unknown": 5}, "unknown is 5, expected a word or None"),
        ({"optimizer": "adamm"}, "optimizer is 'adamm'"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"schedule": "cosinus"}, "cosinus"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"validation_fraction": 1.5}, "validation fraction|validation_fraction"),
        ({"patience": 0}, "patience is 0"),
        ({"clip_norm": -1.0}, "clip_norm is -1.0"),
        ({"initializer": "zero"}, "initializer is 'zero'"),
        ({"n_threads": 0}, "n_threads is 0"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"random_state": "x"}, "random_state|seed"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    before = model().fit(X, Y)
    expected = before.predict_proba(X)
    with pytest.raises((TypeError, ValueError), match=message):
        before.set_params(**parameters).fit(X, Y)
    before.set_params(n_threads=None)
    np.testing.assert_array_equal(before.predict_proba(X), expected)  # what was fitted is as it was


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.fit(X[:, :2], Y), r"X has shape \(26, 2\), expected \(N, 3\): 3 words before the next"),
        (lambda m: m.fit(X, Y[:5]), r"y has shape \(5,\), expected \(26,\): the next word for each row of X"),
        (lambda m: m.fit([["a"], ["a", "cat", "on"]], ["a", "a"]), "X has rows of unequal lengths, expected 3 words"),
        (lambda m: m.fit(X[:0], Y[:0]), r"X has shape \(0, 3\)"),
        (lambda m: m.fit(X / 2, Y), "X.* expected words|dtype float64"),
        (lambda m: m.fit(X, BY_NAME[Y]), "X has dtype int64 but y <U3, expected words in both, or numbers"),
        (lambda m: m.fit(X), r"X\[0\] holds \d, but X without y is expected to hold lists of words"),
        (lambda m: m.fit("the cat sat on the mat"), "X without y is expected to be a list of sentences"),
        (lambda m: m.fit(["the cat", "sat"]), r"X\[0\] is 'the cat', but X without y is expected to hold lists"),
        (lambda m: m.fit([["the", "cat"], ["a", "."]]), "the longest of 2 sentences has 2 words; an n-gram needs 4"),
        (lambda m: m.fit([]), "X without y is expected to be a list of sentences"),
        (lambda m: m.fit(X, Y, validation_data=X), "validation_data has type ndarray, expected a tuple"),
        (lambda m: m.predict("the cat"), "context 0 has 2 words, expected 3 or more, as order is 4"),
        (lambda m: m.predict([["a", "a", "a"], ["on"]]), "context 1 has 1 word, expected 3 or more"),
        (lambda m: m.predict([]), "there is no context"),
        (lambda m: m.predict(5), "there is no context"),
        (lambda m: m.predict([["a", "a", "a"], "on the mat"]), "context 1 is 'on the mat', expected a list of words"),
        (lambda m: m.predict([0.5, 1.0, 2.0]), "context 0 holds 0.5, expected a word"),
        (lambda m: m.top_k("the cat sat", 8), "k is 8, expected at most 7, the number of words"),
        (lambda m: m.top_k("the cat sat", 0), "k is 0, expected at least 1"),
        (lambda m: m.nearest("cat", 7), "k is 7, expected at most 6"),
    ],
)
def test_bad_inputs_are_named(fitted, call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(clone(fitted).set_params(epochs=1).fit(X, Y))


def test_unfitted_ones_say_so():
    unfitted = model()
    for call in (
        lambda: unfitted.predict("the cat sat"),
        lambda: unfitted.predict_proba(X),
        lambda: unfitted.top_k(X),
        lambda: unfitted.nearest("cat"),
        lambda: unfitted.perplexity(X, Y),
        lambda: unfitted.save("model.h5"),
    ):
        with pytest.raises(NotFittedError):
            call()
