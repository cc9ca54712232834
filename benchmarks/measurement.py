"""One group of engines timed side by side, and what its times say."""

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
    """The times of all engines, and of the machine's peak, for one problem, direction and number of threads.

    `left_out` says of the engines that have no times why.
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
        """What the direction takes, whoever does it."""
        return DIRECTIONS[self.direction](self.problem)

    @cached_property
    def peak_gflops(self) -> float:
        """The machine's own, measured between the engines: the best round, for only disturbance makes it slower."""
        return self.peak_operations / min(self.peak_times) / 1e9

    def ratio(self, engine: str, base: str) -> float:
        """How many times longer an engine takes than `base`: the median over pairs taken side by side."""
        return median(a / b for a, b in zip(self.times[engine], self.times[base], strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return names, sizes, medians, quartiles, ratios to the first engine, and the peer with the least."""
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
    """Hold the engines' outputs against the reference, then time them.

    Who differs, or cannot run the problem, is left out with the reason; RuntimeError where it is the first of them that
    there is for such cells, with whom the others are compared.
    """
    expected = truth(problem)
    base = next((name for name in engines if name in offered(problem.cell)), engines[0])
    measurements = []
    with ExitStack() as stack:
        stack.enter_context(pinned(n_threads))
        processes = {name: stack.enter_context(closing(EngineProcess(name, problem, n_threads))) for name in engines}
        peak = Peak(problem.dtype, n_threads)
        peak_times: list[float] = []  # of all directions: the machine is the same
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
                    f"{left_out[base]}; nobody to compare with"
                )
            times = interleave(timers | {"peak": partial(timed, peak, pause=True)}, seconds)
            peak_times += times.pop("peak")
            measurements.append(
                Measurement(problem, direction, n_threads, times, left_out, peak_times, peak.operations)
            )
    return measurements
