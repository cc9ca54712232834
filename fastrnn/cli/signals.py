"""Ctrl-C, SIGTERM and SIGHUP: finish the batch, save, say how to continue, exit with the code that shells expect."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """A signal that ends the run; `code` is its exit code."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class Interrupts:
    """A signal during a batch is only noted; `check` raises it when the batch is done."""

    def __init__(self) -> None:
        self.noted: int | None = None  # the signal received
        self._deferred = False
        self._before: dict[int, Any] = {}  # handlers

    def check(self) -> None:
        """Raise the noted signal."""
        if self.noted is not None:
            raise Interrupted(self.noted)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within, note signals instead of raising them at once."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        self.check()

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Within, catch signals; a second one ends the program at once."""
        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
            numbers.append(signal.SIGHUP)
        self._before = {number: signal.signal(number, self._catch) for number in numbers}
        try:
            yield
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        self.noted = number
        if not self._deferred:
            raise Interrupted(number)
