"""Vectors and the register tile of the Numba backend: errors, special values, every shape; which cells use scalars."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from kernels import Problem
from numba import njit
from test_simd import TRUTH, ULP

from fastrnn._kernels import loops, tile, vector
from fastrnn.cells import CELLS, Cell, constant, one, positive, relu, sigmoid, tanh, zero
from fastrnn.testing import TOLERANCES, relative_error


def on_vectors(function, x):
    """The values of a function for cells, computed on vectors."""
    lanes = vector.BYTES // x.itemsize
    read, write = vector.reader(1, True), vector.writer(1, True)

    @njit
    def run(a, out):
        for j in range(0, a.shape[2], lanes):
            write((function(read(a, 0, j)[0]),), out, 0, j)

    padded = np.zeros((1, 1, -(-x.size // lanes) * lanes), x.dtype)
    padded[0, 0, : x.size] = x
    out = np.empty_like(padded)
    run(padded, out)
    return out[0, 0, : x.size]


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="needs a long double wider than a double for the truth")
@pytest.mark.parametrize("function", [sigmoid, tanh], ids=lambda function: function.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_error_in_ulp(dtype, function):
    far = 87 if dtype == "float32" else 708
    small = np.logspace(-30, 0, 20_001)
    x = np.concatenate([np.linspace(-far, far, 100_001), np.linspace(-12, 12, 100_001), small, -small]).astype(dtype)
    truth = TRUTH[function.__name__](x.astype(np.longdouble))
    ulp = np.spacing(np.abs(truth).astype(dtype)).astype(np.longdouble)
    assert (np.abs(on_vectors(function, x) - truth) / ulp).max() < ULP[function.__name__]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, -0.0, 2.0, -2.0], dtype)
    for function, values in {
        tanh: [np.nan, 1, -1, 1, -1, 0, 0, np.tanh(2), -np.tanh(2)],
        sigmoid: [np.nan, 1, 0, 1, 0, 0.5, 0.5, 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))],
        relu: [np.nan, np.inf, 0, 1e30, 0, 0, 0, 2, 0],
        positive: [0, 1, 0, 1, 0, 0, 0, 1, 0],
        zero: np.zeros(9),
    }.items():
        np.testing.assert_allclose(on_vectors(function, x), values, rtol=1e-6, atol=0, err_msg=function.__name__)
    assert list(np.signbit(on_vectors(tanh, x))[5:7]) == [False, True]


def test_arithmetic():
    @njit
    def mixed(x):
        return (one(x) - x * constant(x, 0.25)) / -(x + x) + x**3 - x**-2 + x**0

    x = np.linspace(1, 3, 37)
    np.testing.assert_allclose(on_vectors(mixed, x), (1 - x / 4) / (-2 * x) + x**3 - 1 / x**2 + 1, rtol=1e-15)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_product_of_every_shape(dtype, apart):
    """All numbers of rows and vectors in a tile, more than one tile, sums of no block, one block and many."""
    rng = np.random.default_rng(0)
    lanes = vector.BYTES // np.dtype(dtype).itemsize
    shapes = [(R, C, 2, 3) for R in range(1, 9) for C in range(1, 10)]
    shapes += [(7, 5, 3, 150), (20, 9, 40, 7), (1, 3, 1, 400), (13, 4, 2, 0), (0, 2, 1, 5)]
    product = tile.compiled(np.dtype(dtype))
    for R, C, S, K in shapes:
        left = rng.normal(size=(K, S, R + 2)).astype(dtype)[:, :, 1:-1].transpose(1, 2, 0)
        right = rng.normal(size=(S, K, (C + 2) * lanes)).astype(dtype)[:, :, lanes:-lanes]
        start = rng.normal(size=(R, (C + 1) * lanes)).astype(dtype)
        out = start if apart else np.full_like(start, np.nan)
        expected = start[:, : C * lanes] + np.einsum("srk,skc->rc", left.astype(float), right)
        after = out[:, C * lanes :].copy()
        places = [(a.ctypes.data, *a.strides) for a in (out, start, left, right)]
        sizes = [*places[0][:2], *places[1][:2], *places[2], *places[3][:3], S, K, apart]
        product.ctypes(0, R, C, *sizes)
        np.testing.assert_allclose(out[:, : C * lanes], expected, rtol=0, atol=1e-4 if dtype == "float32" else 1e-13)
        np.testing.assert_array_equal(out[:, C * lanes :], after)


def softplus(ax, ah, s):
    return (np.log(one(s[0]) + np.exp(ax[0] + ah[0])) * constant(s[0], 0.3),), ()


def softplus_vjp(kept, s, new, d):
    da = d[0] * constant(d[0], 0.3) * (one(d[0]) - np.exp(-new[0] / constant(d[0], 0.3)))
    return (da,), (da,), (zero(da),)


def test_cells_run_on_vectors_or_else_on_scalars():
    assert all(loops.compiled(cell).vectors for cell in CELLS.values())
    cell = Cell("softplus", "n", "h", softplus, softplus_vjp)
    assert not loops.compiled(cell).vectors
    for dtype, tolerances in TOLERANCES.items():
        problem = Problem(cell, (4, 6, 5, 19), dtype)
        got, expected = (problem.run(ragged=True, masked=True, backend=name) for name in ("numba", "reference"))
        for kind, tolerance in enumerate(tolerances):
            for name, value in expected[kind].items():
                assert relative_error(got[kind][name], value) <= tolerance, name


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names CPUs of x86")
@pytest.mark.parametrize(
    ("name", "features", "size"), [("haswell", "+avx,+avx2,+fma", 32), ("generic", "+sse2", 16)], ids=["avx2", "sse2"]
)
def test_other_instruction_sets(name, features, size, tmp_path):
    code = (
        "from fastrnn._kernels import vector; from fastrnn.testing import check_cell; "
        "print(vector.BYTES); check_cell('lstm'); check_cell('gru')"
    )
    surroundings = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | surroundings, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{size}\n"
