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
    for N, I, U in ((5, 4, 3), (1, 1, 1), (256, 17, 33), (257, 3, 8), (700, 9, 70), (0, 4, 3)):
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
    x, W, b, dy = problem(600, 9, 37, "float32")
    backend = use_backend(name)
    y, tape = dense_forward(x, W, b, "tanh", n_threads=1, **backend)
    dx, dW, db = dense_backward(tape, dy)
    for n_threads in (2, 3):
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
