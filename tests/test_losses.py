"""Losses against scipy's functions, their gradients against differences."""

import numpy as np
import pytest
from differences import assert_gradient
from scipy.special import expit, log_softmax

from fastrnn.losses import (
    binary_cross_entropy,
    cross_entropy,
    get_loss,
    mse,
)

B, T, C = 5, 4, 3
RNG = np.random.default_rng(0)
Y = RNG.normal(size=(B, T, C))
CLASSES = RNG.integers(0, C, (B, T))
NUMBERS = RNG.random((B, T, C))
MASK = np.arange(T) < np.array([4, 0, 2, 1, 3])[:, None]
WEIGHTS = RNG.random(B)


def expected_losses(name):
    """The loss of each step (and output), written another way."""
    if name == "cross_entropy":
        return -np.take_along_axis(log_softmax(Y, axis=2), CLASSES[..., None], axis=2)
    if name == "mse":
        return (NUMBERS - Y) ** 2
    return -NUMBERS * np.log(expit(Y)) - (1 - NUMBERS) * np.log(1 - expit(Y))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize("name", ["cross_entropy", "mse", "binary_cross_entropy"])
def test_value_and_gradient(name, mask, weights):
    loss, target = get_loss(name), CLASSES if name == "cross_entropy" else NUMBERS
    value, dy = loss(Y, target, mask, weights)
    losses = expected_losses(name) * (1 if weights is None else weights[:, None, None])
    np.testing.assert_allclose(value, losses[... if mask is None else mask].mean(), rtol=1e-13)
    y = Y.copy()
    assert_gradient(dy, lambda: loss(y, target, mask, weights)[0], y)


@pytest.mark.parametrize("name", ["cross_entropy", "mse", "binary_cross_entropy"])
def test_steps_outside_the_mask_are_never_read(name):
    loss, target = get_loss(name), CLASSES if name == "cross_entropy" else NUMBERS
    y, beyond = Y.copy(), target.copy()
    y[~MASK] = np.nan
    beyond[~MASK] = -1 if name == "cross_entropy" else np.nan
    got, expected = loss(y, beyond, MASK), loss(Y, target, MASK)
    assert got[0] == expected[0]
    np.testing.assert_array_equal(got[1], expected[1])
    nothing = loss(Y, target, np.zeros_like(MASK))
    assert nothing[0] == 0
    assert not nothing[1].any()


def test_one_hot_targets_are_classes():
    got, expected = cross_entropy(Y, np.eye(C)[CLASSES]), cross_entropy(Y, CLASSES)
    assert got[0] == expected[0]
    np.testing.assert_array_equal(got[1], expected[1])


def test_large_logits_neither_overflow_nor_lose_the_answer():
    value, dy = cross_entropy(np.array([[1e4, 0, -1e4], [1e38, -1e38, 0]], np.float32), np.array([1, 0]))
    assert value == 5000
    np.testing.assert_array_equal(dy, np.array([[0.5, -0.5, 0], [0, 0, 0]], np.float32))
    value, dy = binary_cross_entropy(np.array([[1e4], [-1e4], [-1e4]], np.float32), np.array([0, 0, 1]))
    np.testing.assert_allclose(value, 2e4 / 3)
    np.testing.assert_allclose(dy, np.array([[1], [0], [-1]]) / 3, rtol=1e-6)


def test_dtype_is_that_of_the_outputs():
    for loss, target in ((cross_entropy, CLASSES), (mse, NUMBERS), (binary_cross_entropy, NUMBERS)):
        value, dy = loss(Y.astype(np.float32), target, sample_weight=WEIGHTS)
        assert type(value) is float
        assert dy.dtype == np.float32
        np.testing.assert_allclose(value, loss(Y, target, sample_weight=WEIGHTS)[0], rtol=1e-6)


def test_a_single_output_may_lack_its_axis():
    for loss in (mse, binary_cross_entropy):
        got, expected = loss(Y[..., :1], NUMBERS[..., 0]), loss(Y[..., :1], NUMBERS[..., :1])
        assert got[0] == expected[0]
        np.testing.assert_array_equal(got[1], expected[1])


def test_counters():
    best = Y.argmax(axis=2)
    target = np.where(np.arange(T) < 3, best, (best + 1) % C)  # the last step of each row is wrong
    assert cross_entropy.measure(Y, target)[2] == cross_entropy.count_right(Y, target) == B * 3
    assert cross_entropy.measure(Y, target, MASK)[2] == cross_entropy.count_right(Y, target, MASK) == 3 + 0 + 2 + 1 + 3
    right = (Y > 0) ^ (np.arange(C) == 1)  # one output of three is wrong
    np.testing.assert_allclose(binary_cross_entropy.measure(Y, right)[2], B * T * 2 / 3)


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy"])
def test_counters_are_the_losses(name):
    loss, target = get_loss(name), CLASSES if name == "cross_entropy" else NUMBERS
    value, dy = loss(Y, target, MASK, WEIGHTS)
    counted = loss.measure(Y, target, MASK, WEIGHTS)
    assert counted[0] == value
    np.testing.assert_array_equal(counted[1], dy)
    assert loss.measure(Y, target, MASK, WEIGHTS, gradient=False) == (value, None, counted[2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cross_entropy(Y, CLASSES.astype(float)), TypeError, r"dtype float64, expected classes 0\.\.2"),
        (lambda: cross_entropy(Y, CLASSES + 1), ValueError, r"holds the class 3, expected 0\.\.2, as y has 3 logits"),
        (lambda: cross_entropy(Y, CLASSES - 1), ValueError, r"holds the class -1, expected 0\.\.2"),
        (lambda: cross_entropy(Y, CLASSES[0]), ValueError, r"shape \(4,\), expected classes \(5, 4\) or one-hot"),
        (lambda: cross_entropy(Y, NUMBERS), ValueError, "expected one-hot rows"),
        (lambda: mse(Y, NUMBERS[0]), ValueError, r"target has shape \(4, 3\), expected \(5, 4, 3\)"),
        (lambda: mse(Y, np.full(Y.shape, "a")), TypeError, "target has dtype <U1, expected numbers"),
        (lambda: binary_cross_entropy(Y, NUMBERS + 1), ValueError, r"target holds 1\..*, expected numbers in 0\.\.1"),
        (lambda: mse(Y, NUMBERS, MASK[0]), ValueError, r"mask has shape \(4,\) and dtype bool, expected \(5, 4\)"),
        (lambda: mse(Y, NUMBERS, None, WEIGHTS[1:]), ValueError, r"sample_weight has shape \(4,\), expected \(5,\)"),
        (lambda: get_loss("hinge"), ValueError, "loss is 'hinge', expected one of 'cross_entropy', 'mse'"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
