"""What a run leaves while it trains: a row of history.csv each epoch, and checkpoints."""

import time
from typing import Any

from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.signals import Interrupts
from fastrnn.training import BatchReport, Trainer
from fastrnn.training.history import History

PAUSE = 1.0  # seconds between two checkpoints, at least, and ...
SHARE = 0.05  # ... of all time, at most, so that short epochs and large models do not wait for the disk


class Saver:
    """
    Callbacks for the trainer, which also end it when a signal was noted.

    Parameters
    ----------
    folder : RunFolder
        Where to save.
    trainer : Trainer
        Whose state.
    interrupts : Interrupts
        Where signals are noted.
    minutes : float
        A checkpoint is written at the ends of epochs, and within one when the last is so long ago.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer, interrupts: Interrupts, minutes: float) -> None:
        self._folder, self._trainer, self._interrupts = folder, trainer, interrupts
        self._longest = 60 * minutes
        self._saved = self._due = time.monotonic()

    def on_start(self, history: History) -> None:
        """Let history.csv have the epochs of the checkpoint: what came after them comes again."""
        if history.n_epochs:
            history.write_csv(self._folder.history)
        else:
            self._folder.history.unlink(missing_ok=True)

    def on_epoch(self, epoch: int, history: History) -> None:
        """Write an epoch down."""
        history.append_csv(self._folder.history)
        if self._interrupts.noted or time.monotonic() >= self._due:
            self.save()
        self._interrupts.check()

    def on_batch(self, report: BatchReport) -> None:
        """Save within a long epoch."""
        if self._interrupts.noted or time.monotonic() >= self._saved + self._longest:
            self.save()
        self._interrupts.check()

    def save(self) -> None:
        """Write a checkpoint."""
        start = time.monotonic()
        state: dict[str, Any] = self._trainer.state()
        self._folder.write_checkpoint(state)
        self._saved = time.monotonic()
        self._due = self._saved + max(PAUSE, (self._saved - start) / SHARE)
