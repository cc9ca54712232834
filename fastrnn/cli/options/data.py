"""Options for data that several tasks share."""

from fastrnn.cli.options.option import CHANGES, DATA, Option

STREAM = Option(
    "stream", bool, "Read an HDF5 file in blocks while training, or load it all at once; the results are the same.",
    shown="all at once, if it fits in memory", flags=("--stream/--in-memory",), panel=DATA, resumed=CHANGES,
)  # fmt: skip
KEY = Option("key", str, "Name of the array in DATA.", panel=DATA)
