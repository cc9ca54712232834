"""The parts that reports of all tasks share: the head of metrics.json, and the last lines."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

import fastrnn
from fastrnn._checks import counted
from fastrnn._kernels import backends
from fastrnn._kernels.threads import available_threads
from fastrnn.cli.run.folder import CONVERGED, RunFolder


def write_metrics(
    task: str, estimator: Any, n_examples: int, folder: RunFolder, results: dict[str, Any], **more: Any
) -> None:
    """Write how the estimator was trained (on `n_examples`), and the results of each set."""
    seconds = _seconds(estimator)
    native = backends.native()
    folder.write_metrics(
        {
            "task": task,
            "version": fastrnn.__version__,
            "backend": f"native {native.instruction_set}" if native else "numba",
            "n_threads": estimator.n_threads or available_threads(),
            "epochs": estimator.n_iter_,
            "best_epoch": estimator.best_epoch_,
            "ended": _ended(estimator),
            "seconds": seconds,
            "samples_per_second": n_examples * estimator.n_iter_ / seconds if seconds else 0.0,
        }
        | more
        | results
    )


def print_results(
    console: Console, columns: tuple[str, ...], rows: Mapping[str, tuple[str, ...]], estimator: Any, folder: RunFolder
) -> None:
    """Print a row for each set, and the epochs and time of training."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("set")
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(name, *row)
    console.print()
    console.print(table)
    console.print(
        f"{counted(estimator.n_iter_, 'epoch')} in {_seconds(estimator):.1f} s, best epoch {estimator.best_epoch_}; "
        f"figures in {folder.figures}",
        highlight=False,
        soft_wrap=True,
    )


def _ended(estimator: Any) -> str:
    """Return why training ended."""
    if estimator.n_iter_ >= estimator.epochs:
        return "epochs"
    waited = estimator.n_iter_ - (estimator.best_epoch_ or 0)
    return "patience" if estimator.patience and waited >= estimator.patience else CONVERGED


def _seconds(estimator: Any) -> float:
    """Return the time of training; it is 0 if L-BFGS found no step."""
    return float(sum(estimator.history_.get("seconds", ())))
