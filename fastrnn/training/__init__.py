"""Training: the `Trainer`, what it minimizes, and the state of a run, which can be saved and resumed."""

from fastrnn.training.errors import DivergenceError, ResumeError
from fastrnn.training.history import BatchReport, History
from fastrnn.training.trainer import Trainer

__all__ = ["BatchReport", "DivergenceError", "History", "ResumeError", "Trainer"]
