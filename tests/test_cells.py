"""Cells are checked when they are made, and `check_cell` accepts right cells and refuses wrong ones."""

import math

import numpy as np
import pytest

from fastrnn import Dense, Recurrent, Sequential, recurrent_forward
from fastrnn.cells import CELLS, Cell, constant, derive, get_cell, one, pointwise, positive, relu, sigmoid, tanh, zero
from fastrnn.testing import check_cell, random_weights


def step(ax, ah, s):
    return (tanh(ax[0] + ah[0]),), ()


def step_vjp(kept, s, new, d):
    da = d[0] * (one(d[0]) - new[0] * new[0])
    return (da,), (da,), (zero(da),)


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_right(name):
    check_cell(name)


def test_a_custom_cell():
    """A minimal gated unit (Zhou et al. 2016), reset after the product, with a helper and a constant."""

    @pointwise
    def leaky(x):
        return constant(x, 0.9) * x

    def step(ax, ah, s):
        f = sigmoid(ax[0] + ah[0])
        n = tanh(leaky(ax[1]) + f * ah[1])
        return (n + (one(f) - f) * (s[0] - n),), (f, n, ah[1])

    def step_vjp(kept, s, new, d):
        f, n, ah_n = kept
        dn = d[0] * f * (one(n) - n * n)
        df = (d[0] * (n - s[0]) + dn * ah_n) * f * (one(f) - f)
        return (df, leaky(dn)), (df, dn * f), (d[0] * (one(f) - f),)

    check_cell(Cell("mgu", "fn", "h", step, step_vjp))


@pytest.mark.parametrize(
    ("wrong_vjp", "message"),
    [
        (lambda k, s, n, d: ((-d[0],), (-d[0],), (zero(d[0]),)), "gradient of x from step_vjp differs"),
        (lambda k, s, n, d: (*step_vjp(k, s, n, d)[:2], (d[0],)), "gradient of x|gradient of state h"),
    ],
)
def test_check_cell_refuses_wrong_gradients(wrong_vjp, message):
    with pytest.raises(AssertionError, match=message):
        check_cell(Cell("wrong", "h", "h", step, wrong_vjp))


def test_check_cell_refuses_float64_literals():
    def widening(kept, s, new, d):
        da = d[0] * (1 - new[0] * new[0])
        return (da,), (da,), (zero(da),)

    with pytest.raises(AssertionError, match=r"step_vjp: dax\[0\].* become float64; write numbers as one"):
        check_cell(Cell("widening", "h", "h", step, widening))


def test_check_cell_refuses_plain_functions():
    def plain(x):
        return np.tanh(x)

    def calls_it(ax, ah, s):
        return (plain(ax[0] + ah[0]),), ()

    message = "^Numba cannot compile cell 'plain': .*'plain'.*decorated with fastrnn.cells.pointwise.$"
    with pytest.raises(TypeError, match=message):
        check_cell(Cell("plain", "h", "h", calls_it, step_vjp))


@pytest.mark.parametrize(
    ("gates", "states", "bad_step", "message"),
    [
        ("", "h", step, "gates is '', expected a text of at least one letter"),
        (["h"], "h", step, r"gates is \['h'\], expected"),
        ("h", "hh", step, "states is 'hh', expected .* all different"),
        ("h", "hc", step, "must return new as a tuple of 2, but returned a value of type tuple and length 1"),
        ("h", "h", lambda ax, ah, s: ax[0], r"the 2 tuples \(new, kept\), but returned a value of type ndarray"),
        ("h", "h", None, "step fails for 1 ax, 1 ah, 1 s .*not callable"),
        ("fn", "h", lambda ax, ah, s: ((ax[2],), ()), r"step fails for 2 ax, 2 ah, 1 s of shape \(3, 5\) \(IndexError"),
        ("h", "h", lambda ax, ah, s: ((no_such_name(ax[0]),), ()), "step fails .*'no_such_name' is not defined"),  # noqa: F821
        ("h", "h", lambda ax, ah, s: ((math.tanh(ax[0]),), ()), r"step fails .*TypeError.* must be pointwise"),
        ("h", "h", lambda ax, ah, s: ((ax[0].sum(),), ()), r"new\[0\] has shape \(\)"),
        ("h", "h", lambda ax, ah, s: ((ax[0].astype(float),), ()), "dtype float64"),
        ("h", "h", lambda ax, ah, s: ((np.tanh(ax[0], out=ax[0]),), ()), "changes its argument ax"),
        ("h", "h", lambda ax, ah, s: ((ax[0],), (ah[0].max() + s[0],)), r"kept\[0\] of .* must be pointwise"),
        ("h", "h", lambda ax, ah, s: ((np.cumsum(ax[0], 1),), ()), r"new\[0\] of .* must be pointwise"),
    ],
)
def test_a_cell_checks_itself_when_made(gates, states, bad_step, message):
    with pytest.raises(ValueError, match=f"cell 'bad': .*{message}") as raised:
        Cell("bad", gates, states, bad_step, step_vjp)
    assert "\n" not in str(raised.value)


def layer_norm(ax, ah, s):
    a = ax[0] + ah[0]
    return (tanh((a - a.mean(1, keepdims=True)) / a.std(1, keepdims=True)),), ()


def reset_before(ax, ah, s):
    return (tanh(ax[0] + (sigmoid(ah[0]) * s[0]) @ np.eye(7, dtype="float32")),), ()


def peepholes(ax, ah, s):
    return (tanh(ax[0] + ah[0] + np.linspace(0, 1, 5, dtype="float32") * s[0]),), ()


def projection(ax, ah, s):
    return (tanh(ax[0] + ah[0])[:, :2],), ()


@pytest.mark.parametrize("cell_step", [layer_norm, reset_before, peepholes, projection])
@pytest.mark.parametrize("make", [derive, lambda *arguments: Cell(*arguments, step_vjp)], ids=["derive", "Cell"])
def test_what_is_not_pointwise_is_refused(make, cell_step):
    """The cells that do not fit; `docs/custom_cell.md` names them."""
    with pytest.raises(ValueError, match=r"^cell 'odd': step.*; it must be pointwise"):
        make("odd", "h", "h", cell_step)


def test_a_wrong_step_vjp_is_named():
    with pytest.raises(ValueError, match=r"step_vjp must return the 3 tuples \(dax, dah, ds\), .* tuple and length 2"):
        Cell("odd", "h", "h", step, lambda kept, s, new, d: ((d[0],), (d[0],)))
    with pytest.raises(ValueError, match=r"step_vjp fails for 0 kept, 1 s, 1 new, 1 d of shape .*IndexError"):
        Cell("odd", "h", "h", step, lambda kept, s, new, d: ((kept[0],), (d[0],), (d[0],)))


def test_a_cell_has_a_name():
    with pytest.raises(ValueError, match="the name of a cell is None, expected a text"):
        Cell(None, "h", "h", step, step_vjp)


def test_a_gate_in_place_of_a_peephole():
    """If this gate has no weights, its bias is the peephole, as `docs/custom_cell.md` says."""

    def step(ax, ah, s):
        i, f, g = sigmoid(ax[0] + ah[0]), sigmoid(ax[1] + ah[1]), tanh(ax[2] + ah[2])
        c = f * s[1] + i * g
        return (sigmoid(ax[3] + ah[3] + (ax[4] + ah[4]) * c) * tanh(c), c), ()

    cell = derive("peephole", "ifgop", "hc", step)
    check_cell(cell)
    rng = np.random.default_rng(0)
    weights, x = random_weights(cell, 4, 7, rng), rng.normal(size=(3, 1, 4))
    weights.Wx[:, 4], weights.Wh[:, 4], weights.bh[4] = 0, 0, 0
    (h,), state = recurrent_forward(cell, x, weights)[0].swapaxes(0, 1), recurrent_forward(cell, x, weights)[1]
    a = x[:, 0] @ weights.Wx[:, 3] + weights.bx[3] + weights.bh[3]
    np.testing.assert_allclose(h, sigmoid(a + weights.bx[4] * state[1]) * np.tanh(state[1]), rtol=1e-12)


def test_a_dense_layer_in_place_of_a_projection():
    cell = Cell("own", "h", "h", step, step_vjp)
    layers = [Recurrent(cell, 9, return_sequences=True), Dense(2), Recurrent(cell, 5)]
    model = Sequential(layers).build((None, 3), "float64")
    x = np.random.default_rng(0).normal(size=(4, 6, 3))
    y, backprop = model.forward(x, training=True)
    assert y.shape == (4, 5)
    assert backprop(np.ones_like(y)).shape == x.shape
    assert model.parameters["2.0.forward.Wx"].shape == (2, 1, 5)


def test_names():
    assert get_cell("rnn") is CELLS["rnn_tanh"]
    with pytest.raises(ValueError, match="cell 'ltsm' is unknown; expected one of 'rnn', 'rnn_tanh'"):
        get_cell("ltsm")
    with pytest.raises(TypeError, match="cell must be a name"):
        get_cell(3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_the_vocabulary_keeps_the_dtype(dtype):
    x = np.linspace(-3, 3, 7).astype(dtype)
    assert (one(x) - constant(x, 0.5) * x).dtype == dtype
    for function in (tanh, sigmoid, relu, positive, zero):
        assert function(x).dtype == dtype


def test_the_vocabulary_is_right():
    x = np.array([-800.0, -1.0, 0.0, 2.0, 800.0, np.nan])
    np.testing.assert_allclose(sigmoid(x), [0, 1 / (1 + np.e), 0.5, 1 / (1 + np.exp(-2)), 1, np.nan], rtol=1e-15)
    np.testing.assert_array_equal(relu(x), [0, 0, 0, 2, 800, np.nan])
    np.testing.assert_array_equal(positive(x), [0, 0, 0, 1, 1, 0])
