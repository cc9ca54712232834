"""Files to arrays."""

from fastrnn.data.sequences import DataError, Dataset, digits, load_inputs, load_sequences

__all__ = ["DataError", "Dataset", "digits", "load_inputs", "load_sequences"]
