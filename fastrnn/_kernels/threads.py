"""How many threads a call uses."""

import os
from contextvars import ContextVar

from fastrnn._kernels import backends
from fastrnn._kernels.checks import check_count

_limit: int | None = None
_forked = False
_most: ContextVar[int | None] = ContextVar("most", default=None)

# A second thread is used only if each thread has this many operations to do: waking one costs some 5 microseconds.
WORK_PER_THREAD = 2_000_000


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def set_num_threads(n: int | None) -> None:
    """
    Set the number of threads of calls without `n_threads`.

    Parameters
    ----------
    n : int or None
        Number of threads. None restores the default: what OpenMP and the CPUs of the process allow.

    Raises
    ------
    TypeError, ValueError
        If `n` is not a whole number above 0.
    """
    global _limit
    _limit = None if n is None else check_count("n_threads", n)


def available_threads() -> int:
    """Return the number of threads of a large call without `n_threads`."""
    if _limit is not None:
        return _limit
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cpus, backends.openmp_threads()))


def choose_threads(n_threads: int | None, operations: float) -> int:
    """Return the number of threads for a call with this many operations. An explicit `n_threads` is used as it is.

    After `fork` the child uses one thread. Results do not depend on the number of threads.
    """
    if n_threads is not None:
        return threads_here(check_count("n_threads", n_threads))
    if _forked:
        return 1
    if operations < 2 * WORK_PER_THREAD:
        return 1
    return min(_most.get() or available_threads(), int(operations // WORK_PER_THREAD))


class threads_unless_named:
    """
    Set the number of threads available to calls without `n_threads` inside a `with` block. None changes nothing.

    Parameters
    ----------
    n_threads : int or None
        Number of threads.
    """

    def __init__(self, n_threads: int | None) -> None:
        self._n_threads = n_threads

    def __enter__(self) -> None:
        self._before = _most.set(self._n_threads or _most.get())

    def __exit__(self, *_: object) -> None:
        _most.reset(self._before)


def threads_here(n_threads: int) -> int:
    """Return `n_threads`, or 1 in a forked child, where the helper threads do not exist."""
    return 1 if _forked else n_threads
