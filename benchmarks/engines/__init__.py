"""Everybody who is timed, behind one small interface: an adapter a peer, in a file of its own.

An adapter is made from a problem and a number of threads, which it sets for its own library. Weights, inputs and
buffers are brought into the peer's favourite layout there, outside of the time.
"""

import importlib
from importlib.util import find_spec
from typing import Protocol

from benchmarks.cases import OWN, AnyProblem
from fastrnn._kernels import backends
from fastrnn._typing import Array


class LeftOut(RuntimeError):
    """Raised by an engine that cannot run a problem; says why, and the engine is left out there."""


class Engine(Protocol):
    """A peer, ready to run one problem. It has no method for a direction that it does not offer."""

    def __init__(self, problem: AnyProblem, n_threads: int) -> None: ...

    def infer(self) -> object:
        """Run forward, keeping nothing for a backward pass; h of all steps, in the engine's own layout."""

    def train(self) -> object:
        """Run forward and backward from the gradient of the final h; gradients of the weights, in its own layout."""

    def step(self) -> list[Array]:
        """Run forward by a call for each step, the state carried from one to the next; h (B, H) of every step."""

    def cost(self) -> object:
        """Compute cost and gradient of the sparse autoencoder, in the engine's own layout."""

    def epoch(self) -> object:
        """Train a whole model for an epoch, from the initial weights, batches and optimizer among it."""

    def results(self, direction: str) -> dict[str, Array]:
        """Return what the direction asks for, in fastrnn's layout: y (B, T, H); of `train` the gradients dWx, dWh, dbx,
        dbh; of `cost` the cost, dW1, db1, dW2 and db2; of `epoch` the mean loss and the weights by their names.
        """


# Name: the module, and the class in it. The first one that can run is what the others are compared with.
ENGINES = {
    "native": ("fastrnn_engine", "Native"),
    "numba": ("fastrnn_engine", "Numba"),
    "numpy": ("numpy_engine", "NumpyEngine"),
    "torch": ("torch_engine", "TorchEngine"),
    "torch-packed": ("torch_engine", "PackedTorchEngine"),
    "torch-compile": ("torch_compile_engine", "CompiledTorchEngine"),
    "jax": ("jax_engine", "JaxEngine"),
    "onnxruntime": ("onnxruntime_engine", "OnnxRuntimeEngine"),
    "keras": ("keras_engine", "KerasEngine"),
}

# The same for the sparse autoencoder.
AUTOENCODERS = {
    "native": ("fastrnn_autoencoder", "Native"),
    "numba": ("fastrnn_autoencoder", "Numba"),
    "numpy": ("numpy_autoencoder", "NumpyAutoencoder"),
    "torch": ("torch_autoencoder", "TorchAutoencoder"),
    "jax": ("jax_autoencoder", "JaxAutoencoder"),
}

# And for the models that are trained for an epoch.
NGRAMS = {
    "native": ("fastrnn_epochs", "NativeNGram"),
    "numpy": ("numpy_ngram", "NumpyNGram"),
    "torch": ("torch_epochs", "TorchNGram"),
    "torch-compile": ("torch_epochs", "CompiledTorchNGram"),
    "jax": ("jax_ngram", "JaxNGram"),
}
TEXTS = {"native": ("fastrnn_epochs", "NativeText"), "torch": ("torch_epochs", "TorchText")}
SUMS = {"native": ("fastrnn_epochs", "NativeSums"), "torch": ("torch_epochs", "TorchSums")}

# And for cells of one's own.
OWN_CELLS = {
    "numba": ("fastrnn_engine", "Numba"),
    "torch": ("torch_loop_engine", "LoopTorchEngine"),
    "torch-compile": ("torch_compile_engine", "CompiledTorchEngine"),
}

# By the cells that have engines of their own.
OTHERS = {"autoencoder": AUTOENCODERS, "ngram": NGRAMS, "text": TEXTS, "arithmetic": SUMS}
OTHERS |= dict.fromkeys(OWN, OWN_CELLS)

# The engines that people would use in place of fastrnn, and what they import.
PEERS = {
    "torch": ("torch",),
    "torch-packed": ("torch",),
    "torch-compile": ("torch",),
    "jax": ("jax",),
    "onnxruntime": ("onnx", "onnxruntime"),
    "keras": ("keras", "tensorflow"),
}


def offered(cell: str) -> dict[str, tuple[str, str]]:
    """Return the engines for the problems of a cell."""
    return OTHERS.get(cell, ENGINES)


def load(name: str, cell: str) -> type[Engine]:
    """Return an engine's class for the problems of a cell."""
    engines = offered(cell)
    if name not in engines:
        kind = "cells of one's own" if cell in OWN else f"the {cell} problems"
        raise LeftOut(f"is not timed with {kind}")
    module, attribute = engines[name]
    return getattr(importlib.import_module(f"benchmarks.engines.{module}"), attribute)


def missing(name: str) -> list[str]:
    """Return what an engine needs and does not find here; nothing is imported, a peer may take seconds to."""
    if name == "native" and backends.native() is None:
        return ["fastrnn's compiled kernels"]
    return [library for library in PEERS.get(name, ()) if find_spec(library) is None]


def installed() -> list[str]:
    """Return the names of the engines that run here."""
    return [name for name in ENGINES if not missing(name)]
