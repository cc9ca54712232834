"""The module `fastrnn.models.sequential`, by its name in version 0.1.0."""

from fastrnn.models.sequential import Sequential, load_model

__all__ = ["Sequential", "load_model"]
