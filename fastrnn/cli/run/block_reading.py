"""Whether data are read from their file by blocks, or all at once into memory."""

from pathlib import Path

from fastrnn.cli.errors import UsageError

SUFFIXES = (".h5", ".hdf5")
SHARE = 0.5  # of the memory that is available: what data may take to be read all at once


def can_stream(path: str | None, stream: bool | None = None) -> bool:
    """Can these data be read by blocks? Refuse `stream` where they cannot."""
    possible = path is not None and Path(path).suffix.lower() in SUFFIXES
    if stream and not possible:
        data = "the default data are in memory" if path is None else f"{path} is read as a whole"
        raise UsageError(f"--stream reads HDF5 files (.h5, .hdf5) by blocks, but {data}; expected --in-memory")
    return possible


def has_to_stream(needed: int) -> bool:
    """Would so many bytes be too much for memory?"""
    from fastrnn.memory import available_bytes

    available = available_bytes()
    return available is not None and needed > SHARE * available


def describe(needed: int) -> str:
    """Say that data are read by blocks, and why one would."""
    return f", read by blocks: in memory they would take {needed / 1e9:.2f} GB"
