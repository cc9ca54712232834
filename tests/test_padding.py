"""Targets of -1, which are padding: a batch of nothing else changes nothing, and a set of nothing else is refused."""

from itertools import pairwise

import numpy as np
import pytest

from fastrnn import GRU, LSTM, SGD, Adam, Dense, Embedding, Sequential, Trainer
from fastrnn.data.characters import streams_of
from fastrnn.losses import cross_entropy
from fastrnn.training.lbfgs import LBFGS

N, T, V, H, WINDOW = 6, 12, 5, 7, 4
rng = np.random.default_rng(0)
X, Y = rng.integers(0, V, (N, T)), rng.integers(0, V, (N, T))
EMPTY = np.array([1, 4])  # rows that are padding alone
OPTIMIZERS = [Adam(0.02, weight_decay=0.3), SGD(0.1, momentum=0.9, form="nesterov", weight_decay=0.3)]


def build(seed=0, dropout=0.0):
    layers = LSTM(H, layers=2, dropout=dropout, recurrent_dropout=dropout, return_sequences=True), Dense(V)
    return Sequential(layers).build((None, V), "float64", seed)


def memory_of(trainer):
    """Return all that an update may change, as bytes."""
    state = trainer.state()
    arrays = [state["weights"], *(np.asarray(value) for _, value in sorted(state["optimizer"].items()))]
    return b"".join(array.tobytes() for array in arrays)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["adam", "sgd"])
def test_rows_of_padding_alone_change_nothing_and_weigh_nothing(optimizer):
    y = Y.copy()
    y[EMPTY] = -1
    seen = []
    start = lambda _: seen.append(memory_of(trainer))  # noqa: E731
    trainer = Trainer(build(), "cross_entropy", optimizer, start_callbacks=[start], batch_callbacks=[start])
    history = trainer.fit(X, y, epochs=2, batch_size=1)
    changed = [before != after for before, after in pairwise(seen)]
    assert changed.count(False) == 2 * len(EMPTY)
    assert changed.count(True) == 2 * (N - len(EMPTY))
    if isinstance(optimizer, Adam):
        assert trainer.state()["optimizer"]["updates"] == 2 * (N - len(EMPTY))
    still = Trainer(build(), "cross_entropy", SGD(1e-300))
    real = np.setdiff1d(np.arange(N), EMPTY)
    expected = still.evaluate(X[real], Y[real])
    means = still.fit(X, y, epochs=1, batch_size=1)
    np.testing.assert_allclose((means["train_loss"][0], means["train_accuracy"][0]), expected, rtol=1e-12)
    np.testing.assert_allclose(still.evaluate(X, y, batch_size=1), expected, rtol=1e-12)
    assert history["train_loss"][1] > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["adam", "sgd"])
@pytest.mark.parametrize("lengths", [[T] * N, [12, 3, 8, 0, 12, 5]], ids=["equal", "ragged"])
def test_windows_of_padding_at_the_end_change_no_bit(optimizer, lengths):
    y = np.where(np.arange(T) < np.array(lengths)[:, None], Y, -1)
    more = ((0, 0), (0, 2 * WINDOW + 1))
    models, runs = [], []
    for own_x, own_y in ((X, y), (np.pad(X, more), np.pad(y, more, constant_values=-1))):
        model = build()
        trainer = Trainer(model, "cross_entropy", optimizer)
        history = trainer.fit(own_x, own_y, epochs=2, batch_size=4, window=WINDOW, validation=(own_x, own_y))
        models.append(model)
        runs.append(dict(history) | {"seconds": None, "evaluated": trainer.evaluate(own_x, own_y, window=WINDOW)})
    assert runs[0] == runs[1]
    assert (models[0].flat_parameters == models[1].flat_parameters).all()


def test_the_state_goes_on_through_a_window_of_padding():
    y = Y.copy()
    y[:, WINDOW : 2 * WINDOW] = -1
    model, gradients, states = build(), [], []
    trainer = Trainer(model, "cross_entropy", SGD(1e-300))
    trainer.batch_callbacks = [lambda _: gradients.append(model.flat_gradients.copy())]
    trainer.batch_callbacks += (lambda _: states.append(trainer.state()["present"]["carried"]),)
    trainer.fit(X, y, epochs=1, batch_size=N, window=WINDOW)
    assert len(gradients) == 3
    assert not gradients[1].any()
    state = model.forward(X[:, : 2 * WINDOW])[1].state
    logits, backprop = model.forward(X[:, 2 * WINDOW :], state=state, training=True)
    model.zero_gradients()
    backprop(cross_entropy(logits, Y[:, 2 * WINDOW :])[1])
    np.testing.assert_allclose(gradients[2], model.flat_gradients, rtol=1e-10, atol=1e-14)
    assert states[1] is not None
    assert states[2] is None


def test_a_run_goes_on_from_a_window_of_padding():
    y = Y.copy()
    y[:, WINDOW : 2 * WINDOW] = -1
    options = {"epochs": 2, "batch_size": 4, "window": WINDOW}

    def trainer_of(model):
        return Trainer(model, "cross_entropy", OPTIMIZERS[0], seed=3)

    whole, states = build(dropout=0.2), []
    trainer = trainer_of(whole)
    trainer.batch_callbacks = (lambda _: states.append(trainer.state()),)
    trainer.fit(X, y, **options)
    assert len(states) == 2 * 2 * 3
    for state in states[:5]:
        part = build(dropout=0.2, seed=8)
        other = trainer_of(part)
        other.restore(state)
        other.fit(X, y, **options)
        assert (part.flat_parameters == whole.flat_parameters).all()


def test_streams_whose_end_is_padding_are_trained_by_their_symbols_alone():
    x, y = streams_of(rng.integers(0, V, 11), 4)
    assert (y[-1] < 0).sum() == 2
    trainer = Trainer(build(), "cross_entropy", OPTIMIZERS[0])
    trainer.fit(x, y, epochs=1, batch_size=1, window=1)
    assert trainer.state()["optimizer"]["updates"] == 10


def test_a_lazy_table_is_left_alone_too():
    layers = Embedding(V, 3, lazy=True), GRU(H, return_sequences=True), Dense(V)
    model = Sequential(layers).build((None, V), "float64")
    before, y = model.flat_parameters.copy(), np.full((2, T), -1)
    y[0, 0] = 1
    trainer, seen = Trainer(model, "cross_entropy", OPTIMIZERS[0]), []
    trainer.batch_callbacks = (lambda _: seen.append(model.flat_parameters.copy()),)
    trainer.fit(X[:2], y, epochs=1, batch_size=1)
    changed = [(a != b).any() for a, b in pairwise([before, *seen])]
    assert sorted(changed) == [False, True]


def test_a_loss_of_ones_own_is_not_asked_about_nothing():
    def loss(y, target, mask=None, sample_weight=None):
        assert mask.any()
        d = np.where(mask[..., None], y - target, 0)
        return float((d**2).sum() / mask.sum()), 2 * d / mask.sum()

    model = Sequential([GRU(H, return_sequences=True), Dense(2)]).build((None, V), "float64")
    x, y = np.eye(V)[X], rng.normal(size=(N, T, 2))
    lengths = np.array([T, 0, 3, T, 0, 1])
    trainer = Trainer(model, loss)
    trainer.fit(x, y, epochs=1, batch_size=1, lengths=lengths)
    assert trainer.state()["optimizer"]["updates"] == np.count_nonzero(lengths)
    assert np.isfinite(trainer.evaluate(x, y, lengths=lengths, batch_size=1)[0])


def test_targets_that_do_not_count_are_none():
    y, weights = np.full_like(Y, -1), np.ones(N)
    y[2], weights[2] = Y[2], 0
    with pytest.raises(ValueError, match="y has nothing but padding where sample_weight is not 0, expected a target"):
        Trainer(build(), "cross_entropy").fit(X, y, epochs=1, sample_weight=weights)


@pytest.mark.parametrize("optimizer", ["adam", LBFGS()], ids=["adam", "lbfgs"])
def test_a_set_of_padding_alone_is_refused(optimizer):
    model, nothing = build(), np.full_like(Y, -1)
    trainer, before = Trainer(model, "cross_entropy", optimizer), model.flat_parameters.copy()
    message = "y has nothing but padding, expected a target at one step at least"
    for lengths in (None, np.full(N, 3)):
        with pytest.raises(ValueError, match=message):
            trainer.fit(X, nothing, epochs=1, lengths=lengths)
        with pytest.raises(ValueError, match=message):
            trainer.evaluate(X, nothing, lengths=lengths)
    with pytest.raises(ValueError, match=message):  # what there is lies beyond the lengths
        trainer.fit(X, np.where(np.arange(T) < 3, -1, Y), epochs=1, lengths=np.full(N, 3))
    with pytest.raises(ValueError, match="y of the validation set has nothing but padding"):
        trainer.fit(X, Y, epochs=1, validation=(X, nothing))
    assert (model.flat_parameters == before).all()


def test_a_part_of_padding_alone_is_refused():
    y = np.full_like(Y, -1)
    y[2] = Y[2]
    with pytest.raises(ValueError, match=r"(to train with|the validation set) has nothing but padding"):
        Trainer(build(), "cross_entropy").fit(X, y, epochs=1, validation=0.5)
