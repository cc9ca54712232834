"""The module `fastrnn.models.stream`, by its name in version 0.1.0."""

from fastrnn.models.stream import Stream

__all__ = ["Stream"]
