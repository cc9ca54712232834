"""A cell that is added to `CELLS`, but has no compiled kernel: by its name it works everywhere, on Numba."""

import numpy as np
import pytest
from kernels import Problem

import fastrnn
from fastrnn import Sequential, Stream, recurrent_forward
from fastrnn._kernels import native
from fastrnn.cells import CELLS, GRU, Cell, one, sigmoid, tanh
from fastrnn.testing import TOLERANCES, check_cell, relative_error

SIZE = (3, 5, 4, 7)
needs_native = pytest.mark.skipif(not native.SUPPORTED, reason="needs native kernels")


def step(ax, ah, s):
    f = sigmoid(ax[0] + ah[0])
    n = tanh(ax[1] + f * ah[1])
    return (n + (one(f) - f) * (s[0] - n),), (f, n, ah[1])


def step_vjp(kept, s, new, d):
    f, n, ah_n = kept
    dn = d[0] * f * (one(n) - n * n)
    df = (d[0] * (n - s[0]) + dn * ah_n) * f * (one(f) - f)
    return (df, dn), (df, dn * f), (d[0] * (one(f) - f),)


@pytest.fixture(autouse=True)
def mgu(monkeypatch):
    """The minimal gated unit (Zhou et al. 2016), reset after the product, in `CELLS`."""
    cell = Cell("mgu", "fn", "h", step, step_vjp)
    monkeypatch.setitem(CELLS, cell.name, cell)
    return cell


def test_it_is_right():
    check_cell("mgu")


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_it_runs_on_numba_and_agrees_with_the_reference(dtype):
    problem = Problem("mgu", SIZE, dtype)
    assert recurrent_forward("mgu", problem.x, problem.weights)[2].backend == "numba"
    got = problem.run(ragged=True, masked=True)
    expected = problem.as_float64().run(ragged=True, masked=True, backend="reference")
    for results, truth, tolerance in zip(got, expected, TOLERANCES[dtype], strict=True):
        assert results.keys() == truth.keys()
        for name, value in results.items():
            assert relative_error(value, truth[name]) <= tolerance, name


@needs_native
def test_it_is_refused_by_the_native_backend():
    problem = Problem("mgu", SIZE, "float32")
    with pytest.raises(ValueError, match=r"^cell 'mgu' has no native kernel; use backend='numba' or None$"):
        recurrent_forward("mgu", problem.x, problem.weights, backend="native")
    with pytest.raises(ValueError, match=r"^cell 'mgu' has no native kernel"):
        fastrnn.pack("mgu", problem.weights, backend="native")


def test_unknown_names_are_answered_with_its_name_too():
    with pytest.raises(ValueError, match="'gru', 'mgu', or"):
        fastrnn.pack("mgru", Problem("mgu", SIZE, "float32").weights)


def test_a_classifier_fits_saves_and_loads_by_its_name(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 6, 2)) + y[:, None, None]
    model = fastrnn.RecurrentClassifier(cell="mgu", hidden_size=8, head=(), learning_rate=0.02, random_state=0).fit(
        x, y
    )
    assert model.score(x, y) > 0.9
    model.save(tmp_path / "model.h5")
    again = fastrnn.load(tmp_path / "model.h5")
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))


def test_a_stream_runs_it_beside_native_layers():
    layers = [fastrnn.Recurrent("mgu", 7, return_sequences=True), fastrnn.GRU(5, return_sequences=True)]
    model = Sequential(layers).build((None, 4))
    x = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
    stream = Stream(model, 3)
    steps = np.stack([stream.step(x[:, t]) for t in range(6)], axis=1)
    np.testing.assert_array_equal(steps, model.forward(x)[0])


@needs_native
def test_another_cell_of_a_native_name_does_not_run_the_native_kernel(monkeypatch):
    """The name decides nothing: the kernel belongs to the equations of `fastrnn.cells`."""
    other = Cell("gru", GRU.gates, GRU.states, lambda ax, ah, s: GRU.step(ah, ax, s), GRU.step_vjp)
    problem = Problem("gru", SIZE, "float32")
    assert recurrent_forward("gru", problem.x, problem.weights)[2].backend == "native"
    monkeypatch.setitem(CELLS, "gru", other)
    for cell in (other, "gru"):
        with pytest.raises(ValueError, match="cell 'gru' has no native kernel"):
            recurrent_forward(cell, problem.x, problem.weights, backend="native")
