"""Interleaved timing: on a shared machine, only ratios of calls made side by side are meaningful."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

LEAST = 5  # rounds, no matter how long they take
WARM = 0.005  # seconds of untimed calls
WAKE = 0.05  # the same after a pause: on a virtual machine, CPUs that slept return to full speed slowly
SPIN = 0.04  # seconds until the idle threads of every library sleep; OpenBLAS's take 2^26 ticks, about 26 ms


@contextmanager
def pinned(n_threads: int) -> Iterator[None]:
    """Pin this thread, and the threads and processes that it starts, to `n_threads` CPUs if the system supports it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-n_threads:])  # the last CPUs: interrupts often go to the first
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def timed(call: Callable[[], object], *, pause: bool) -> float:
    """Return the time of a call in seconds, after some calls that are not timed.

    These bring caches, threads and branch predictors into the state that they have during many such calls. With `pause`
    there is a wait first: idle threads of another library spin before they sleep, and would take the CPUs of this one.
    """
    if pause:
        time.sleep(SPIN)
    warm = time.perf_counter() + (WAKE if pause else WARM)
    call()
    while time.perf_counter() < warm:
        call()
    return seconds_of(call)


def seconds_of(call: Callable[[], object]) -> float:
    """Return the time of a call in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleave(timers: Mapping[str, Callable[[], float]], seconds: float) -> dict[str, list[float]]:
    """Ask every timer for a time in turn, round by round, for the given number of seconds.

    A timer returns the time of one call in seconds, which may run in another process. The n-th times of two timers were
    taken side by side.
    """
    times: dict[str, list[float]] = {name: [] for name in timers}
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < LEAST or time.perf_counter() < end:
        for name, timer in timers.items():
            times[name].append(timer())
        rounds += 1
    return times
