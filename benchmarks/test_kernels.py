"""The engines under pytest-benchmark, a group for each cell, case and direction."""

from functools import lru_cache

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.agreement import disagreement, truth
from benchmarks.cases import CASES, CELLS, DIRECTIONS, Problem
from benchmarks.engines import Engine, installed, load
from benchmarks.machine import refuse_slow_blas
from fastrnn._kernels.types import Array


@pytest.fixture(scope="module", autouse=True)
def fair_surroundings() -> None:
    refuse_slow_blas()


@lru_cache(maxsize=1)
def problem_and_truth(cell: str, case: str) -> tuple[Problem, dict[str, Array]]:
    problem = Problem(cell, CASES[case], "float32")
    return problem, truth(problem)


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> tuple[Problem, Engine]:
    """A problem and an engine whose outputs are right; shared by both directions."""
    cell, case, name = request.param
    problem, expected = problem_and_truth(cell, case)
    job = load(name)(problem, 1)
    if difference := disagreement(problem, job, expected):
        pytest.fail(f"{name} is not timed: {difference}")
    return problem, job


JOBS = [
    pytest.param((cell, case, name), id=f"{cell}-{case}-{name}")
    for cell in CELLS
    for case in CASES
    for name in installed()
]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("engine", JOBS, indirect=True)
def test_speed(benchmark: BenchmarkFixture, engine: tuple[Problem, Engine], direction: str) -> None:
    problem, job = engine
    benchmark.group = f"{problem.cell}, {problem.case}, {direction}"
    benchmark.extra_info["operations"] = DIRECTIONS[direction](problem)
    benchmark(getattr(job, direction))
