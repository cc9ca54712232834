"""Time the engines with pytest-benchmark, in a group for each cell, case and direction."""

from collections.abc import Iterator
from functools import lru_cache

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.agreement import disagreement, truth
from benchmarks.cases import CASES, DIRECTIONS, AnyProblem, pairs
from benchmarks.engines import Engine, LeftOut, installed, load
from benchmarks.machine import refuse_slow_blas
from benchmarks.timing import pinned
from fastrnn._typing import Array


@pytest.fixture(scope="module", autouse=True)
def fair_surroundings() -> Iterator[None]:
    refuse_slow_blas()
    with pinned(1):
        yield


@lru_cache(maxsize=1)
def problem_and_truth(cell: str, case: str) -> tuple[AnyProblem, dict[str, dict[str, Array]]]:
    problem = CASES[case].problem(cell, "float32")
    return problem, truth(problem)


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    """Return an engine for a problem, shared by the directions."""
    cell, case, name = request.param
    problem, _ = problem_and_truth(cell, case)
    try:
        return load(name, cell)(problem, 1)
    except LeftOut as reason:
        pytest.skip(f"{name} {reason}")


JOBS = [
    pytest.param((cell, case, name), direction, id=f"{cell}-{case}-{name}-{direction}")
    for cell, case in pairs()
    for name in installed()
    for direction in CASES[case].directions
]


@pytest.mark.parametrize(("engine", "direction"), JOBS, indirect=["engine"])
def test_speed(benchmark: BenchmarkFixture, request: pytest.FixtureRequest, engine: Engine, direction: str) -> None:
    cell, case, name = request.node.callspec.params["engine"]
    problem, expected = problem_and_truth(cell, case)
    run = getattr(engine, direction, None)
    if run is None:
        pytest.skip(f"{name} does not {direction}")
    if difference := disagreement(engine.results(direction), expected[direction], problem):
        pytest.fail(f"{name} is not timed: {difference}")
    benchmark.group = f"{cell}, {problem.case}, {direction}"
    benchmark.extra_info["operations"] = DIRECTIONS[direction](problem)
    benchmark(run)
