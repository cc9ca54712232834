"""Cells from `step` alone: derived equations equal those written by hand; what cannot be derived is refused."""

import copy
import inspect
import math
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from kernels import BACKENDS, Problem
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import fastrnn
from fastrnn.cells import CELLS, DerivedCell, constant, derive, one, pointwise, positive, relu, sigmoid, tanh, zero
from fastrnn.cells.rnn import RNN_LINEAR
from fastrnn.testing import TOLERANCES, check_cell, relative_error

BY_HAND = [*CELLS.values(), RNN_LINEAR]
DERIVED = {cell: derive(cell.name, cell.gates, cell.states, cell.step) for cell in BY_HAND}


def elman(ax, ah, s):
    return (tanh(ax[0] + ah[0]),), ()


def minimal_gated_unit(ax, ah, s):
    f = sigmoid(ax[0] + ah[0])
    n = tanh(ax[1] + f * ah[1])
    return (n + (one(f) - f) * (s[0] - n),), ()


def coupled_gates(ax, ah, s):
    f, g, o = sigmoid(ax[0] + ah[0]), tanh(ax[1] + ah[1]), sigmoid(ax[2] + ah[2])
    c = g + f * (s[1] - g)
    return (o * tanh(c), c), ()


@pointwise
def softsign(x):
    return x / (one(x) + relu(x) + relu(-x))


def everything(ax, ah, s):
    """All functions for cells, numbers of all kinds, powers, and a function of the result of a function."""
    a = ax[0] * ah[0] / (one(ax[0]) + relu(s[0]) ** 2)
    b = -constant(a, 0.1) * sigmoid(a) / 3 + np.float32(0.25) * a - (3 + np.tanh(+a)) ** -2
    c = positive(s[1]) * s[1] * constant(b, 0.5) + zero(b) + a**0 + softsign(ax[1] - ah[1])
    return (2 * tanh(b) - a / (2 + np.tanh(b)), c), (c,)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("cell", BY_HAND, ids=lambda cell: cell.name)
def test_derived_and_written_by_hand_agree(cell, dtype, backend, use_backend):
    size = (5, 6, 4, 17)
    expected = Problem(cell, size, dtype).run(masked=True, ragged=True, **use_backend(backend))
    own = "reference" if backend == "reference" else "numba"
    got = Problem(DERIVED[cell], size, dtype).run(masked=True, ragged=True, backend=own)
    for kind, tolerance in enumerate(TOLERANCES[dtype]):
        assert got[kind].keys() == expected[kind].keys()
        for name, value in expected[kind].items():
            assert relative_error(got[kind][name], value) <= tolerance, name


@pytest.mark.parametrize(
    ("step", "gates", "states", "n_kept"),
    [(minimal_gated_unit, "fn", "h", 3), (coupled_gates, "fgo", "hc", 4), (everything, "ab", "hc", None)],
)
def test_derived_cells_are_right(step, gates, states, n_kept):
    cell = derive("own", gates, states, step)
    assert n_kept in (None, cell.n_kept)
    check_cell(cell)


def test_no_more_is_kept_and_computed_than_by_hand():
    more = {cell.name: DERIVED[cell].n_kept - cell.n_kept for cell in BY_HAND}
    assert {name: count for name, count in more.items() if count} == {"lstm": 1}  # tanh(c)
    backward = {cell.name: DERIVED[cell].source.partition("step_vjp")[2] for cell in BY_HAND}
    products = {name: text.replace("**", "*").count("*") for name, text in backward.items()}
    assert products["gru"] <= inspect.getsource(CELLS["gru"].step_vjp).count("*")
    assert products["lstm"] <= inspect.getsource(CELLS["lstm"].step_vjp).count("*")
    assert not any(f"{function}(" in text for text in backward.values() for function in ("tanh", "sigmoid"))


def test_a_value_called_for_twice_is_computed_once():
    def step(ax, ah, s):
        return (tanh(ax[0] + ah[0]) * tanh(ah[0] + ax[0]) + tanh(s[0]),), ()

    assert derive("twice", "n", "h", step).source.count(" tanh(") == 2


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda ax, ah, s: ((ax[0] if isinstance(ax[0], np.ndarray) or ax[0] else ah[0],), ()), "branches on a value"),
        (lambda ax, ah, s: (((ax[0] > ah[0]) * ax[0],), ()), "compares values"),
        (lambda ax, ah, s: ((np.exp(ax[0] + ah[0]),), ()), r"calls numpy\.exp; expected"),
        (lambda ax, ah, s: ((np.where(s[0] > 0, ax[0], ah[0]),), ()), "compares values"),
        (lambda ax, ah, s: ((np.maximum(ax[0], ah[0]),), ()), r"calls numpy\.maximum"),
        (lambda ax, ah, s: ((np.zeros_like(s[0]),), ()), r"calls numpy\.zeros_like"),
        (lambda ax, ah, s: ((abs(ax[0]),), ()), "abs"),
        (lambda ax, ah, s: ((ax[0] ** 0.5,), ()), r"to the power 0\.5"),
        (lambda ax, ah, s: ((ax[0].clip(0, 1),), ()), "no attribute 'clip'"),
        (lambda ax, ah, s: ((ax[0] + constant(s[0], math.inf),), ()), "the number inf"),
        (lambda ax, ah, s: ((ax[0] / (one(ax[0]) - 1 + (s[0] - s[0])),), ()), "divides by zero"),
        (lambda ax, ah, s: ((ax[0] * np.ones((1, 1), "float32"),), ()), "computes with an array"),
    ],
)
def test_what_cannot_be_derived_is_refused(step, message):
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=rf"cell 'odd': step cannot be differentiated symbolically: .*({message})"),
    ):
        derive("odd", "n", "h", step)


@pytest.mark.parametrize("make", [derive, lambda *given: fastrnn.cells.Cell(*given, lambda kept, s, new, d: (d, d, d))])
@pytest.mark.parametrize(
    "step",
    [
        lambda ax, ah, s: ((ax[0] if ax[0] > 0 else ah[0],), ()),
        lambda ax, ah, s: ((max(ax[0], ah[0]),), ()),
        lambda ax, ah, s: ((ax[0] and s[0],), ()),
    ],
    ids=["if", "max", "and"],
)
def test_a_branch_is_called_a_branch(step, make):
    with pytest.raises(ValueError, match=r"cell 'odd': step branches on a value .*relu or positive") as raised:
        make("odd", "n", "h", step)
    assert "ambiguous" not in str(raised.value)


def test_a_step_is_checked_as_in_a_cell():
    with pytest.raises(ValueError, match="cell 'two': step must return new as a tuple of 2"):
        derive("two", "n", "hc", elman)


def test_a_step_that_takes_the_tracing_for_something_else_is_found_out():
    def step(ax, ah, s):
        return (tanh(ax[0] if isinstance(ax[0], np.ndarray) else ah[0]),), ()

    with pytest.raises(ValueError, match=r"the derived functions differ from step.*the same at every call"):
        derive("odd", "n", "h", step)


def test_without_sympy(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"derive needs SymPy \(pip install 'fastrnn\[symbolic\]'\)"):
        derive("elman", "h", "h", elman)


@pytest.mark.parametrize("duplicate", [lambda c: pickle.loads(pickle.dumps(c)), copy.copy, copy.deepcopy])
def test_copies_are_equal(duplicate):
    cell = derive("local", "n", "h", lambda ax, ah, s: ((tanh(ax[0] + ah[0]),), ()))
    again = duplicate(cell)
    assert isinstance(again, DerivedCell)
    assert again == cell
    assert hash(again) == hash(cell)


def test_a_pickled_cell_needs_no_sympy(tmp_path):
    problem = Problem(derive("mgu", "fn", "h", minimal_gated_unit), (2, 3, 4, 5), "float64")
    path = tmp_path / "problem.pickle"
    path.write_bytes(pickle.dumps((problem.cell, problem.x, problem.weights, problem.state)))
    code = (
        "import pickle, sys; sys.modules['sympy'] = None; import fastrnn; "
        f"y = fastrnn.recurrent_forward(*pickle.load(open({str(path)!r}, 'rb')), backend='reference')[0]; "
        "print(repr(y.tobytes().hex()))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    y = problem.run(backend="reference")[0]["y"]
    assert printed.strip() == repr(y.tobytes().hex())


def final_h(cell):
    return Problem(cell, (3, 5, 4, 7), "float32").run(backend="numba")[0]["final_h"]


def test_with_joblib():
    cell = derive("mgu", "fn", "h", minimal_gated_unit)
    (got,) = joblib.Parallel(n_jobs=2)([joblib.delayed(final_h)(cell)])
    np.testing.assert_array_equal(got, final_h(cell))


def test_saved_and_loaded_by_name(tmp_path):
    cell = derive("mgu", "fn", "h", minimal_gated_unit)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6, 3)), np.arange(40) % 2
    fitted = fastrnn.RecurrentClassifier(cell, hidden_size=5, epochs=1, random_state=0).fit(X, y)
    fitted.save(tmp_path / "model.h5")
    with pytest.raises(fastrnn.StorageError, match=r"this model uses the custom cell 'mgu': pass it as cells=\[mgu\]"):
        fastrnn.load(tmp_path / "model.h5")
    loaded = fastrnn.load(tmp_path / "model.h5", cells=[derive("mgu", "fn", "h", minimal_gated_unit)])
    for other in (loaded, pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))


def test_in_a_grid_search():
    """Stacked, in both directions, on ragged sequences."""
    cell, rng = derive("mgu", "fn", "h", minimal_gated_unit), np.random.default_rng(0)
    X, y = [rng.normal(size=(2 + n % 5, 3)) for n in range(24)], np.arange(24) % 2
    classifier = fastrnn.RecurrentClassifier(hidden_size=5, layers=2, bidirectional=True, epochs=2, random_state=0)
    search = GridSearchCV(classifier, {"cell": [cell, "gru"]}, cv=2, error_score="raise").fit(X, y)
    assert [parameters["cell"] for parameters in search.cv_results_["params"]] == [cell, "gru"]
    one, two = (clone(classifier).set_params(cell=cell, n_threads=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
