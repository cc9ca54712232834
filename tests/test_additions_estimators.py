"""Optimizers, schedules and estimators that users add, and what holds for every estimator."""

import ast
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import fastrnn
from fastrnn import SGD, Adam, Dense, RecurrentClassifier, RecurrentRegressor, Sequential, Trainer, storage
from fastrnn._docstrings import sections, whole_entries
from fastrnn.cells import ALIASES, CELLS, Cell
from fastrnn.estimators._base import Fitting
from fastrnn.estimators._net_base import NetEstimator
from fastrnn.estimators.files import ESTIMATORS
from fastrnn.models.sequential import load_model
from fastrnn.optimizers import OPTIMIZERS, get_optimizer
from fastrnn.schedules import SCHEDULES
from fastrnn.training.splits import validation_split

RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, (40, 6, 3))
Y = RNG.normal(size=40)
LABELS = np.arange(40) % 3
SMALL = {"cell": "gru", "hidden_size": 5, "head": (4,), "epochs": 3, "random_state": 0, "dtype": "float64"}


@dataclass(frozen=True)
class Lion:
    """Lion (Chen et al. 2023), as a user would write it."""

    learning_rate: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.99

    def initial_state(self, parameters):
        return {"mean": np.zeros_like(parameters)}

    def update(self, parameters, gradients, state, learning_rate):
        parameters -= learning_rate * np.sign(self.beta1 * state["mean"] + (1 - self.beta1) * gradients)
        state["mean"] = self.beta2 * state["mean"] + (1 - self.beta2) * gradients


@dataclass(frozen=True)
class NeedsRate(SGD):
    """An optimizer without a default learning rate."""

    def __init__(self, learning_rate):
        object.__setattr__(self, "learning_rate", learning_rate)


@dataclass(frozen=True)
class Steps:
    """A schedule with the rates of given epochs."""

    factors: tuple = (1.0, 0.5)
    warmup: bool = False

    def __call__(self, learning_rate, epoch, epochs, losses):
        return learning_rate * self.factors[min(epoch, len(self.factors)) - 1]


@dataclass(eq=False, repr=False)
class DenseRegressor(NetEstimator):
    """
    Predict numbers from tables.

    Parameters
    ----------
    units : int
        Number of hidden units.
    """

    units: int = 6

    def prepare(self, X, y=None, *, validation_data=None, state=None):
        x, targets = np.asarray(X, self.dtype), np.asarray(y, self.dtype)[:, None]
        self._check_training()
        seed = self._seed(state)
        training, held_out = self._hold_out(len(x), seed, validation_data)
        self.model_ = Sequential([Dense(self.units, "tanh"), Dense(1)]).build(x.shape[1:], self.dtype, seed)
        self.trainer_, self.n_features_in_ = self._make_trainer(self.model_, "mse", seed), x.shape[1]
        validation = (x[held_out], targets[held_out]) if len(held_out) else None
        return Fitting(self.trainer_, x[training], targets[training], validation=validation)

    def predict(self, X):
        return self.model_.predict(np.asarray(X, self.model_.dtype))[:, 0]

    def _fitted_tree(self):
        return {"model": self.model_.to_tree()}

    def _set_fitted(self, tree, cells: Sequence[Cell], classes: Sequence[type]):
        self.model_ = load_model(tree["model"], cells, classes)


def weights_of(estimator):
    return estimator.model_.flat_parameters


# ---- a custom optimizer ----------------------------------------------------------------------------------------------


def test_a_custom_optimizer_makes_its_own_updates():
    model = Sequential([Dense(3)]).build((4,), "float64", 0)
    x, y = RNG.normal(size=(8, 4)), RNG.normal(size=(8, 3))
    expected, mean = model.flat_parameters.copy(), 0.0
    for _ in range(2):
        W, b = expected[:12].reshape(4, 3), expected[12:]
        error = 2 * (x @ W + b - y) / y.size
        gradient = np.concatenate([(x.T @ error).ravel(), error.sum(axis=0)])
        expected = expected - 0.01 * np.sign(0.8 * mean + 0.2 * gradient)
        mean = 0.7 * mean + 0.3 * gradient
    Trainer(model, "mse", Lion(0.01, 0.8, 0.7)).fit(x, y, epochs=2, batch_size=8)
    np.testing.assert_allclose(model.flat_parameters, expected, rtol=0, atol=1e-15)


def test_an_estimator_trains_saves_and_loads_with_custom_objects(tmp_path):
    optimizer, schedule = Lion(0.02, beta2=0.95), Steps((1.0, 0.5, 0.25))
    fitted = RecurrentClassifier(**SMALL, optimizer=optimizer, schedule=schedule).fit(X, LABELS)
    assert fitted.history_["learning_rate"] == [0.02, 0.01, 0.005]
    assert not np.array_equal(weights_of(fitted), weights_of(RecurrentClassifier(**SMALL).fit(X, LABELS)))
    fitted.save(tmp_path / "model.h5")
    loaded = fastrnn.load(tmp_path / "model.h5", classes=[Steps, Lion])
    assert (loaded.optimizer, loaded.schedule) == (optimizer, schedule)
    assert type(loaded.schedule.factors) is tuple
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    again = clone(loaded).fit(X, LABELS)
    np.testing.assert_array_equal(weights_of(again), weights_of(fitted))


def test_a_missing_class_is_named(tmp_path):
    fitted = RecurrentRegressor(**SMALL, optimizer=Lion(), schedule=Steps()).fit(X, Y)
    fitted.save(tmp_path / "model.h5")
    with pytest.raises(fastrnn.StorageError, match=r"model.h5: .*the custom optimizer 'Lion': pass it as classes=\[Li"):
        fastrnn.load(tmp_path / "model.h5", classes=[Steps])
    with pytest.raises(fastrnn.StorageError, match=r"the custom schedule 'Steps': pass it as classes=\[Steps\]$"):
        fastrnn.load(tmp_path / "model.h5", classes=[Lion])


def test_what_a_file_cannot_hold_is_refused_before_it_is_written(tmp_path):
    def falling(learning_rate, epoch, epochs, losses):
        return learning_rate / epoch

    (tmp_path / "model.h5").write_bytes(b"as before")
    fitted = RecurrentRegressor(**SMALL, schedule=falling).fit(X, Y)
    assert fitted.history_["learning_rate"] == [1e-3, 1e-3 / 2, 1e-3 / 3]
    impostor = dataclass(frozen=True)(type("Adam", (Lion,), {}))()
    for parameters, message in (
        ({}, r"schedule is <function .*falling.*>, which a file cannot hold: only names, numbers and dataclasses"),
        ({"schedule": Steps(factors=falling)}, r"factors of schedule is <function .*, which a file cannot hold"),
        ({"schedule": Steps(factors=(1.0, print))}, r"factors of schedule\[1\] is <built-in function print>, which"),
        ({"schedule": None, "optimizer": impostor}, r"optimizer is .*, but fastrnn has another Adam: give"),
    ):
        with pytest.raises(TypeError, match=message):
            fitted.set_params(**parameters).save(tmp_path / "model.h5")
    assert (tmp_path / "model.h5").read_bytes() == b"as before"
    assert [path.name for path in tmp_path.iterdir()] == ["model.h5"]


def test_a_registered_optimizer_is_used_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "lion", Lion)
    monkeypatch.setitem(OPTIMIZERS, "needs_rate", NeedsRate)
    assert get_optimizer("lion") == Lion()
    assert get_optimizer("lion", 0.5) == Lion(0.5)
    by_name, by_object = (RecurrentRegressor(**SMALL, optimizer=optimizer).fit(X, Y) for optimizer in ("lion", Lion()))
    np.testing.assert_array_equal(weights_of(by_name), weights_of(by_object))
    faster = RecurrentRegressor(**SMALL, optimizer="lion", learning_rate=0.03).fit(X, Y)
    assert faster.history_["learning_rate"] == [0.03] * 3
    autoencoder = fastrnn.SparseAutoencoder(4, solver="lion", learning_rate=0.03, epochs=2).fit(
        RNG.uniform(size=(9, 3))
    )
    assert autoencoder.trainer_.optimizer == Lion(0.03)
    by_object.save(tmp_path / "model.h5")
    assert fastrnn.load(tmp_path / "model.h5").optimizer == Lion()
    assert get_optimizer("needs_rate", 0.5).learning_rate == 0.5
    with pytest.raises(ValueError, match=r"^the optimizer 'needs_rate' has no default learning rate: give learning_ra"):
        RecurrentRegressor(**SMALL, optimizer="needs_rate").fit(X, Y)
    with pytest.raises(ValueError, match="optimizer is 'tiger', expected one of 'adam', 'sgd', 'lion'"):
        RecurrentRegressor(**SMALL, optimizer="tiger").fit(X, Y)


def test_a_registered_schedule_is_used_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(SCHEDULES, "steps", Steps)
    fitted = RecurrentRegressor(**SMALL, schedule="steps", learning_rate=0.04).fit(X, Y)
    assert fitted.history_["learning_rate"] == [0.04, 0.02, 0.02]
    fitted.set_params(schedule=Steps((1.0,))).save(tmp_path / "model.h5")
    assert fastrnn.load(tmp_path / "model.h5").schedule == Steps((1.0,))


# ---- a custom estimator ----------------------------------------------------------------------------------------------


def test_a_custom_estimator_is_trained_saved_and_loaded(tmp_path, monkeypatch):
    table = X[:, 0]
    fitted = DenseRegressor(epochs=4, batch_size=8, optimizer="sgd", random_state=3, dtype="float64").fit(table, Y)
    model = Sequential([Dense(6, "tanh"), Dense(1)]).build((3,), "float64", 3)
    training, held_out = validation_split(40, 0.1, fastrnn._random.generators(3).split)
    validation = (table[held_out], Y[held_out, None])
    trainer = Trainer(model, "mse", SGD(0.1), clip_norm=1.0, seed=3)
    trainer.fit(table[training], Y[training, None], epochs=4, batch_size=8, validation=validation)
    np.testing.assert_array_equal(weights_of(fitted), model.flat_parameters)
    np.testing.assert_array_equal(fitted.predict(table), model.predict(table)[:, 0])
    fitted.save(tmp_path / "model.h5")
    with pytest.raises(fastrnn.StorageError, match=r"holds 'DenseRegressor', expected one of Sequential, .*lator$"):
        fastrnn.load(tmp_path / "model.h5")
    given = fastrnn.load(tmp_path / "model.h5", classes=[DenseRegressor])
    monkeypatch.setattr("fastrnn.estimators.files.ESTIMATORS", [*ESTIMATORS, DenseRegressor])
    for loaded in (given, fastrnn.load(tmp_path / "model.h5")):
        assert type(loaded) is DenseRegressor
        assert loaded.get_params() == fitted.get_params()
        np.testing.assert_array_equal(loaded.predict(table), fitted.predict(table))
    assert next(iter(inspect.signature(DenseRegressor).parameters)) == "units"
    assert "Maximum number of epochs." in DenseRegressor.__doc__


@dataclass(frozen=True)
class WideDense(Dense):
    """A custom layer."""


def test_a_custom_layer_reaches_models_and_the_nets_of_estimators(tmp_path):
    model = Sequential([WideDense(4, "tanh"), Dense(1)]).build((3,), "float64", 3)
    model.save(tmp_path / "model.h5")
    loaded = fastrnn.load(tmp_path / "model.h5", classes=[WideDense])
    assert type(loaded.layers[0]) is WideDense
    np.testing.assert_array_equal(loaded.predict(X[:, 0]), model.predict(X[:, 0]))
    with pytest.raises(fastrnn.StorageError, match=r"the custom layer 'WideDense': pass it as classes=\[WideDense\]$"):
        fastrnn.load(tmp_path / "model.h5")
    fitted = RecurrentRegressor(**SMALL).fit(X, Y)
    tree = fitted.to_tree()
    head = next(layer for layer in tree["model"]["layers"] if layer["layer"] == "Dense")
    head["layer"] = "WideDense"  # as a subclass with a layer of its own would have it
    storage.write(tmp_path / "estimator.h5", tree)
    with pytest.raises(fastrnn.StorageError, match=r"custom layer 'WideDense': pass it as classes=\[WideDense\]$"):
        fastrnn.load(tmp_path / "estimator.h5")
    again = fastrnn.load(tmp_path / "estimator.h5", classes=[WideDense])
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


# ---- what holds for every estimator ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_docstrings_have_an_entry_for_each_field_in_the_order_of_the_signature(kind):
    entries = whole_entries(sections(kind.__doc__)["Parameters"])
    assert list(entries) == [name for name in inspect.signature(kind).parameters if name != "_"]
    assert set(entries) == {field.name for field in fields(kind)} == set(kind().get_params())
    for base in kind.__mro__:
        if base.__module__.startswith("fastrnn."):
            own = ast.get_docstring(_source_of(base)) or ""
            documented = whole_entries(sections(own).get("Parameters", []))
            assert set(documented) <= set(entries)
            declared = [node.target.id for node in _fields_of(base)]
            assert set(declared) - {"_", "_loss", "_optimizers"} <= set(entries)
    for name, entry in entries.items():
        assert re.match(r"\w+ : \S", entry), name
        assert entry.endswith("."), name
        assert "{C" not in entry, name
        assert "{O" not in entry, name
        assert max(map(len, entry.splitlines())) <= 120


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_fields_can_be_read_from_the_source(kind):
    """The command reads names, types and defaults without importing anything."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        for node in _fields_of(base) if base.__module__.startswith("fastrnn.") else []:
            if node.value is not None and node.target.id != "_optimizers":
                found[node.target.id] = ast.literal_eval(node.value)
            if node.target.id == "_optimizers":
                assert isinstance(node.value, ast.Dict)
                assert all(isinstance(call, ast.Call) for call in node.value.values)
    assert found == {field.name: field.default for field in fields(kind)}


def _source_of(kind):
    tree = ast.parse(inspect.getsource(inspect.getmodule(kind)))
    (node,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__]
    return node


def _fields_of(kind):
    return [node for node in _source_of(kind).body if isinstance(node, ast.AnnAssign)]


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_names_in_docstrings_are_the_registered_ones(kind):
    entries = whole_entries(sections(kind.__doc__)["Parameters"])
    lists = {
        "cell": (*ALIASES, *CELLS),
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
        "solver": ("lbfgs", *OPTIMIZERS),
    }
    for name, known in lists.items():
        if name in entries:
            assert re.findall(r'"(\w+)"', entries[name].splitlines()[0]) == list(known)
    assert kind._optimizers.keys() <= OPTIMIZERS.keys()
    assert all(type(own) is OPTIMIZERS[name] for name, own in kind._optimizers.items())


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_fit_says_what_its_arguments_are(kind):
    entries = whole_entries(sections(kind.fit.__doc__)["Parameters"])
    assert list(entries) == list(inspect.signature(kind.fit).parameters)[1:]
    prepared = whole_entries(sections(kind.prepare.__doc__)["Parameters"])
    assert {name: entries[name] for name in ("X", "y")} == {name: prepared[name] for name in ("X", "y")}
    assert kind.fit.__qualname__.endswith(".fit")


def _fitted(kind):
    """Return a small fitted estimator of each kind."""
    small = {"epochs": 1, "random_state": 0}
    text = "to be, or not to be. " * 30
    data = {
        "RecurrentClassifier": ({"hidden_size": 4}, (X, LABELS)),
        "RecurrentRegressor": ({"hidden_size": 4}, (X, Y)),
        "RecurrentForecaster": ({"hidden_size": 4, "window": 8, "horizon": 3}, (np.sin(np.arange(90) / 3),)),
        "SparseAutoencoder": ({"hidden_size": 4}, (RNG.uniform(size=(20, 6)),)),
        "NGramLanguageModel": ({"hidden_size": 4, "order": 3}, ([line.split() for line in text.split(".")[:-1]],)),
        "CharacterLanguageModel": ({"hidden_size": 4, "window": 9, "batch_size": 4}, (text,)),
        "SequenceTranslator": ({"hidden_size": 4}, (["ab", "ba", "aa"] * 4, ["AB", "BA", "AA"] * 4)),
    }
    parameters, arrays = data[kind.__name__]
    return kind(**small, **parameters).fit(*arrays)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_documented_attributes_are_there(kind):
    fitted = _fitted(kind)
    attributes = whole_entries(sections(kind.__doc__)["Attributes"])
    assert {"n_iter_", "best_epoch_", "history_"} < attributes.keys()
    for name in attributes:
        assert hasattr(fitted, name), name


@pytest.mark.parametrize(
    ("kind", "parameters", "expected"),
    [
        ("RecurrentClassifier", {}, Adam(1e-3)),
        ("RecurrentClassifier", {"optimizer": "sgd"}, SGD(0.1)),
        ("RecurrentClassifier", {"optimizer": "sgd", "learning_rate": 0.3}, SGD(0.3)),
        ("RecurrentForecaster", {}, Adam(2e-3)),
        ("NGramLanguageModel", {}, SGD(0.5, momentum=0.9, form="nesterov")),
        ("NGramLanguageModel", {"learning_rate": 0.2}, SGD(0.2, momentum=0.9, form="nesterov")),
        ("NGramLanguageModel", {"optimizer": "adam"}, Adam(4e-3)),
        ("CharacterLanguageModel", {"optimizer": "sgd"}, SGD(1.0, momentum=0.9, form="nesterov")),
        ("SequenceTranslator", {"learning_rate": 0.02}, Adam(0.02, weight_decay=0.05)),
        ("SequenceTranslator", {"optimizer": SGD(0.7), "learning_rate": 0.02}, SGD(0.7)),
    ],
)
def test_an_optimizer_by_name_has_the_constants_found_best(kind, parameters, expected):
    assert getattr(fastrnn, kind)(**parameters)._make_optimizer() == expected


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("wrong", [5, ("a",), ("a", "b", "c")])
def test_a_validation_set_is_a_pair(kind, wrong):
    with pytest.raises(ValueError, match=r"validation_data has type \w+, expected a tuple \(X, y\)"):
        kind()._fraction(wrong)
