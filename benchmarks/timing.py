"""Interleaved timing: on a shared machine only ratios of calls made side by side mean anything."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

LEAST = 5  # rounds, however long they take
WARM = 0.005  # seconds of untimed calls
WAKE = 0.05  # of them after a pause: a virtual machine's CPUs that slept come back to full speed slowly
SPIN = 0.04  # seconds after which the idle threads of every library sleep; OpenBLAS's take 2^26 ticks, some 26 ms


@contextmanager
def pinned(n_threads: int) -> Iterator[None]:
    """Hold this thread, and threads and processes that it starts, to so many CPUs, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-n_threads:])  # the last: interrupts often go to the first
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def timed(call: Callable[[], object], *, pause: bool) -> float:
    """Return the seconds of a call, made after untimed ones.

    These bring caches, threads and branch predictors into the state they have in a run of such calls. A pause goes
    before where the threads of another library, waiting for more work, would take the CPUs of this one.
    """
    if pause:
        time.sleep(SPIN)
    warm = time.perf_counter() + (WAKE if pause else WARM)
    call()
    while time.perf_counter() < warm:
        call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleave(timers: Mapping[str, Callable[[], float]], seconds: float) -> dict[str, list[float]]:
    """Ask all timers for a time in turn, round by round, for so many seconds.

    A timer returns the seconds of a call, wherever it ran. The n-th times of two names were taken side by side.
    """
    times: dict[str, list[float]] = {name: [] for name in timers}
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < LEAST or time.perf_counter() < end:
        for name, timer in timers.items():
            times[name].append(timer())
        rounds += 1
    return times
