"""What must be the same when a run goes on, and fingerprints of the data that it goes on with."""

import hashlib

import numpy as np
import pytest

from fastrnn import RecurrentClassifier, RecurrentRegressor, SparseAutoencoder, storage
from fastrnn.data.fingerprint import Fingerprint, fingerprint
from fastrnn.data.lazy_array import as_lazy
from fastrnn.layers import GRU, LSTM, Dense
from fastrnn.losses import cross_entropy
from fastrnn.models.sequential import Sequential
from fastrnn.optimizers import SGD, Adam
from fastrnn.schedules import CosineSchedule, PlateauSchedule, StepSchedule
from fastrnn.training import ResumeError, Trainer
from fastrnn.training.lbfgs import LBFGS

N, T, I, C = 23, 6, 4, 3
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, T, I)).astype("f4"), RNG.integers(0, C, N)
LENGTHS, WEIGHTS = RNG.integers(1, T + 1, N), RNG.uniform(1, 2, N)
X_OTHER, Y_OTHER = RNG.normal(size=(9, T, I)).astype("f4"), RNG.integers(0, C, 9)


def other(array):
    """A copy with one bit changed, of the last number."""
    array = np.ascontiguousarray(array).copy()
    array.reshape(-1).view(np.uint8)[-array.itemsize] ^= 1
    return array


# ---- fingerprints ----------------------------------------------------------------------------------------------------


def test_a_fingerprint_is_of_shape_dtype_and_bytes():
    digest = hashlib.blake2b(X.tobytes(), digest_size=16).hexdigest()
    assert fingerprint(X) == f"float32 (23, 6, 4) BLAKE2 {digest}"
    arrays = [X, other(X), X[:-1], X.reshape(N, I, T), X.view("i4"), X.astype("f8"), X.astype(">f4"), X[::-1]]
    assert len({fingerprint(array) for array in arrays}) == len(arrays)
    for array in (np.empty((0, 3)), np.empty((3, 0)), np.array([True, False]), np.array(["a", "bc"]), np.arange(3)):
        digest = hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest()
        assert fingerprint(array) == f"{array.dtype} {array.shape} BLAKE2 {digest}"
    texts = [fingerprint(np.array(values, object)) for values in (["a", "b"], ["a", "b"], ["a", "c"], ["a'", "b"])]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_neither_blocks_nor_the_layout_in_memory_matter(monkeypatch):
    long = np.arange(5000.0).reshape(-1, 5)[:, ::2]  # not contiguous
    at_once = fingerprint(long.copy())
    monkeypatch.setattr("fastrnn.data.lazy_array.PIECE", 700)
    assert len(list(as_lazy(long).pieces())) == 5
    assert fingerprint(long) == at_once
    assert fingerprint(np.asfortranarray(X)) == fingerprint(X)
    blocks = Fingerprint(X.shape, X.dtype)
    for part in np.split(X, [1, 1, 8, 20]):
        blocks.add(part)
    assert str(blocks) == fingerprint(X)


def test_fingerprints_are_taken_once_when_a_run_begins(monkeypatch):
    taken = []
    monkeypatch.setattr("fastrnn.training.plan.fingerprint", lambda array: taken.append(array.shape) or "1")
    trainer = Trainer(build(), "cross_entropy")
    trainer.callbacks = (lambda epoch, history: trainer.state() and taken.append(epoch),)
    trainer.fit(X, Y, epochs=3)
    assert taken == [X.shape, Y.shape, 1, 2, 3]


# ---- the trainer -----------------------------------------------------------------------------------------------------


def build(cell=GRU, units=5, dtype="float32", shape=(T, I)):
    return Sequential([cell(units), Dense(C)]).build(shape, dtype)


def make_trainer(model=None, loss="cross_entropy", optimizer=None, **options):
    options = {"schedule": StepSchedule(2, 0.5), "clip_norm": 1.0, "seed": 3, "patience": 4} | options
    return Trainer(build() if model is None else model, loss, optimizer or SGD(0.1, 0.9), **options)


def my_loss(y, target, mask=None, sample_weight=None):
    return cross_entropy(y, target, mask, sample_weight)


FIT = {"x": X, "y": Y, "lengths": LENGTHS, "sample_weight": WEIGHTS, "validation": 0.3, "epochs": 3, "batch_size": 5}
SET = {"validation": (X_OTHER, Y_OTHER, np.full(9, T), np.ones(9))}
NONE = "none, as without patience and validation set"


def resumed(tmp_path, options, fit, new_options, new_fit):
    """Run, and let another trainer go on from the file that it has left."""
    trainer = make_trainer(**options)
    trainer.fit(**FIT | fit)
    storage.write(tmp_path / "state.h5", trainer.state())
    again = make_trainer(**options | new_options)
    again.restore(storage.read(tmp_path / "state.h5"))
    again.fit(**FIT | fit | new_fit)
    return again


@pytest.mark.parametrize(
    ("new_options", "new_fit", "message"),
    [
        ({"model": build(units=6)}, {}, r"model of the run is Sequential\(\[GRU\(5\), Dense\(3\)\]\), but .*GRU\(6\)"),
        ({"model": build(LSTM)}, {}, r"model of the run is .*, but Sequential\(\[LSTM\(5\), Dense\(3\)\]\) is given"),
        ({"model": build(dtype="float64")}, {}, "dtype of the run is float32, but float64 is given"),
        ({"loss": my_loss}, {}, "loss of the run is cross_entropy, but my_loss is given"),
        ({"optimizer": Adam(0.1)}, {}, r"optimizer of the run is SGD\(learning_rate=0.1, .*, but Adam\(learn"),
        ({"optimizer": SGD(np.nextafter(0.1, 1), 0.9)}, {}, r"SGD\(\w+=0.1, .* SGD\(\w+=0.10000000000000002,"),
        ({"schedule": StepSchedule(2, 0.25)}, {}, r"schedule of the run is StepSchedule\(every=2, factor=0.5\), but "),
        ({"schedule": None}, {}, r"schedule of the run is StepSchedule.*, but None is given"),
        ({"clip_norm": None}, {}, "clip_norm of the run is 1.0, but None is given"),
        ({"seed": 4}, {}, "seed of the run is 3, but 4 is given"),
        ({"monitor": "train_loss"}, {}, "monitor of the run is validation_loss, but train_loss is given"),
        ({}, {"batch_size": 6}, "batch_size of the run is 5, but 6 is given"),
        ({}, {"validation": 0.25}, "validation of the run is 0.3, but 0.25 is given"),
        ({}, SET, "validation of the run is 0.3, but a set of its own is given"),
        ({}, {"epochs": 2}, "epochs is 2, but the run has done 3; expected at least as many"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_name(tmp_path, new_options, new_fit, message):
    with pytest.raises(ResumeError, match=message):
        resumed(tmp_path, {}, {}, new_options, new_fit)


@pytest.mark.parametrize(
    ("new_fit", "message"),
    [
        (
            {"x": other(X)},
            r"training x of the run is float32 \(23, 6, 4\) BLAKE2 \w{32}, but .*\) BLAKE2 \w{32} is given",
        ),
        ({"x": np.roll(X, 1, axis=0)}, "training x of the run is "),
        ({"y": (Y + 1) % C}, r"training y of the run is int64 \(23,\) BLAKE2"),
        ({"lengths": T + 1 - LENGTHS}, "training lengths of the run is int"),
        ({"lengths": None}, "training lengths of the run is .*, but None is given"),
        ({"sample_weight": WEIGHTS**2}, r"training weights of the run is float64 \(23,\) BLAKE2"),
        (
            {"x": X[:-1], "y": Y[:-1], "lengths": LENGTHS[:-1], "sample_weight": WEIGHTS[:-1]},
            r"training x of the run is float32 \(23, 6, 4\) .* but float32 \(22, 6, 4\)",
        ),
    ],
)
def test_other_data_are_refused_by_name(tmp_path, new_fit, message):
    with pytest.raises(ResumeError, match=message):
        resumed(tmp_path, {}, {"validation": None}, {}, new_fit)


@pytest.mark.parametrize(
    ("index", "change", "name"), [(0, other, "x"), (1, lambda y: (y + 1) % C, "y"), (2, lambda n: n - 1, "lengths")]
)
def test_another_validation_set_is_refused_by_name(tmp_path, index, change, name):
    changed = [change(array) if place == index else array for place, array in enumerate(SET["validation"])]
    resumed(tmp_path, {}, SET, {}, {"validation": list(SET["validation"])})
    with pytest.raises(ResumeError, match=f"validation {name} of the run is "):
        resumed(tmp_path, {}, SET, {}, {"validation": tuple(changed)})


def test_a_refused_run_can_still_go_on(tmp_path):
    trainer, whole = make_trainer(), make_trainer()
    trainer.fit(**FIT)
    state = trainer.state()
    trainer.model.flat_parameters[...] = 7
    with pytest.raises(ResumeError, match="clip_norm"):
        make_trainer(trainer.model, clip_norm=2.0).restore(state)
    assert (trainer.model.flat_parameters == 7).all()  # nothing has been touched
    trainer.restore(state)
    with pytest.raises(ResumeError, match="batch_size"):
        trainer.fit(**FIT | {"batch_size": 6})
    trainer.fit(**FIT | {"epochs": 6})
    whole.fit(**FIT | {"epochs": 6})
    np.testing.assert_array_equal(trainer.model.flat_parameters, whole.model.flat_parameters)


def test_what_may_change_changes_no_bit(tmp_path):
    calls = []
    new = {"patience": 9, "n_threads": 2, "checkpoint_every": 2, "seed": None}
    new["callbacks"] = [lambda *_: calls.append(1)]
    again = resumed(tmp_path, {"n_threads": 1}, {}, new, {"epochs": 6, "x": np.asfortranarray(X)})
    whole = make_trainer()
    whole.fit(**FIT | {"epochs": 6})
    assert len(calls) == 3
    np.testing.assert_array_equal(again.model.flat_parameters, whole.model.flat_parameters)
    np.testing.assert_array_equal(again.state()["weights"], whole.state()["weights"])
    assert again.state()["settings"] == whole.state()["settings"]
    assert again.state()["data"] == whole.state()["data"]


class Halving:
    def __call__(self, learning_rate, epoch, epochs, losses):
        return learning_rate / 2**epoch


class Ending(Halving):
    uses_epochs = True


@pytest.mark.parametrize(
    ("schedule", "depends"),
    [
        (None, False), (StepSchedule(), False), (PlateauSchedule(), False), (CosineSchedule(0.1), True),
        (Halving(), False), (Ending(), True), (lambda rate, *_: rate, False),
    ],
)  # fmt: skip
def test_epochs_change_unless_the_schedule_depends_on_them(tmp_path, schedule, depends):
    if depends:
        with pytest.raises(ResumeError, match="epochs of the run is 3, but 4 is given, and the schedule depends on it"):
            resumed(tmp_path, {"schedule": schedule}, {}, {}, {"epochs": 4})
    else:
        assert resumed(tmp_path, {"schedule": schedule}, {}, {}, {"epochs": 4}).history.n_epochs == 4
    assert resumed(tmp_path, {"schedule": schedule}, {}, {}, {}).history.n_epochs == 3


def test_patience_changes_as_long_as_the_run_would_have_come_so_far(tmp_path):
    """The targets are random: the validation loss soon gets worse."""
    options = {"optimizer": Adam(0.1), "schedule": None, "patience": 4}
    fit = SET | {"epochs": 50, "lengths": None, "sample_weight": None}
    run = resumed(tmp_path, options, fit, {}, {})
    best = run.history.best_epoch
    assert run.history.n_epochs == best + 4
    again = resumed(tmp_path, options, fit, {"patience": 6}, {})
    whole = make_trainer(**options | {"patience": 6})
    whole.fit(**FIT | fit)
    assert again.history["epoch"] == whole.history["epoch"]
    np.testing.assert_array_equal(again.model.flat_parameters, whole.model.flat_parameters)
    assert again.history.n_epochs > run.history.n_epochs
    with pytest.raises(ResumeError, match="patience is 3, but the run has gone on for 3 epochs without a better valid"):
        resumed(tmp_path, options, fit, {"patience": 3}, {})
    losses = run.history["validation_loss"]
    longest, waited = 0, 0
    for epoch in range(1, best + 3):
        waited = 0 if losses[epoch] < min(losses[:epoch]) else waited + 1
        longest = max(longest, waited)
    assert longest == 3


def test_patience_that_would_choose_another_epoch_is_refused(tmp_path):
    """Without a validation set the last weights stay, unless there is a patience."""
    with pytest.raises(ResumeError, match=f"monitor of the run is {NONE}, but train_loss is given"):
        resumed(tmp_path, {"patience": None}, {"validation": None}, {"patience": 5}, {})
    resumed(tmp_path, {"patience": None, "monitor": "train_loss"}, {"validation": None}, {"patience": 5}, {})


def test_lbfgs_goes_on_with_the_same_bits_from_anywhere(tmp_path):
    def make(**options):
        return make_trainer(optimizer=LBFGS(4), schedule=None, clip_norm=None, patience=None, **options)

    states, fit = [], FIT | {"epochs": 8}
    whole = make()
    whole.callbacks = whole.batch_callbacks = (lambda *_: states.append(whole.state()),)
    whole.fit(**fit)
    assert len(states) == 16
    for index in (0, 1, 6, 11, 15):
        storage.write(tmp_path / "state.h5", states[index])
        again = make()
        again.restore(storage.read(tmp_path / "state.h5"))
        again.fit(**fit)
        np.testing.assert_array_equal(again.model.flat_parameters, whole.model.flat_parameters)
        np.testing.assert_array_equal(again.state()["weights"], whole.state()["weights"])
        for name in set(whole.history) - {"seconds"}:
            assert again.history[name] == whole.history[name]
    with pytest.raises(ResumeError, match=r"optimizer of the run is LBFGS\(memory=4\), but LBFGS\(memory=5\) is given"):
        make_trainer(optimizer=LBFGS(5), schedule=None, clip_norm=None).restore(states[0])


def test_marks_of_epochs_do_not_grow_with_the_history():
    sizes = []
    trainer = Trainer(build(), "cross_entropy")
    large = {"weights": 0, "best": 0, "optimizer": 0}
    trainer.callbacks = (lambda *_: sizes.append(len(repr(trainer._run.mark(np.zeros(1)) | large))),)
    trainer.fit(X, Y, epochs=30)
    assert max(sizes) <= min(sizes) + 200  # numbers of other lengths


def test_start_callbacks_come_before_training_and_after_the_checks():
    seen = []
    trainer = make_trainer()
    trainer.start_callbacks = (lambda history: seen.append((history.n_epochs, trainer.model.flat_parameters.copy())),)
    before = trainer.model.flat_parameters.copy()
    trainer.fit(**FIT)
    trainer.restore(trainer.state())
    with pytest.raises(ResumeError):
        trainer.fit(**FIT | {"batch_size": 6})
    trainer.fit(**FIT | {"epochs": 5})
    assert [epochs for epochs, _ in seen] == [0, 3]
    np.testing.assert_array_equal(seen[0][1], before)


# ---- estimators ------------------------------------------------------------------------------------------------------

SMALL = {"hidden_size": 5, "epochs": 2, "batch_size": 8, "validation_fraction": 0.3}
CLASSIFIER = SMALL | {"head": (4,), "dropout": 0.2}


@pytest.mark.parametrize(
    ("make", "parameters", "changes", "message"),
    [
        (RecurrentClassifier, CLASSIFIER, {"hidden_size": 6}, r"model of the run is .*'gru', 5, .*, but .*'gru', 6, "),
        (RecurrentClassifier, CLASSIFIER, {"learning_rate": 2e-3}, "optimizer of the run is Adam"),
        (RecurrentClassifier, CLASSIFIER, {"random_state": 6}, "seed of the run is 5, but 6 is given"),
        (RecurrentClassifier, CLASSIFIER, {"standardize": False}, "training x of the run is float32"),
        (RecurrentClassifier, CLASSIFIER, {"class_weight": "balanced"}, "training weights of the run is None, but"),
        (RecurrentClassifier, CLASSIFIER, {"validation_fraction": 0.2}, r"training x of the run is float32 \(16, 6"),
        (RecurrentClassifier, CLASSIFIER, {"batch_size": 9}, "batch_size of the run is 8, but 9 is given"),
        (RecurrentRegressor, SMALL, {"clip_norm": None}, "clip_norm of the run is 1.0, but None is given"),
        (SparseAutoencoder, SMALL, {"l2": 1e-3}, "l2 of the run is 0.0005, but 0.001 is given"),
        (SparseAutoencoder, SMALL, {"tied": True}, "tied of the run is False, but True is given"),
        (SparseAutoencoder, SMALL, {"hidden_size": 6}, "hidden_size of the run is 5, but 6 is given"),
        (SparseAutoencoder, SMALL, {"solver": "sgd"}, r"optimizer of the run is LBFGS\(memory=10\), but SGD"),
    ],
)  # fmt: skip
def test_estimators_refuse_by_name(make, parameters, changes, message):
    data = (RNG.uniform(size=(N, 7)),) if make is SparseAutoencoder else (X, Y)
    state = make(**parameters, random_state=5).fit(*data).trainer_.state()
    make(**parameters, random_state=5).fit(*data, state=state)
    with pytest.raises(ResumeError, match=message):
        make(**parameters | {"random_state": 5} | changes).fit(*data, state=state)
    with pytest.raises(ResumeError, match="training x of the run is "):
        make(**parameters, random_state=5).fit(1 - data[0], *data[1:], state=state)


@pytest.mark.parametrize("make", [RecurrentClassifier, SparseAutoencoder])
def test_a_random_seed_is_that_of_the_run(make):
    data = (RNG.uniform(size=(N, 7)),) if make is SparseAutoencoder else (X, Y)
    whole = make(**SMALL | {"epochs": 4})
    states = []
    whole.fit(*data, callbacks=[lambda *_: states.append(whole.trainer_.state())])
    again = make(**SMALL | {"epochs": 4}).fit(*data, state=states[1])
    assert again.history_["validation_loss"] == whole.history_["validation_loss"]
    np.testing.assert_array_equal(again.validation_rows_, whole.validation_rows_)
    with pytest.raises(ResumeError, match="this is not the state of a training run"):
        make(**SMALL).fit(*data, state={"seed": 3})
