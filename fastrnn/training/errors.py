"""Errors of training."""


class DivergenceError(FloatingPointError):
    """A loss, a gradient or weights are not finite; the message says where, and what to try."""


class ResumeError(ValueError):
    """A run cannot go on with what is given; the message says what it had, and what it would have."""
