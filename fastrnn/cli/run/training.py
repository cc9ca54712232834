"""Training under a run: progress, checkpoints, signals."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from fastrnn.cli.errors import UsageError, in_a_line
from fastrnn.cli.run.checkpoints import Saver
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.progress import COLUMNS, Column, TrainingProgress
from fastrnn.cli.run.tensorboard import EventFiles
from fastrnn.cli.signals import Interrupted, Interrupts
from fastrnn.storage import StorageError
from fastrnn.training import DivergenceError, ResumeError
from fastrnn.training.history import History

Watch = Callable[[Any, Any, int, Console], None]


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
    columns: Sequence[Column] = COLUMNS,
    watch: Watch | None = None,
) -> None:
    """Train an estimator on the data set that it was prepared for, and report, in the folder given or a new one.

    `watch` is called after each epoch with the estimator, the data set, the epoch and the console.
    """
    console, interrupts, (estimator, dataset, fitting) = Console(), Interrupts(), prepared
    if folder is None:
        folder = RunFolder.create(task, out, overwrite=overwrite)
        folder.write_config(task, parameters)
    fitting.trainer.start_callbacks += (lambda _: folder.write_changes(),)
    on_epoch = () if watch is None else (lambda epoch, _: watch(estimator, dataset, epoch, console),)
    state = folder.read_checkpoint()
    again = f"fastrnn-train {task} --resume {quote(str(folder.path))}"
    with interrupts.caught():
        try:
            console.print(f"run: {folder.path}", highlight=False, soft_wrap=True)
            console.print(f"{description}\n", highlight=False, soft_wrap=True)
            with interrupts.deferred():
                progress = TrainingProgress(console, estimator.epochs, columns)
                train(estimator, fitting, state, folder, console, interrupts, parameters, progress, on_epoch)
            report(estimator, dataset, folder, console)
        except Interrupted as interrupted:
            console.print(f"\nstopped by {interrupted}; the run is saved. To go on:", highlight=False)
            console.print(again, highlight=False, soft_wrap=True)
            sys.exit(interrupted.code)
        except ResumeError as error:
            raise UsageError(f"{folder.path}: cannot go on: {error}") from error
        except (OSError, StorageError) as error:
            raise UsageError(f"{in_a_line(error)}; what is saved is good, to go on: {again}") from error
    console.print(f"run: {folder.path}", highlight=False, soft_wrap=True)


def train(
    estimator: Any,
    fitting: Any,
    state: dict[str, Any] | None,
    folder: RunFolder,
    console: Console,
    interrupts: Interrupts,
    parameters: dict[str, Any],
    progress: TrainingProgress,
    on_epoch: tuple[Callable[[int, History], None], ...] = (),
) -> None:
    """Train what the estimator has prepared, from the state of a checkpoint if there is one; leave the model."""
    trainer = fitting.trainer
    saver = Saver(folder, trainer, interrupts, parameters["checkpoint_minutes"])
    if state is not None:
        trainer.restore(state)
        batches = state["present"]["batches"]
        place = f"epoch {trainer.history.n_epochs + 1}" + (f", after batch {batches}" if batches else "")
        trainer.start_callbacks += (lambda _: console.print(f"going on from {place}\n", highlight=False),)
    with ExitStack() as watched:
        if parameters["tensorboard"]:
            events = watched.enter_context(EventFiles(folder))
            trainer.start_callbacks += (events.on_start,)
            trainer.callbacks += (events.on_epoch,)
        watched.enter_context(progress)
        trainer.start_callbacks += (saver.on_start,)
        trainer.batch_callbacks += (progress.on_batch, saver.on_batch)
        trainer.callbacks += (progress.on_epoch, *on_epoch, saver.on_epoch)
        try:
            estimator.train(fitting)
            saver.save()
        except DivergenceError as error:
            estimator.save(folder.model)
            raise DivergenceError(f"{error}, and so has {folder.model}") from error
    estimator.save(folder.model)
