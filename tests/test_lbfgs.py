"""L-BFGS by itself, against scipy's and on functions whose minimum is known; see also test_autoencoder.py."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der
from threadpoolctl import threadpool_limits

from fastrnn.training.lbfgs import LBFGS


def run(function, start, iterations=1000, memory=10, state=None):
    """Return the point reached, the states after each iteration, and how often the function was called."""
    parameters, calls, optimizer = start.copy(), [], LBFGS(memory)
    states = [optimizer.initial_state(parameters) if state is None else state]

    def loss_and_gradient():
        calls.append(parameters.copy())
        return function(parameters)

    while len(states) <= iterations and not states[-1]["ended"]:
        states.append(optimizer.iterate(states[-1], loss_and_gradient, parameters))
        if states[-1] is None:
            break
        np.testing.assert_array_equal(parameters, calls[-1])
        np.testing.assert_array_equal(parameters, states[-1]["point"].astype(parameters.dtype))
    return parameters, states, len(calls)


def rosenbrock(x):
    return float(rosen(x)), rosen_der(x)


@pytest.mark.parametrize("memory", [1, 3, 10])
def test_the_valley_of_rosenbrock(memory):
    start = np.array([-1.2, 1.0, -0.7, 0.4, 1.9])
    point, states, calls = run(rosenbrock, start, memory=memory)
    np.testing.assert_allclose(point, 1, atol=1e-4)
    assert states[-1]["ended"]
    assert len(states[-1]["steps"]) == min(memory, len(states) - 1)
    losses = [state["loss"] for state in states[1:]]
    assert losses == sorted(losses, reverse=True)
    theirs = minimize(rosenbrock, start, jac=True, method="L-BFGS-B", options={"maxcor": memory})
    assert calls < 1.5 * theirs.nfev


def test_every_step_satisfies_the_strong_wolfe_conditions():
    _, states, calls = run(rosenbrock, np.array([-1.2, 1.0, 3.0]))
    assert calls > len(states)  # some first guesses did not
    for before, after in pairwise(states[1:]):
        step = after["point"] - before["point"]
        slope = before["gradient"] @ step
        assert slope < 0
        assert after["loss"] <= before["loss"] + 1e-3 * slope
        assert abs(after["gradient"] @ step) <= -0.9 * slope * (1 + 1e-12)


def test_a_quadratic_ends_at_its_minimum_by_either_rule():
    scales, centre = np.array([1.0, 30.0, 900.0]), np.array([3.0, -2.0, 0.5])
    for factor, rule in ((1.0, "gradient"), (1e9, "decrease")):  # a large one never has a small gradient
        point, states, _ = run(
            lambda x, f=factor: (1.0 + f * float(scales @ (x - centre) ** 2), 2 * f * scales * (x - centre)),
            np.zeros(3),
        )
        np.testing.assert_allclose(point, centre, atol=1e-5)
        small = np.abs(states[-1]["gradient"]).max() <= 1e-5
        assert small or rule == "decrease"
    assert run(lambda x: (float(x @ x), 2 * x), np.full(4, 1e-6))[1][1] is None  # it is there already


def test_where_nothing_is_better_the_parameters_stay():
    """A gradient that points the wrong way."""
    start = np.array([0.5, -0.25])
    point, states, _ = run(lambda x: (float(x @ x), -2 * x), start)
    assert states[1] is None
    np.testing.assert_array_equal(point, start)


def test_memory_that_misleads_is_given_up():
    function = lambda x: (float(x @ x), 2 * x)  # noqa: E731
    start = np.array([1.5, -2.0])
    _, states, _ = run(function, start, iterations=1)
    bad = states[1] | {"products": [-1e-3]}  # such a curvature leads up
    point, states, _ = run(function, start, state=bad)
    np.testing.assert_allclose(point, 0, atol=1e-4)
    assert states[-1]["ended"]


def test_no_state_changes_later():
    _, states, _ = run(rosenbrock, np.array([-1.2, 1.0, 3.0]), iterations=9)
    for index in (1, 4, 8):
        _, again, _ = run(rosenbrock, states[index]["point"], iterations=9 - index, state=states[index])
        np.testing.assert_array_equal(again[-1]["point"], states[-1]["point"])
    with pytest.raises(ValueError, match="read-only"):
        states[3]["steps"][0][0] = 1


def test_threads_of_the_linear_algebra_change_no_bit():
    """Scipy's own differs: sums of such lengths are divided between threads."""
    n, rng = 40_000, np.random.default_rng(0)
    scales, centre = rng.uniform(1, 5, n), rng.normal(size=n)

    def function(x):
        d = x - centre
        return float((scales * d**2).sum() + np.cos(d).sum()), 2 * scales * d - np.sin(d)

    points = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            points.append(run(function, np.zeros(n), iterations=8)[0])
    np.testing.assert_array_equal(*points)
