"""Classes of new sequences."""

from pathlib import Path
from typing import Any

from fastrnn.cli.run.block_reading import can_stream
from fastrnn.cli.run.tables import Rows
from fastrnn.data import load_inputs


def load(classifier: Any, path: Path, key: str | None) -> Any:
    """Return the sequences of a file."""
    return load_inputs(path, key, stream=can_stream(str(path)))


def tabulate(classifier: Any, X: Any) -> Rows:
    """Return the class of each sequence, and the probability of every class."""
    proba = classifier.predict_proba(X)
    names = [str(label) for label in classifier.classes_]
    rows = [[names[int(row.argmax())], *(f"{value:.6g}" for value in row)] for row in proba]
    what = f"{len(rows)} predictions of {len(names)} classes ({', '.join(names)})"
    return ["prediction", *(f"p_{name}" for name in names)], rows, what
