"""The figure of a sweep."""

from fastrnn import plots
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.sweep.grid import SweptRun
from fastrnn.cli.tasks.task import Task


def draw(task: Task, runs: list[SweptRun], folder: RunFolder) -> None:
    """Draw the measure `task.drawn` of each finished run, or call the task's own function."""
    if task.draw is not None:
        task.draw(runs, folder)
    elif task.drawn:
        values = [run.numbers[task.drawn] for run in runs]
        label = task.drawn.replace(".", " ").replace("_", " ")
        figure = plots.sweep([run.swept for run in runs], values, LABELS.get(label, label))
        folder.save_figure(figure, task.drawn.replace(".", "_"))


LABELS = {"test mae": "test mean absolute error"}
