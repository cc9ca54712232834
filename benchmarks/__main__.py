"""`python -m benchmarks`: time the engines side by side, print tables, write JSON."""

import sys
from collections.abc import Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from benchmarks.cases import CASES, CELLS, DIRECTIONS, DTYPES, Problem
from benchmarks.engines import ENGINES, installed
from benchmarks.machine import describe, refuse_slow_blas
from benchmarks.measurement import measure
from benchmarks.report import print_machine, print_tables, write_json


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return a parser of names with commas between them."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise typer.BadParameter(f"{', '.join(unknown)}: expected some of {','.join(known)}")
        return names

    return parse


def _threads(text: str) -> list[int]:
    """Parse numbers of threads with commas between them."""
    if not all(number.isdecimal() and int(number) for number in text.split(",")):
        raise typer.BadParameter(f"{text}: expected whole numbers above 0 such as 1,2")
    return [int(number) for number in text.split(",")]


def _option(parser: Callable[[str], Any], help: str) -> Any:
    return typer.Option(parser=parser, metavar="A,B,...", help=help)


def main(
    cells: Annotated[Any, _option(_names(CELLS), "Cells; all by default.")] = None,
    cases: Annotated[Any, _option(_names(CASES), "Sizes; all by default.")] = None,
    dtypes: Annotated[Any, _option(_names(DTYPES), "Precisions.")] = "float32",
    threads: Annotated[Any, _option(_threads, "Numbers of threads, the same for everybody.")] = "1",
    directions: Annotated[Any, _option(_names(DIRECTIONS), "infer: forward; train: and backward.")] = "infer,train",
    engines: Annotated[
        Any, _option(_names(ENGINES), "All installed by default; the others are compared with the first.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Time for each group of engines.")] = 3.0,
) -> None:
    """Time recurrent kernels against the peers that are installed, side by side, after checking equal outputs."""
    console = Console() if sys.stdout.isatty() else Console(width=128)
    try:
        refuse_slow_blas()
        machine = describe()
        print_machine(console, machine)
        measurements = []
        groups = list(product(dtypes, cells or CELLS, cases or CASES, threads))
        # A process for each group, as in use: what malloc keeps after another size halves or doubles a peer's time.
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            for dtype, cell, case, n_threads in track(groups, "Timing", console=Console(stderr=True), transient=True):
                problem = Problem(cell, CASES[case], dtype)
                group = pool.submit(measure, problem, engines or installed(), directions, n_threads, seconds)
                measurements += group.result()
    except (ImportError, RuntimeError) as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from None
    print_tables(console, measurements)
    console.print(f"Written to {write_json(machine, measurements)}")


if __name__ == "__main__":
    typer.run(main)
