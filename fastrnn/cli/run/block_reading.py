"""Whether data are read from their file in blocks, or all at once into memory."""

from pathlib import Path

from fastrnn.cli.errors import UsageError

SUFFIXES = (".h5", ".hdf5")
SHARE = 0.5  # of the available memory: larger data are read in blocks


def can_stream(path: str | None, stream: bool | None = None) -> bool:
    """Return whether these data can be read in blocks; refuse `stream` if they cannot."""
    possible = path is not None and Path(path).suffix.lower() in SUFFIXES
    if stream and not possible:
        data = "the default data are in memory" if path is None else f"{path} is not one"
        raise UsageError(f"--stream reads HDF5 files (.h5, .hdf5) in blocks, but {data}; use --in-memory")
    return possible


def has_to_stream(needed: int) -> bool:
    """Return whether so many bytes are too many for the memory."""
    from fastrnn.memory import available_bytes

    available = available_bytes()
    return available is not None and needed > SHARE * available


def describe(needed: int) -> str:
    """Describe that data are read in blocks, and why."""
    return f", read in blocks (in memory: {needed / 1e9:.2f} GB)"
