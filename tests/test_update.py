"""Updates of vectors of parameters: all instruction sets like the reference, which `test_optimizers.py` holds."""

import numpy as np
import pytest
from kernels import INSTRUCTION_SETS

from fastrnn._kernels import adam_update, sgd_update, sum_of_squares
from fastrnn.testing import TOLERANCES, relative_error

SIZES = [0, 1, 7, 15, 16, 17, 33, 4095, 4097, 20_000]  # around the lanes and blocks
ADAM = {"learning_rate": 0.1, "beta1": 0.7, "beta2": 0.95, "epsilon": 1e-3}
SGD = {"learning_rate": 0.1}


def vectors(size, dtype, count):
    """Vectors that begin at an address which is no multiple of a vector."""
    rng = np.random.default_rng(size)
    return [rng.normal(size=size + 1).astype(dtype)[1:] for _ in range(count)]


def adam(size, dtype, decay, **options):
    parameters, mean, *gradients = vectors(size, dtype, 5)
    square = mean**2
    for updates, gradient in enumerate(gradients, start=1):
        adam_update(parameters, gradient, mean, square, updates=updates, weight_decay=decay, **ADAM, **options)
    return parameters, mean, square


def sgd(size, dtype, decay, form, momentum, **options):
    parameters, velocity, *gradients = vectors(size, dtype, 5)
    for gradient in gradients:
        own = velocity if momentum else None
        sgd_update(parameters, gradient, own, form=form, momentum=momentum, weight_decay=decay, **SGD, **options)
    return parameters, velocity


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_adam_agrees_with_the_reference(name, dtype, decay, use_backend):
    backend = use_backend(name)
    for size in SIZES:
        expected = adam(size, "float64", decay, backend="reference")
        for got, truth in zip(adam(size, dtype, decay, **backend), expected, strict=True):
            assert got.dtype == dtype
            assert relative_error(got, truth) <= TOLERANCES[dtype][0]


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(("form", "momentum"), [
    ("classical", 0.0), ("classical", 0.8), ("nesterov", 0.8), ("averaged", 0.8),
])  # fmt: skip
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_sgd_agrees_with_the_reference(name, dtype, form, momentum, decay, use_backend):
    backend = use_backend(name)
    for size in SIZES:
        expected = sgd(size, "float64", decay, form, momentum, backend="reference")
        for got, truth in zip(sgd(size, dtype, decay, form, momentum, **backend), expected, strict=True):
            assert got.dtype == dtype
            assert relative_error(got, truth) <= TOLERANCES[dtype][0]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", [*INSTRUCTION_SETS, "reference"])
def test_squares_are_summed_in_float64(name, dtype, use_backend):
    backend = use_backend(name)
    for size in SIZES:
        (gradients,) = vectors(size, dtype, 1)
        truth = float((gradients.astype(np.longdouble) ** 2).sum())
        assert sum_of_squares(gradients, **backend) == pytest.approx(truth, rel=1e-14)
    huge = np.full(100, 1e30, dtype)  # its square is beyond float32
    assert sum_of_squares(huge, **backend) == pytest.approx(1e62, rel=1e-6)
    for value in (np.nan, np.inf, -np.inf):
        for place in (0, 98, 99):  # in whole vectors and in what is left
            gradients = np.zeros(99 + 1, dtype)
            gradients[place] = value
            np.testing.assert_equal(sum_of_squares(gradients, **backend), abs(value))


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_bits_do_not_depend_on_threads(name, dtype, use_backend):
    backend = use_backend(name)
    (gradients,) = vectors(20_000, dtype, 1)
    for n_threads in (2, 3, 5):
        assert sum_of_squares(gradients, n_threads=n_threads, **backend) == sum_of_squares(
            gradients, n_threads=1, **backend
        )
        for one, many in (
            (
                adam(20_000, dtype, 0.1, n_threads=1, **backend),
                adam(20_000, dtype, 0.1, n_threads=n_threads, **backend),
            ),
            (
                sgd(20_000, dtype, 0.1, "nesterov", 0.8, n_threads=1, **backend),
                sgd(20_000, dtype, 0.1, "nesterov", 0.8, n_threads=n_threads, **backend),
            ),
        ):
            for a, b in zip(one, many, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [*INSTRUCTION_SETS, "reference"])
def test_nan_stays_where_it_is(name, use_backend):
    backend = use_backend(name)
    parameters, mean, gradients = vectors(50, "float32", 3)
    square = mean**2
    gradients[7] = np.nan
    adam_update(parameters, gradients, mean, square, updates=1, weight_decay=0.0, **ADAM, **backend)
    for array in (parameters, mean, square):
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(array)), [7])


@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_vanished_means_become_zero(name, use_backend):
    """What no gradient reaches decays to 0 and passes through no denormal."""
    backend = use_backend(name)
    parameters, mean, square, gradients = np.ones((4, 20), "float32")
    gradients[:] = 0
    least = []
    for updates in range(1, 400):
        adam_update(parameters, gradients, mean, square, updates=updates, weight_decay=0.0, **ADAM, **backend)
        least.append(mean[3])
    assert least[-1] == 0
    assert min(value for value in least if value) >= np.finfo("float32").tiny


def test_arrays_that_are_no_vectors_are_numpys():
    parameters, mean, gradients = (np.random.default_rng(0).normal(size=(6, 8)) for _ in range(3))
    square = mean**2
    turned = [array.copy().T for array in (parameters, gradients, mean, square)]
    for arrays in ((parameters, gradients, mean, square), turned):
        adam_update(*arrays, updates=1, weight_decay=0.1, **ADAM)
    for got, expected in zip(turned, (parameters, gradients, mean, square), strict=True):
        np.testing.assert_allclose(got.T, expected, rtol=1e-14)
    wide = np.ones(5, np.longdouble)
    sgd_update(wide, wide.copy(), None, form="classical", momentum=0.0, weight_decay=0.0, **SGD)
    np.testing.assert_allclose(wide, 0.9, rtol=1e-15)
    fixed = np.ones(5)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        sgd_update(fixed, np.ones(5), None, form="classical", momentum=0.0, weight_decay=0.0, **SGD)


@pytest.mark.skipif(not INSTRUCTION_SETS, reason="needs native kernels")
def test_a_backend_asked_for_is_never_replaced():
    with pytest.raises(ValueError, match="backend 'native' needs contiguous and aligned arrays"):
        sum_of_squares(np.ones((4, 4))[:, 1:], backend="native")
