"""Lazy embeddings: the rows of a batch alone are trained, as plain loops and PyTorch's SparseAdam train them."""

import copy
import pickle
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fastrnn import storage
from fastrnn._random import generators
from fastrnn.layers import GRU, LSTM, Dense, Embedding, Flatten, Gaussian, RowGradient
from fastrnn.losses import cross_entropy, get_loss
from fastrnn.models.sequential import Sequential, load_model
from fastrnn.optimizers import SGD, Adam
from fastrnn.training import DivergenceError, Trainer
from fastrnn.training.lbfgs import LBFGS
from fastrnn.training.state import TrainingState
from fastrnn.training.step import Passes, initial_state, update
from fastrnn.training.supervised import Supervised

N, T, V, D, H, C = 23, 4, 30, 3, 5, 2
RNG = np.random.default_rng(0)
X = RNG.integers(0, V - 1, (N, T))  # the last symbol never comes
Y = RNG.integers(0, C, N)
LENGTHS = RNG.integers(0, T + 1, N)
FIT = {"epochs": 3, "batch_size": 4, "lengths": LENGTHS}


def build(lazy=True, dtype="float64", initializer=None):
    embedding = Embedding(V, D, initializer or Gaussian(0.5), lazy)
    return Sequential([embedding, GRU(H), Dense(C)]).build((T, V), dtype)


def backward(model, x=X, lengths=LENGTHS):
    y, backprop = model.forward(x, training=True, lengths=lengths)
    backprop(np.cos(np.arange(y.size)).reshape(y.shape), need_dx=False)


def whole(gradient, V=V):
    table = np.zeros((V, gradient.values.shape[1]))
    table[gradient.rows] = gradient.values
    return table


# Gradients ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", ">i4", "u8"])
def test_rows_are_those_of_a_whole_table_to_the_bit(dtype):
    gradient, expected = RowGradient.empty(D, np.dtype("f4")), np.zeros((V, D), "f4")
    for n in (17, 0, 40):
        symbols, values = RNG.integers(0, 20, n).astype(dtype), RNG.normal(size=(n, D)).astype("f4")
        gradient.add(symbols, values)
        np.add.at(expected, symbols.astype(int), values)
    assert gradient.rows.tolist() == np.flatnonzero(expected.any(axis=1)).tolist()
    assert (gradient.rows.dtype, gradient.values.dtype) == (np.intp, np.float32)
    np.testing.assert_array_equal(whole(gradient), expected)
    gradient.clear()
    assert (gradient.rows.shape, gradient.values.shape) == ((0,), (0, D))


def test_gradients_of_a_model_are_those_of_the_exact_one():
    lazy, exact = build(), build(lazy=False)
    np.testing.assert_array_equal(lazy.predict(X, LENGTHS), exact.predict(X, LENGTHS))
    for model in (lazy, exact):
        backward(model)
        backward(model, X[::-1].copy(), None)  # adds
    assert lazy.flat_gradients.size == exact.flat_gradients.size - V * D
    for name, gradient in exact.gradients.items():
        got = lazy.gradients[name]
        np.testing.assert_array_equal(whole(got) if name == "0.W" else got, gradient)
    assert lazy.row_gradients["0.W"] is lazy.gradients["0.W"]
    for model in (lazy, exact):
        model.zero_gradients()
    assert not exact.flat_gradients.any()
    assert not lazy.flat_gradients.any()
    assert len(lazy.gradients["0.W"].rows) == 0


# Models ---------------------------------------------------------------------------------------------------------------


def test_tables_are_the_last_in_the_flat_vector():
    model, exact = build(), build(lazy=False)
    assert list(model.parameters) == list(model.gradients) == list(exact.parameters)
    assert model.parameters["0.W"].shape == (V, D)
    for name, view in model.parameters.items():
        np.testing.assert_array_equal(view, exact.parameters[name])  # the same draws
    model.parameters["0.W"][...] = 7
    dense = model.flat_gradients.size
    assert (model.flat_parameters[dense:] == 7).all()
    assert (model.flat_parameters[:dense] != 7).all()
    model.flat_gradients[...] = 3
    assert all((view == 3).all() for name, view in model.gradients.items() if name != "0.W")


@pytest.mark.parametrize("duplicate", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy], ids=["pickle", "copy"])
def test_copies_are_whole_and_their_own(duplicate):
    model = build()
    backward(model)
    twin, before = duplicate(model), copy.deepcopy(model.gradients["0.W"])
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    np.testing.assert_array_equal(whole(twin.gradients["0.W"]), whole(before))
    assert twin.row_gradients["0.W"] is twin.gradients["0.W"]
    backward(twin)
    np.testing.assert_allclose(whole(twin.gradients["0.W"]), 2 * whole(before), rtol=1e-13)
    np.testing.assert_array_equal(whole(model.gradients["0.W"]), whole(before))
    twin.parameters["0.W"][...] = 7
    assert (twin.flat_parameters[-V * D :] == 7).all()


def test_file_gives_the_same_model(tmp_path):
    model = build(initializer=Gaussian(0.3))
    model.save(tmp_path / "model.h5")
    twin = load_model(storage.read(tmp_path / "model.h5"))
    assert twin.layers == model.layers
    np.testing.assert_array_equal(twin.flat_parameters, model.flat_parameters)
    assert twin.flat_gradients.shape == model.flat_gradients.shape


def test_summary_counts_tables(capsys):
    build().summary()
    line = capsys.readouterr().out.splitlines()[2]
    assert "lazy=True" in line
    assert line.split()[-2] == str(V * D)


# Updates --------------------------------------------------------------------------------------------------------------


def plain_sgd(w, g, memory, t, rate):
    g = g + 0.1 * w
    v = memory["v"] = 0.7 * memory.get("v", 0) + g
    return w - rate * (g + 0.7 * v)


def plain_adam(w, g, memory, t, rate):
    w = w - rate * 0.2 * w
    m = memory["m"] = 0.8 * memory.get("m", 0) + 0.2 * g
    v = memory["v"] = 0.95 * memory.get("v", 0) + 0.05 * g * g
    return w - rate * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)


@pytest.mark.parametrize(
    ("optimizer", "plain"),
    [(SGD(0.2, 0.7, "nesterov", 0.1), plain_sgd), (Adam(0.05, 0.8, 0.95, 1e-3, 0.2), plain_adam)],
    ids=["sgd", "adam"],
)
def test_training_is_what_one_would_write_down_row_by_row(optimizer, plain):
    """Memory and decay of a row move only in its batches, its gradient counts in the norm, and t counts all batches."""
    model, twin = build(), build(lazy=False)
    trainer = Trainer(model, "cross_entropy", optimizer, clip_norm=0.1, seed=5)
    trainer.fit(X, Y, **FIT)
    order, t, pieces = generators(5).order, 0, {}
    for _ in range(3):
        rows = order.permutation(N)
        for first in range(0, N, 4):
            batch, t = rows[first : first + 4], t + 1
            y, backprop = twin.forward(X[batch], training=True, lengths=LENGTHS[batch])
            twin.zero_gradients()
            backprop(cross_entropy(y, Y[batch])[1])
            norm = np.sqrt((twin.flat_gradients**2).sum())
            assert norm > 0.1
            read = {symbol for row in batch for symbol in X[row, : LENGTHS[row]]}
            for name, w in twin.parameters.items():
                for piece in read if name == "0.W" else [...]:
                    g = twin.gradients[name][piece] * (0.1 / norm)
                    memory = pieces.setdefault((name, piece), {})
                    w[piece] = plain(w[piece], g, memory, t, optimizer.learning_rate)
    for name, w in model.parameters.items():
        np.testing.assert_allclose(w, twin.parameters[name], rtol=1e-9, atol=1e-12)


def test_plain_descent_is_the_exact_one_to_the_bit():
    models = build(dtype="float32"), build(lazy=False, dtype="float32")
    for model in models:
        Trainer(model, "cross_entropy", SGD(0.3)).fit(X, Y, **FIT)
    for name, w in models[0].parameters.items():
        np.testing.assert_array_equal(w, models[1].parameters[name])


class AdaGrad:
    """Moves no parameter without a gradient, so that lazy and exact are one; arrays are replaced, not changed."""

    learning_rate = 0.1

    def initial_state(self, parameters):
        return {"squares": np.full(parameters.shape, 0.01), "updates": 0}

    def update(self, parameters, gradients, state, learning_rate):
        assert state.keys() == {"squares", "updates"}
        state["updates"] += 1
        state["squares"] = state["squares"] + gradients**2
        parameters -= learning_rate * gradients / np.sqrt(state["squares"])


def test_any_optimizer_works_on_rows():
    trainers = [Trainer(build(lazy), "cross_entropy", AdaGrad(), patience=99) for lazy in (True, False)]
    for trainer in trainers:
        trainer.fit(X, Y, **FIT)
    for name, w in trainers[0].model.parameters.items():
        np.testing.assert_array_equal(w, trainers[1].model.parameters[name])
    state = trainers[0].state()["optimizer"]
    assert state["0.W"]["squares"].shape == (V * D,)
    assert state["updates"] == state["0.W"]["updates"] == 18


def test_adam_is_the_sparse_adam_of_pytorch():
    golden = np.load(Path(__file__).with_name("golden") / "sparse_adam.npz")
    size, vectors = golden["tables"][0].shape
    rate, *constants = golden["options"]
    model = Sequential([Embedding(size, vectors, lazy=True)]).build((None, size), "float64")
    objective, optimizer = Supervised(model, get_loss("mse"), None, None), Adam(rate, *constants)
    model.flat_parameters[...] = golden["tables"][0].ravel()
    state = initial_state(optimizer, objective)
    batches = zip(golden["symbols"], golden["dy"], golden["lengths"], golden["tables"][1:], strict=True)
    for symbols, dy, length, expected in batches:  # one is empty, and counts
        model.zero_gradients()
        model.forward(symbols[None], training=True, lengths=np.array([length]))[1](dy[None])
        update(optimizer, objective, state, rate)
        np.testing.assert_allclose(model.parameters["0.W"], expected, rtol=1e-13)
    assert (expected[-1] == golden["tables"][0][-1]).all()


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_rows_that_are_not_finite_stop_before_the_update(bad):
    model = Sequential([Embedding(V, D, lazy=True), Flatten()]).build((T, V))
    before = model.flat_parameters.copy()

    def loss(y, target, mask=None, sample_weight=None):
        dy = np.zeros_like(y)
        dy[-1, -1] = bad
        return 1.0, dy

    with pytest.raises(DivergenceError, match=rf"the norm of the gradient is {bad} in epoch 1, batch 1: try"):
        Trainer(model, loss, SGD(0.1)).fit(X, Y, epochs=1)
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("optimizer", [SGD(0.5), SGD(0.5, 0.9, weight_decay=0.1), Adam(0.05)], ids=repr)
def test_resumed_run_has_the_same_bits(optimizer, tmp_path):
    def make():
        return Trainer(build(dtype="float32"), "cross_entropy", optimizer, seed=None, patience=9, clip_norm=0.5)

    def in_file(trainer):
        tree = trainer.state()
        del tree["present"]["seconds"], tree["history"]["seconds"]
        storage.write(tmp_path / "state.h5", tree)
        return (tmp_path / "state.h5").read_bytes()

    trainer, states = make(), []
    trainer.batch_callbacks = (lambda _: states.append(trainer.state()),)
    trainer.callbacks = (lambda *_: states.append(trainer.state()),)
    trainer.fit(X, Y, **FIT, validation=0.3)
    expected = in_file(trainer)
    for index in (0, 3, 6, len(states) - 1):  # within epochs and between
        storage.write(tmp_path / "checkpoint.h5", states[index])
        resumed = make()
        resumed.model.flat_parameters[...] = 7
        resumed.restore(storage.read(tmp_path / "checkpoint.h5"))
        resumed.fit(X, Y, **FIT, validation=0.3)
        assert in_file(resumed) == expected
        np.testing.assert_array_equal(resumed.model.flat_parameters, trainer.model.flat_parameters)


def test_what_lazy_layers_refuse():
    with pytest.raises(ValueError, match=r"LBFGS\(memory=10\) needs the whole gradient, but 0\.W is of a lazy layer"):
        Trainer(build(), "cross_entropy", LBFGS())
    exact = Trainer(build(lazy=False), "cross_entropy", Adam())
    exact.fit(X, Y, epochs=1)
    with pytest.raises(ValueError, match=r"model of the run is .*, but .*lazy=True"):
        Trainer(build(), "cross_entropy", Adam()).restore(exact.state())

    class Own(SGD):
        remembered = np.zeros(7)

        def initial_state(self, parameters):
            return {"past": self.remembered}

    message = r"remembers 'past' of {} of the lazy table 0\.W, expected a number, or an array \(90,\) with one for each"
    for remembered, got in ((np.zeros(7), r"shape \(7,\)"), ({"deep": np.zeros(90)}, "type dict")):
        Own.remembered = remembered
        with pytest.raises(TypeError, match=message.format(got)):
            Trainer(build(), "cross_entropy", Own(0.1)).fit(X, Y, epochs=1)


# Cost -----------------------------------------------------------------------------------------------------------------


class Batches:
    """A net with V symbols in training, an update at a time."""

    def __init__(self, V, D, H, optimizer):
        self.model = Sequential([Embedding(V, D, lazy=True), LSTM(H), Dense(C)]).build((None, V))
        self.objective = Supervised(self.model, get_loss("cross_entropy"), 1, None)
        self.optimizer, self.passes = optimizer, Passes(self.objective, 1.0)
        self.run = TrainingState.begin(0, initial_state(optimizer, self.objective), self.model.flat_parameters)

    def update(self, x, y):
        examples = self.objective.check(x, y)
        (batch,) = examples.batches([np.arange(len(x))], len(x), steps=False)
        self.passes.update(self.run, batch, self.optimizer, 0.01)


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9, weight_decay=0.1), Adam(weight_decay=0.1)], ids=["sgd", "adam"])
def test_a_batch_reads_no_other_rows_and_allocates_alike(optimizer):
    peaks = []
    for size in (1000, 1_000_000):
        batches = Batches(size, 2, H, optimizer)
        table, state = batches.model.parameters["0.W"], batches.run.optimizer["0.W"]
        arrays = [table, *(value.reshape(size, 2) for value in state.values() if isinstance(value, np.ndarray))]
        for array in arrays:
            array[V:] = np.nan  # what reads it is no longer finite
        for _ in range(2):
            batches.update(X, Y)
        tracemalloc.start()
        batches.update(X, Y)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert np.isfinite(batches.run.loss)
        assert all(np.isfinite(array[:V]).all() for array in arrays)
        assert np.isfinite(batches.model.flat_parameters[: batches.model.flat_gradients.size]).all()
    assert peaks[1] < 1.02 * peaks[0] < 500_000


@pytest.mark.slow  # it takes the time, which other programs disturb
def test_time_of_a_batch_does_not_depend_on_the_vocabulary():
    """Each batch has other 1,000 symbols, whatever V is: no row of the large table is in the cache."""
    sizes, times = (1000, 1_000_000), []
    nets = [Batches(size, 32, 64, Adam()) for size in sizes]
    rng = np.random.default_rng(0)
    for _ in range(300):
        times.append([])
        for size, net in zip(sizes, nets, strict=True):
            x = rng.choice(size, 1000, replace=False)[rng.integers(0, 1000, (32, 50))]
            y = rng.integers(0, C, 32)
            start = time.perf_counter()
            net.update(x, y)
            times[-1].append(time.perf_counter() - start)
    small, large = np.array(times[50:]).T
    assert np.median(large / small) < 1.2
