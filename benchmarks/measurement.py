"""Time all engines side by side on one problem, and compute ratios and rates from the times."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property, partial
from statistics import median, quantiles
from typing import Any

from benchmarks.agreement import disagreement, truth
from benchmarks.cases import DIRECTIONS, AnyProblem
from benchmarks.engines import PEERS, LeftOut, offered
from benchmarks.peak import Peak
from benchmarks.process import EngineProcess
from benchmarks.timing import interleave, pinned, timed


@dataclass(frozen=True)
class Measurement:
    """The times of all engines, and of the peak loop, for one problem, direction and number of threads.

    `left_out` gives the reason for each engine that has no times.
    """

    problem: AnyProblem
    direction: str
    n_threads: int
    times: dict[str, list[float]]
    left_out: dict[str, str]
    peak_times: list[float]
    peak_operations: int

    @cached_property
    def operations(self) -> int:
        """The number of operations of the direction, the same for every engine."""
        return DIRECTIONS[self.direction](self.problem)

    @cached_property
    def peak_gflops(self) -> float:
        """The peak rate of the machine, measured between the engines, in the best round: others were disturbed."""
        return self.peak_operations / min(self.peak_times) / 1e9

    def ratio(self, engine: str, base: str) -> float:
        """Return the time of an engine divided by that of `base`: the median over pairs timed side by side."""
        return median(a / b for a, b in zip(self.times[engine], self.times[base], strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return names, sizes, medians, quartiles, ratios to the first engine, and the peer with the smallest ratio."""
        base = next(iter(self.times))
        engines: dict[str, dict[str, Any]] = {
            name: {
                "seconds": median(times),
                "quartiles": quantiles(times, n=4)[::2],
                "rounds": len(times),
                "gflops": self.operations / median(times) / 1e9,
                "ratio": self.ratio(name, base),
            }
            for name, times in self.times.items()
        }
        ratios = {name: engine["ratio"] for name, engine in engines.items() if name in PEERS}
        case = self.problem.case
        return {
            "cell": self.problem.cell,
            "case": case.name,
            "title": str(case),
            "size": {axis: getattr(case, axis) for axis in case.axes},
            "dtype": self.problem.dtype,
            "direction": self.direction,
            "n_threads": self.n_threads,
            "operations": self.operations,
            "peak_gflops": self.peak_gflops,
            "engines": engines,
            "left_out": self.left_out,
            "best_peer": min(ratios, key=ratios.__getitem__, default=None),
            "best_peer_ratio": min(ratios.values(), default=None),
        }


def measure(
    problem: AnyProblem,
    engines: list[str],
    directions: list[str],
    n_threads: int,
    seconds: float,
) -> list[Measurement]:
    """Compare the outputs of the engines with the reference, then time the engines.

    An engine that differs, or cannot run the problem, is left out with the reason. The others are compared with the
    first engine that is offered for the cell; raise RuntimeError if that one is left out.
    """
    expected = truth(problem)
    base = next((name for name in engines if name in offered(problem.cell)), engines[0])
    measurements = []
    with ExitStack() as stack:
        stack.enter_context(pinned(n_threads))
        processes = {name: stack.enter_context(closing(EngineProcess(name, problem, n_threads))) for name in engines}
        peak = Peak(problem.dtype, n_threads)
        peak_times: list[float] = []  # shared by all directions: the machine is the same
        for direction in [name for name in directions if name in problem.case.directions]:
            timers: dict[str, Callable[[], float]] = {}
            left_out = {}
            for name, process in processes.items():
                try:
                    reason = disagreement(process.results(direction), expected[direction], problem)
                except LeftOut as error:
                    reason = str(error)
                if reason is None:
                    timers[name] = partial(process.time, direction)
                else:
                    left_out[name] = reason
            if base in left_out:
                raise RuntimeError(
                    f"{base}, {direction}, {problem.cell}, {problem.case}, {problem.dtype}: "
                    f"{left_out[base]}; no engine to compare with"
                )
            times = interleave(timers | {"peak": partial(timed, peak, pause=True)}, seconds)
            peak_times += times.pop("peak")
            measurements.append(
                Measurement(problem, direction, n_threads, times, left_out, peak_times, peak.operations)
            )
    return measurements
