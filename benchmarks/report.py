"""Print measurements as tables and store them as JSON."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from statistics import geometric_mean
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.engines import ENGINES

Row = dict[str, Any]  # a measurement, as `Measurement.to_json` returns it


class Text(NamedTuple):
    """A table as text: the first two columns are names, the others are numbers."""

    title: str
    columns: list[str]
    sections: list[list[list[str]]]


def describe_machine(machine: dict[str, Any]) -> dict[str, str]:
    """Return what the times of a run depend on, as text by heading."""
    load = " ".join(f"{value:.2f}" for value in machine["load"] or ())
    libraries = {"Python": machine["python"]} | machine["versions"]
    return {
        "date": machine["date"].replace("T", " ").replace("+00:00", " UTC"),
        "load (1, 5, 15 min)": load or "unknown",
        "CPU": machine["cpu"],
        "CPUs": str(machine["cpus"]),
        "fastrnn, backend, instruction set": f"{machine['fastrnn']['fastrnn']}, {machine['fastrnn']['backend']}",
        "BLAS": ", ".join(" ".join(library.values()) for library in machine["blas"]),
        "libraries": ", ".join(f"{name} {version}" for name, version in libraries.items() if name != "fastrnn"),
    }


def by_setting(rows: list[Row]) -> Iterator[tuple[tuple[str, int, str, str], list[Row]]]:
    """Yield each group of rows with its dtype, number of threads, direction and base (the first engine)."""

    def key(row: Row) -> tuple[str, int, str, str]:
        return row["dtype"], row["n_threads"], row["direction"], next(iter(row["engines"]))

    for setting, group in groupby(sorted(rows, key=key), key):
        yield setting, list(group)


def engines_of(rows: list[Row]) -> list[str]:
    """Return the names of all engines that have times: first the base, which the others are compared with."""
    names = {name: None for row in rows for name in row["engines"]}
    base = next(iter(names))
    return [base, *(name for name in ENGINES if name in names and name != base)]


def mean_ratio(rows: list[Row], engine: str) -> float | None:
    """Return the geometric mean of an engine's ratios over the rows where it was timed; None if there are none."""
    return _mean([row["engines"][engine]["ratio"] for row in rows if engine in row["engines"]])


def mean_best(rows: list[Row]) -> float | None:
    """Return the geometric mean of the best peer's ratios."""
    return _mean([row["best_peer_ratio"] for row in rows if row["best_peer"]])


def _mean(ratios: list[float]) -> float | None:
    return geometric_mean(ratios) if ratios else None


def means(rows: list[Row]) -> list[Row]:
    """Return the geometric means for each dtype, number of threads, direction and cell, and for all cells."""
    results = []
    for (dtype, n_threads, direction, base), group in by_setting(rows):
        for cell in (*dict.fromkeys(row["cell"] for row in group), "all"):
            chosen = [row for row in group if cell in (row["cell"], "all")]
            results.append(
                {
                    "dtype": dtype,
                    "n_threads": n_threads,
                    "direction": direction,
                    "base": base,
                    "cell": cell,
                    "engines": {name: mean_ratio(chosen, name) for name in engines_of(chosen)[1:]},
                    "best_peer_ratio": mean_best(chosen),
                }
            )
    return results


def tables(rows: list[Row]) -> Iterator[Text]:
    """Yield a table for each direction, dtype and number of threads, with a section for each cell.

    Rows with a key "run" get a last column: the name of the run that they come from.
    """
    for (dtype, n_threads, direction, _), group in by_setting(rows):
        base, *others = engines_of(group)
        axes = ", ".join(axis for axis in group[0]["size"] if axis != "shortest")
        columns = ["cell", f"case ({axes})", f"{base} ms", "GFLOP/s", "of peak", *others, "best peer", "ratio"]
        columns += ["run"] * ("run" in group[0])
        sections = []
        for cell, section in groupby(group, lambda row: row["cell"]):
            of_cell = list(section)
            sections.append([*(_line(row, base, others) for row in of_cell), _mean_line(cell, of_cell, others)])
        sections.append([_mean_line("all", group, others)])
        threads = "1 thread" if n_threads == 1 else f"{n_threads} threads"
        yield Text(f"{direction}, {dtype}, {threads}: time divided by the time of {base}", columns, sections)


def _line(row: Row, base: str, others: list[str]) -> list[str]:
    own = row["engines"][base]
    return [
        row["cell"],
        row["title"],
        f"{own['seconds'] * 1e3:.3g}",
        f"{own['gflops']:.3g}",
        f"{own['gflops'] / row['peak_gflops']:.0%}",
        *(_ratio(row["engines"].get(name, {}).get("ratio")) for name in others),
        row["best_peer"] or "",
        _ratio(row["best_peer_ratio"]),
        *([row["run"]] if "run" in row else []),
    ]


def _mean_line(cell: str, rows: list[Row], others: list[str]) -> list[str]:
    ratios = (_ratio(mean_ratio(rows, name)) for name in others)
    return [cell, "geometric mean", "", "", "", *ratios, "", _ratio(mean_best(rows)), *[""] * ("run" in rows[0])]


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def left_out(rows: list[Row]) -> list[str]:
    """Return lines that say which engines were not timed, why, and on which problems."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        for name, reason in row["left_out"].items():
            found.setdefault((name, reason), {})[f"{row['direction']} {row['cell']} {row['case']} {row['dtype']}"] = (
                None
            )
    return [
        f"{name}: {reason} ({', '.join(where) if len(where) <= 3 else f'{len(where)} problems'})"
        for (name, reason), where in found.items()
    ]


def print_tables(console: Console, rows: list[Row]) -> None:
    """Print all tables, and the engines that were left out."""
    for text in tables(rows):
        names, numbers = text.columns[:2], text.columns[2:]
        table = Table(title=text.title, title_justify="left")
        for column in names:
            table.add_column(column, no_wrap=True)
        for column in numbers:
            table.add_column(column, justify="right")
        for section in text.sections:
            for line in section:
                table.add_row(*line)
            table.add_section()
        console.print(table)
    for reason in left_out(rows):
        console.print(f"Left out: {reason}", highlight=False)


def write_json(folder: Path, machine: dict[str, Any], rows: list[Row]) -> Path:
    """Write everything to a new file in the folder and return the path of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"kernels-{machine['date'].replace(':', '').partition('+')[0]}.json"
    results = {"machine": machine, "measurements": rows, "means": means(rows)}
    path.write_text(json.dumps(results, indent=1) + "\n")
    return path
