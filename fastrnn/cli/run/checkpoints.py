"""Files written while a run trains: a row of history.csv for each epoch, and checkpoints."""

import time
from typing import Any

from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.signals import Interrupts
from fastrnn.training import BatchReport, Trainer
from fastrnn.training.history import History

PAUSE = 1.0  # least number of seconds between two checkpoints
SHARE = 0.05  # largest share of the time, so that short epochs and large models do not wait for the disk


class Saver:
    """
    Callbacks that save the state of a trainer, and stop it after a signal.

    Parameters
    ----------
    folder : RunFolder
        Where to save.
    trainer : Trainer
        The trainer to save.
    interrupts : Interrupts
        The signals received so far.
    minutes : float
        A checkpoint is written at the end of an epoch, and within an epoch if the last one is older than this.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer, interrupts: Interrupts, minutes: float) -> None:
        self._folder, self._trainer, self._interrupts = folder, trainer, interrupts
        self._longest = 60 * minutes
        self._saved = self._due = time.monotonic()

    def on_start(self, history: History) -> None:
        """Write the epochs of the checkpoint to history.csv: later ones are trained again."""
        if history.n_epochs:
            history.write_csv(self._folder.history)
        else:
            self._folder.history.unlink(missing_ok=True)

    def on_epoch(self, epoch: int, history: History) -> None:
        """Add the epoch to history.csv, and save if it is time."""
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
