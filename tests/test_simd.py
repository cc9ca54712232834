"""The error of the native exp, sigmoid and tanh, in units in the last place; saturation; NaN."""

import numpy as np
import pytest
from kernels import INSTRUCTION_SETS

from fastrnn._kernels import native

ULP = {"exp": 1.1, "sigmoid": 2.5, "tanh": 2.6}
TRUTH = {"exp": np.exp, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh}


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="needs a long double wider than a double for the truth")
@pytest.mark.parametrize("function", TRUTH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_error_in_ulp(name, dtype, function):
    far = 87 if dtype == "float32" else 708
    small = np.logspace(-30, 0, 20_001)
    x = np.concatenate([np.linspace(-far, far, 100_001), np.linspace(-12, 12, 100_001), small, -small]).astype(dtype)
    got = native.SUPPORTED[name][np.dtype(dtype)].apply(function, x)
    truth = TRUTH[function](x.astype(np.longdouble))
    ulp = np.spacing(np.abs(truth).astype(dtype)).astype(np.longdouble)
    assert (np.abs(got - truth) / ulp).max() < ULP[function]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_special_values(name, dtype):
    apply = native.SUPPORTED[name][np.dtype(dtype)].apply
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, -0.0], dtype)
    exp, sigmoid, tanh = (apply(function, x) for function in ("exp", "sigmoid", "tanh"))
    for values in (exp, sigmoid, tanh):
        assert np.isnan(values[0])
        assert np.isfinite(values[1:]).all()  # saturated
    np.testing.assert_array_equal(tanh[1:], np.array([1, -1, 1, -1, 0, 0], dtype))
    assert np.signbit(tanh[6])
    assert not np.signbit(tanh[5])
    np.testing.assert_array_equal(sigmoid[[1, 3, 5]], np.array([1, 1, 0.5], dtype))
    assert (sigmoid[[2, 4]] < 1e-35).all()
