"""Interleaved timing: on a shared machine only ratios of calls made side by side mean anything."""

import time
from collections.abc import Callable, Mapping

LEAST = 5  # rounds, however long they take
SPIN = 0.04  # seconds after which the idle threads of every library sleep; OpenBLAS's take 2^26 ticks, some 26 ms


def interleave(calls: Mapping[str, Callable[[], object]], seconds: float, n_threads: int) -> dict[str, list[float]]:
    """Time all calls in turn, round by round, for so many seconds; each after an untimed call of its own.

    The untimed call brings caches, threads and branch predictors into the state they have in a run of such calls.
    With several threads a pause goes before it, or the threads of one library, waiting for more work, would take the
    CPUs of the next. The n-th times of two names were taken side by side.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < LEAST or time.perf_counter() < end:
        for name, call in calls.items():
            if n_threads > 1:
                time.sleep(SPIN)
            call()
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
        rounds += 1
    return times
