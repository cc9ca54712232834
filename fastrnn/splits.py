"""The module `fastrnn.training.splits`, by its name in version 0.1.0."""

from fastrnn.training.splits import validation_split

__all__ = ["validation_split"]
