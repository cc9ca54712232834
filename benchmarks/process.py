"""Run each engine in its own process, as it would run in use.

In one process the engines would disturb each other: memory that malloc keeps from the arrays of one library halves or
doubles the time of another, JAX sets its number of threads from the CPUs of the process, and every library has its own
pool of threads. The process of an engine times the calls itself, so the time does not include the pipe.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.cases import AnyProblem
from benchmarks.engines import LeftOut, load
from benchmarks.timing import timed
from fastrnn._typing import Array

PATIENCE = 60  # seconds that an engine may take to answer; this includes compiling


class EngineProcess:
    """An engine that answers over a pipe. Raise LeftOut if it cannot run the problem, fails, or takes too long."""

    def __init__(self, name: str, problem: AnyProblem, n_threads: int) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, problem, n_threads), daemon=True)
        self._process.start()
        theirs.close()
        self._failure: str | None = None

    def results(self, direction: str) -> dict[str, Array]:
        """Return the engine's `results` of a direction."""
        return self._ask("results", direction)

    def time(self, direction: str) -> float:
        """Return the time of one call, in seconds."""
        return self._ask("time", direction)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _ask(self, *question: str) -> Any:
        if self._failure is not None:
            raise LeftOut(self._failure)
        try:
            self._connection.send(question)
            if not self._connection.poll(PATIENCE):
                self._process.kill()
                self._failure = f"no answer within {PATIENCE} s"
                raise LeftOut(self._failure)
            answer, reason = self._connection.recv()
        except (EOFError, OSError):
            self._failure = "its process ended"
            raise LeftOut(self._failure) from None
        if reason is not None:
            raise LeftOut(reason)
        return answer


def _serve(connection: Connection, name: str, problem: AnyProblem, n_threads: int) -> None:
    """Answer each question with a result or the reason why there is none, until the pipe is closed."""
    engine: Any = None

    def call(direction: str) -> Callable[[], object]:
        found = getattr(engine, direction, None)
        if found is None:
            raise LeftOut(f"does not {direction}")
        return found

    with suppress(EOFError, KeyboardInterrupt):
        while True:
            kind, direction = connection.recv()
            try:
                engine = engine or load(name, problem.cell)(problem, n_threads)
                run = call(direction)
                connection.send(
                    (engine.results(direction) if kind == "results" else timed(run, pause=n_threads > 1), None)
                )
            except LeftOut as reason:
                connection.send((None, str(reason)))
            except Exception as error:  # any library may raise anything: report it, and time the other engines
                connection.send((None, f"{type(error).__name__}: {str(error).strip().partition(os.linesep)[0]}"))
