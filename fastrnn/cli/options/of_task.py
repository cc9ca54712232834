"""All options of a task."""

from functools import cache

from fastrnn.cli.options.of_estimator import options_of_estimator
from fastrnn.cli.options.of_run import WATCHED
from fastrnn.cli.options.option import Option, Options
from fastrnn.cli.tasks.task import Task

DATA_OPTION = Option("data", str, "The data file.")  # an argument of the command


@cache
def options_of(task: Task) -> Options:
    """Return the options of a task by name: for its data, its estimator and optimizers, and its run."""
    found = {"data": DATA_OPTION} if task.data else {}
    found |= {
        option.name: option for option in options_of_estimator(task.estimator) if option.name not in task.left_out
    }
    return found | {option.name: option for option in (*task.options, *WATCHED)}
