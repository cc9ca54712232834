"""Figures, one function each. They do without pyplot, so they need no display and leave no global state."""

from fastrnn.plots._style import save
from fastrnn.plots.classes import confusion_matrix
from fastrnn.plots.curves import bits_per_character, cost_by_epoch, learning_curves
from fastrnn.plots.features import feature_grids, features
from fastrnn.plots.forecasts import errors_by_step, forecasts, forecasts_of_several
from fastrnn.plots.images import patches, reconstructions
from fastrnn.plots.shares import wrong_shares
from fastrnn.plots.sweeps import sweep
from fastrnn.plots.words import embedding_map, next_words

__all__ = [
    "bits_per_character",
    "confusion_matrix",
    "cost_by_epoch",
    "embedding_map",
    "errors_by_step",
    "feature_grids",
    "features",
    "forecasts",
    "forecasts_of_several",
    "learning_curves",
    "next_words",
    "patches",
    "reconstructions",
    "save",
    "sweep",
    "wrong_shares",
]
