"""Tables of predictions, as CSV files."""

import csv
import io
from pathlib import Path

from fastrnn._atomic import replace_file

Rows = tuple[list[str], list[list[str]], str]  # columns, values, and a description


def write_rows(out: Path, columns: list[str], rows: list[list[str]]) -> None:
    """Write a CSV file whose first column numbers the rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", *columns])
    writer.writerows([index, *row] for index, row in enumerate(rows))
    replace_file(out, text.getvalue().encode())
