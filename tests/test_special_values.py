"""NaN, infinities and denormals: which results they change, and which they do not."""

import numpy as np
import pytest
from kernels import BACKENDS, INSTRUCTION_SETS, Problem, assert_same_bits, row_results

from fastrnn import recurrent_forward
from fastrnn._kernels import native
from fastrnn.cells import CELLS
from fastrnn.testing import TOLERANCES

SIZE = (9, 40, 5, 19)  # padded lanes, rows of more than one tile, more than one chunk of steps
ROW, STEP = 4, 33


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [{}, {"reverse": True, "masked": True}], ids=["plain", "reverse"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", BACKENDS)
def test_other_rows_and_earlier_steps_are_untouched(name, cell, options, value, use_backend):
    backend = use_backend(name)
    problem = Problem(cell, SIZE, "float32")
    clean = row_results(problem.run(**options, **backend))
    problem.x[ROW, STEP, 2] = value
    results = row_results(problem.run(**options, **backend))
    before = slice(STEP + 1, None) if options else slice(STEP)
    np.testing.assert_array_equal(results["y"][ROW, before], clean["y"][ROW, before])
    others = [b for b in range(SIZE[0]) if b != ROW]
    assert_same_bits(*({name: array[others] for name, array in r.items()} for r in (results, clean)))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", BACKENDS)
def test_nan_stays_in_the_row_and_reaches_the_weights(name, cell, use_backend):
    problem = Problem(cell, SIZE, "float32")
    problem.x[ROW, STEP, 2] = np.nan
    forward, gradients = problem.run(**use_backend(name))
    assert np.isnan(forward["y"][ROW, STEP:]).all()
    assert all(np.isnan(forward[f"final_{s}"][ROW]).all() for s in problem.cell.states)
    assert np.isnan(gradients["dWx"][2]).all()
    assert np.isnan(gradients["dWh"]).all()


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", BACKENDS)
def test_infinities_follow_ieee(name, cell, value, dtype, use_backend):
    """As in the reference, whose operations follow IEEE 754. Padded lanes (0 times infinity) change nothing."""
    backend = use_backend(name)
    problem = Problem(cell, SIZE, dtype)
    problem.x[ROW, STEP, 2] = value
    with np.errstate(invalid="ignore"):
        expected = problem.run(backend="reference")
    for results, truth in zip(problem.run(**backend), expected, strict=True):
        for key, got in results.items():
            np.testing.assert_allclose(got, truth[key], rtol=0, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_denormals_are_zero_inside_and_come_back_outside(name, cell, use_backend):
    """The kernels treat them as 0 on all of their threads. The caller's arithmetic keeps them."""
    backend = use_backend(name)
    problem = Problem(cell, SIZE, "float32")
    problem.x[...] = 1e-42
    tiny = problem.run(n_threads=2, **backend)
    problem.x[...] = 0
    for a, b in zip(tiny, problem.run(n_threads=2, **backend), strict=True):
        assert_same_bits(a, b)
    assert np.float32(1e-42) * np.float32(0.5) > 0


@pytest.mark.skipif(not native.SUPPORTED, reason="needs native kernels")
def test_vanishing_states_become_zero():
    """A linear chain that halves its state at each step ends at 0, without any denormal."""
    problem = Problem("rnn_relu", (3, 200, 2, 5), "float32")
    for weights in problem.weights:
        weights[...] = 0
    problem.weights.Wh[np.arange(5), 0, np.arange(5)] = 0.5
    y, _, _ = recurrent_forward("rnn_relu", problem.x, problem.weights, (np.ones((3, 5), "float32"),))
    assert (y[:, -1] == 0).all()
    assert y[y > 0].min() >= np.finfo("float32").tiny
