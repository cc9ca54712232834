"""One group of engines timed side by side, and what its times say."""

from dataclasses import dataclass
from functools import cached_property
from statistics import geometric_mean, median, quantiles
from typing import Any

from benchmarks.agreement import disagreement, truth
from benchmarks.cases import DIRECTIONS, Problem
from benchmarks.engines import load
from benchmarks.peak import Peak
from benchmarks.timing import interleave


@dataclass(frozen=True)
class Measurement:
    """The times of all engines, and of the machine's peak, for one problem, direction and number of threads."""

    problem: Problem
    direction: str
    n_threads: int
    times: dict[str, list[float]]
    peak_times: list[float]
    peak_operations: int

    @cached_property
    def operations(self) -> int:
        """What the direction takes, whoever does it."""
        return DIRECTIONS[self.direction](self.problem)

    def seconds(self, engine: str) -> float:
        """The median time of an engine."""
        return median(self.times[engine])

    def gflops(self, engine: str) -> float:
        """Billions of operations a second."""
        return self.operations / self.seconds(engine) / 1e9

    @cached_property
    def peak_gflops(self) -> float:
        """The machine's own, measured between the engines."""
        return self.peak_operations / median(self.peak_times) / 1e9

    def ratio(self, engine: str, base: str) -> float:
        """How many times longer an engine takes than `base`: the median over pairs taken side by side."""
        return median(a / b for a, b in zip(self.times[engine], self.times[base], strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return names, sizes, medians, quartiles and ratios to the first engine."""
        base = next(iter(self.times))
        engines = {
            name: {
                "seconds": self.seconds(name),
                "quartiles": quantiles(times, n=4)[::2],
                "rounds": len(times),
                "gflops": self.gflops(name),
                "ratio": self.ratio(name, base),
            }
            for name, times in self.times.items()
        }
        case, size = self.problem.case, ("B", "T", "I", "H")
        return {
            "cell": self.problem.cell,
            "case": case.name,
            "size": {axis: getattr(case, axis) for axis in size},
            "dtype": self.problem.dtype,
            "direction": self.direction,
            "n_threads": self.n_threads,
            "operations": self.operations,
            "peak_gflops": self.peak_gflops,
            "engines": engines,
        }


def measure(
    problem: Problem,
    engines: list[str],
    directions: list[str],
    n_threads: int,
    seconds: float,
) -> list[Measurement]:
    """Hold the engines' outputs against the reference, then time them; RuntimeError, and no times, if one differs."""
    expected = truth(problem)
    jobs = {name: load(name)(problem, n_threads) for name in engines}
    for name, job in jobs.items():
        if difference := disagreement(problem, job, expected):
            raise RuntimeError(f"{name}, {problem.cell}, {problem.case}, {problem.dtype}: {difference}; not timed")
    peak = Peak(problem.dtype, n_threads)
    measurements = []
    for direction in directions:
        times = interleave(
            {name: getattr(job, direction) for name, job in jobs.items()} | {"peak": peak}, seconds, n_threads
        )
        peak_times = times.pop("peak")
        measurements.append(Measurement(problem, direction, n_threads, times, peak_times, peak.operations))
    return measurements


def mean_ratio(measurements: list[Measurement], engine: str, base: str) -> float:
    """The geometric mean of an engine's ratios."""
    return geometric_mean(measurement.ratio(engine, base) for measurement in measurements)
