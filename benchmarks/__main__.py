"""`python -m benchmarks`: time the engines side by side, print tables, write JSON."""

import sys
from collections.abc import Callable, Collection
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from benchmarks.cases import CASES, CELLS, DIRECTIONS, DTYPES, pairs
from benchmarks.engines import ENGINES, PEERS, installed, missing
from benchmarks.machine import describe, refuse_slow_blas
from benchmarks.measurement import measure
from benchmarks.report import describe_machine, print_tables, write_json


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return a parser for names separated by commas."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise typer.BadParameter(f"unknown {', '.join(unknown)}; choose from {','.join(known)}")
        return names

    return parse


def _engines(text: str) -> list[str]:
    """Parse the names of engines, which must be able to run here."""
    names = _names(ENGINES)(text)
    for name in names:
        if needed := missing(name):
            hint = "; `make bench-peers` installs all peers" if name in PEERS else ""
            raise typer.BadParameter(f"{name} needs {' and '.join(needed)}, which is not installed{hint}")
    return names


def _threads(text: str) -> list[int]:
    """Parse numbers of threads separated by commas."""
    if not all(number.isdecimal() and int(number) for number in text.split(",")):
        raise typer.BadParameter(f"threads are {text}, expected whole numbers above 0, such as 1,2")
    return [int(number) for number in text.split(",")]


def _option(parser: Callable[[str], Any], help: str) -> Any:
    return typer.Option(parser=parser, metavar="A,B,...", help=help)


def main(
    cells: Annotated[Any, _option(_names(CELLS), "Cells (default: all).")] = None,
    cases: Annotated[Any, _option(_names(CASES), "Sizes (default: all).")] = None,
    dtypes: Annotated[Any, _option(_names(DTYPES), "Precisions.")] = "float32",
    threads: Annotated[Any, _option(_threads, "Numbers of threads; every engine gets the same.")] = "1",
    directions: Annotated[
        Any,
        _option(
            _names(DIRECTIONS),
            "infer: forward pass; train: forward and backward pass; step: forward pass with one call for each step; "
            "cost: cost and gradient of the autoencoder; epoch: an epoch of a whole model.",
        ),
    ] = "infer,train,step,cost,epoch",
    engines: Annotated[
        Any,
        _option(
            _engines,
            f"Some of {', '.join(ENGINES)} (default: all installed). The others are compared with the first.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Seconds of timing for each problem, shared by all engines.")] = 3.0,
    folder: Annotated[Path, typer.Option(help="Folder for the numbers, as JSON.")] = Path(".benchmarks"),
) -> None:
    """Check that the kernels and the installed peers compute the same, then time them side by side."""
    chosen = pairs(cells or CELLS, cases or CASES, directions)
    if not chosen:
        raise typer.BadParameter("none of these cells has any of these cases and directions")
    console = Console() if sys.stdout.isatty() else Console(width=160)
    try:
        refuse_slow_blas()
    except RuntimeError as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from None
    machine = describe()
    for heading, text in describe_machine(machine).items():
        console.print(f"{heading}: {text}")
    rows, failures = [], []
    groups = list(product(dtypes, chosen, threads))
    for dtype, (cell, case), n_threads in track(groups, "Timing", console=Console(stderr=True), transient=True):
        problem = CASES[case].problem(cell, dtype)
        try:
            measured = measure(problem, engines or installed(), directions, n_threads, seconds)
        except RuntimeError as error:  # keep the times of the other problems: they may have taken hours
            failures.append(error)
        else:
            rows += [measurement.to_json() for measurement in measured]
    print_tables(console, rows)
    for failure in failures:
        console.print(f"[red]{failure}[/]")
    console.print(f"Written to {write_json(folder, machine, rows)}")
    raise typer.Exit(1 if failures else 0)


if __name__ == "__main__":
    typer.run(main)
