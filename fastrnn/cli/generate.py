"""``fastrnn-generate``: a model of characters goes on from a text."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli.errors import UsageError, one_line_errors
from fastrnn.cli.signals import Interrupted

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def generate(
    model: Annotated[
        Path, typer.Argument(help="Folder of a run of fastrnn-train text, or its model.h5.", show_default=False)
    ],
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", help="Text to go on from.", show_default="a line end, where the model reads no more"),
    ] = None,
    length: Annotated[int, typer.Option("--length", help="Characters to write.", min=0)] = 400,
    temperature: Annotated[
        float,
        typer.Option("--temperature", help="Below 1 likely characters are likelier, above 1 less; 0: the likeliest."),
    ] = 0.8,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", help="Draw from the likeliest so many characters alone.", show_default="all"),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            "--top-p", help="Draw from the likeliest that together have this probability alone.", show_default="all"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed; the same one writes the same.", min=0, show_default="another")
    ] = None,
) -> None:
    """Let a model of characters write on from a text, character by character."""
    with one_line_errors():
        estimator = load_model(model)
        begin = default_prompt(estimator) if prompt is None else prompt
        try:
            written = estimator.generate(
                begin, length, temperature=temperature, top_k=top_k, top_p=top_p, random_state=seed
            )
        except (TypeError, ValueError) as error:
            raise UsageError(str(error)) from error
        try:
            show("" if prompt is None else prompt)
            for character in written:
                show(character)
            show("\n")
        except BrokenPipeError:  # who reads has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except Interrupted as interrupted:  # what is written so far is all that there is to save
            show("\n")
            sys.exit(interrupted.code)


def show(text: str) -> None:
    """Print a piece of text at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def load_model(path: Path) -> Any:
    """Return the model of a run or file."""
    import fastrnn

    file = path / "model.h5" if path.is_dir() else path
    model = fastrnn.load(file)
    if not isinstance(model, fastrnn.CharacterLanguageModel):
        from fastrnn.cli.train import tasks_by_estimator

        kind = type(model).__name__
        other = f"; for this one there is fastrnn-predict {path}" if kind in tasks_by_estimator() else ""
        raise UsageError(f"{file}: holds a {kind}, expected a model of characters, from fastrnn-train text{other}")
    return model


def default_prompt(model: Any) -> str:
    """Return what a model goes on from where nothing is given: the end of a line."""
    if not model.stateful_:
        raise UsageError(f"--prompt is missing: the model reads {model.window_} characters before it writes one")
    return "\n" if "\n" in model.vocabulary_ else model.vocabulary_[0]
