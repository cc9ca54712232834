"""Features of new images."""

from pathlib import Path
from typing import Any

import numpy as np

from fastrnn.cli.run.block_reading import can_stream
from fastrnn.cli.run.tables import Rows
from fastrnn.data import load_images
from fastrnn.data.lazy_array import as_lazy


def load(autoencoder: Any, path: Path, key: str | None) -> Any:
    """Return the images or rows of a file."""
    return load_images(path, key, stream=can_stream(str(path)))


def tabulate(autoencoder: Any, X: Any) -> Rows:
    """Return the reconstruction error and the hidden activations of each example."""
    scaler = autoencoder.scaler_
    if (X.ndim == 2) != (scaler is None):
        kinds = ("a matrix", "images")
        raise ValueError(f"holds {kinds[X.ndim > 2]}, expected {kinds[scaler is not None]} as in training")
    x = X if scaler is None else scaler.transform(X, autoencoder.weights_.W1.dtype, "last")
    rows = []
    for _, piece in as_lazy(x).pieces():
        h = autoencoder.transform(piece)
        errors = np.square(autoencoder.inverse_transform(h) - piece, dtype=np.float64).mean(axis=1)
        rows += [[f"{value:.6g}" for value in (error, *row)] for error, row in zip(errors, h, strict=True)]
    units = [f"h_{unit}" for unit in range(len(autoencoder.weights_.b1))]
    return ["error", *units], rows, f"{len(rows)} rows of {len(units)} activations"
