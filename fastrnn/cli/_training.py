"""Training under a run: progress, checkpoints each epoch, signals."""

import sys
from shlex import quote
from typing import Any

from rich.console import Console

from fastrnn.cli._errors import UsageError
from fastrnn.cli._folder import RunFolder
from fastrnn.cli._progress import TrainingProgress
from fastrnn.cli._signals import Interrupted, Interrupts
from fastrnn.history import History
from fastrnn.training import BatchReport, DivergenceError


def train(estimator: Any, fitting: Any, folder: RunFolder, console: Console, *, task: str) -> None:
    """Train what the estimator has prepared, from the folder's checkpoint if it has one; leave the model in it."""
    trainer, interrupts, progress = fitting.trainer, Interrupts(), TrainingProgress(console)
    state = folder.read_checkpoint()
    if state is not None:
        try:
            trainer.restore(state)
        except ValueError as error:
            raise UsageError(f"{folder.path}: cannot go on from its checkpoint: {error}") from error
        console.print(f"going on from epoch {len(state['history'].get('epoch', ())) + 1}\n")

    def on_epoch(epoch: int, history: History) -> None:
        progress.on_epoch(epoch, history)
        folder.write_checkpoint(trainer.state())
        interrupts.check()

    def on_batch(report: BatchReport) -> None:
        progress.on_batch(report)
        if interrupts.noted:
            folder.write_checkpoint(trainer.state())
            interrupts.check()

    trainer.callbacks += (on_epoch,)
    trainer.batch_callbacks += (on_batch,)
    with interrupts.caught():
        try:
            with progress, interrupts.deferred():
                estimator.train(fitting)
            estimator.save(folder.model)
        except DivergenceError as error:
            estimator.save(folder.model)
            raise DivergenceError(f"{error}, and so has {folder.model}") from error
        except Interrupted as interrupted:
            console.print(f"\nstopped by {interrupted}; the run is saved. To go on:", highlight=False)
            console.print(f"fastrnn-train {task} --resume {quote(str(folder.path))}", highlight=False, soft_wrap=True)
            sys.exit(interrupted.code)
