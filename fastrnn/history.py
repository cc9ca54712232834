"""The module `fastrnn.training.history`, by its name in version 0.1.0."""

from fastrnn.training.history import History

__all__ = ["History"]
