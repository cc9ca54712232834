"""Training under a run: progress, checkpoints, signals."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from rich.console import Console

from fastrnn._lbfgs import LBFGS
from fastrnn.cli._errors import UsageError
from fastrnn.cli._folder import RunFolder
from fastrnn.cli._progress import TrainingProgress
from fastrnn.cli._signals import Interrupted, Interrupts
from fastrnn.history import History
from fastrnn.training import BatchReport, DivergenceError

SAVED_EVERY = 1.0  # seconds: of short epochs not each is saved, which would take longer than the epoch


def run(
    task: str,
    parameters: dict[str, Any],
    prepared: tuple[Any, Any, Any],
    description: str,
    report: Callable[[Any, Any, RunFolder, Console], None],
    out: Path | None,
    *,
    overwrite: bool,
    folder: RunFolder | None,
) -> None:
    """Train an estimator on the data set that it was prepared for, and report, in the folder given or a new one."""
    console, (estimator, dataset, fitting) = Console(), prepared
    if folder is None:
        folder = RunFolder.create(task, out, overwrite=overwrite)
        folder.write_config(task, parameters)
    console.print(f"run: {folder.path}")
    console.print(f"{description}\n", highlight=False, soft_wrap=True)
    interrupts = Interrupts()
    with interrupts.caught():
        try:
            train(estimator, fitting, folder, console, interrupts)
            report(estimator, dataset, folder, console)
        except Interrupted as interrupted:
            console.print(f"\nstopped by {interrupted}; the run is saved. To go on:", highlight=False)
            console.print(f"fastrnn-train {task} --resume {quote(str(folder.path))}", highlight=False, soft_wrap=True)
            sys.exit(interrupted.code)
    console.print(f"run: {folder.path}")


def train(estimator: Any, fitting: Any, folder: RunFolder, console: Console, interrupts: Interrupts) -> None:
    """Train what the estimator has prepared, from the folder's checkpoint if it has one; leave the model in it."""
    trainer, progress = fitting.trainer, TrainingProgress(console, estimator.epochs)
    state = folder.read_checkpoint()
    if state is not None:
        try:
            trainer.restore(state)
        except ValueError as error:
            raise UsageError(f"{folder.path}: cannot go on from its checkpoint: {error}") from error
        console.print(f"going on from epoch {len(state['history'].get('epoch', ())) + 1}")
        if isinstance(trainer.optimizer, LBFGS):
            console.print("L-BFGS has the weights of that epoch, but not its memory: it ends near a run in one go")
        console.print()

    saved = -np.inf

    def on_epoch(epoch: int, history: History) -> None:
        nonlocal saved
        progress.on_epoch(epoch, history)
        if interrupts.noted or time.monotonic() - saved >= SAVED_EVERY:
            folder.write_checkpoint(trainer.state())
            saved = time.monotonic()
        interrupts.check()

    def on_batch(report: BatchReport) -> None:
        progress.on_batch(report)
        if interrupts.noted:
            folder.write_checkpoint(trainer.state())
            interrupts.check()

    trainer.callbacks += (on_epoch,)
    trainer.batch_callbacks += (on_batch,)
    try:
        with progress, interrupts.deferred():
            estimator.train(fitting)
            folder.write_checkpoint(trainer.state())
        estimator.save(folder.model)
    except DivergenceError as error:
        estimator.save(folder.model)
        raise DivergenceError(f"{error}, and so has {folder.model}") from error
