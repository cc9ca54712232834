"""Softmax cross-entropy of rows: against long doubles, by complex step, and all instruction sets alike."""

import numpy as np
import pytest
from kernels import INSTRUCTION_SETS

from fastrnn._kernels import reference, softmax_cross_entropy
from fastrnn.testing import TOLERANCES, relative_error

CLASSES = [1, 2, 7, 15, 16, 17, 31, 33, 250]
BACKENDS = [*INSTRUCTION_SETS, "reference"]


def problem(N, C, dtype, scale=3.0):
    rng = np.random.default_rng(N + C)
    y = (scale * rng.normal(size=(N, C))).astype(dtype)
    return y, rng.integers(0, C, N), rng.random(N), rng.random(N) < 0.7


def truth(y, target, weights, valid, scale):
    """Loss, right answers and gradient in long doubles."""
    wide = y.astype(np.longdouble)
    p = np.exp(wide - wide.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    each = np.arange(len(y))
    weights = scale * np.where(valid, weights, 0)
    loss = -(weights * np.log(p[each, target])).sum()
    right = (np.argmax(y, axis=1) == target) & valid
    p[each, target] -= 1
    return loss, right.sum(), p * weights[:, None]


@pytest.mark.parametrize("C", CLASSES)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", BACKENDS)
def test_agrees_with_long_doubles(name, dtype, C, use_backend):
    backend = use_backend(name)
    for N in (1, 3, 64, 65, 200):
        y, target, weights, valid = problem(N, C, dtype)
        for chosen, options in (
            ((None, None), {}),
            ((weights, None), {"scale": 0.25}),
            ((None, valid), {"scale": 0.25}),
            ((weights, valid), {}),
        ):
            w, v = (np.ones(N) if chosen[0] is None else weights), (np.ones(N, bool) if chosen[1] is None else valid)
            expected = truth(y, target, w, v, options.get("scale", 1.0))
            loss, correct, dy = softmax_cross_entropy(y, target, *chosen, **options, **backend)
            tolerance, _ = TOLERANCES[dtype]
            assert loss == pytest.approx(float(expected[0]), rel=tolerance, abs=tolerance)
            assert correct == expected[1]
            assert dy.dtype == dtype
            assert relative_error(dy, expected[2].astype(float)) <= tolerance
            without = softmax_cross_entropy(y, target, *chosen, **options, gradient=False, **backend)
            assert without == (loss, correct, None)


def test_gradient_of_the_reference_is_the_complex_step_derivative():
    y, target, weights, valid = problem(6, 5, "float64")
    _, _, dy = softmax_cross_entropy(y, target, weights, valid, scale=0.5, backend="reference")
    for index in np.ndindex(y.shape):
        moved = y.astype(complex)
        moved[index] += 1e-30j
        loss, _, _ = reference.cross_entropy(moved, target, valid, weights, 0.5, False, 1)
        assert dy[index] == pytest.approx(loss.imag / 1e-30, rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", BACKENDS)
def test_extreme_logits(name, dtype, use_backend):
    backend = use_backend(name)
    far = 1e4 * np.eye(3, 20, dtype=dtype)  # one class is certain
    loss, correct, dy = softmax_cross_entropy(far, np.array([0, 1, 19]), **backend)
    assert (loss, correct) == (1e4, 2)
    expected = np.zeros((3, 20))
    expected[2, [2, 19]] = 1, -1
    np.testing.assert_array_equal(dy, expected)  # what is not certain has no gradient, not a tiny one
    np.testing.assert_array_equal(softmax_cross_entropy(far - 2e4, np.array([0, 1, 19]), **backend)[2], expected)
    equal = np.full((2, 17), -1e4, dtype)
    loss, correct, dy = softmax_cross_entropy(equal, np.array([0, 16]), **backend)
    assert loss == pytest.approx(2 * np.log(17), rel=1e-6)
    assert correct == 1  # of equal ones it is the first
    np.testing.assert_allclose(dy, (1 / 17 - np.eye(17)[[0, 16]]), rtol=1e-6)
    huge = np.array([[np.finfo(dtype).max, np.finfo(dtype).min]], dtype)
    with np.errstate(over="ignore"):
        assert softmax_cross_entropy(huge, np.array([0]), **backend)[0] == 0


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", BACKENDS)
def test_what_is_not_finite_is_not_hidden(name, dtype, use_backend):
    backend = use_backend(name)
    y, target, _, _ = problem(5, 33, dtype)
    clean = softmax_cross_entropy(y, target, **backend)[2]
    for value, place in ((np.nan, 0), (np.nan, 32), (np.inf, 7)):
        y[3, place] = value
        with np.errstate(invalid="ignore"):
            loss, _, dy = softmax_cross_entropy(y, target, **backend)
        assert np.isnan(loss)
        assert np.isnan(dy[3]).any()
        np.testing.assert_array_equal(np.delete(dy, 3, axis=0), np.delete(clean, 3, axis=0))
        y[3, place] = 0
    y[3] = -np.inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(softmax_cross_entropy(y, target, **backend)[0])
    y[3, 4:6] = 1  # two classes are possible, the others are not
    loss, _, dy = softmax_cross_entropy(y[3:4], np.array([4]), **backend)
    assert loss == pytest.approx(np.log(2), rel=1e-6)
    np.testing.assert_array_equal(dy, [[0] * 4 + [-0.5, 0.5] + [0] * 27])
    with np.errstate(divide="ignore"):
        assert softmax_cross_entropy(y[3:4], np.array([0]), **backend)[0] == np.inf


def is_right(logits, target):
    """No logit is larger, none before it is as large, and none is NaN."""
    own = logits[target]
    return not (
        any(np.isnan(logits)) or any(other > own for other in logits) or any(other == own for other in logits[:target])
    )


@pytest.mark.parametrize("C", CLASSES)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", BACKENDS)
def test_right_answers_among_ties_and_what_is_not_finite(name, dtype, C, use_backend):
    backend, rng = use_backend(name), np.random.default_rng(C)
    y = rng.integers(-1, 2, (200, C)).astype(dtype)  # all of them tie
    y[:20] = -np.inf
    y[20:30] = np.nan
    target = rng.integers(0, C, 200)
    for row in range(200):
        places = rng.integers(0, C, row % 4)
        y[row, places] = rng.choice([np.inf, -np.inf, np.nan, 1, -0.0], len(places), p=[0.4, 0.2, 0.2, 0.1, 0.1])
        if len(places) and row % 3:
            target[row] = places[-1]
        elif row % 2:
            target[row] = np.argmax(y[row])
    expected = [is_right(*pair) for pair in zip(y, target, strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        got = [softmax_cross_entropy(y[[row]], target[[row]], **backend)[1] for row in range(200)]
        assert got == expected
        assert softmax_cross_entropy(y, target, gradient=False, **backend)[1] == sum(expected)
    certain = np.isposinf(y[np.arange(200), target])
    assert 0 < sum(np.array(expected)[certain]) < sum(expected) < 200


@pytest.mark.parametrize("name", BACKENDS)
def test_rows_that_do_not_count_are_never_read(name, use_backend):
    backend = use_backend(name)
    y, target, weights, valid = problem(200, 33, "float32")
    beyond, nowhere, heavy = y.copy(), target.copy(), weights.copy()
    beyond[~valid], nowhere[~valid], heavy[~valid] = np.nan, -5, np.nan
    got = softmax_cross_entropy(beyond, nowhere, heavy, valid, **backend)
    expected = softmax_cross_entropy(y, target, weights, valid, **backend)
    assert got[:2] == expected[:2]
    np.testing.assert_array_equal(got[2], expected[2])
    assert not got[2][~valid].any()
    nothing = softmax_cross_entropy(beyond, nowhere, heavy, np.zeros_like(valid), **backend)
    assert nothing[:2] == (0, 0)
    assert not nothing[2].any()


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_bits_depend_on_no_thread_and_a_row_on_no_other(name, dtype, use_backend):
    backend = use_backend(name)
    y, target, weights, valid = problem(1000, 33, dtype)
    expected = softmax_cross_entropy(y, target, weights, valid, n_threads=1, **backend)
    for n_threads in (2, 3, 5):
        got = softmax_cross_entropy(y, target, weights, valid, n_threads=n_threads, **backend)
        assert got[:2] == expected[:2]
        np.testing.assert_array_equal(got[2], expected[2])
    rows = np.array([999, 3, 64])
    few = softmax_cross_entropy(y[rows], target[rows], weights[rows], valid[rows], **backend)
    np.testing.assert_array_equal(few[2], expected[2][rows])


@pytest.mark.parametrize("name", BACKENDS)
def test_arrays_at_any_address(name, use_backend):
    backend = use_backend(name)
    y, target, weights, _ = problem(40, 17, "float64")
    moved = []
    for array in (y, target, weights):
        raw = np.zeros(array.nbytes + 3, np.uint8)[3:]
        raw[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        moved.append(raw.view(array.dtype).reshape(array.shape))
        assert not moved[-1].flags.aligned
    got, expected = (softmax_cross_entropy(*arrays, **backend) for arrays in (moved, (y, target, weights)))
    assert got[:2] == expected[:2]
    np.testing.assert_array_equal(got[2], expected[2])


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", BACKENDS)
def test_no_rows(name, dtype, use_backend):
    y, target, weights, valid = problem(0, 5, dtype)
    loss, correct, dy = softmax_cross_entropy(y, target, weights, valid, n_threads=3, **use_backend(name))
    assert (loss, correct) == (0, 0)
    assert (dy.shape, dy.dtype) == ((0, 5), dtype)


@pytest.mark.parametrize("kind", ["u1", "i1", ">i4", "u8", "i8"])
@pytest.mark.parametrize("name", BACKENDS)
def test_takes_any_integers_and_strides_and_leaves_them_alone(name, kind, use_backend):
    backend = use_backend(name)
    y, target, weights, _ = problem(40, 17, "float64")
    expected = softmax_cross_entropy(y, target, weights, **backend)
    wide = np.full((40, 2, 30), np.nan)
    wide[:, 1, 3:20] = y
    for logits in (wide[:, 1, 3:20], np.asfortranarray(y), y[::-1][::-1]):
        before = logits.copy()
        got = softmax_cross_entropy(logits, target.astype(kind), weights, **backend)
        assert got[:2] == expected[:2]
        np.testing.assert_array_equal(got[2], expected[2])
        np.testing.assert_array_equal(logits, before)


Y = np.zeros((4, 3), "float32")
TARGET = np.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda **o: softmax_cross_entropy(Y, TARGET + 1, **o), ValueError, r"holds the class 3, expected 0\.\.2"),
        (lambda **o: softmax_cross_entropy(Y, TARGET - 1, **o), ValueError, "holds the class -1, expected"),
        (
            lambda **o: softmax_cross_entropy(Y, np.full(4, 2**64 - 1, "u8"), **o),
            ValueError,
            "holds the class 18446744073709551615",
        ),
        (lambda **o: softmax_cross_entropy(Y, TARGET * 1.0, **o), TypeError, "target has dtype float64"),
        (
            lambda **o: softmax_cross_entropy(Y, TARGET[1:], **o),
            ValueError,
            r"target has shape \(3,\), expected \(4,\)",
        ),
        (lambda **o: softmax_cross_entropy(Y, TARGET, np.ones(3), **o), ValueError, r"weights has shape \(3,\)"),
        (lambda **o: softmax_cross_entropy(Y, TARGET, None, TARGET, **o), ValueError, r"valid has .* dtype int64"),
        (lambda **o: softmax_cross_entropy(Y[:, :0], TARGET, **o), ValueError, r"shape \(4, 0\), expected logits"),
        (lambda **o: softmax_cross_entropy(Y[0], TARGET, **o), TypeError, r"y has shape \(3,\) and dtype float32"),
        (lambda **o: softmax_cross_entropy(Y.astype("f2"), TARGET, **o), TypeError, "dtype float16, expected logits"),
    ],
)
@pytest.mark.parametrize("backend", [None, "reference"])
def test_refusals(call, error, message, backend):
    with pytest.raises(error, match=message):
        call(backend=backend)


def test_an_unknown_backend():
    with pytest.raises(ValueError, match="backend 'numba' is unknown here; expected None, 'native' or 'reference'"):
        softmax_cross_entropy(Y, TARGET, backend="numba")
