"""``fastrnn-train``: train a net for one of the tasks."""

from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from fastrnn.cli.errors import UsageError, fail, one_line_errors
from fastrnn.cli.options.command import make_command
from fastrnn.cli.options.of_run import CALLED
from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.start import start
from fastrnn.cli.tasks.arithmetic.command import ARITHMETIC
from fastrnn.cli.tasks.autoencoder.command import AUTOENCODER
from fastrnn.cli.tasks.classify.command import CLASSIFY
from fastrnn.cli.tasks.forecast.command import FORECAST
from fastrnn.cli.tasks.task import Task
from fastrnn.cli.tasks.text.command import TEXT
from fastrnn.cli.tasks.words.command import WORDS

TASKS: dict[str, Task] = {task.name: task for task in (CLASSIFY, AUTOENCODER, WORDS, TEXT, FORECAST, ARITHMETIC)}


class TaskGroup(TyperGroup):
    """The tasks as commands. The options of a task are made when it is called, so that help and errors are quick."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {task.name: TyperCommand(task.name, help=task.help) for task in TASKS.values()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        task = TASKS.get(args[0])
        if task is None:
            return super().resolve_command(ctx, args)
        try:
            return task.name, command_of(task), args[1:]
        except UsageError as error:  # of what somebody has registered
            fail(str(error))


def command_of(task: Task) -> Any:
    """Return the command of a task."""

    def call(given: Mapping[str, Any]) -> None:
        with one_line_errors():
            start(task, given)

    options = [option for option in options_of(task).values() if option.name != "data"]
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(task.name, context_settings={"help_option_names": ["-h", "--help"]})(
        make_command([*options, *CALLED], task.data, call, task.help)
    )
    return typer.main.get_command(app)


app = typer.Typer(
    cls=TaskGroup,
    help="Train a net on your data. Each run writes a folder with model, history, metrics and figures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def tasks() -> None:
    """Train a net on your data. Each run writes a folder with model, history, metrics and figures."""


def tasks_by_estimator() -> dict[str, Task]:
    """Return the tasks that `fastrnn-predict` supports, by the name of their estimator."""
    return {task.estimator_name: task for task in TASKS.values() if task.predict}
