"""Runs side by side, each in a process of its own, which is the command itself: a crash takes no other run with it.

A run sees signals from here alone (it has a process group of its own), so that Ctrl-C reaches it once.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from shlex import quote

from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.options.parameters import write_options
from fastrnn.cli.signals import Interrupts
from fastrnn.cli.sweep.grid import SweptRun
from fastrnn.cli.tasks.task import Task

CODE = "from fastrnn.cli import train; train()"
LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMBA")  # each obeys its own {}_NUM_THREADS
POLL = 0.05  # seconds


def run_all(
    task: Task,
    runs: Iterable[SweptRun],
    jobs: int,
    threads: int,
    interrupts: Interrupts,
    on_end: Callable[[SweptRun], None],
    on_wait: Callable[[], None],
) -> None:
    """Do the runs, so many at a time; a signal stops those that run, and raises when they have saved.

    An error, too, such as of a full disk, leaves no run behind.
    """
    waiting, running = list(runs)[::-1], dict[subprocess.Popen[bytes], SweptRun]()
    has_stopped = False
    with interrupts.deferred(), _ended(running):
        while running or (waiting and not interrupts.noted):
            while waiting and len(running) < jobs and not interrupts.noted:
                run = waiting.pop()
                running[_begin(task, run, threads)] = run
            time.sleep(POLL)
            if interrupts.noted and not has_stopped:
                has_stopped = True
                for process in running:
                    process.send_signal(interrupts.noted)
            for process in [process for process in running if process.poll() is not None]:
                run = running.pop(process)
                if process.returncode == 0 or not run.changes:  # else its result is the one before
                    run.collect()
                if not run.metrics and not has_stopped:
                    run.error = _reason(run, process.returncode)
                if run.metrics or run.error:
                    on_end(run)
            on_wait()


@contextmanager
def _ended(running: Iterable[subprocess.Popen[bytes]]) -> Iterator[None]:
    """See to it that nobody runs any more: who does in the end is told to save, and waited for."""
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _begin(task: Task, run: SweptRun, threads: int) -> subprocess.Popen[bytes]:
    """Start a run, or go on with it: its folder holds all it needs."""
    environment = os.environ | {f"{library}_NUM_THREADS": str(threads) for library in LIBRARIES}
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)  # the same fastrnn as here
    changes = write_options(options_of(task), run.changes)
    with (run.folder.path / "log.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", CODE, task.name, "--resume", str(run.folder.path), *changes],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            process_group=0,
        )


def _reason(run: SweptRun, code: int) -> str:
    """Return why a run has failed, in a line."""
    log = run.folder.path / "log.txt"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1]
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}; see {quote(str(log))}"
