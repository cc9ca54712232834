"""Write a file that is larger than memory, part by part, to train on it with `--stream`: sequences or n-grams."""

import argparse
from pathlib import Path

import h5py
import numpy as np

STEPS, CHANNELS = 250, 64
CLASSES = ("slow", "fast", "faster")
PART = 1000  # sequences in a part: 64 MB
WORDS, BEFORE, AFTER = 300, 20, 3  # vocabulary, words before the next one, words that may come next


def write_sequences(path: Path, gigabytes: float, seed: int = 0) -> None:
    """Write sequences (N, 250, 64) of float32, sines of three frequencies in noise, and a test set a tenth as large."""
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


def write_ngrams(path: Path, gigabytes: float, seed: int = 0) -> None:
    """Write words as numbers: the last of 20 determines the next one. A tenth each is for validation and test."""
    rng = np.random.default_rng(seed)
    n = round(gigabytes * 1e9 / (2 * (BEFORE + 1)))
    with h5py.File(path, "w") as file:
        for name, size in (("train", n - 2 * (n // 10)), ("val", n // 10), ("test", n // 10)):
            x = file.create_dataset(f"{name}x", (size, BEFORE), np.uint16)
            d = file.create_dataset(f"{name}d", (size,), np.uint16)
            for first in range(0, size, 1000 * PART):
                part = rng.integers(0, WORDS, (min(1000 * PART, size - first), BEFORE), np.uint16)
                x[first : first + len(part)] = part
                d[first : first + len(part)] = part[:, -1] % AFTER
        file["words"] = [f"word{number}" for number in range(WORDS)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="the HDF5 file to write")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="its size (default: 4)")
    parser.add_argument("--ngrams", action="store_true", help="n-grams, in place of sequences")
    arguments = parser.parse_args()
    if arguments.ngrams:
        write_ngrams(arguments.path, arguments.gigabytes)
        how = "words {} --stream --embedding 4 --hidden 8 --batch-size 1000 --epochs 1"
    else:
        write_sequences(arguments.path, arguments.gigabytes)
        how = "classify {} --stream --hidden 16 --epochs 1"
    print(f"{arguments.path} is written; to train on it, with less memory than it is large:")
    print(f"fastrnn-train {how.format(arguments.path)}")
