"""Write a file of labelled sequences that is larger than memory, a part at a time, to train on with `--stream`."""

import argparse
from pathlib import Path

import h5py
import numpy as np

STEPS, CHANNELS = 250, 64
CLASSES = ("slow", "fast", "faster")
PART = 1000  # sequences that are made at a time: 64 MB


def write(path: Path, gigabytes: float, seed: int = 0) -> None:
    """Write sequences (N, 250, 64) of float32, sines of three frequencies in noise, and a test set of a tenth."""
    rng = np.random.default_rng(seed)
    n = round(gigabytes * 1e9 / (4 * STEPS * CHANNELS))
    t = np.linspace(0, 6, STEPS, dtype=np.float32)[:, np.newaxis]
    with h5py.File(path, "w") as file:
        for name, size in (("train", n - n // 11), ("test", n // 11)):
            X = file.create_dataset(f"X_{name}", (size, STEPS, CHANNELS), np.float32)
            y = file.create_dataset(f"y_{name}", (size,), np.int8)
            for first in range(0, size, PART):
                labels = rng.integers(0, len(CLASSES), min(PART, size - first))
                phases = rng.uniform(0, 6, (len(labels), 1, 1)).astype(np.float32)
                part = rng.standard_normal((len(labels), STEPS, CHANNELS), dtype=np.float32)
                part += np.sin(t * (1 + labels[:, np.newaxis, np.newaxis]).astype(np.float32) + phases)
                X[first : first + len(part)] = part
                y[first : first + len(part)] = labels
        file.attrs["classes"] = CLASSES


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="the HDF5 file to write")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="its size (default: 4)")
    arguments = parser.parse_args()
    write(arguments.path, arguments.gigabytes)
    print(f"{arguments.path} is written; to train on it, with less memory than it is large:")
    print(f"fastrnn-train classify {arguments.path} --stream --hidden 16 --epochs 1")
