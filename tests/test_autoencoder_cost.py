"""Cost and gradient of the sparse autoencoder: against PyTorch, by complex step, and all backends alike."""

from pathlib import Path

import numpy as np
import pytest
from kernels import BACKENDS

from fastrnn import AutoencoderWeights, sparse_autoencoder_cost
from fastrnn._kernels import reference
from fastrnn._kernels.autoencoder import cost_of
from fastrnn.testing import TOLERANCES, relative_error

OPTIONS = {"l2": 0.02, "sparsity": 0.1, "sparsity_weight": 0.7}
# N, F, H: around the lane counts, one chunk, many shards, more hidden units than inputs
SIZES = [(5, 4, 3), (1, 1, 1), (96, 17, 33), (97, 33, 8), (700, 9, 70), (1000, 70, 15), (2000, 66, 81)]


def problem(N, F, H, dtype, *, tied=False):
    rng = np.random.default_rng(N)
    W1, b1, W2, b2 = (rng.uniform(-1, 1, shape).astype(dtype) / H**0.5 for shape in ((F, H), (H,), (H, F), (F,)))
    x = rng.uniform(0.1, 0.9, (N, F)).astype(dtype)
    return AutoencoderWeights(*(w.astype(dtype) for w in (W1, b1)), None if tied else W2.astype(dtype), b2), x


def wide(weights):
    return AutoencoderWeights(*(None if w is None else w.astype(float) for w in weights))


@pytest.mark.parametrize("kind", ["free", "tied"])
def test_agrees_with_pytorch(kind):
    golden = np.load(Path(__file__).with_name("golden") / "autoencoder.npz")
    weights = AutoencoderWeights(*(golden[name] for name in AutoencoderWeights._fields))
    if kind == "tied":
        weights = weights._replace(W2=None)
    l2, sparsity, sparsity_weight = golden["options"]
    cost, parts, gradients = sparse_autoencoder_cost(
        weights, golden["x"], l2=l2, sparsity=sparsity, sparsity_weight=sparsity_weight, backend="reference"
    )
    assert cost == pytest.approx(sum(golden[f"{kind}_{name}"] for name in parts), rel=1e-14)
    assert sum(parts.values()) == pytest.approx(cost, rel=1e-15)
    assert list(parts) == ["reconstruction", "l2", "sparsity"]
    for name, part in parts.items():
        assert part == pytest.approx(golden[f"{kind}_{name}"], rel=1e-14), name
    for name, gradient in gradients._asdict().items():
        if gradient is None:
            assert (kind, name) == ("tied", "W2")
        else:
            assert relative_error(gradient, golden[f"{kind}_d{name}"]) < 1e-14, name


@pytest.mark.parametrize("tied", [False, True])
def test_gradient_is_the_complex_step_derivative(tied):
    weights, x = problem(6, 5, 3, "float64", tied=tied)
    _, _, gradients = sparse_autoencoder_cost(weights, x, **OPTIONS, backend="reference")
    for name, array in weights._asdict().items():
        if array is None:
            continue
        for index in np.ndindex(array.shape):
            moved = AutoencoderWeights(*(None if w is None else w.astype(complex) for w in weights))
            getattr(moved, name)[index] += 1e-30j
            cost, _, _ = cost_of(reference.autoencoder, moved, x, **OPTIONS, n_threads=1)
            assert getattr(gradients, name)[index] == pytest.approx(cost.imag / 1e-30, rel=1e-12, abs=1e-15), name


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", BACKENDS)
def test_backends_agree(name, dtype, use_backend):
    _, tolerance = TOLERANCES[dtype]
    for size in SIZES:
        for tied in (False, True):
            weights, x = problem(*size, dtype, tied=tied)
            expected = sparse_autoencoder_cost(wide(weights), x.astype(float), **OPTIONS, backend="reference")
            cost, parts, gradients = sparse_autoencoder_cost(weights, x, **OPTIONS, **use_backend(name))
            assert cost == pytest.approx(expected[0], rel=tolerance)
            for part, value in parts.items():
                assert value == pytest.approx(expected[1][part], rel=tolerance, abs=tolerance), part
            for field, gradient, truth in zip(weights._fields, gradients, expected[2], strict=True):
                if truth is not None:
                    assert (gradient.dtype, gradient.shape) == (dtype, truth.shape)
                    assert relative_error(gradient, truth) <= tolerance, (size, field)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", BACKENDS)
def test_bits_do_not_depend_on_threads(name, dtype, use_backend):
    weights, x = problem(2000, 66, 81, dtype)
    cost, parts, gradients = sparse_autoencoder_cost(weights, x, **OPTIONS, n_threads=1, **use_backend(name))
    for n_threads in (1, 2, 3, 5):
        again = sparse_autoencoder_cost(weights, x, **OPTIONS, n_threads=n_threads, **use_backend(name))
        assert again[:2] == (cost, parts)
        for field, a, b in zip(weights._fields, again[2], gradients, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=field)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", [*BACKENDS, "reference"])
def test_a_dead_unit_is_pushed_back(name, dtype, use_backend):
    weights, x = problem(40, 5, 3, dtype)
    weights.b1[:] = [-12, 0, 12]  # hardly ever active, and hardly ever not
    options = {"l2": 0.0, "sparsity": 0.1, "sparsity_weight": 1.0, **use_backend(name)}
    cost, _, gradients = sparse_autoencoder_cost(weights, x, **options)
    assert np.isfinite(cost)
    assert gradients.b1[0] < -0.05
    assert gradients.b1[2] > 0.05
    weights.b1[0], weights.b1[2] = -1000, 1000  # the means are beyond the margin: the penalty is the one at it
    cost, parts, gradients = sparse_autoencoder_cost(weights, x, **options)
    margin = {"float32": 1e-7, "float64": 1e-15}[dtype]
    rho = np.array([margin, np.nan, 1 - margin])
    rho[1] = (1 / (1 + np.exp(-(x.astype(float) @ weights.W1[:, 1] + weights.b1[1])))).mean()
    expected = (0.1 * np.log(0.1 / rho) + 0.9 * np.log(0.9 / (1 - rho))).sum()
    assert parts["sparsity"] == pytest.approx(expected, rel=1e-6)
    assert all(np.isfinite(gradient).all() for gradient in gradients if gradient is not None)


@pytest.mark.parametrize("name", [*BACKENDS, "reference"])
def test_takes_any_strides_and_leaves_its_arguments_alone(name, use_backend):
    weights, x = problem(50, 9, 7, "float64")
    strided = np.asfortranarray(x)
    before = [np.copy(a) for a in (*weights, x)]
    options = OPTIONS | use_backend(name)
    cost, _, gradients = sparse_autoencoder_cost(weights, x, **options)
    again = sparse_autoencoder_cost(AutoencoderWeights(*(np.asfortranarray(w) for w in weights)), strided, **options)
    for a, b in zip((*weights, x), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert again[0] == pytest.approx(cost, rel=1e-14)
    for a, b in zip(again[2], gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", [*BACKENDS, "reference"])
def test_nan_is_not_hidden(name, use_backend):
    weights, x = problem(50, 9, 7, "float32")
    x[3, 2] = np.nan
    cost, _, _ = sparse_autoencoder_cost(weights, x, **OPTIONS, **use_backend(name))
    assert np.isnan(cost)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"l2": -1.0}, ValueError, r"l2 is -1.0, expected a number in \[0, inf\)"),
        ({"sparsity_weight": np.nan}, ValueError, "sparsity_weight is nan"),
        ({"sparsity": 1.0}, ValueError, r"sparsity is 1.0, expected a number in \(0, 1\)"),
        ({"x": np.zeros((0, 4), "float32")}, ValueError, r"x has shape \(0, 4\), expected at least one example"),
        ({"x": np.zeros((5, 3), "float32")}, ValueError, r"x has shape \(5, 3\), expected \(any, 4\)"),
        ({"x": np.zeros((5, 4))}, TypeError, "x has dtype float64, expected float32, the dtype of the weights"),
        ({"weights": None}, TypeError, "must be a fastrnn.AutoencoderWeights, but is NoneType"),
        ({"W1": np.zeros((4, 3), int)}, TypeError, "weights.W1 has dtype int64"),
        ({"W1": np.zeros(4, "float32")}, ValueError, r"weights.W1 has shape \(4,\), expected \(F, H\)"),
        ({"W2": np.zeros((4, 3), "float32")}, ValueError, r"weights.W2 has shape \(4, 3\), expected \(3, 4\)"),
        ({"b2": np.zeros(3, "float32")}, ValueError, r"weights.b2 has shape \(3,\), expected \(4,\)"),
        ({"n_threads": 0}, ValueError, "n_threads is 0, expected at least 1"),
        ({"backend": "cuda"}, ValueError, "backend 'cuda' is unknown"),
    ],
)
def test_errors_name_what_is_wrong(changes, error, message):
    weights, x = problem(5, 4, 3, "float32")
    weights = weights._replace(**{name: changes.pop(name) for name in ("W1", "W2", "b2") if name in changes})
    arguments = {"weights": weights, "x": x, **OPTIONS, **changes}
    with pytest.raises(error, match=message):
        sparse_autoencoder_cost(**arguments)


def test_penalties_of_numpy_widen_nothing():
    weights, x = problem(5, 4, 3, "float32")
    options = {name: np.float64(value) for name, value in OPTIONS.items()}
    _, _, gradients = sparse_autoencoder_cost(weights, x, **options)
    assert {gradient.dtype for gradient in gradients if gradient is not None} == {np.dtype("float32")}
