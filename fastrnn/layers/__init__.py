"""Layers, one file each. A new layer is one file here and one name in `_ALL`."""

from fastrnn.layers._base import (
    Backward,
    Call,
    Forward,
    Gradients,
    Layer,
    LayerBackprop,
    ModelState,
    NetState,
    Parameters,
    Shape,
    State,
    Step,
)
from fastrnn.layers.dense import Dense
from fastrnn.layers.dropout import Dropout
from fastrnn.layers.embedding import Embedding
from fastrnn.layers.flatten import Flatten
from fastrnn.layers.initializers import Gaussian
from fastrnn.layers.recurrent import GRU, LSTM, RNN, Recurrent
from fastrnn.layers.repeat import RepeatVector
from fastrnn.layers.rows import RowGradient

_ALL = (Recurrent, RNN, LSTM, GRU, Dense, Dropout, Embedding, Flatten, RepeatVector)
LAYERS = {layer.__name__: layer for layer in _ALL}

__all__ = [
    "GRU",
    "LAYERS",
    "LSTM",
    "RNN",
    "Backward",
    "Call",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Forward",
    "Gaussian",
    "Gradients",
    "Layer",
    "LayerBackprop",
    "ModelState",
    "NetState",
    "Parameters",
    "Recurrent",
    "RepeatVector",
    "RowGradient",
    "Shape",
    "State",
    "Step",
]
