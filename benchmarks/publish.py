"""`python -m benchmarks.publish [FOLDER]`: write a page and a picture of the results in a folder to the same folder.

The results may come from several runs, for example one for each cell. Each run gets a letter. Of each problem the page
shows the newest measurement, with the letter of its run.
"""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import count, pairwise, product, zip_longest
from pathlib import Path
from string import ascii_uppercase
from textwrap import fill
from typing import Annotated, NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import typer
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.cases import CASES, CELLS, DIRECTIONS, DTYPES
from benchmarks.engines import PEERS
from benchmarks.report import Row, Text, describe_machine, left_out, tables

PROBLEM = ("cell", "case", "dtype", "n_threads", "direction")
NAMES = {"infer": "inference", "train": "training", "step": "steps", "cost": "cost", "epoch": "epoch"}
COLORS = {name: f"C{k}" for k, name in enumerate(PEERS)}

INTRODUCTION = """\
`make bench-peers` writes this page. The first table lists the runs. The column *run* of the other
tables says which run a result comes from. A result that was measured in several runs is shown
once, from the newest run."""

LEGEND = """\
In the table of runs, `"` means "as in the row above", *threads* are the numbers of threads that
were measured, and *results* is the number of results on this page: 0 if later runs measured all of
them again.

In the other tables, *native ms* or *numba ms* is the time of fastrnn with that backend. The columns
*torch*, *jax* and so on show the time of that engine divided by fastrnn's time: above 1, fastrnn is
faster. Times are medians over interleaved rounds. Outputs and gradients were compared with the
reference first, and an engine that differs is not timed. All engines had the same CPUs and the same
number of threads. *best peer* is the fastest of PyTorch, JAX, ONNX Runtime and Keras in that row,
and *ratio* is its time divided by fastrnn's. *of peak* is fastrnn's share of the peak rate of the
CPU."""


class Run(NamedTuple):
    """A run of the benchmarks: what it measured, and where (`describe_machine`)."""

    name: str
    threads: set[int]
    n_results: int  # on the page
    machine: dict[str, str]


def run_names() -> Iterator[str]:
    """Yield A, B, ..., Z, AA, AB, ..."""
    for length in count(1):
        yield from map("".join, product(ascii_uppercase, repeat=length))


def collect(files: list[Path]) -> tuple[list[Run], list[Row]]:
    """Return all runs, and the newest row of each problem with the name of its run, in the order of the sizes."""
    runs = {name: json.loads(path.read_text()) for name, path in zip(run_names(), sorted(files), strict=False)}
    newest = {
        tuple(row[key] for key in PROBLEM): row | {"run": name}
        for name, run in runs.items()
        for row in run["measurements"]
    }
    settings = sorted({problem[3:] for problem in newest})
    order = (
        (cell, case, dtype, *setting) for dtype, cell, case in product(DTYPES, CELLS, CASES) for setting in settings
    )
    rows = [newest[problem] for problem in order if problem in newest]
    shown = Counter(row["run"] for row in rows)
    return [
        Run(name, {row["n_threads"] for row in run["measurements"]}, shown[name], describe_machine(run["machine"]))
        for name, run in runs.items()
    ], rows


def markdown(runs: list[Run], rows: list[Row]) -> str:
    """Return the page: runs, picture, tables of results, and the engines that were left out."""
    parts = [
        "# Results of the benchmarks",
        INTRODUCTION,
        _table_of_runs(runs),
        LEGEND,
        "![Time of each peer divided by fastrnn's time, by size](ratios.png)",
        *map(_table_of_results, tables(rows)),
        "## Left out",
        "\n".join(fill(f"- {line}", 100, subsequent_indent="  ") for line in left_out(rows)) or "No engine.",
    ]
    return "\n\n".join(parts) + "\n"


def _table_of_runs(runs: list[Run]) -> str:
    """Return a line for each run; what is the same as in the line above is not written again."""
    machines = [run.machine for run in runs]
    lines = [list(machines[0].values())]
    for above, machine in pairwise(machines):
        lines.append(['"' if text == above[heading] else text for heading, text in machine.items()])
    columns = ["run", "threads", "results", *machines[0]]
    measured = [[run.name, ", ".join(map(str, sorted(run.threads))), str(run.n_results)] for run in runs]
    rows = [[*first, *line] for first, line in zip(measured, lines, strict=True)]
    return _markdown_table(columns, ["---"] * len(columns), rows)


def _table_of_results(text: Text) -> str:
    rule = ["---"] * 2 + ["---:"] * (len(text.columns) - 2)
    lines = [line for section in text.sections for line in section]
    return f"## {text.title}\n\n" + _markdown_table(text.columns, rule, lines)


def _markdown_table(columns: list[str], rule: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, rule, *lines))


def plot_ratios(rows: list[Row], path: Path) -> None:
    """Draw how many times as long as fastrnn each peer takes: a column for each direction, a panel for each cell."""
    columns = {name: chosen for name in DIRECTIONS if (chosen := [row for row in rows if row["direction"] == name])}
    cells = [list(dict.fromkeys(row["cell"] for row in column)) for column in columns.values()]
    widths = [max(4, len({row["case"] for row in column})) for column in columns.values()]  # room for a title
    height = max(map(len, cells))
    figure, axes = plt.subplots(
        height,
        len(columns),
        figsize=(3 + sum(widths) * 0.42, 1 + 2.3 * height),
        width_ratios=widths,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for panels, names, (direction, column) in zip(axes.T, cells, columns.items(), strict=True):
        for panel, cell in zip_longest(panels, names):
            if cell is None:
                panel.set_visible(False)
                continue
            _bars(panel, [row for row in column if row["cell"] == cell])
            panel.set_title(f"{cell.upper()}, {NAMES[direction]}")
    for panel in axes[:, 0]:
        panel.set_ylabel("time relative to fastrnn")
    shown = [name for name in PEERS if any(name in row["engines"] for row in rows)]
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLORS[name]) for name in shown]
    figure.legend(handles, shown, loc="outside upper center", ncols=len(shown), frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _bars(panel: Axes, rows: list[Row]) -> None:
    """Draw a group of bars for each size, in the order of `PEERS`; bars start at 1: as fast as fastrnn."""
    for place, row in enumerate(rows):
        peers = [name for name in PEERS if name in row["engines"]]
        width = 0.8 / max(len(peers), 3)
        for k, name in enumerate(peers):
            ratio = row["engines"][name]["ratio"]
            panel.bar(place + (k - (len(peers) - 1) / 2) * width, ratio - 1, width, bottom=1, color=COLORS[name])
    panel.axhline(1, color="black", linewidth=0.8)
    panel.set_yscale("log", base=2)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.grid(axis="y", linewidth=0.4)
    panel.set_axisbelow(True)
    panel.set_xticks(range(len(rows)), [row["case"] for row in rows], rotation=45, ha="right")


def main(
    folder: Annotated[Path, typer.Argument(help="Folder with the results.")] = Path("benchmarks/results"),
) -> None:
    """Write README.md and ratios.png for the results in a folder; the picture shows float32 with the fewest threads."""
    found = list(folder.glob("*.json"))
    if not found:
        raise typer.BadParameter(f"{folder} contains no results: run `make bench-peers` first")
    runs, rows = collect(found)
    setting = min((row["dtype"], row["n_threads"]) for row in rows)
    (folder / "README.md").write_text(markdown(runs, rows))
    plot_ratios([row for row in rows if (row["dtype"], row["n_threads"]) == setting], folder / "ratios.png")
    typer.echo(f"Written to {folder / 'README.md'} and {folder / 'ratios.png'}")


if __name__ == "__main__":
    typer.run(main)
