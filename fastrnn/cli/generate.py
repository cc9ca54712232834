"""``fastrnn-generate``: continue a text with a character model."""

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
        typer.Option(
            "--prompt", help="Text to continue.", show_default="a line break; a windowed model needs a prompt"
        ),
    ] = None,
    length: Annotated[int, typer.Option("--length", help="Number of characters to write.", min=0)] = 400,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature",
            help="Below 1 the text is more predictable, above 1 more varied; 0 always takes the most likely character.",
        ),
    ] = 0.8,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", help="Sample only from the k most likely characters.", show_default="all"),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            "--top-p",
            help="Sample only from the most likely characters that together have this probability.",
            show_default="all",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Seed; the same seed writes the same text.", min=0, show_default="a new one"),
    ] = None,
) -> None:
    """Continue a text with a character model, one character at a time."""
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
        except BrokenPipeError:  # the reader has closed the pipe, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except Interrupted as interrupted:  # there is nothing to save: the text is printed
            show("\n")
            sys.exit(interrupted.code)


def show(text: str) -> None:
    """Print a piece of text immediately."""
    sys.stdout.write(text)
    sys.stdout.flush()


def load_model(path: Path) -> Any:
    """Load the character model of a run folder or file."""
    import fastrnn

    file = path / "model.h5" if path.is_dir() else path
    model = fastrnn.load(file)
    if not isinstance(model, fastrnn.CharacterLanguageModel):
        from fastrnn.cli.train import tasks_by_estimator

        kind = type(model).__name__
        other = f"; use fastrnn-predict {path} for this model" if kind in tasks_by_estimator() else ""
        raise UsageError(f"{file}: holds a {kind}, expected a character model from fastrnn-train text{other}")
    return model


def default_prompt(model: Any) -> str:
    """Return the default prompt: a line break, or else the first character of the vocabulary."""
    if not model.stateful_:
        raise UsageError(f"--prompt is missing: this model needs {model.window_} characters to start from")
    return "\n" if "\n" in model.vocabulary_ else model.vocabulary_[0]
