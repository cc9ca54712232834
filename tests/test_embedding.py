"""Embeddings, and steps side by side: what they compute, their gradients, and what they refuse."""

import numpy as np
import pytest
from differences import assert_gradient

from fastrnn.layers import GRU, Call, Dense, Embedding, Flatten, Gaussian
from fastrnn.layers.description import describe, rebuild
from fastrnn.models.sequential import Sequential

B, T, V, D = 5, 4, 6, 3
RNG = np.random.default_rng(0)
SYMBOLS = RNG.integers(0, V - 1, (B, T))  # the last symbol never comes, others come more than once
DY = RNG.normal(size=(B, T, D))
W = RNG.normal(size=(V, D))
LENGTHS = np.array([4, 0, 2, 4, 1])


def back(x, lengths=None):
    y, _, backprop = Embedding(V, D).forward({"W": W}, x, None, Call(training=True, lengths=lengths))
    gradients = {"W": np.ones((V, D))}
    assert backprop(gradients, DY, None, True) == (None, None)
    return y, gradients["W"]


@pytest.mark.parametrize("dtype", ["i8", "u1", ">i4"])
def test_embedding_is_a_product_with_one_hot_rows(dtype):
    y, dW = back(SYMBOLS.astype(dtype))
    one_hot = np.eye(V)[SYMBOLS]
    np.testing.assert_array_equal(y, one_hot @ W)
    np.testing.assert_allclose(dW, 1 + np.einsum("btv,btd->vd", one_hot, DY), rtol=1e-14)  # gradients are added
    assert (dW[-1] == 1).all()


def test_symbols_beyond_a_row_are_never_read():
    beyond = np.arange(T) >= LENGTHS[:, None]
    y, dW = back(np.where(beyond, -7, SYMBOLS), LENGTHS)
    one_hot = np.eye(V)[SYMBOLS] * ~beyond[:, :, None]
    np.testing.assert_array_equal(y, one_hot @ W)
    np.testing.assert_allclose(dW, 1 + np.einsum("btv,btd->vd", one_hot, DY), rtol=1e-14)


@pytest.mark.parametrize(
    "layers",
    [
        [Embedding(V, D), Flatten(), Dense(5, "sigmoid"), Dense(2)],
        [Embedding(V, D), GRU(4), Dense(2)],
    ],
    ids=["flat", "recurrent"],
)
def test_gradients_within_a_model(layers):
    model = Sequential(layers).build((T, V), "float64")
    model.flat_parameters[...] = RNG.uniform(-0.5, 0.5, model.flat_parameters.size)
    dy = RNG.normal(size=(B, 2))
    assert model.forward(SYMBOLS, training=True)[1](dy) is None
    assert_gradient(model.flat_gradients, lambda: (model.predict(SYMBOLS) * dy).sum(), model.flat_parameters)


def test_flatten_puts_steps_side_by_side():
    x = RNG.normal(size=(B, T, D))
    y, _, backprop = Flatten().forward({}, x, None, Call(training=True, lengths=np.full(B, T)))
    assert Flatten().output_shape((T, D)) == (T * D,)
    for t in range(T):
        np.testing.assert_array_equal(y[:, t * D : (t + 1) * D], x[:, t])
    np.testing.assert_array_equal(backprop({}, y, None, True)[0], x)
    assert backprop({}, None, None, True) == (None, None)


@pytest.mark.parametrize(
    "layer", [Embedding(V, D), Embedding(V, D, initializer=Gaussian(0.3), lazy=True), Flatten()], ids=repr
)
def test_description_makes_the_same_layer(layer):
    assert rebuild(describe(layer)) == layer
    assert eval(repr(layer)) == layer


def test_initial_vectors():
    initial = Embedding(500, 40, initializer=Gaussian(0.2)).initialize((T, 500), np.random.default_rng(0))["W"]
    assert abs(initial.std() - 0.2) < 0.01
    assert abs(Embedding(500, 40).initialize((T, 500), np.random.default_rng(0))["W"].std() - 0.1) < 0.005


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Embedding(0, 3), ValueError, "vocabulary is 0, expected at least 1"),
        (lambda: Embedding(3, 2.5), TypeError, "dimension is 2.5, expected a whole number"),
        (lambda: Embedding(3, 2, initializer="one"), ValueError, "initializer is 'one', expected one of"),
        (lambda: Embedding(3, 2, lazy=1), ValueError, "lazy is 1, expected one of False, True"),
        (lambda: Embedding(V, D).output_shape((T, 9)), ValueError, r"inputs \(4, 9\), expected \(T, 6\)"),
        (lambda: Embedding(V, D).output_shape((V,)), ValueError, r"inputs \(6,\), expected \(T, 6\)"),
        (lambda: back(DY), TypeError, r"x has shape \(5, 4, 3\) and dtype float64, expected symbols"),
        (lambda: back(np.where(SYMBOLS[2, 1] == SYMBOLS, V, 0)), ValueError, r"x\[\d, \d\] is 6, expected .* 0\.\.5"),
        (lambda: back(SYMBOLS - 9), ValueError, r"x\[0, 0\] is -\d, expected a symbol in 0\.\.5"),
        (lambda: Flatten().output_shape((None, D)), ValueError, r"inputs \(None, 3\), expected \(T, I\) with a number"),
        (lambda: Flatten().output_shape((D,)), ValueError, r"inputs \(3,\), expected \(T, I\)"),
        (
            lambda: Flatten().forward({}, DY, None, Call(lengths=LENGTHS)),
            ValueError,
            r"lengths\[1\] is 0, but Flatten\(\) takes all 4 steps",
        ),
    ],
)
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()
