"""Streams: the bits of `predict`, one step at a time; what they carry, refuse and do not allocate."""

import copy
import itertools
import operator
import pickle
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from kernels import BACKENDS

import fastrnn
from fastrnn import GRU, LSTM, RNN, Dense, Dropout, RecurrentClassifier, RecurrentRegressor, Sequential, Stream
from fastrnn._kernels import backends, chain
from fastrnn.cells import Cell, one, sigmoid

T, I = 9, 4
MODELS = {
    "rnn": [RNN(7, "relu", return_sequences=True)],
    "lstm": [LSTM(9, layers=2, return_sequences=True, dropout=0.3, recurrent_dropout=0.2)],
    "gru": [GRU(17, return_sequences=True), Dropout(0.5), Dense(5, "tanh"), Dense(3)],
    "mixed": [Dense(6, "relu"), GRU(16, return_sequences=True), LSTM(33, layers=2, return_sequences=True), Dense(2)],
    "final": [LSTM(8, return_sequences=True), GRU(31)],
    "head": [RNN(15, layers=2), Dropout(0.1), Dense(6, "sigmoid"), Dense(3)],
}


def build(layers, dtype="float32", inputs=I):
    """A model with biases that are not 0."""
    model = Sequential(layers).build((None, inputs), dtype)
    model.flat_parameters[...] += np.random.default_rng(8).uniform(-0.1, 0.1, model.flat_parameters.size)
    return model


def signals(B, dtype="float32"):
    return np.random.default_rng(B).normal(size=(B, T, I)).astype(dtype)


def expected_steps(model, x):
    """What `predict` gives after each step."""
    if len(model.output_shape) == 2:
        return model.predict(x).swapaxes(0, 1)
    return np.stack([model.predict(x[:, : t + 1]) for t in range(x.shape[1])])


def run(stream, x, **options):
    return np.stack([stream.step(x[:, t], **options) for t in range(x.shape[1])])


def arrays(state):
    return [value for layer in state if layer is not None for own in layer for value in own]


def assert_same_state(a, b):
    assert [own and len(own) for own in a] == [own and len(own) for own in b]
    for got, expected in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.fixture(params=BACKENDS)
def backend(request, use_backend, monkeypatch):
    """Every backend in turn is that of models, which have no option for it."""
    if use_backend(request.param)["backend"] != "native":
        choose = backends.choose
        monkeypatch.setattr(backends, "choose", lambda _, cell: choose(request.param, cell))
    return request.param


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("B", [1, 5, 70])
@pytest.mark.parametrize("name", MODELS)
def test_the_bits_of_predict(backend, name, B, dtype):
    model, x = build(MODELS[name], dtype), signals(B, dtype)
    stream = Stream(model, B)
    y = run(stream, x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected_steps(model, x))
    assert_same_state(stream.state, model.forward(x)[1].state)


def test_the_reference_gives_what_predict_gives(monkeypatch):
    """To rounding: the reference promises no equal bits."""
    choose = backends.choose
    monkeypatch.setattr(backends, "choose", lambda _, cell: choose("reference", cell))
    model, x = build(MODELS["head"], "float64"), signals(5, "float64")
    np.testing.assert_allclose(run(Stream(model, 5), x), expected_steps(model, x), rtol=0, atol=1e-13)


def test_compiled_chains_run_native_models_and_no_others(monkeypatch):
    if backends.native() is None:
        pytest.skip("needs native kernels")
    model = build(MODELS["gru"])
    assert not isinstance(Stream(model)._chain, chain.PythonChain)
    monkeypatch.setattr(backends, "native", lambda: None)
    monkeypatch.setattr(backends, "_warned", True)
    assert isinstance(Stream(model)._chain, chain.PythonChain)


@pytest.mark.parametrize("H", [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65, 130])
@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
def test_around_the_lane_counts(layer, H):
    model, x = build([layer(H, return_sequences=True), Dense(H)]), signals(3)
    np.testing.assert_array_equal(run(Stream(model, 3), x), expected_steps(model, x))


@pytest.mark.parametrize("index", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("B", [1, 5])
def test_symbols(backend, B, index):
    model = build([LSTM(9, return_sequences=True), Dense(4)])
    x = np.random.default_rng(0).integers(0, I, (B, T)).astype(index)
    stream = Stream(model, B)
    np.testing.assert_array_equal(run(stream, x), expected_steps(model, x))
    state = stream.state
    for wrong in (-1, I):
        with pytest.raises(ValueError, match=rf"x holds the symbol {wrong}, expected whole numbers in 0..3"):
            stream.step(np.full(B, wrong, "int64"))
    with pytest.raises(ValueError, match=rf"holds integers and has shape \({B}, 1\), expected \({B},\)"):
        stream.step(x[:, :1])
    assert_same_state(stream.state, state)
    one_hot = np.eye(I, dtype="float32")[x[:, 0].astype(int)]
    stream.reset()
    np.testing.assert_array_equal(stream.step(one_hot), expected_steps(model, x)[0])


def test_a_cell_of_ones_own():
    def step(ax, ah, s):
        z = sigmoid(ax[0] + ah[0])
        return (z * s[0] + (one(z) - z) * ax[1],), (z,)

    def step_vjp(kept, s, new, d):
        raise NotImplementedError

    def vjp(kept, s, new, d):
        z = kept[0]
        dz = d[0] * s[0]
        return (dz, d[0] * (one(z) - z)), (dz, dz - dz), (d[0] * z,)

    cell = Cell("leaky", "zn", "h", step, vjp)
    model, x = build([fastrnn.Recurrent(cell, 7, return_sequences=True), Dense(2)]), signals(3)
    np.testing.assert_array_equal(run(Stream(model, 3), x), expected_steps(model, x))


# ---- estimators -----------------------------------------------------------------------------------------------------


def far_signals(n=40, seed=0):
    """Two channels, the second far from standardised, and a target with two values."""
    x = np.random.default_rng(seed).normal(size=(n, T, 2)) * [1, 40] + [0, 1000]
    return x, x[:, :, 0].sum(axis=1)


SMALL = {"hidden_size": 11, "head": (6,), "epochs": 2, "random_state": 0}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [True, False])
def test_a_classifier_gives_its_probabilities(backend, standardize, dtype):
    X, target = far_signals()
    y = np.digitize(target, [-2, 2])
    fitted = RecurrentClassifier(cell="lstm", dropout=0.2, standardize=standardize, dtype=dtype, **SMALL).fit(X, y)
    stream = Stream(fitted, 5)
    for got, t in zip(run(stream, X[:5]), range(T), strict=True):
        assert got.shape == (5, 3)
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, fitted.predict_proba(X[:5, : t + 1]))


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("targets", [(), (1,), (2,)], ids=str)
def test_a_regressor_gives_its_numbers(backend, targets, standardize):
    X, target = far_signals()
    y = target.reshape(-1, *(1,) * len(targets)) * np.arange(1, 3)[: targets[0]] + 7 if targets else 10 * target + 7
    fitted = RecurrentRegressor(standardize=standardize, **SMALL).fit(X, y)
    stream = Stream(fitted, 5)
    out = np.empty((5, *targets))
    for t in range(T):
        assert stream.step(X[:5, t], out) is out
        np.testing.assert_array_equal(out, fitted.predict(X[:5, : t + 1]))


def test_one_channel_may_come_without_its_axis():
    X, target = far_signals()
    fitted = RecurrentRegressor(**SMALL).fit(X[:, :, 0], target)
    stream = Stream(fitted, 3)
    for t in range(T):
        np.testing.assert_array_equal(stream.step(X[:3, t, 0]), fitted.predict(X[:3, : t + 1, :1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_an_estimator_refuses_what_is_not_finite_and_stays_as_it_was(backend, bad):
    X, target = far_signals()
    stream = Stream(RecurrentRegressor(standardize=bad != np.inf, **SMALL).fit(X, target), 5)
    stream.step(X[:5, 0])
    state = stream.state
    x = X[:5, 1].copy()
    x[3, 1] = bad
    for dtype in (float, "float32"):  # converted, and as the net takes it
        with np.errstate(over="ignore"):
            converted = x.astype(dtype)
        with pytest.raises(ValueError, match=r"x contains (NaN|infinity).* at row 3, channel 1; expected finite"):
            stream.step(converted)
    assert_same_state(stream.state, state)
    with pytest.raises(ValueError, match=r"dtype <U1, expected numbers"):
        stream.step(np.full((5, 2), "a"))


def test_a_model_takes_what_is_not_finite_as_predict_does():
    model, x = build(MODELS["gru"]), signals(2)
    x[1, 3, 2] = np.nan
    np.testing.assert_array_equal(run(Stream(model, 2), x), expected_steps(model, x))


def test_softmax_without_native_kernels(monkeypatch):
    logits = np.random.default_rng(0).normal(size=(7, 3)) * 100
    expected = chain.softmax(logits)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_allclose(np.log(expected[:, 1] / expected[:, 0]), logits[:, 1] - logits[:, 0], rtol=1e-12)
    monkeypatch.setattr(backends, "native", lambda: None)
    np.testing.assert_allclose(chain.softmax(logits), expected, rtol=1e-14)


# ---- what is carried ------------------------------------------------------------------------------------------------


def test_reset_begins_again(backend):
    model, x = build(MODELS["mixed"]), signals(3)
    stream = Stream(model, 3)
    first = run(stream, x)
    second = run(stream, x)
    assert (first != second).any()
    stream.reset()
    assert not any(value.any() for value in arrays(stream.state))
    np.testing.assert_array_equal(run(stream, x), first)


@pytest.mark.parametrize("cut", [3, 4])
def test_the_state_goes_from_stream_to_stream_and_model(backend, cut):
    model, x = build(MODELS["mixed"]), signals(3)
    expected = expected_steps(model, x)
    stream = Stream(model, 3)
    run(stream, x[:, :cut])
    state = stream.state
    kept = copy.deepcopy(state)
    run(stream, x)  # what was read is a copy
    assert_same_state(state, kept)
    other = Stream(model, 3)
    other.state = state
    np.testing.assert_array_equal(run(other, x[:, cut:]), expected[cut:])
    assert_same_state(state, kept)
    np.testing.assert_array_equal(model.forward(x[:, cut:], state=state)[0].swapaxes(0, 1), expected[cut:])


def test_a_wrong_state_changes_nothing():
    model, x = build(MODELS["mixed"]), signals(3)  # Dense, GRU, two LSTM, Dense
    stream = Stream(model, 3)
    run(stream, x)
    state = stream.state
    _, gru, lstm, _ = state
    for wrong, error, message in [
        ((None, gru), ValueError, r"state has 2 entries, expected a tuple of 4"),
        (5, ValueError, r"state has type int"),
        ((gru, gru, lstm, None), ValueError, r"state\[0\] is given, but Dense\(.*has no state"),
        ((None, gru, lstm[:1], None), ValueError, r"state\[2\] of .* has 1 entries, expected a tuple of 2"),
        ((None, None, (lstm[0], lstm[0][:1]), None), ValueError, r"state\[2\]\[1\] has 1 entries, expected a tuple"),
        ((None, ((gru[0][0][:2],),), lstm, None), ValueError, r"state\[1\]\[0\]\[0\] has shape \(2, 16\)"),
        ((None, ((gru[0][0].astype(float),),), lstm, None), TypeError, r"state\[1\]\[0\]\[0\] has dtype float64"),
    ]:
        with pytest.raises(error, match=message):
            stream.state = wrong
        assert_same_state(stream.state, state)
    stream.state = (None, None, (None, lstm[1]), None)
    assert not arrays(stream.state)[0].any()
    assert arrays(stream.state)[3].any()


def test_later_training_changes_nothing(backend):
    model, x = build(MODELS["gru"]), signals(2)
    stream, expected = Stream(model, 2), expected_steps(model, x)
    model.flat_parameters[...] += 1
    np.testing.assert_array_equal(run(stream, x), expected)


def test_streams_of_one_model_are_independent():
    model, x = build(MODELS["lstm"]), signals(2)
    a, b = Stream(model), Stream(model)
    for t in range(T):
        a.step(x[:1, t])
        np.testing.assert_array_equal(b.step(x[1:, t]), expected_steps(model, x[1:])[t])


def test_threads_own_rows_and_the_bits_stay(monkeypatch):
    model, x = build([GRU(65, layers=2, return_sequences=True), Dense(8)]), signals(70)
    expected = expected_steps(model, x)
    monkeypatch.setattr(chain, "WORK_PER_THREAD", 1)
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(chain, "choose_threads", lambda _, work, n=n_threads: n)
        np.testing.assert_array_equal(run(Stream(model, 70), x), expected)


def test_a_large_step_in_another_thread_is_noticed():
    """A thousand rows by a large net: long enough for both threads to be inside."""
    model = build([LSTM(256, layers=3)])
    stream, x = Stream(model, 1000), np.zeros((1000, I), "float32")
    errors = []

    def work():
        for _ in range(20):
            try:
                stream.step(x)
            except RuntimeError as error:
                errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors
    assert "another thread" in errors[0]
    stream.step(x)


# ---- arguments ------------------------------------------------------------------------------------------------------


def test_out_is_filled_and_returned(backend):
    model, x = build(MODELS["head"]), signals(5)
    stream, out = Stream(model, 5), np.full((5, 3), np.nan, "float32")
    for t, expected in enumerate(expected_steps(model, x)):
        assert stream.step(x[:, t], out=out) is out
        np.testing.assert_array_equal(out, expected)
    stream.reset()
    first, second = stream.step(x[:, 0]), stream.step(x[:, 1])
    np.testing.assert_array_equal(first, expected_steps(model, x)[0])  # a new array each time
    assert not np.shares_memory(first, second)


def test_inputs_that_lie_otherwise(backend):
    """Strided, misaligned, of a subclass, a list: other ways to the same numbers."""
    model, x = build(MODELS["gru"]), signals(3)
    expected = expected_steps(model, x)
    bytes_ = np.zeros(3 * I * 4 + 1, "u1")
    misaligned = bytes_[1:].view("float32").reshape(3, I)
    for t, form in enumerate([np.asfortranarray, lambda a: a.view(np.recarray), lambda a: a[::-1].copy()[::-1]]):
        stream = Stream(model, 3)
        stream.state = model.forward(x[:, :t])[1].state
        np.testing.assert_array_equal(stream.step(form(x[:, t])), expected[t])
    misaligned[...] = x[:, 0]
    np.testing.assert_array_equal(Stream(model, 3).step(misaligned), expected[0])
    read_only = x[:, 0].copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(Stream(model, 3).step(read_only), expected[0])


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((5, I)), TypeError, r"x has dtype float64, expected float32, the dtype of the weights"),
        (np.zeros((5, I), ">f4"), TypeError, r"x has dtype >f4, expected float32"),
        (np.zeros((4, I), "f4"), ValueError, r"x has shape \(4, 4\), expected \(5, 4\)"),
        (np.zeros((5, I + 1), "f4"), ValueError, r"x has shape \(5, 5\), expected \(5, 4\)"),
        (np.zeros((5, 1, I), "f4"), ValueError, r"x has shape \(5, 1, 4\), expected \(5, 4\)"),
        (np.zeros(5, "f4"), ValueError, r"x has shape \(5,\), expected \(5, 4\)"),
        (None, TypeError, r"x has dtype object"),
    ],
)
def test_wrong_inputs(backend, x, error, message):
    stream = Stream(build(MODELS["gru"]), 5)
    stream.step(signals(5)[:, 0])
    state = stream.state
    with pytest.raises(error, match=message):
        stream.step(x)
    assert_same_state(stream.state, state)


def test_symbols_where_the_model_takes_none():
    with pytest.raises(TypeError, match=r"x has dtype int64, expected float32"):
        Stream(build([Dense(3), GRU(4)]), 5).step(np.zeros(5, int))


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([0.0], TypeError, "out has type list"),
        (np.zeros((5, 3)), TypeError, "out has dtype float64"),
        (np.zeros((5, 4), "f4"), ValueError, r"out has shape \(5, 4\)"),
        (np.zeros(5, "f4"), ValueError, r"out has shape \(5,\)"),
        (np.zeros((3, 5), "f4").T, ValueError, "out is not contiguous"),
        (read_only(np.zeros((5, 3), "f4")), ValueError, "out is read-only"),
    ],
)
def test_wrong_out(backend, out, error, message):
    stream = Stream(build(MODELS["gru"]), 5)
    with pytest.raises(error, match=message + r".*expected a writable, C-contiguous array of shape \(5, 3\) and dty"):
        stream.step(signals(5)[:, 0], out)
    assert not any(value.any() for value in arrays(stream.state))


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (Sequential([GRU(3)]), RuntimeError, "call model.build"),
        (build([GRU(3, bidirectional=True), Dense(2)]), ValueError, "GRU.*bidirectional=True.*from their end"),
        (Sequential([Dense(3)]).build((4,)), ValueError, r"inputs \(4,\) without steps"),
        (build([Dropout(0.5)]), ValueError, "does nothing in prediction"),
        (GRU(3), TypeError, r"model is GRU\(3\), expected a Sequential"),
        (RecurrentClassifier(), ValueError, "not fitted"),
    ],
)
def test_models_that_are_no_streams(model, error, message):
    with pytest.raises(error, match=message):
        Stream(model)


def test_wrong_batch_sizes_and_copies():
    model = build(MODELS["gru"])
    for wrong, error in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="batch_size is"):
            Stream(model, wrong)
    stream = Stream(model, 2)
    assert repr(stream) == f"Stream({model!r}, batch_size=2)"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            attempt(stream)


# ---- nothing is allocated -------------------------------------------------------------------------------------------


def allocated(call, x, out):
    """The most bytes above the beginning, and blocks more at the end, of many calls."""
    call(x, out)
    tracemalloc.start()
    before, blocks = tracemalloc.get_traced_memory()[0], sys.getallocatedblocks()
    for _ in itertools.repeat(None, 1000):
        call(x, out)
    blocks, peak = sys.getallocatedblocks() - blocks, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - before, blocks


@pytest.mark.skipif(backends.native() is None, reason="needs native kernels")
@pytest.mark.parametrize("B", [1, 5])
@pytest.mark.parametrize("kind", ["model", "symbols", "classifier", "regressor"])
def test_with_out_nothing_is_allocated(kind, B):
    X, target = far_signals()
    if kind == "classifier":
        source, U = RecurrentClassifier(**SMALL).fit(X, target > 0), 2
    elif kind == "regressor":
        source, U = RecurrentRegressor(**SMALL).fit(X, target[:, None]), 1
    else:
        source, U = build([LSTM(9, layers=2), Dense(6), Dense(3)], inputs=2), 3
    stream = Stream(source, B)
    x = np.ones(B, "int64") if kind == "symbols" else X[:B, 0].astype("float32")
    x = pickle.loads(pickle.dumps(x))  # its dtype is equal to NumPy's, but another object
    out = np.empty((B, U), "float32" if kind in ("model", "symbols") else "float64")
    nothing, _ = allocated(operator.is_, x, out)  # what measuring takes
    peak, blocks = allocated(stream.step, x, out)
    assert peak == nothing
    assert blocks < 10  # of a thousand calls
    assert allocated(stream.step, x, None)[0] >= nothing + out.nbytes  # one array would be seen
