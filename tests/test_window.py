"""Truncated backpropagation through time: windows of long sequences, the state carried from one to the next."""

import numpy as np
import pytest

from fastrnn import GRU, LSTM, SGD, Dense, Dropout, Sequential, Trainer
from fastrnn.losses import cross_entropy
from fastrnn.training.lbfgs import LBFGS

N, T, V, H = 5, 23, 7, 6
rng = np.random.default_rng(0)
X, Y = rng.integers(0, V, (N, T)), rng.integers(0, V, (N, T))
LENGTHS = np.array([23, 4, 17, 10, 11])


def build(*layers, seed=0):
    layers = layers or (LSTM(H, layers=2, return_sequences=True), Dense(V))
    return Sequential(layers).build((None, V), "float64", seed)


def gradients_of(model, fit):
    """Return the gradient of each batch."""
    gradients = []
    take = lambda report: gradients.append(model.flat_gradients.copy())  # noqa: E731
    fit(Trainer(model, "cross_entropy", SGD(1e-300), batch_callbacks=[take]))
    return gradients


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "ragged"])
@pytest.mark.parametrize("window", [T, T + 9])
def test_a_window_as_long_as_the_rows_is_backpropagation_through_all_of_time(window, lengths):
    models = build(), build()
    for model, own in zip(models, (None, window), strict=True):
        trainer = Trainer(model, "cross_entropy", learning_rate=0.01)
        trainer.fit(X, Y, epochs=3, batch_size=2, lengths=lengths, window=own)
    assert (models[0].flat_parameters == models[1].flat_parameters).all()


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "ragged"])
def test_each_gradient_is_that_of_its_window_with_the_carried_state_held_constant(lengths):
    model, window = build(), 8
    found = gradients_of(
        model, lambda trainer: trainer.fit(X, Y, epochs=1, batch_size=N, lengths=lengths, window=window)
    )
    valid = np.full(N, T) if lengths is None else lengths
    assert len(found) == 3
    for index, gradient in enumerate(found):
        first, last = index * window, min(T, (index + 1) * window)
        before, own = np.minimum(valid, first), np.clip(valid - first, 0, last - first)
        state = model.forward(X[:, : first or 1], lengths=before)[1].state
        y, backprop = model.forward(X[:, first:last], state=state, lengths=own, training=True)
        mask = np.arange(last - first) < own[:, None]
        model.zero_gradients()
        backprop(cross_entropy(y, Y[:, first:last], mask)[1])
        np.testing.assert_allclose(gradient, model.flat_gradients, rtol=1e-10, atol=1e-14)


def test_gradients_of_windows_are_not_those_of_the_whole():
    whole, *_ = gradients_of(build(), lambda trainer: trainer.fit(X, Y, epochs=1, batch_size=N))
    windows = gradients_of(build(), lambda trainer: trainer.fit(X, Y, epochs=1, batch_size=N, window=8))
    together = (8 * windows[0] + 8 * windows[1] + 7 * windows[2]) / T
    assert np.abs(together - whole).max() > 1e-4 * np.abs(whole).max()


def test_rows_of_the_next_batch_begin_with_zeros():
    model = build()
    found = gradients_of(model, lambda trainer: trainer.fit(X, Y, epochs=2, batch_size=3, window=12))
    assert len(found) == 2 * 2 * 2
    alone = [
        gradients_of(model, lambda trainer, row=row: trainer.fit(X[[row]], Y[[row]], epochs=1, window=12))
        for row in range(N)
    ]
    for first in range(0, 8, 4):
        of_both = [3 * found[first + index] + 2 * found[first + 2 + index] for index in (0, 1)]
        for index, gradient in enumerate(of_both):
            np.testing.assert_allclose(gradient, sum(own[index] for own in alone), rtol=1e-9, atol=1e-13)


def test_a_run_goes_on_from_within_its_rows():
    def trainer_of(model):
        return Trainer(model, "cross_entropy", learning_rate=0.01, seed=4)

    layers = GRU(H, layers=2, dropout=0.3, recurrent_dropout=0.2, return_sequences=True), Dropout(0.2), Dense(V)
    options = {"epochs": 2, "batch_size": 3, "window": 5, "validation": (X[:2], Y[:2])}
    model, states = build(*layers), []
    trainer = trainer_of(model)
    trainer.batch_callbacks = (lambda report: states.append(trainer.state()),)
    history = trainer.fit(X, Y, **options)
    assert len(states) == 2 * 2 * 5
    for state in states[::3]:
        again = build(*layers, seed=9)
        other = trainer_of(again)
        other.restore(state)
        columns = dict(other.fit(X, Y, **options)) | {"seconds": None}
        assert columns == dict(history) | {"seconds": None}
        assert (again.flat_parameters == model.flat_parameters).all()
    other = trainer_of(build(*layers))
    other.restore(states[2])
    with pytest.raises(ValueError, match="window of the run is 5, but 6 is given"):
        other.fit(X, Y, **options | {"window": 6})


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "ragged"])
def test_evaluation_is_the_same_window_by_window(lengths):
    trainer = Trainer(build(), "cross_entropy")
    whole = trainer.evaluate(X, Y, lengths=lengths, batch_size=2)
    np.testing.assert_allclose(trainer.evaluate(X, Y, lengths=lengths, batch_size=2, window=4), whole, rtol=1e-13)


def test_validation_carries_the_state():
    model = build()
    trainer = Trainer(model, "cross_entropy", SGD(1e-300))
    history = trainer.fit(X, Y, epochs=1, validation=(X, Y), window=4)
    np.testing.assert_allclose(history["validation_loss"][0], trainer.evaluate(X, Y)[0], rtol=1e-13)


@pytest.mark.parametrize(
    ("layers", "optimizer", "window", "message"),
    [
        ([GRU(3, return_sequences=True), Dense(V)], "adam", 0, "window is 0, expected"),
        ([GRU(3, return_sequences=True), Dense(V)], LBFGS(), 5, "window is 5, but LBFGS"),
        ([GRU(3), Dense(V)], "adam", 5, "gives no output at each step; pass None"),
        (
            [GRU(3, return_sequences=True, bidirectional=True), Dense(V)],
            "adam",
            5,
            "reads sequences from their end too; pass None",
        ),
    ],
)
def test_windows_that_cannot_be_are_refused(layers, optimizer, window, message):
    trainer = Trainer(build(*layers), "cross_entropy", optimizer)
    for method, options in ((trainer.fit, {"epochs": 1}), (trainer.evaluate, {})):
        with pytest.raises(ValueError, match=message):
            method(X, Y, window=window, **options)
