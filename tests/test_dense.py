"""Dense layers on the kernels: against NumPy in float64, and the promise about bits."""

import numpy as np
import pytest
from kernels import BACKENDS

from fastrnn._kernels import dense_backward, dense_forward
from fastrnn.testing import TOLERANCES, relative_error

# (activation, function, derivative by its value)
ACTIVATIONS = {
    None: (lambda a: a, np.ones_like),
    "relu": (lambda a: np.maximum(a, 0), lambda y: (y > 0).astype(float)),
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda y: y * (1 - y)),
}


def problem(N, I, U, dtype):
    rng = np.random.default_rng(N)
    shapes = ((N, I), (I, U), (U,), (N, U))
    return tuple(rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", [*BACKENDS, "reference"])
def test_agrees_with_numpy(name, dtype, activation, use_backend):
    f, derivative = ACTIVATIONS[activation]
    forward_tolerance, tolerance = TOLERANCES[dtype]
    for N, I, U in (
        (5, 4, 3), (1, 1, 1), (256, 17, 33), (257, 3, 8), (700, 9, 70), (0, 4, 3), (200, 20, 50), (4, 3, 130),
        (5, 4, 1100),  # more units than a block of the product for dx, whatever the instruction set
    ):  # fmt: skip
        x, W, b, dy = problem(N, I, U, dtype)
        y, tape = dense_forward(x, W, b, activation, **use_backend(name))
        dx, dW, db = dense_backward(tape, dy)
        x, W, b, dy = (a.astype(float) for a in (x, W, b, dy))
        expected = f(x @ W + b)
        d = dy * derivative(expected)
        assert relative_error(y, expected) <= forward_tolerance
        for got, truth in ((dx, d @ W.T), (dW, x.T @ d), (db, d.sum(0))):
            assert got.dtype == dtype
            assert relative_error(got, truth) <= tolerance


@pytest.mark.parametrize("name", BACKENDS)
def test_a_row_depends_on_itself_alone_and_nothing_on_threads(name, use_backend):
    x, W, b, dy = problem(600, 9, 37, "float32")  # the last of its chunks has fewer rows than threads may have shares
    backend = use_backend(name)
    y, tape = dense_forward(x, W, b, "tanh", n_threads=1, **backend)
    dx, dW, db = dense_backward(tape, dy)
    for n_threads in (2, 3, 100):
        y_n, tape = dense_forward(x, W, b, "tanh", n_threads=n_threads, **backend)
        for a, expected in zip((y_n, *dense_backward(tape, dy)), (y, dx, dW, db), strict=True):
            np.testing.assert_array_equal(a, expected)
    rows = np.array([599, 3, 255, 256])
    y_rows, tape = dense_forward(x[rows], W, b, "tanh", **backend)
    np.testing.assert_array_equal(y_rows, y[rows])
    np.testing.assert_array_equal(dense_backward(tape, dy[rows])[0], dx[rows])


def test_leading_axes_and_need_dx():
    x, W, b, dy = problem(30, 4, 3, "float64")
    y, tape = dense_forward(x.reshape(5, 6, 4), W, b, "relu")
    flat, flat_tape = dense_forward(x, W, b, "relu")
    np.testing.assert_array_equal(y.reshape(30, 3), flat)
    dx, dW, _ = dense_backward(tape, dy.reshape(5, 6, 3))
    assert dx.shape == (5, 6, 4)
    none, same, _ = dense_backward(flat_tape, dy, need_dx=False)
    assert none is None
    np.testing.assert_array_equal(dW, same)


@pytest.mark.parametrize("name", BACKENDS)
def test_one_row_with_many_inputs(name, use_backend):
    """One row takes pairs of panels on the way back, two rows do not."""
    backend = use_backend(name)
    x, W, b, dy = problem(2, 300, 9, "float32")
    _, tape = dense_forward(x, W, b, "sigmoid", **backend)
    dx, _, _ = dense_backward(tape, dy)
    _, tape = dense_forward(x[1:], W, b, "sigmoid", **backend)
    np.testing.assert_array_equal(dense_backward(tape, dy[1:])[0], dx[1:])


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", [*BACKENDS, "reference"])
def test_gradients_are_added_where_one_wants(name, dtype, use_backend):
    x, W, b, dy = problem(300, 50, 33, dtype)
    _, tape = dense_forward(x, W, b, "tanh", **use_backend(name))
    _, dW, db = dense_backward(tape, dy)
    own = np.full_like(W, 3), np.full_like(b, -2)
    _, *got = dense_backward(tape, dy, add_to=own)
    assert all(a is b for a, b in zip(got, own, strict=True))
    np.testing.assert_allclose(own[0] - 3, dW, rtol=0, atol=1e-4 if dtype == "float32" else 1e-12)
    np.testing.assert_allclose(own[1] + 2, db, rtol=0, atol=1e-4 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("name", [*BACKENDS, "reference"])
def test_no_inputs_and_no_units(name, use_backend):
    backend = use_backend(name)
    x, W, b, dy = problem(5, 0, 3, "float32")
    y, tape = dense_forward(x, W, b, **backend)
    dx, dW, db = dense_backward(tape, dy)
    np.testing.assert_array_equal(y, np.tile(b, (5, 1)))
    assert dx.shape == (5, 0)
    assert dW.shape == (0, 3)
    np.testing.assert_allclose(db, dy.sum(axis=0), rtol=1e-5)
    with pytest.raises(ValueError, match=r"W has shape \(4, 0\), expected \(I, U\) with at least one unit"):
        dense_forward(np.ones((5, 4)), np.ones((4, 0)), np.ones(0), **backend)


def test_where_gradients_cannot_be_added():
    x, W, b, dy = problem(5, 4, 3, "float64")
    _, tape = dense_forward(x, W, b)
    for add_to, error, message in (
        ((np.zeros((3, 4)).T, np.zeros(3)), ValueError, "dW is not contiguous"),
        ((np.zeros((4, 3)), np.zeros(6)[::2]), ValueError, "db is not contiguous"),
        ((np.zeros((4, 2)), np.zeros(3)), ValueError, r"dW has shape \(4, 2\), expected \(4, 3\)"),
        ((np.zeros((4, 3)), np.zeros(3, "float32")), TypeError, "db has dtype float32"),
    ):
        with pytest.raises(error, match=message):
            dense_backward(tape, dy, add_to=add_to)


@pytest.mark.parametrize("name", BACKENDS)
def test_any_strides(name, use_backend):
    """Rows may lie apart, and end anywhere: nothing beside them is read."""
    backend = use_backend(name)
    arrays = problem(20, 9, 18, "float32")
    beside = []
    for array in arrays:
        wide = np.full((*array.shape[:-1], array.shape[-1] + 5), np.nan, "float32")
        wide[..., 3:-2] = array
        beside.append(wide[..., 3:-2])
    results = []
    for x, W, b, dy in (arrays, beside, [np.asfortranarray(array) for array in arrays]):
        y, tape = dense_forward(x, W, b, "relu", **backend)
        results.append((y, *dense_backward(tape, dy)))
    for other in results[1:]:
        for a, b in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", BACKENDS)
def test_what_is_not_finite_stays_in_its_row(name, value, use_backend):
    x, W, b, dy = problem(9, 5, 19, "float32")
    backend = use_backend(name)
    y, tape = dense_forward(x, W, b, "tanh", **backend)
    dx, _, _ = dense_backward(tape, dy)
    x[4, 2] = value
    y_bad, tape = dense_forward(x, W, b, "tanh", **backend)
    dx_bad, dW, _ = dense_backward(tape, dy)
    others = np.arange(9) != 4
    np.testing.assert_array_equal(y_bad[others], y[others])
    np.testing.assert_array_equal(dx_bad[others], dx[others])
    assert np.isfinite(dx_bad[4]).all() == np.isinf(value)  # tanh saturates
    assert np.isnan(dW[2]).all()
    assert np.isfinite(np.delete(dW, 2, axis=0)).all() == np.isinf(value)
