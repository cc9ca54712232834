"""Training against plain loops, and what may stop it or go on from it."""

import csv

import numpy as np
import pytest

from fastrnn import storage
from fastrnn._kernels.threads import choose_threads
from fastrnn._random import generators
from fastrnn.layers import GRU, LSTM, RNN, Dense
from fastrnn.losses import cross_entropy, mse
from fastrnn.models.sequential import Sequential
from fastrnn.optimizers import SGD, Adam
from fastrnn.schedules import PlateauSchedule
from fastrnn.training import DivergenceError, Trainer
from fastrnn.training.history import History
from fastrnn.training.splits import validation_split

N, T, I, C = 23, 6, 4, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, T, I)).astype("f4")
Y = RNG.integers(0, C, N)
LENGTHS = RNG.integers(1, T + 1, N)
X_OTHER, Y_OTHER = RNG.normal(size=(9, T, I)).astype("f4"), RNG.integers(0, C, 9)


def build(dropout=0.0, sequences=False, units=C):
    layers = [GRU(5, layers=2, dropout=dropout, recurrent_dropout=dropout, return_sequences=sequences), Dense(units)]
    return Sequential(layers).build((T, I))


def columns(history):
    return {name: column for name, column in history.items() if name != "seconds"}


def assert_same_run(got, expected):
    """The same bits in all that a run leaves, but for the time that it took."""
    np.testing.assert_array_equal(got.model.flat_parameters, expected.model.flat_parameters)
    got, expected = got.state(), expected.state()
    for tree in (got, expected):
        tree["history"].pop("seconds", None)
        tree["present"].pop("seconds")
    assert got.keys() == expected.keys()
    for name in ("weights", "best"):
        np.testing.assert_array_equal(got.pop(name), expected.pop(name))
    for name, value in expected.pop("optimizer").items():
        np.testing.assert_array_equal(got["optimizer"].pop(name), value)
    assert not got.pop("optimizer")
    assert got == expected


def test_an_epoch_is_what_one_would_write_down():
    model, twin = build(), build()
    trainer = Trainer(model, "cross_entropy", SGD(0.3, 0.5), clip_norm=0.2, seed=5)
    history = trainer.fit(X, Y, epochs=2, batch_size=5, lengths=LENGTHS, validation=(X_OTHER, Y_OTHER))
    order, velocity = generators(5).order, np.zeros_like(twin.flat_parameters)
    for epoch in range(2):
        rows, total, hits = order.permutation(N), 0.0, 0
        for first in range(0, N, 5):
            batch = rows[first : first + 5]
            y, backprop = twin.forward(X[batch], training=True, lengths=LENGTHS[batch])
            loss, dy = cross_entropy(y, Y[batch])
            total += loss * len(batch)
            hits += (y.argmax(1) == Y[batch]).sum()
            twin.flat_gradients[...] = 0
            backprop(dy)
            g = twin.flat_gradients.astype(float)
            norm = np.sqrt((g**2).sum())
            assert norm > 0.2
            velocity = (0.5 * velocity + g * (0.2 / norm)).astype("f4")
            twin.flat_parameters[...] -= 0.3 * velocity
        np.testing.assert_allclose(history["train_loss"][epoch], total / N, rtol=1e-5)
        assert history["train_accuracy"][epoch] == hits / N
        logits = twin.predict(X_OTHER)
        np.testing.assert_allclose(history["validation_loss"][epoch], cross_entropy(logits, Y_OTHER)[0], rtol=1e-5)
        assert history["validation_accuracy"][epoch] == (logits.argmax(1) == Y_OTHER).mean()
    np.testing.assert_allclose(trainer.state()["weights"], twin.flat_parameters, rtol=1e-5, atol=1e-6)
    assert history["epoch"] == [1, 2]
    assert history["learning_rate"] == [0.3, 0.3]
    assert tuple(history) == (
        "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "seconds",
    )  # fmt: skip


def test_targets_at_each_step_count_by_steps():
    model = build(sequences=True)
    y = np.random.default_rng(1).integers(0, C, (N, T))
    expected = [cross_entropy(model.predict(X[n : n + 1, :k]), y[n : n + 1, :k])[0] for n, k in enumerate(LENGTHS)]
    trainer = Trainer(model, "cross_entropy", SGD(1e-30))
    padded = np.where(np.arange(T) < LENGTHS[:, None], y, -1)
    history = trainer.fit(X, padded, epochs=1, batch_size=4, lengths=LENGTHS)
    np.testing.assert_allclose(history["train_loss"], np.average(expected, weights=LENGTHS), rtol=1e-5)
    loss, accuracy = trainer.evaluate(X, padded, lengths=LENGTHS, batch_size=7)
    np.testing.assert_allclose(loss, np.average(expected, weights=LENGTHS), rtol=1e-5)
    assert accuracy == history["train_accuracy"][0]


def test_regression_has_no_accuracy():
    model = build(units=2)
    y = RNG.normal(size=(N, 2))
    expected = mse(model.predict(X), y)[0]
    history = Trainer(model, "mse", SGD(1e-30)).fit(X, y, epochs=1, batch_size=6)
    np.testing.assert_allclose(history["train_loss"], expected, rtol=1e-5)
    assert list(history) == ["epoch", "train_loss", "learning_rate", "seconds"]


def test_sample_weights_are_scaled_to_the_mean_one():
    results = []
    for weights, rows in (
        (Y + 1.0, slice(None)),
        (10 * (Y + 1.0), slice(None)),
        (None, np.repeat(np.arange(N), Y + 1)),
    ):
        model = build()
        trainer = Trainer(model, "cross_entropy", SGD(0.1))
        trainer.fit(X[rows], Y[rows], epochs=1, batch_size=99, sample_weight=weights)  # one batch of all
        results.append((model.flat_parameters, trainer.evaluate(X[rows], Y[rows], sample_weight=weights)[0]))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][0], results[2][0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(results[0][1], results[2][1], rtol=1e-5)


def test_seed_decides_and_streams_are_apart():
    def order_and_split(dropout, validation, seed):
        seen = []
        model = Sequential([GRU(3, recurrent_dropout=dropout), Dense(1)]).build((1, 1), "float64")
        x = np.arange(40.0).reshape(40, 1, 1)

        def loss(y, target, mask=None, sample_weight=None):
            seen.append(tuple(target))
            return mse(y, target, mask, sample_weight)

        Trainer(model, loss, SGD(1e-9), seed=seed).fit(x, np.arange(40), epochs=1, batch_size=32, validation=validation)
        return seen

    plain = order_and_split(0.0, None, 3)
    assert order_and_split(0.5, None, 3) == plain
    assert order_and_split(0.0, None, 4) != plain
    held_out = order_and_split(0.0, 0.25, 3)
    assert order_and_split(0.5, 0.25, 3) == held_out
    assert sorted(sum(held_out, ())) == list(range(40))
    assert len(held_out[-1]) == 10
    assert order_and_split(0.0, 0.25, 4)[-1] != held_out[-1]


def test_equal_seeds_give_equal_bits_with_any_threads():
    runs = []
    for n_threads in (1, 2):
        runs.append(Trainer(build(dropout=0.3), "cross_entropy", Adam(0.01), seed=9, n_threads=n_threads))
        runs[-1].fit(X, Y, epochs=3, batch_size=5, validation=0.3, lengths=LENGTHS)
    assert_same_run(*runs)
    other = Trainer(build(dropout=0.3), "cross_entropy", Adam(0.01), seed=10)
    other.fit(X, Y, epochs=3, batch_size=5, validation=0.3, lengths=LENGTHS)
    assert (other.model.flat_parameters != runs[0].model.flat_parameters).mean() > 0.9


@pytest.mark.parametrize("monitor", ["validation_loss", "validation_accuracy", None])
def test_early_stopping_restores_the_best_weights(monitor):
    # The targets are random: with such steps, validation gets worse soon.
    weights = []
    trainer = Trainer(
        build(), "cross_entropy", Adam(0.1), patience=4, monitor=monitor,
        callbacks=[lambda epoch, history: weights.append(trainer.model.flat_parameters.copy())],
    )  # fmt: skip
    history = trainer.fit(X, Y, epochs=50, batch_size=5, validation=(X_OTHER, Y_OTHER))
    column = history[monitor or "validation_loss"]
    best = (np.argmax if monitor == "validation_accuracy" else np.argmin)(column)  # the first of equals
    assert history.best_epoch == best + 1
    assert history.n_epochs == len(weights) == best + 1 + 4 < 50
    np.testing.assert_array_equal(trainer.model.flat_parameters, weights[best])
    np.testing.assert_array_equal(trainer.state()["weights"], weights[-1])
    loss, accuracy = trainer.evaluate(X_OTHER, Y_OTHER)
    assert (loss, accuracy) == (history["validation_loss"][best], history["validation_accuracy"][best])


def test_the_first_of_equal_epochs_is_the_best():
    def loss(y, target, mask=None, sample_weight=None):
        return 1.0, np.ones_like(y)

    weights = []
    trainer = Trainer(build(), loss, SGD(0.1), patience=2)
    trainer.callbacks = (lambda *_: weights.append(trainer.model.flat_parameters.copy()),)
    history = trainer.fit(X, Y, epochs=9, batch_size=5)
    assert (history.n_epochs, history.best_epoch) == (3, 1)
    np.testing.assert_array_equal(trainer.model.flat_parameters, weights[0])


def test_without_anything_to_monitor_the_last_weights_stay():
    weights = []
    trainer = Trainer(
        build(), "cross_entropy", SGD(3.0), callbacks=[lambda *_: weights.append(trainer.state()["weights"])]
    )
    history = trainer.fit(X, Y, epochs=4, batch_size=5)
    assert history.best_epoch == 4
    np.testing.assert_array_equal(trainer.model.flat_parameters, weights[-1])


def make_trainer(optimizer, **options):
    return Trainer(
        build(dropout=0.3), "cross_entropy", optimizer, seed=None, schedule=PlateauSchedule(patience=1), patience=5,
        clip_norm=1.0, **options,
    )  # fmt: skip


@pytest.mark.parametrize("optimizer", [SGD(0.5), SGD(0.5, 0.9, "nesterov"), Adam(0.05)], ids=repr)
def test_resumed_run_has_the_same_bits(optimizer, tmp_path):
    fit = {"epochs": 6, "batch_size": 5, "validation": 0.3, "lengths": LENGTHS}
    states = []
    whole = make_trainer(
        optimizer,
        batch_callbacks=[lambda report: states.append(whole.state())],
        callbacks=[lambda *_: states.append(whole.state())],
    )
    whole.fit(X, Y, **fit)
    assert len(whole.state()["history"]["epoch"]) == 6
    for index in (0, 3, 4, 7, 12, len(states) - 1):  # within epochs and between
        storage.write(tmp_path / "checkpoint.h5", states[index])
        resumed = make_trainer(optimizer)
        resumed.model.flat_parameters[...] = 7
        resumed.restore(storage.read(tmp_path / "checkpoint.h5"))
        resumed.fit(X, Y, **fit)
        assert_same_run(resumed, whole)


def test_more_epochs_continue_and_a_finished_run_does_nothing():
    fit = {"batch_size": 5, "validation": 0.3}
    long, short = (Trainer(build(), "cross_entropy", seed=2) for _ in range(2))
    long.fit(X, Y, epochs=5, **fit)
    short.fit(X, Y, epochs=2, **fit)
    for _ in range(2):
        short.restore(short.state())
        short.fit(X, Y, epochs=5, **fit)
        assert_same_run(short, long)


def test_fit_without_restore_is_a_new_run():
    trainer = Trainer(build(), "cross_entropy", seed=2)
    trainer.fit(X, Y, epochs=2)
    trainer.restore(trainer.state())
    epochs = [trainer.fit(X, Y, epochs=3)["epoch"][-1:], *(trainer.fit(X, Y, epochs=2)["epoch"] for _ in range(2))]
    assert epochs == [[3], [1, 2], [1, 2]]


def test_batches_are_cut_to_their_longest_row():
    shapes = []

    def loss(y, target, mask=None, sample_weight=None):
        shapes.append((y.shape[1], target.shape[1], mask.sum(axis=1).max()))
        return cross_entropy(y, target, mask, sample_weight)

    lengths = np.minimum(LENGTHS, 4)
    Trainer(build(sequences=True), loss).fit(X, RNG.integers(0, C, (N, T)), epochs=1, batch_size=3, lengths=lengths)
    assert {shape for shape in shapes if len(set(shape)) > 1} == set()
    assert max(shapes)[0] == 4


def test_losses_and_optimizers_are_held_to_the_threads():
    seen = []

    def loss(y, target, mask=None, sample_weight=None):
        seen.append(choose_threads(None, 1e12))
        return cross_entropy(y, target, mask, sample_weight)

    class Watched(SGD):
        def update(self, parameters, gradients, state, learning_rate):
            seen.append(choose_threads(None, 1e12))
            super().update(parameters, gradients, state, learning_rate)

    Trainer(build(), loss, Watched(0.1), n_threads=7).fit(X, Y, epochs=1, validation=(X, Y))
    assert len(seen) > 2
    assert set(seen) == {7}


def test_ones_own_loss_and_optimizer_are_never_replaced():
    """Not by the kernels of what they are made of."""

    def halved(y, target, mask=None, sample_weight=None):
        value, dy = cross_entropy(y, target, mask, sample_weight)
        return value / 2, dy / 2

    class Slow(SGD):
        def update(self, parameters, gradients, state, learning_rate):
            super().update(parameters, gradients, state, learning_rate / 4)

    plain, own = (
        Trainer(build(), loss, optimizer).fit(X, Y, epochs=3, validation=(X_OTHER, Y_OTHER))
        for loss, optimizer in (("cross_entropy", SGD(0.125)), (halved, Slow(1.0)))
    )
    np.testing.assert_allclose(own["train_loss"], np.array(plain["train_loss"]) / 2, rtol=1e-6)
    np.testing.assert_allclose(own["validation_loss"], np.array(plain["validation_loss"]) / 2, rtol=1e-6)
    assert "train_accuracy" in plain
    assert "train_accuracy" not in own


def test_state_does_not_change_later():
    states = []
    trainer = Trainer(build(), "cross_entropy", callbacks=[lambda *_: states.append(trainer.state())])
    trainer.fit(X, Y, epochs=1)
    before = {name: value.copy() for name, value in states[0]["optimizer"].items() if name != "updates"}
    weights = states[0]["weights"].copy()
    trainer.restore(states[0])
    trainer.fit(X, Y, epochs=3)
    np.testing.assert_array_equal(states[0]["weights"], weights)
    assert states[0]["optimizer"]["updates"] == 1
    assert states[0]["history"]["epoch"] == [1]
    for name, value in before.items():
        np.testing.assert_array_equal(states[0]["optimizer"][name], value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: {}, "not the state of a training run"),
        (lambda tree: tree | {"weights": tree["weights"][1:]}, "the state has 261 weights of float32, .* has 262"),
        (lambda tree: tree | {"optimizer": {"velocity": 0}}, r"optimizer remembers \['velocity'\], but Adam"),
    ],
)
def test_state_of_another_run_is_refused(change, message):
    trainer = Trainer(Sequential([LSTM(5), Dense(7)]).build((T, I)), "cross_entropy")
    with pytest.raises(RuntimeError, match="no training run yet"):
        trainer.state()
    trainer.fit(X, Y, epochs=1)
    with pytest.raises(ValueError, match=message):
        trainer.restore(change(trainer.state()))


def test_loss_that_is_not_finite_stops_before_the_update():
    weights = []
    x = X.copy()

    def poison(epoch, history):
        weights.append(trainer.model.flat_parameters.copy())
        x[7] = np.nan

    trainer = Trainer(build(), "cross_entropy", SGD(0.25), callbacks=[poison])
    message = r"the loss is nan in epoch 2, batch \d: try a learning_rate below 0\.25, clip_norm=1\.0, or inputs"
    with pytest.raises(DivergenceError, match=message):
        trainer.fit(x, Y, epochs=5, batch_size=5)
    assert len(weights) == 1
    np.testing.assert_array_equal(trainer.model.flat_parameters, weights[0])
    assert trainer.state()["history"]["epoch"] == [1]


def test_gradient_that_is_not_finite_stops_before_the_update():
    def loss(y, target, mask=None, sample_weight=None):
        return 1.0, np.full_like(y, np.inf)

    model = build()
    before = model.flat_parameters.copy()
    with pytest.raises(
        FloatingPointError, match=r"norm of the gradient is (inf|nan) in epoch 1, batch 1: .* below 0\.3"
    ):
        Trainer(model, loss, SGD(1.0), clip_norm=0.3).fit(X, Y, epochs=1)
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_weights_that_are_not_finite_never_stay():
    model = build()
    before = model.flat_parameters.copy()
    # The only batch of the epoch is fine; its update is not.
    with pytest.raises(DivergenceError, match="weights are not finite after epoch 1"):
        Trainer(model, "mse", SGD(1e39)).fit(X, np.full((N, C), 1e3), epochs=2, batch_size=N)
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_an_exploding_net_is_told_what_to_try():
    model = Sequential([RNN(6, "relu"), Dense(C)]).build((T, I))
    with pytest.raises(DivergenceError, match=r"in epoch \d+, batch \d+: try a learning_rate below 50, clip_norm=1"):
        Trainer(model, "mse", SGD(50.0)).fit(X, np.eye(C)[Y], epochs=50, batch_size=5)
    assert np.isfinite(model.flat_parameters).all()


@pytest.mark.parametrize("batch", [3, 8])
def test_interruption_keeps_the_best_weights(batch):
    weights = [build().flat_parameters.copy()]

    def interrupt(report):
        if (report.epoch - 1) * report.batches + report.batch == batch:
            raise KeyboardInterrupt

    trainer = Trainer(
        build(), "cross_entropy", batch_callbacks=[interrupt],
        callbacks=[lambda *_: weights.append(trainer.model.flat_parameters.copy())],
    )  # fmt: skip
    history = trainer.fit(X, Y, epochs=9, batch_size=5, validation=(X_OTHER, Y_OTHER))
    assert history.n_epochs == len(weights) - 1 == (batch - 1) // 5
    np.testing.assert_array_equal(trainer.model.flat_parameters, weights[-1])
    trainer.batch_callbacks = ()
    trainer.restore(trainer.state())  # goes on as if nothing had been
    trainer.fit(X, Y, epochs=3, batch_size=5, validation=(X_OTHER, Y_OTHER))
    whole = Trainer(build(), "cross_entropy")
    whole.fit(X, Y, epochs=3, batch_size=5, validation=(X_OTHER, Y_OTHER))
    assert_same_run(trainer, whole)


def test_interruption_within_an_update_loses_only_that_epoch():
    class Breaking(SGD):
        broken = False

        def update(self, parameters, gradients, state, learning_rate):
            if self.broken:
                parameters[: len(parameters) // 2] = 7
                state["velocity"][...] = 7
                raise KeyboardInterrupt
            super().update(parameters, gradients, state, learning_rate)

    optimizer = Breaking(0.1, 0.5)
    trainer, whole = (Trainer(build(dropout=0.3), "cross_entropy", optimizer) for _ in range(2))
    trainer.fit(X, Y, epochs=1, batch_size=5)
    before, state = trainer.model.flat_parameters.copy(), trainer.state()
    interrupted = Trainer(trainer.model, "cross_entropy", optimizer)
    interrupted.restore(state)
    Breaking.broken = True
    assert interrupted.fit(X, Y, epochs=3, batch_size=5)["epoch"] == [1]
    Breaking.broken = False
    np.testing.assert_array_equal(trainer.model.flat_parameters, before)
    trainer.restore(interrupted.state())
    for run in (trainer, whole):
        run.fit(X, Y, epochs=3, batch_size=5)
    assert_same_run(trainer, whole)


def test_batch_callbacks_see_the_epoch_grow():
    reports = []
    trainer = Trainer(build(), "cross_entropy", batch_callbacks=[reports.append])
    history = trainer.fit(X, Y, epochs=2, batch_size=10)
    assert [(r.epoch, r.epochs, r.batch, r.batches) for r in reports] == [
        (e, 2, b, 3) for e in (1, 2) for b in (1, 2, 3)
    ]
    assert [reports[2].loss, reports[5].loss] == history["train_loss"]
    assert [reports[2].accuracy, reports[5].accuracy] == history["train_accuracy"]


def test_schedule_sets_the_rates():
    def halve(learning_rate, epoch, epochs, losses):
        assert (epochs, len(losses)) == (4, epoch - 1)
        return learning_rate / 2**epoch

    trainer = Trainer(build(), "cross_entropy", SGD(1.0), schedule=halve)
    history = trainer.fit(X, Y, epochs=4, validation=0.3)
    assert history["learning_rate"] == [0.5, 0.25, 0.125, 0.0625]


def test_history(tmp_path):
    history = History()
    assert repr(history) == "History(0 epochs)"
    for epoch in (1, 2):
        history.append({"epoch": epoch, "seconds": 0.1 * epoch, "train_loss": 1 / epoch, "validation_loss": None})
    history.best_epoch = 2
    assert dict(history) == {"epoch": [1, 2], "train_loss": [1.0, 0.5], "seconds": [0.1, 0.2]}
    assert repr(history) == "History(2 epochs, best 2: train_loss 0.5)"
    history.write_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: float(text) for name, text in row.items()} for row in rows] == [
        {"epoch": 1, "train_loss": 1, "seconds": 0.1}, {"epoch": 2, "train_loss": 0.5, "seconds": 0.2}
    ]  # fmt: skip


def test_split_is_stratified_and_keeps_groups_together():
    classes = np.repeat(["a", "b", "c"], [60, 30, 10])
    training, held_out = validation_split(100, 0.2, np.random.default_rng(0), classes=classes)
    assert sorted([*training, *held_out]) == list(range(100))
    assert [(classes[held_out] == name).sum() for name in "abc"] == [12, 6, 2]
    groups = np.arange(100) % 10
    training, held_out = validation_split(100, 0.3, np.random.default_rng(0), classes=classes, groups=groups)
    assert sorted([*training, *held_out]) == list(range(100))
    assert not set(groups[training]) & set(groups[held_out])
    assert len(set(groups[held_out])) == 3
    rare = np.array([0] * 19 + [1])  # cannot be in both parts
    assert len(validation_split(20, 0.1, np.random.default_rng(0), classes=rare)[1]) == 2
    with pytest.raises(ValueError, match="there is 1 group, expected at least 2"):
        validation_split(20, 0.1, np.random.default_rng(0), groups=np.zeros(20))
    with pytest.raises(ValueError, match=r"the validation fraction 0\.96 holds all 20 examples out, expected less"):
        validation_split(20, 0.96, np.random.default_rng(0))
    with pytest.raises(ValueError, match="holds all 10 groups out"):
        validation_split(100, 0.95, np.random.default_rng(0), groups=groups)
    assert [len(part) for part in validation_split(20, 0.95, np.random.default_rng(0))] == [1, 19]


@pytest.mark.parametrize(
    ("options", "arguments", "error", "message"),
    [
        ({"loss": "hinge"}, {}, ValueError, "loss is 'hinge'"),
        ({"patience": 0}, {}, ValueError, "patience is 0, expected at least 1"),
        ({"clip_norm": -1.0}, {}, ValueError, r"clip_norm is -1.0, expected a number in \(0, inf\)"),
        ({"monitor": "loss"}, {}, ValueError, "monitor is 'loss', expected one of None, 'train_loss'"),
        ({"monitor": "validation_loss"}, {}, ValueError, "monitor is 'validation_loss', but fit got no validation"),
        (
            {"monitor": "train_accuracy", "loss": "mse"},
            {},
            ValueError,
            "monitor is 'train_accuracy', expected one of None, 'train_loss', 'validation_loss'",
        ),
        ({}, {"epochs": 0}, ValueError, "epochs is 0, expected at least 1"),
        ({}, {"batch_size": 2.5}, TypeError, "batch_size is 2.5, expected a whole number"),
        ({}, {"y": Y[1:]}, ValueError, r"y has shape \(22,\), expected \(23, ...\)"),
        ({}, {"x": X[:0], "y": Y[:0]}, ValueError, r"x has shape \(0, 6, 4\), expected .* at least one example"),
        ({}, {"lengths": LENGTHS + T}, ValueError, r"lengths\[0\] is \d+, expected 0\.\.6"),
        ({}, {"sample_weight": -Y - 1.0}, ValueError, r"sample_weight\[0\] is -\d.*expected a finite number"),
        ({}, {"sample_weight": 0.0 * Y}, ValueError, "sample_weight is 0 for all examples"),
        ({}, {"sample_weight": Y[1:]}, ValueError, r"sample_weight has shape \(22,\), expected \(23,\)"),
        ({}, {"validation": 1.5}, ValueError, r"validation fraction is 1.5, expected a number in \(0, 1\)"),
        ({}, {"validation": (X,)}, ValueError, "validation has 1 entries, expected"),
        ({}, {"validation": (X, Y[1:])}, ValueError, r"y has shape \(22,\)"),
    ],
)
def test_refusals(options, arguments, error, message):
    with pytest.raises(error, match=message):
        Trainer(build(), **({"loss": "cross_entropy"} | options)).fit(**({"x": X, "y": Y, "epochs": 1} | arguments))


def test_a_model_without_parameters_is_refused():
    with pytest.raises(RuntimeError, match=r"call model.build\(input_shape\) first"):
        Trainer(Sequential([GRU(3)]), "mse")
    with pytest.raises(ValueError, match=r"y has shape \(23,\), expected \(23, 6\) and more"):
        Trainer(build(sequences=True), "cross_entropy").fit(X, Y, epochs=1)
