"""The result of a next-character model: what it writes at several temperatures, metrics.json, figures, and a table."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from fastrnn import plots
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.progress import Column
from fastrnn.cli.run.report import print_results, write_metrics
from fastrnn.forecasting import steps_held_out

TEMPERATURES = (0.2, 0.5, 1.0, 1.2)
PROMPT, LENGTH, SHOWN = 80, 1000, 300  # characters of the prompt, of a sample, and of its printed part
LN2 = float(np.log(2))
COLUMNS = (
    Column("epoch", "epoch", "d"),
    Column("train loss", "train_loss"),
    Column("valid. loss", "validation_loss"),
    Column("bits/char", "validation_loss", make=lambda nats: nats / LN2),
    Column("perplexity", "validation_loss", ".3f", np.exp),
    Column("seconds", "seconds", ".2f"),
)


def report(model: Any, text: str, folder: RunFolder, console: Console, parameters: Mapping[str, Any]) -> None:
    """Evaluate the fitted model, let it write text; save metrics, samples and figures, and print a table."""
    held_out = text[len(text) - steps_held_out(len(text), model.validation_fraction) :]
    loss, accuracy = model.evaluate(held_out)
    result = {
        "loss": loss,
        "bits_per_character": loss / LN2,
        "perplexity": float(np.exp(loss)),
        "accuracy": accuracy,
    }
    prompt, samples = write_samples(model, held_out, folder)
    curves = plots.learning_curves(model.history_, model.best_epoch_)
    folder.save_figure(curves, "learning_curves")
    folder.save_figure(plots.bits_per_character(model.history_, model.best_epoch_), "bits_per_character")
    write_metrics("text", model, len(text) - len(held_out), folder, {"validation": result})
    show_samples(console, prompt, samples, folder)  # after all files: the reader may close the pipe
    row = (str(len(held_out)), *(f"{value:.4f}" for value in result.values()))
    columns = ("characters", "loss", "bits/char", "perplexity", "accuracy")
    print_results(console, columns, {"validation": row}, model, folder)


def write_samples(model: Any, text: str, folder: RunFolder) -> tuple[str, dict[float, str]]:
    """Let the model continue a passage of the text; save the samples, and return the passage and the samples."""
    prompt = choose_prompt(text, 1 if model.stateful_ else model.window_, model.random_state)
    samples = {}
    for temperature in TEMPERATURES:
        written = "".join(model.generate(prompt, LENGTH, temperature=temperature, random_state=model.random_state))
        folder.write(f"samples/temperature_{temperature}.txt", (prompt + written + "\n").encode())
        samples[temperature] = written
    return prompt, samples


def show_samples(console: Console, prompt: str, samples: dict[float, str], folder: RunFolder) -> None:
    """Print the beginning of each sample."""
    console.print(f"\nSamples: {len(prompt)} characters of held-out text, continued by the model", style="bold")
    for temperature, written in samples.items():
        console.print(f"\ntemperature {temperature}", style="bold")
        own = written[:SHOWN].rstrip() or "(only blanks)"
        shown = Text(prompt, style="dim").append(f"{own} …", style="not dim")
        console.print(shown, soft_wrap=True)
    console.print(f"\nfull samples in {folder.samples}", highlight=False, soft_wrap=True)


def choose_prompt(text: str, least: int, seed: int) -> str:
    """Return a passage of a text, from the beginning of a line if possible."""
    length = min(max(PROMPT, least), len(text))
    last = len(text) - length
    places = [end.end() for end in re.finditer("\n", text[:last])] or [*range(last + 1)]
    first = places[np.random.default_rng(seed).integers(len(places))]
    return text[first : first + length]
