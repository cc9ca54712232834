"""Every figure, one function each: figures without pyplot, hence without windows, global state or a display."""

from fastrnn.plots._style import save
from fastrnn.plots.classes import confusion_matrix
from fastrnn.plots.curves import learning_curves

__all__ = ["confusion_matrix", "learning_curves", "save"]
