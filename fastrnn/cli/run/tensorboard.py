"""Event files for TensorBoard, by its own writer, which does not need TensorFlow or PyTorch."""

import time
from itertools import accumulate
from types import TracebackType
from typing import Any, Self

from fastrnn.cli.run.folder import EVENTS, RunFolder
from fastrnn.training.history import History


class EventFiles:
    """Callbacks that write every column of the history, by epoch, to the folder's event files."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def on_start(self, history: History) -> None:
        """Replace the event files of a resumed run: write its epochs so far, as if the last had just ended."""
        from tensorboard.summary import Writer

        self._folder.events.mkdir(exist_ok=True)
        for file in self._folder.events.glob(EVENTS):
            file.unlink()
        self._writer = Writer(str(self._folder.events))
        if history.n_epochs:
            ends = list(accumulate(history["seconds"]))
            for row, end in enumerate(ends):
                self._add(history, row, time.time() - ends[-1] + end)
            self._writer.flush()

    def on_epoch(self, epoch: int, history: History) -> None:
        """Write the last epoch."""
        self._add(history, -1, time.time())
        self._writer.flush()

    def _add(self, history: History, row: int, when: float) -> None:
        for name in set(history) - {"epoch", "seconds"}:
            part, _, measure = name.partition("_")
            tag = f"{measure}/{part}" if part in ("train", "validation") else name  # one chart for each measure
            self._writer.add_scalar(tag, history[name][row], history["epoch"][row], wall_time=when)
