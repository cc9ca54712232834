"""The memory of training is what the formula says, and limits are kept, with the same bits."""

import gc
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fastrnn import GRU, LSTM, RNN, Dense, Embedding, RecurrentClassifier, RecurrentRegressor, Sequential, Trainer
from fastrnn._kernels import backends, pool
from fastrnn.memory import choose_checkpoints, parse_bytes, training_bytes

I = 5
NETS = {
    "lstm": [LSTM(64), Dense(3)],
    "gru": [GRU(33), Dense(3)],
    "rnn": [RNN(130), Dense(3)],
    "stack": [LSTM(64, layers=2), Dense(3)],
    "bidirectional": [GRU(48, layers=2, bidirectional=True), Dense(3)],
    "dropout": [LSTM(32, layers=3, dropout=0.2, recurrent_dropout=0.1), Dense(3)],
    "steps": [Dense(16), LSTM(32, return_sequences=True), GRU(32, return_sequences=True), Dense(3)],
}


def build(layers, dtype="float32"):
    return Sequential(layers).build((None, I), dtype)


def measured(model, B, T, checkpoint_every=None, lengths=None):
    """The most that a training step has allocated at a time; NumPy tells tracemalloc of its arrays."""

    embeds = isinstance(model.layers[0], Embedding)
    rng = np.random.default_rng(0)

    def step():
        x = rng.integers(0, model.input_shape[-1], (B, T)) if embeds else np.zeros((B, T, I), model.dtype)
        model.zero_gradients()
        y, backprop = model.forward(
            x,
            training=True,
            rng=np.random.default_rng(0),
            lengths=lengths,
            n_threads=1,
            checkpoint_every=checkpoint_every,
        )
        backprop(np.ones_like(y), need_dx=False)

    step()
    gc.collect()
    pool.release()
    model.zero_gradients()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - before


@pytest.fixture
def numba(monkeypatch):
    choose = backends.choose
    monkeypatch.setattr(backends, "choose", lambda _, cell: choose("numba", cell))


@pytest.mark.parametrize("checkpoint_every", [None, 1, 20, 100])
@pytest.mark.parametrize(("B", "T"), [(32, 300), (300, 60)])
@pytest.mark.parametrize("name", NETS)
def test_the_formula(name, B, T, checkpoint_every):
    model = build(NETS[name])
    expected = training_bytes(model, B, T, checkpoint_every)
    tolerance = 0.15 if name == "dropout" else 0.06
    np.testing.assert_allclose(measured(model, B, T, checkpoint_every), expected, rtol=tolerance)


@pytest.mark.parametrize("checkpoint_every", [None, 50])
@pytest.mark.parametrize("name", ["lstm", "rnn"])
def test_the_formula_for_numba(numba, name, checkpoint_every):
    model = build(NETS[name])
    expected = training_bytes(model, 32, 300, checkpoint_every)
    np.testing.assert_allclose(measured(model, 32, 300, checkpoint_every), expected, rtol=0.1)


@pytest.mark.parametrize("V", [50, 50_000])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("layers", [[LSTM(64), Dense(3)], [RNN(16), Dense(3)]], ids=["lstm", "rnn"])
def test_the_formula_for_embeddings(layers, lazy, V):
    model = Sequential([Embedding(V, 64, lazy=lazy), *layers]).build((None, V))
    np.testing.assert_allclose(measured(model, 32, 300), training_bytes(model, 32, 300), rtol=0.06)


def test_the_formula_in_float64():
    model = build(NETS["lstm"], "float64")
    np.testing.assert_allclose(measured(model, 32, 300, 20), training_bytes(model, 32, 300, 20), rtol=0.06)


@pytest.mark.parametrize("checkpoint_every", [None, 1, 50])
@pytest.mark.parametrize("longest", [1, 32])
def test_the_formula_bounds_ragged_batches(longest, checkpoint_every):
    """Also where one row outlasts all others, which stretches the chunks."""
    B, T = 32, 300
    lengths = np.full(B, 20)
    lengths[:longest] = T
    lengths[-1] = 10
    for name in ("lstm", "bidirectional", "steps"):
        model = build(NETS[name])
        bound = training_bytes(model, B, T, checkpoint_every, ragged=True)
        assert bound / 15 < measured(model, B, T, checkpoint_every, lengths) <= 1.05 * bound


def test_checkpoints_take_the_root_of_the_steps():
    """Four times the steps take twice the memory at the best k, weights and inputs aside."""
    model = build([LSTM(64)])

    def least(T):
        return min(training_bytes(model, 8, T, k) for k in range(32, T, 32)) - 8 * T * I * 4

    fixed = training_bytes(model, 8, 1) - 8 * I * 4
    assert 1.7 < (least(64000) - fixed) / (least(16000) - fixed) < 2.3
    assert least(64000) < training_bytes(model, 8, 64000) / 30


@pytest.mark.parametrize("ragged", [False, True])
def test_what_is_chosen_fits(ragged):
    model, B, T = build(NETS["stack"]), 16, 2000
    whole = training_bytes(model, B, T, ragged=ragged)
    assert choose_checkpoints(model, B, T, whole, ragged=ragged) is None
    k = choose_checkpoints(model, B, T, whole - 1, ragged=ragged)
    least = training_bytes(model, B, T, k, ragged=ragged)
    assert least < whole / (1.5 if ragged else 3)
    assert choose_checkpoints(model, B, T, least, ragged=ragged) == k
    assert least <= 1.1 * min(training_bytes(model, B, T, other, ragged=ragged) for other in range(1, T, 7))
    with pytest.raises(
        ValueError, match=rf"memory_limit is {least - 1:,} bytes, expected at least {least:,}: .* of 16"
    ):
        choose_checkpoints(model, B, T, least - 1, ragged=ragged)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("500 MB", 500_000_000), ("1 GB", 10**9), ("1.5 GiB", 3 * 2**29), (".5kb", 500), ("7 B", 7), (" 2MiB ", 2**21),
        ("77", 77), (123, 123), (1e6, 10**6), (np.int64(5), 5),
    ],
)  # fmt: skip
def test_sizes(value, expected):
    assert parse_bytes(value) == expected


@pytest.mark.parametrize(
    "value", ["", "5 5", "GB", "1 GX", "-1 GB", "1 2 GB", "nan GB", 0, -5, 0.5, np.nan, np.inf, True, []]
)
def test_what_is_no_size(value):
    with pytest.raises(ValueError, match=r'memory_limit is .*, expected a size such as "500 MB"'):
        parse_bytes(value)


def data(ragged):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 600, 2))
    y = X[:, :50, 0].sum(axis=1) > 0
    return ([x[:length] for x, length in zip(X, rng.integers(300, 601, 60), strict=True)] if ragged else X), y


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("kind", [RecurrentClassifier, RecurrentRegressor])
def test_an_estimator_ends_with_the_same_bits(kind, ragged):
    X, y = data(ragged)
    options = {"cell": "lstm", "hidden_size": 9, "layers": 2, "bidirectional": True, "head": (5,), "epochs": 2,
               "dropout": 0.1, "recurrent_dropout": 0.1, "n_threads": 1, "random_state": 0}  # fmt: skip
    free = kind(**options).fit(X, y)
    limit = training_bytes(free.model_, 32, 600, ragged=ragged) - 1
    bound = kind(**options, memory_limit=limit).fit(X, y)
    assert free.trainer_.checkpoint_every is None
    assert bound.trainer_.checkpoint_every is not None
    np.testing.assert_array_equal(bound.model_.flat_parameters, free.model_.flat_parameters)
    assert bound.history_["validation_loss"] == free.history_["validation_loss"]


def test_a_limit_is_kept_and_one_that_cannot_be_is_refused():
    X, y = data(False)
    options = {"cell": "gru", "hidden_size": 64, "epochs": 1, "random_state": 0, "memory_limit": "2 MB"}
    fitting = RecurrentClassifier(**options).prepare(X, y)
    fitting.trainer.fit(fitting.x[:32], fitting.y[:32], epochs=1)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    fitting.trainer.fit(fitting.x[:32], fitting.y[:32], epochs=1)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 2.2e6
    with pytest.raises(ValueError, match=r"memory_limit is 100,000 bytes, expected at least [\d,]+: .* 600 steps"):
        RecurrentClassifier(**options | {"memory_limit": 1e5}).fit(X, y)
    with pytest.raises(ValueError, match="memory_limit is 'much'"):
        RecurrentClassifier(**options | {"memory_limit": "much"}).fit(X, y)


def test_a_trainer_refuses_what_is_no_number_of_steps():
    for wrong, error in ((0, ValueError), ("1", TypeError)):
        with pytest.raises(error, match="checkpoint_every is"):
            Trainer(build(NETS["lstm"]), "mse", checkpoint_every=wrong)


def test_the_table_of_the_documentation():
    """Its numbers are those of the formula for AVX-512, whose vectors change nothing at 128 units."""
    text = (Path(__file__).parents[1] / "docs/memory.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) MB \| (\d+) \| ([\d.]+) MB \|$", text, re.MULTILINE)
    assert [cell for cell, *_ in rows] == ["LSTM", "GRU", "RNN"]
    for cell, whole, k, least in rows:
        model = Sequential([{"LSTM": LSTM, "GRU": GRU, "RNN": RNN}[cell](128), Dense(6)]).build((None, 3))
        for shown, checkpoint_every in ((whole, None), (least, int(k))):
            np.testing.assert_allclose(
                float(shown), training_bytes(model, 32, 10_000, checkpoint_every) / 1e6, rtol=0.02
            )


def test_a_refused_limit_leaves_an_estimator_as_it_was():
    X, y = data(False)
    model = RecurrentClassifier(hidden_size=4, epochs=1, random_state=0)
    with pytest.raises(ValueError, match="memory_limit is 1,000 bytes"):
        model.set_params(memory_limit="1 KB").fit(X, y)
    assert not hasattr(model, "model_")
    expected = model.set_params(memory_limit=None).fit(X, y).predict_proba(X)
    with pytest.raises(ValueError, match="memory_limit is 1,000 bytes"):
        model.set_params(memory_limit="1 KB").fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
