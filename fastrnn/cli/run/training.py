"""Train a run, with progress, checkpoints and signals."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from fastrnn._checks import check_integer
from fastrnn.cli.errors import UsageError, in_a_line
from fastrnn.cli.run.checkpoints import Saver
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.progress import COLUMNS, TrainingProgress
from fastrnn.cli.run.tensorboard import EventFiles
from fastrnn.cli.signals import Interrupted, Interrupts
from fastrnn.cli.tasks.task import Prepared, Task
from fastrnn.storage import StorageError
from fastrnn.training import DivergenceError, ResumeError
from fastrnn.training.history import History


def prepare(task: Task, parameters: dict[str, Any]) -> Prepared:
    """Prepare a task; report parameters or data that cannot be used in one sentence."""
    try:
        check_integer("random_state", parameters["random_state"], 0)
        return task.prepare(parameters)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def run(
    task: Task,
    parameters: dict[str, Any],
    out: Path | None,
    *,
    overwrite: bool = False,
    folder: RunFolder | None = None,
) -> None:
    """Load, train and evaluate; write everything to the folder of the run, which is new unless one is given."""
    console, interrupts, reporting = Console(), Interrupts(), import_module(task.report)
    estimator, dataset, fitting, description = prepare(task, parameters)
    if folder is None:
        folder = RunFolder.create(task.name, out, overwrite=overwrite)
        folder.write_config(task.name, parameters)
    fitting.trainer.start_callbacks += (lambda _: folder.write_changes(),)
    watch, columns = getattr(reporting, "watch", None), getattr(reporting, "COLUMNS", COLUMNS)
    on_epoch = () if watch is None else (lambda epoch, _: watch(estimator, dataset, epoch, console),)
    state = folder.read_checkpoint()
    again = f"fastrnn-train {task.name} --resume {quote(str(folder.path))}"
    with interrupts.caught():
        try:
            console.print(f"run: {folder.path}", highlight=False, soft_wrap=True)
            console.print(f"{description}\n", highlight=False, soft_wrap=True)
            with interrupts.deferred():
                progress = TrainingProgress(console, estimator.epochs, columns)
                train(estimator, fitting, state, folder, console, interrupts, parameters, progress, on_epoch)
            reporting.report(estimator, dataset, folder, console, parameters)
        except Interrupted as interrupted:
            console.print(f"\nstopped by {interrupted}; the run is saved. To continue:", highlight=False)
            console.print(again, highlight=False, soft_wrap=True)
            sys.exit(interrupted.code)
        except ResumeError as error:
            raise UsageError(f"{folder.path}: cannot resume: {error}") from error
        except (OSError, StorageError) as error:
            raise UsageError(f"{in_a_line(error)}; earlier files are intact. To continue: {again}") from error
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
    """Train a prepared estimator, from the state of a checkpoint if there is one, and save the model."""
    trainer = fitting.trainer
    saver = Saver(folder, trainer, interrupts, parameters["checkpoint_minutes"])
    if state is not None:
        trainer.restore(state)
        batches = state["present"]["batches"]
        place = f"epoch {trainer.history.n_epochs + 1}" + (f", after batch {batches}" if batches else "")
        trainer.start_callbacks += (lambda _: console.print(f"continuing from {place}\n", highlight=False),)
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
            raise DivergenceError(f"{error}, saved in {folder.model}") from error
    estimator.save(folder.model)
