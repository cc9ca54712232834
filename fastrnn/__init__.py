"""Recurrent networks on a CPU.

Names of the axes in this package: **B** batch, **T** time, **I** input, **H** hidden, **G** gates, **S** states,
**N** examples, **V** vocabulary, **D** embedding. Public arrays are batch first, (B, T, I). Parameters are
``Wx (I, G, H)``, ``Wh (H, G, H)``, ``bx (G, H)`` and ``bh (G, H)``; their gradients are ``dWx`` and so on. The order of
the gates is i f g o in an LSTM and r z n in a GRU (which resets after the product); an RNN has one gate.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Public names by module. A module is imported on first use: `import fastrnn` itself loads almost nothing.
_MODULES = {
    "_kernels": (
        "AutoencoderWeights",
        "PackedWeights",
        "Tape",
        "Weights",
        "pack",
        "recurrent_backward",
        "recurrent_forward",
        "set_num_threads",
        "show_config",
        "sparse_autoencoder_cost",
    ),
    "layers": (
        "GRU",
        "LSTM",
        "RNN",
        "Dense",
        "Dropout",
        "Embedding",
        "Flatten",
        "Gaussian",
        "Recurrent",
        "RepeatVector",
    ),
    "models": ("EncoderDecoder", "Sequential", "Stream"),
    "optimizers": ("SGD", "Adam"),
    "schedules": ("CosineSchedule", "PlateauSchedule", "StepSchedule"),
    "training": ("DivergenceError", "History", "Trainer"),
    "storage": ("StorageError",),
    "estimators": (
        "CharacterLanguageModel",
        "NGramLanguageModel",
        "RecurrentClassifier",
        "RecurrentForecaster",
        "RecurrentRegressor",
        "SequenceTranslator",
        "SparseAutoencoder",
        "load",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
_SUBMODULES = ("cells", "data", "forecasting", "layers", "losses", "memory", "plots", "testing")
__all__ = ["__version__", *_SUBMODULES, *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = globals()[name] = getattr(importlib.import_module(f"fastrnn.{_HOMES[name]}"), name)
        return found
    if name in _SUBMODULES:
        return importlib.import_module(f"fastrnn.{name}")
    raise AttributeError(f"module 'fastrnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
