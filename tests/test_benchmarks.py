import pytest
import threadpoolctl

from benchmarks.agreement import disagreement, truth
from benchmarks.cases import CELLS, DTYPES, Case, Problem
from benchmarks.engines import installed, load, numpy_cells, numpy_net


@pytest.fixture(autouse=True)
def blas_threads_as_before():
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


@pytest.mark.parametrize("engine", installed())
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_engines_agree_with_the_reference(cell, dtype, engine):
    problem = Problem(cell, Case("tiny", 3, 5, 4, 7), dtype)
    assert disagreement(problem, load(engine)(problem, 1), truth(problem)) is None


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_numpy_engine_in_any_stretches(cell, steps, monkeypatch):
    problem = Problem(cell, Case("tiny", 3, 5, 4, 7), "float64")
    blocks = numpy_cells.NETS[cell].blocks
    monkeypatch.setattr(numpy_net, "CACHE", steps * blocks * 3 * 7 * 8)
    engine = load("numpy")(problem, 1)
    assert engine.net.stretch == steps
    for _ in range(2):  # the buffers are used again
        assert disagreement(problem, engine, truth(problem)) is None


def test_different_outputs_are_found():
    problem = Problem("gru", Case("tiny", 3, 5, 4, 7), "float32")
    expected = truth(problem)
    expected["dWh"] = expected["dWh"] + 1e-3
    assert "dWh differs" in disagreement(problem, load("numpy")(problem, 1), expected)
