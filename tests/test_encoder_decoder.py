import itertools
import pickle

import numpy as np
import pytest

import fastrnn
from fastrnn import GRU, LSTM, SGD, Dense, Dropout, Embedding, EncoderDecoder, RepeatVector, Sequential, Trainer
from fastrnn._kernels.softmax import log_softmax
from fastrnn.decoding import decode
from fastrnn.losses import cross_entropy

B, T, I, U, V, H = 5, 4, 6, 3, 7, 8
rng = np.random.default_rng(0)
X, Y = rng.integers(0, I, (B, T)), rng.integers(0, V, (B, U))
LENGTHS, Y_LENGTHS = np.array([4, 1, 3, 4, 2]), np.array([3, 1, 2, 2, 3])
PADDED = np.where(np.arange(U) < Y_LENGTHS[:, None], Y, -1)


def build(dtype="float64", seed=0, cell=LSTM, **options):
    encoder = [Embedding(I, 5), cell(H), Dropout(0.0)]
    decoder = [cell(H, return_sequences=True), Dense(V)]
    if options:
        encoder[1], decoder[0] = cell(H, **options), cell(H, return_sequences=True, **options)
    return EncoderDecoder(encoder, decoder).build((None, I), V, dtype, seed)


# ---- the net ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [GRU, LSTM])
def test_the_gradient_is_that_of_the_loss(cell):
    model, mask = build(cell=cell, layers=2), PADDED >= 0
    model.flat_parameters[...] += rng.normal(0, 0.3, model.flat_parameters.shape)

    def loss_at(parameters):
        model.flat_parameters[...] = parameters
        logits, _ = model.forward(X, Y, lengths=LENGTHS, y_lengths=Y_LENGTHS)
        return cross_entropy(logits, Y, mask)[0]

    start = model.flat_parameters.copy()
    logits, backprop = model.forward(X, Y, lengths=LENGTHS, y_lengths=Y_LENGTHS, training=True)
    assert logits.shape == (B, U, V)
    model.zero_gradients()
    backprop(cross_entropy(logits, Y, mask)[1])
    gradient = model.flat_gradients.copy()
    for _ in range(5):
        direction = rng.normal(size=start.shape)
        slope = (loss_at(start + 1e-5 * direction) - loss_at(start - 1e-5 * direction)) / 2e-5
        np.testing.assert_allclose(gradient @ direction, slope, rtol=1e-6)
    for name, part in model.gradients.items():
        if not name.endswith("0.forward.bh"):
            assert np.abs(part).max() > 0, name


def test_a_symbol_depends_on_those_before_it_and_on_what_was_read():
    model = build()
    logits, _ = model.forward(X, Y)
    for step in range(U):
        other = Y.copy()
        other[:, step] = (Y[:, step] + 1) % V
        changed = (model.forward(X, other)[0] != logits).any(axis=(0, 2))
        assert changed.tolist() == [False] * (step + 1) + [True] * (U - step - 1)
    other = X.copy()
    other[:, 0] = (X[:, 0] + 1) % I
    assert (model.forward(other, Y)[0] != logits).any(axis=2).all()


def test_both_nets_begin_with_numbers_of_their_own_and_share_one_vector():
    model = build(seed=3)
    encoder, decoder = (model.parameters[f"{name}.forward.Wh"] for name in ("encoder.1.0", "decoder.0.0"))
    assert encoder.shape == decoder.shape
    assert (encoder != decoder).all()
    model.flat_parameters[...] = 2.0
    assert (encoder == 2).all()
    assert (model.decoder.parameters["1.b"] == 2).all()
    assert len(model.flat_parameters) == len(model.flat_gradients) == sum(p.size for p in model.parameters.values())


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        ([LSTM(3)], [LSTM(4, return_sequences=True)], r"states of LSTM\(3\), but the decoder begins .* LSTM\(4, ret"),
        ([LSTM(3)], [GRU(3, return_sequences=True)], "of the same cells, sizes"),
        ([LSTM(3)], [LSTM(3, layers=2, return_sequences=True)], "of the same cells, sizes"),
        ([Dense(3)], [Dense(3)], "states of no recurrent layer"),
        ([LSTM(3)], [LSTM(3)], r"the decoder has LSTM\(3\), but writes step by step; use return_sequences=True"),
        ([Embedding(9, 2, lazy=True), LSTM(3)], [LSTM(3)], r"the encoder has Embedding\(.*use lazy=False"),
        ([LSTM(3)], [], "layers is empty"),
    ],
)
def test_nets_that_do_not_fit_are_refused(encoder, decoder, message):
    with pytest.raises(ValueError, match=message):
        EncoderDecoder(encoder, decoder)


def test_wrong_use_is_refused():
    model = EncoderDecoder([LSTM(3)], [LSTM(3, return_sequences=True), Dense(4)])
    for use in (lambda: model.forward(X, Y), lambda: decode(model, X), model.to_tree):
        with pytest.raises(RuntimeError, match=r"call model\.build\(input_shape, n_symbols\) first"):
            use()
    with pytest.raises(ValueError, match=r"outputs \(None, 4\), expected \(None, 5\): a logit for each symbol"):
        model.build((None, I), 5)
    model.build((None, I), 4)
    for y in (Y[:3], Y[0], Y / 2):
        with pytest.raises(ValueError, match=r"expected symbols: integers \(5, U\)"):
            model.forward(X, y)
    for symbol in (-1, 4, 256):
        with pytest.raises(ValueError, match=r"y holds symbols beyond 0\.\.3"):
            model.forward(X, np.where(np.eye(B, U) > 0, symbol, Y % 4))
    for loss in ("mse", None):
        with pytest.raises(TypeError, match="'cross_entropy' for an EncoderDecoder"):
            Trainer(model, loss)


@pytest.mark.parametrize("way", ["file", "pickle"])
def test_it_can_be_stored(way, tmp_path):
    model = build("float32", layers=2)
    if way == "file":
        model.save(tmp_path / "model.h5")
        copy = fastrnn.load(tmp_path / "model.h5")
    else:
        copy = pickle.loads(pickle.dumps(model))
    assert repr(copy) == repr(model)
    assert (copy.forward(X, Y)[0] == model.forward(X, Y)[0]).all()
    Trainer(copy, "cross_entropy").fit(X, Y, epochs=1)
    assert (copy.forward(X, Y)[0] != model.forward(X, Y)[0]).any()
    assert repr(pickle.loads(pickle.dumps(EncoderDecoder([GRU(2)], [GRU(2, return_sequences=True)])))).startswith("Enc")


# ---- training --------------------------------------------------------------------------------------------------------


def test_padding_counts_in_no_loss_no_gradient_and_no_accuracy():
    models = build(), build()
    x = np.where(np.arange(T) < LENGTHS[:, None], X, 99)
    wider = np.pad(PADDED, ((0, 0), (0, 2)), constant_values=-1)
    histories = []
    for model, data in zip(models, ((X, PADDED), (x, wider)), strict=True):
        options = {"batch_size": 2, "lengths": LENGTHS, "validation": (*data, LENGTHS)}
        histories.append(Trainer(model, "cross_entropy", SGD(0.5)).fit(*data, epochs=2, **options))
    assert (models[0].flat_parameters == models[1].flat_parameters).all()
    assert dict(histories[0]) | {"seconds": 0} == dict(histories[1]) | {"seconds": 0}


def test_losses_are_means_over_symbols_however_they_are_batched():
    model = build()
    trainer = Trainer(model, "cross_entropy", SGD(1e-300))
    history = trainer.fit(X, PADDED, epochs=1, batch_size=2, lengths=LENGTHS)
    logits, _ = model.forward(X, Y, lengths=LENGTHS, y_lengths=Y_LENGTHS)
    losses = -np.take_along_axis(log_softmax(logits), Y[..., None], axis=-1)[..., 0][PADDED >= 0]
    right = (logits.argmax(axis=-1) == Y)[PADDED >= 0]
    for loss, accuracy in (
        (history["train_loss"][0], history["train_accuracy"][0]),
        trainer.evaluate(X, PADDED, lengths=LENGTHS, batch_size=3),
    ):
        np.testing.assert_allclose(loss, losses.mean(), rtol=1e-13)
        np.testing.assert_allclose(accuracy, right.mean(), rtol=1e-13)


def test_a_run_goes_on_with_the_same_bits():
    options = {"epochs": 4, "batch_size": 2, "lengths": LENGTHS, "validation": 0.2}
    model, states = build(recurrent_dropout=0.3), []
    trainer = Trainer(model, "cross_entropy", seed=5)
    trainer.batch_callbacks = (lambda report: states.append(trainer.state()),)
    trainer.fit(X, PADDED, **options)
    again = build(seed=1, recurrent_dropout=0.3)
    other = Trainer(again, "cross_entropy", seed=5)
    other.restore(states[4])
    other.fit(X, PADDED, **options)
    assert (again.flat_parameters == model.flat_parameters).all()
    other = Trainer(build(recurrent_dropout=0.1), "cross_entropy", seed=5)
    with pytest.raises(ValueError, match="model of the run is EncoderDecoder"):
        other.restore(states[4])


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (Y / 1.0, TypeError, r"y has shape \(5, 3\) and dtype float64, expected symbols: integers \(N, U\)"),
        (Y[:, 0], TypeError, r"y has shape \(5,\) and dtype int64"),
        (np.where(np.eye(B, U) > 0, V, Y), ValueError, r"y\[0, 0\] is 7, expected a symbol in 0\.\.6, or -1"),
        (np.where(np.eye(B, U) > 0, -1, Y), ValueError, r"y\[0\] is \[-1 .*and -1 only after the last one"),
        (np.full((B, U), -1), ValueError, r"y\[0\] is \[-1 -1 -1\], expected at least one symbol"),
    ],
)
def test_targets_that_cannot_be_are_refused(y, error, message):
    with pytest.raises(error, match=message):
        Trainer(build(), "cross_entropy").fit(X, y, epochs=1)


def test_windows_are_refused_by_what_the_user_knows():
    trainer = Trainer(build(), "cross_entropy")
    for method, options in ((trainer.fit, {"epochs": 1}), (trainer.evaluate, {})):
        with pytest.raises(ValueError, match=r"window is 3, but an EncoderDecoder reads .* pass None"):
            method(X, PADDED, lengths=LENGTHS, window=3, **options)


def test_the_exact_match_is_that_of_greedy_search():
    model, end = build(), V - 1
    y = np.where(PADDED < 0, -1, PADDED % end)  # none has the end
    Trainer(model, "cross_entropy", learning_rate=0.02).fit(X, y, epochs=50, lengths=LENGTHS)
    wrong = y.copy()
    wrong[0, 1] = (y[0, 1] + 1) % end  # one symbol of three
    wrong[1, 0] = (y[1, 0] + 1) % end  # the only one
    trainer = Trainer(model, "cross_entropy", SGD(1e-300))
    history = trainer.fit(X, wrong, epochs=1, batch_size=5, lengths=LENGTHS, validation=(X, wrong, LENGTHS))
    found, _ = decode(model, X, LENGTHS, max_steps=U, end=end)
    greedy = [(found[row, :steps] == wrong[row, :steps]).all() for row, steps in enumerate(Y_LENGTHS)]
    assert greedy == [False, False, True, True, True]
    assert history["validation_exact_match"] == history["train_exact_match"] == [3 / 5]


# ---- searching -------------------------------------------------------------------------------------------------------


def sharp(seed=0):
    """Return a model that is sure of some symbols, so that searches differ."""
    model = build(seed=seed)
    model.flat_parameters[...] *= 6
    return model


def likelihood(model, x, lengths, symbols):
    """Return the log-likelihood of a sequence."""
    logits, _ = model.forward(x[None], symbols[None], lengths=lengths[None])
    return float(log_softmax(logits)[0, np.arange(len(symbols)), symbols].sum())


@pytest.mark.parametrize("beam_size", [1, 3])
def test_what_is_found_has_the_likelihood_that_is_told(beam_size):
    model = sharp()
    symbols, scores = decode(model, X, LENGTHS, end=2, max_steps=6, beam_size=beam_size)
    assert symbols.shape[0] == B
    assert symbols.shape[1] <= 6
    for row, score in enumerate(scores):
        own = symbols[row][symbols[row] >= 0]
        assert (own[:-1] != 2).all()
        assert own[-1] == 2 or len(own) == 6
        assert (symbols[row][len(own) :] == -1).all()
        np.testing.assert_allclose(score, likelihood(model, X[row], LENGTHS[row], own), rtol=1e-10)


def test_greedy_search_takes_the_likeliest_symbol_at_each_step():
    model = sharp()
    found, _ = decode(model, X, LENGTHS, end=2, max_steps=5)
    for row in range(B):
        written = np.zeros(0, int)
        while len(written) < 5 and not (written == 2).any():
            logits, _ = model.forward(X[[row]], np.append(written, 0)[None], lengths=LENGTHS[[row]])
            written = np.append(written, logits[0, -1].argmax())
        assert found[row][found[row] >= 0].tolist() == written.tolist()


def test_a_wide_beam_finds_the_likeliest_of_all_sequences():
    model, end, longest = sharp(1), 2, 3
    others = [symbol for symbol in range(V) if symbol != end]
    everything = [
        np.array([*begin, last])
        for length in range(1, longest + 1)
        for begin in itertools.product(others, repeat=length - 1)
        for last in ([end] if length < longest else range(V))
    ]
    found, scores = decode(model, X, LENGTHS, end=end, max_steps=longest, beam_size=len(everything))
    greedy = decode(model, X, LENGTHS, end=end, max_steps=longest)[1]
    for row in range(B):
        likelihoods = [likelihood(model, X[row], LENGTHS[row], symbols) for symbols in everything]
        best = everything[int(np.argmax(likelihoods))]
        assert found[row][found[row] >= 0].tolist() == best.tolist()
    assert (scores >= greedy).all()
    assert (scores > greedy + 0.01).any()


def full_search(model, x, lengths, end, max_steps, K):
    """Search until all hypotheses have ended, one row at a time; whole sequences are read anew at each step."""
    beams = [(0.0, ())]
    for _ in range(max_steps):
        longer = []
        for score, symbols in beams:
            if symbols[-1:] == (end,):
                longer.append((score, symbols))
                continue
            logits, _ = model.forward(x[None], np.array([[*symbols, 0]]), lengths=lengths[None])
            longer += [(score + p, (*symbols, v)) for v, p in enumerate(log_softmax(logits)[0, -1].tolist())]
        beams = sorted(longer, key=lambda one: -one[0])[:K]
    return beams[0]


@pytest.mark.parametrize("beam_size", [2, 5, 11])
@pytest.mark.parametrize("end", [0, 2])
def test_a_row_is_done_when_its_best_hypothesis_has_ended(beam_size, end):
    longest = []
    for seed in range(4):
        model = sharp(seed)
        found, scores = decode(model, X, LENGTHS, end=end, max_steps=7, beam_size=beam_size)
        for row in range(B):
            score, symbols = full_search(model, X[row], LENGTHS[row], end, 7, beam_size)
            assert found[row][found[row] >= 0].tolist() == list(symbols)
            np.testing.assert_allclose(scores[row], score, rtol=1e-9)
            longest.append(len(symbols))
    assert min(longest) < max(longest)


def test_a_search_takes_no_more_steps_than_it_needs(monkeypatch):
    model, rows = build(), []
    model.parameters["decoder.1.b"][2] = 9.0  # all but sure to end at once
    forward = model.decoder.forward
    monkeypatch.setattr(model.decoder, "forward", lambda x, **how: rows.append(len(x)) or forward(x, **how))
    found, _ = decode(model, X, LENGTHS, end=2, max_steps=30, beam_size=6)
    assert found.tolist() == [[2]] * B
    assert rows == [6 * B]


def test_rows_are_searched_by_themselves(monkeypatch):
    model = sharp()
    together = decode(model, X, LENGTHS, end=2, max_steps=6, beam_size=2)
    monkeypatch.setattr("fastrnn.decoding.AT_A_TIME", 4)
    apart = decode(model, X, LENGTHS, end=2, max_steps=6, beam_size=2)
    assert (apart[0] == together[0]).all()
    np.testing.assert_allclose(apart[1], together[1], rtol=1e-12)
    assert decode(model, X[:0])[0].shape == (0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"end": V}, r"end is 7, expected a symbol in 0\.\.6"),
        ({"beam_size": 0}, "beam_size is 0"),
        ({"max_steps": 0}, "max_steps is 0"),
    ],
)
def test_searches_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        decode(build(), X, **options)


# ---- a vector at each step -------------------------------------------------------------------------------------------


def repeating(dtype="float64"):
    layers = [LSTM(H), RepeatVector(U), LSTM(H, return_sequences=True), Dense(V)]
    return Sequential(layers).build((None, I), dtype)


def test_repeated_vectors_have_steps_of_their_own():
    model = repeating()
    y, _ = model.forward(X, lengths=LENGTHS)
    assert y.shape == (B, U, V)
    for row in range(B):
        alone, _ = model.forward(X[[row], : LENGTHS[row]])
        assert (alone[0] == y[row]).all()
    loss, _ = Trainer(model, "cross_entropy").evaluate(X, PADDED, lengths=LENGTHS, batch_size=2)
    losses = -np.take_along_axis(log_softmax(y), Y[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(loss, losses[PADDED >= 0].mean(), rtol=1e-13)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_targets_of_repeated_vectors_have_their_steps(loss):
    trainer = Trainer(repeating(), loss)
    for y in (Y[:, : U - 1], X, Y[:, 0]):
        with pytest.raises(ValueError, match=rf"y has shape .*, expected \({B}, {U}\) .* RepeatVector\({U}\) gives"):
            trainer.fit(X, y, epochs=1)


def test_gradients_go_back_through_repeated_vectors():
    model = repeating()

    def loss_at(parameters):
        model.flat_parameters[...] = parameters
        return cross_entropy(model.forward(X, lengths=LENGTHS)[0], Y, PADDED >= 0)[0]

    start = model.flat_parameters.copy()
    y, backprop = model.forward(X, lengths=LENGTHS, training=True)
    model.zero_gradients()
    backprop(cross_entropy(y, Y, PADDED >= 0)[1], need_dx=False)
    gradient = model.flat_gradients.copy()
    for _ in range(5):
        direction = rng.normal(size=start.shape)
        slope = (loss_at(start + 1e-5 * direction) - loss_at(start - 1e-5 * direction)) / 2e-5
        np.testing.assert_allclose(gradient @ direction, slope, rtol=1e-6)


def test_a_net_with_repeated_vectors_is_trained_and_stored(tmp_path):
    model = repeating("float32")
    history = Trainer(model, "cross_entropy", learning_rate=0.02).fit(X, PADDED, epochs=150, lengths=LENGTHS)
    assert history["train_accuracy"][-1] == 1
    model.save(tmp_path / "model.h5")
    assert (fastrnn.load(tmp_path / "model.h5").predict(X, LENGTHS) == model.predict(X, LENGTHS)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RepeatVector(0), "n is 0"),
        (lambda: Sequential([RepeatVector(3)]).build((None, I)), r"RepeatVector\(3\) got inputs .*expected \(I,\)"),
    ],
)
def test_vectors_that_cannot_be_repeated_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_class_of_minus_one_is_padding():
    model = Sequential([GRU(H, return_sequences=True), Dense(V)]).build((None, I), "float64")
    y = rng.integers(0, V, (B, T))
    some = rng.random((B, T)) < 0.6
    logits = model.predict(X)
    losses = -np.take_along_axis(log_softmax(logits), y[..., None], axis=-1)[..., 0]
    trainer = Trainer(model, "cross_entropy")
    for lengths, valid in ((None, some), (LENGTHS, some & (np.arange(T) < LENGTHS[:, None]))):
        loss, accuracy = trainer.evaluate(X, np.where(some, y, -1), lengths=lengths, batch_size=2)
        np.testing.assert_allclose(loss, losses[valid].mean(), rtol=1e-13)
        np.testing.assert_allclose(accuracy, (logits.argmax(axis=-1) == y)[valid].mean(), rtol=1e-13)
    with pytest.raises(ValueError, match="target holds the class -2"):
        trainer.evaluate(X, np.full((B, T), -2))
