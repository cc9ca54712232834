"""Measurements for people, as tables, and for programs, as JSON."""

import json
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measurement import Measurement, mean_ratio

FOLDER = Path(".benchmarks")


def print_machine(console: Console, machine: dict[str, Any]) -> None:
    """Print what the numbers depend on."""
    blas = ", ".join(" ".join(library.values()) for library in machine["blas"])
    load = " ".join(f"{value:.2f}" for value in machine["load"] or ())
    console.print(f"{machine['cpu']}, {machine['cpus']} CPUs, load {load or 'unknown'}, {machine['date']}")
    console.print(f"fastrnn {machine['fastrnn']['backend']}; BLAS {blas}")
    console.print(", ".join(f"{name} {version}" for name, version in machine["versions"].items()))


def print_tables(console: Console, measurements: list[Measurement]) -> None:
    """Print a table for each direction, dtype and number of threads."""

    def key(measurement: Measurement) -> tuple[str, int, str]:
        return measurement.problem.dtype, measurement.n_threads, measurement.direction

    for (dtype, n_threads, direction), group in groupby(sorted(measurements, key=key), key):
        threads = "1 thread" if n_threads == 1 else f"{n_threads} threads"
        console.print(_table(f"{direction}, {dtype}, {threads}", list(group)))


def _table(title: str, measurements: list[Measurement]) -> Table:
    base, *peers = measurements[0].times
    table = Table(title=title, title_justify="left")
    table.add_column("cell")
    table.add_column("case (B, T, I, H)", no_wrap=True)
    columns = [f"{base} ms", "GFLOP/s", "of peak"]
    for peer in peers:
        columns += [f"{peer} ms", f"/ {base}"]
    for column in columns:
        table.add_column(column, justify="right")
    for cell, group in groupby(measurements, lambda measurement: measurement.problem.cell):
        rows = list(group)
        for row in rows:
            table.add_row(
                cell,
                str(row.problem.case),
                f"{row.seconds(base) * 1e3:.2f}",
                f"{row.gflops(base):.0f}",
                f"{row.gflops(base) / row.peak_gflops:.0%}",
                *chain.from_iterable(
                    (f"{row.seconds(peer) * 1e3:.2f}", f"[bold]{row.ratio(peer, base):.2f}[/]") for peer in peers
                ),
            )
        _add_mean(table, cell, rows, base, peers)
    _add_mean(table, "all", measurements, base, peers)
    return table


def _add_mean(table: Table, cell: str, rows: list[Measurement], base: str, peers: list[str]) -> None:
    means = chain.from_iterable(("", f"[bold]{mean_ratio(rows, peer, base):.2f}[/]") for peer in peers)
    table.add_row(cell, "geometric mean", "", "", "", *means, end_section=True)


def write_json(machine: dict[str, Any], measurements: list[Measurement]) -> Path:
    """Write everything to a new file and return its path."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"kernels-{machine['date'].replace(':', '').partition('+')[0]}.json"
    results = {"machine": machine, "measurements": [measurement.to_json() for measurement in measurements]}
    path.write_text(json.dumps(results, indent=1) + "\n")
    return path
