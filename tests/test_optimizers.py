"""Optimizers and schedules against plain formulas, number by number."""

import numpy as np
import pytest

from fastrnn import optimizers, schedules
from fastrnn.optimizers import SGD, Adam, clip_by_global_norm, get_optimizer
from fastrnn.schedules import CosineSchedule, PlateauSchedule, StepSchedule, get_schedule

RATES = [0.1, 0.1, 0.05, 0.2]
WEIGHTS = np.random.default_rng(0).normal(size=7)
GRADIENTS = np.random.default_rng(1).normal(size=(len(RATES), 7))


def run(optimizer, dtype=np.float64):
    parameters = WEIGHTS.astype(dtype)
    state = optimizer.initial_state(parameters)
    for gradients, rate in zip(GRADIENTS.astype(dtype), RATES, strict=True):
        before = gradients.copy()
        optimizer.update(parameters, gradients, state, rate)
        np.testing.assert_array_equal(gradients, before)
    return parameters


def sgd(w, a, form, decay):
    """One number at a time, as a course would write it."""
    v = np.zeros(7)
    for g, e in zip(GRADIENTS, RATES, strict=True):
        g = g + decay * w
        if form == "classical":
            v = a * v + g
            w = w - e * v
        elif form == "nesterov":
            v = a * v + g
            w = w - e * (g + a * v)
        else:
            v = a * v + (1 - a) * g
            w = w - e * v
    return w


def adam(w, b1, b2, eps, decay):
    m, v = np.zeros(7), np.zeros(7)
    for t, (g, e) in enumerate(zip(GRADIENTS, RATES, strict=True), start=1):
        w = w - e * decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        w = w - e * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    return w


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("form", ["classical", "nesterov", "averaged"])
@pytest.mark.parametrize("momentum", [0.0, 0.85])
def test_sgd(momentum, form, decay):
    got = run(SGD(9.0, momentum, form, decay))
    if momentum == 0:
        form = "classical"  # all are plain gradient descent then
    np.testing.assert_allclose(got, sgd(WEIGHTS, momentum, form, decay), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("constants", [(0.9, 0.999, 1e-8, 0.0), (0.7, 0.95, 0.1, 0.2)])
def test_adam(constants):
    np.testing.assert_allclose(run(Adam(9.0, *constants)), adam(WEIGHTS, *constants), rtol=1e-13)


def test_first_step_of_adam_is_the_learning_rate():
    w = np.array([1.0, -2.0, 3.0])
    optimizer = Adam(epsilon=1e-12)
    optimizer.update(w, np.array([1e-3, -20.0, 5.0]), optimizer.initial_state(w), 0.25)
    np.testing.assert_allclose(w, [0.75, -1.75, 2.75], rtol=1e-8)


def test_numpy_constants_change_no_bit():
    for plain, scalar in (
        (SGD(0.1, 0.9, "averaged", 0.1), SGD(np.float64(0.1), np.float64(0.9), "averaged", np.float64(0.1))),
        (Adam(0.1, 0.8), Adam(np.float64(0.1), np.float64(0.8))),
    ):
        assert scalar == plain
        got = run(scalar, np.float32)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, run(plain, np.float32))


def test_clipping():
    gradients = np.array([3.0, 4.0])
    assert clip_by_global_norm(gradients, None) == 5
    assert clip_by_global_norm(gradients, 6.0) == 5
    np.testing.assert_array_equal(gradients, [3, 4])
    assert clip_by_global_norm(gradients, 2.0) == 5
    np.testing.assert_allclose(gradients, [1.2, 1.6], rtol=1e-15)
    huge = np.full(4, 1e30, np.float32)  # its square is beyond float32
    np.testing.assert_allclose(clip_by_global_norm(huge, 1.0), 2e30, rtol=1e-6)
    np.testing.assert_allclose(huge, 0.5, rtol=1e-6)
    assert clip_by_global_norm(np.array([np.inf]), 1.0) == np.inf
    assert np.isnan(clip_by_global_norm(np.array([np.nan]), 1.0))


def test_step_schedule():
    rates = [StepSchedule(every=2, factor=0.1)(1.0, epoch, 9, []) for epoch in range(1, 7)]
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-14)


def test_cosine_schedule():
    rates = [CosineSchedule(final=0.2)(2.0, epoch, 4, []) for epoch in range(1, 6)]
    half = np.sqrt(0.5)
    np.testing.assert_allclose(rates, 0.4 + 0.8 * np.array([2, 1 + half, 1, 1 - half, 0]), rtol=1e-14)


def test_plateau_schedule():
    losses = [3, 2, 2, 2.5, 2, 1, 1, 1, 1, 1]  # two without improvement after epochs 4, 8 and 10
    schedule = PlateauSchedule(factor=0.5, patience=2)
    rates = [schedule(0.8, epoch, 99, losses[: epoch - 1]) for epoch in range(1, 12)]
    assert rates == [0.8] * 4 + [0.4] * 4 + [0.2] * 2 + [0.1]
    assert PlateauSchedule(factor=0.5, patience=2, minimum=0.3)(0.8, 11, 99, losses) == 0.3


def test_names():
    assert get_optimizer("adam") == Adam(0.001)
    assert get_optimizer("sgd", 0.5) == SGD(0.5)
    assert get_optimizer(SGD(0.1), 0.5) == SGD(0.1)
    assert get_schedule(None) is None
    assert [get_schedule(name) for name in ("step", "cosine", "plateau")] == [
        StepSchedule(), CosineSchedule(), PlateauSchedule()
    ]  # fmt: skip
    own = lambda learning_rate, epoch, epochs, losses: 1.0  # noqa: E731
    assert get_schedule(own) is own


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(0.0), ValueError, r"learning_rate is 0.0, expected a number in \(0, inf\)"),
        (lambda: SGD("0.1"), TypeError, "learning_rate is '0.1', expected a number"),
        (lambda: SGD(0.1, momentum=1.0), ValueError, r"momentum is 1.0, expected a number in \[0, 1\)"),
        (lambda: SGD(0.1, form="heavy"), ValueError, "form is 'heavy', expected one of 'classical', 'nesterov'"),
        (lambda: Adam(beta2=1), ValueError, "beta2 is 1, expected"),
        (lambda: Adam(epsilon=0), ValueError, "epsilon is 0, expected"),
        (lambda: Adam(weight_decay=float("inf")), ValueError, "weight_decay is inf, expected"),
        (lambda: get_optimizer("rmsprop"), ValueError, "optimizer is 'rmsprop', expected one of 'adam', 'sgd'"),
        (lambda: get_optimizer(0.1), TypeError, "optimizer is 0.1, expected 'adam', 'sgd', or an object"),
        (lambda: StepSchedule(every=0), ValueError, "every is 0, expected at least 1"),
        (lambda: PlateauSchedule(factor=2), ValueError, "factor is 2, expected"),
        (lambda: CosineSchedule(final=-1), ValueError, "final is -1, expected"),
        (lambda: get_schedule("linear"), ValueError, "schedule is 'linear', expected one of 'step', 'cosine'"),
    ],
)
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_every_name_is_a_class_with_defaults():
    assert all(cls(0.1).learning_rate == 0.1 for cls in optimizers.OPTIMIZERS.values())
    assert all(cls()(0.1, 1, 5, []) == 0.1 for cls in schedules.SCHEDULES.values())
