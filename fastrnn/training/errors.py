"""Errors of training."""


class DivergenceError(FloatingPointError):
    """A loss, a gradient or weights are not finite; the message says where, and what to try."""


class ResumeError(ValueError):
    """A run cannot go on with these settings or data; the message gives the old and the new value."""
