"""``fastrnn-train``: a task, its data, and where the run goes."""

import typer

from fastrnn.cli.tasks.arithmetic.command import arithmetic
from fastrnn.cli.tasks.autoencoder.command import autoencoder
from fastrnn.cli.tasks.classify.command import classify
from fastrnn.cli.tasks.forecast.command import forecast
from fastrnn.cli.tasks.text.command import text
from fastrnn.cli.tasks.words.command import words

app = typer.Typer(
    help="Train a net from a file; each run leaves a folder with model, history, metrics and figures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def tasks() -> None:
    """Train a net from a file; each run leaves a folder with model, history, metrics and figures."""


app.command("classify")(classify)
app.command("autoencoder")(autoencoder)
app.command("words")(words)
app.command("text")(text)
app.command("forecast")(forecast)
app.command("arithmetic")(arithmetic)
