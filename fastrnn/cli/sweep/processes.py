"""Do runs in parallel, each in its own process of the command, so that a crash does not affect other runs.

Each process has its own process group and gets signals only from here, so that Ctrl-C reaches it once.
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
LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMBA")  # each reads its own {}_NUM_THREADS
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
    """Do the runs, `jobs` at a time. A signal stops the running ones, and is raised when they have saved.

    No process is left behind, even after an error such as a full disk.
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
                if process.returncode == 0 or not run.changes:  # else the result is from before the changes
                    run.collect()
                if not run.metrics and not has_stopped:
                    run.error = _reason(run, process.returncode)
                if run.metrics or run.error:
                    on_end(run)
            on_wait()


@contextmanager
def _ended(running: Iterable[subprocess.Popen[bytes]]) -> Iterator[None]:
    """At the end, tell the processes that still run to save, and wait for them."""
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _begin(task: Task, run: SweptRun, threads: int) -> subprocess.Popen[bytes]:
    """Start or continue a run: its folder has all that it needs."""
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
    """Return in one line why a run failed."""
    log = run.folder.path / "log.txt"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1]
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}; see {quote(str(log))}"
