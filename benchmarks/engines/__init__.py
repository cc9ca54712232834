"""All engines that are timed, behind one small interface: each library has adapters in its own files.

An adapter is made from a problem and a number of threads, which it sets for its library. It also converts weights,
inputs and buffers to the layout that is best for the library, outside of the time.
"""

import importlib
from importlib.util import find_spec
from typing import Protocol

from benchmarks.cases import OWN, AnyProblem
from fastrnn._kernels import backends
from fastrnn._typing import Array


class LeftOut(RuntimeError):
    """Raised by an engine that cannot run a problem, with the reason; the engine is then left out."""


class Engine(Protocol):
    """An engine, ready to run one problem. It has no method for a direction that it does not offer."""

    def __init__(self, problem: AnyProblem, n_threads: int) -> None: ...

    def infer(self) -> object:
        """Run a forward pass that keeps nothing for a backward pass; return h of all steps, in the engine's layout."""

    def train(self) -> object:
        """Run a forward pass, and a backward pass from the gradient of the final h.

        Return the gradients of the weights, in the engine's layout.
        """

    def step(self) -> list[Array]:
        """Run a forward pass with one call for each step, which carries the state; return h (B, H) of every step."""

    def cost(self) -> object:
        """Compute cost and gradient of the sparse autoencoder, in the engine's layout."""

    def epoch(self) -> object:
        """Train a whole model for an epoch from the initial weights; this includes batches and optimizer."""

    def results(self, direction: str) -> dict[str, Array]:
        """Run a direction and return its results in fastrnn's layout.

        These are y (B, T, H) for `infer` and `step`; the gradients dWx, dWh, dbx and dbh for `train`; cost, dW1, db1,
        dW2 and db2 for `cost`; the mean loss and the weights by name for `epoch`.
        """


# Name: the module, and the class in it. The others are compared with the first one that can run.
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

# The same for the models that are trained for an epoch.
NGRAMS = {
    "native": ("fastrnn_epochs", "NativeNGram"),
    "numpy": ("numpy_ngram", "NumpyNGram"),
    "torch": ("torch_epochs", "TorchNGram"),
    "torch-compile": ("torch_epochs", "CompiledTorchNGram"),
    "jax": ("jax_ngram", "JaxNGram"),
}
TEXTS = {"native": ("fastrnn_epochs", "NativeText"), "torch": ("torch_epochs", "TorchText")}
SUMS = {"native": ("fastrnn_epochs", "NativeSums"), "torch": ("torch_epochs", "TorchSums")}

# The same for custom cells.
OWN_CELLS = {
    "numba": ("fastrnn_engine", "Numba"),
    "torch": ("torch_loop_engine", "LoopTorchEngine"),
    "torch-compile": ("torch_compile_engine", "CompiledTorchEngine"),
}

# Cells whose engines differ from ENGINES.
OTHERS = {"autoencoder": AUTOENCODERS, "ngram": NGRAMS, "text": TEXTS, "arithmetic": SUMS}
OTHERS |= dict.fromkeys(OWN, OWN_CELLS)

# The engines that users may choose instead of fastrnn, and what they import.
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
        kind = "custom cells" if cell in OWN else f"the {cell} problems"
        raise LeftOut(f"is not timed with {kind}")
    module, attribute = engines[name]
    return getattr(importlib.import_module(f"benchmarks.engines.{module}"), attribute)


def missing(name: str) -> list[str]:
    """Return what an engine needs and is not installed; import nothing, because to import a peer may take seconds."""
    if name == "native" and backends.native() is None:
        return ["fastrnn's compiled kernels"]
    return [library for library in PEERS.get(name, ()) if find_spec(library) is None]


def installed() -> list[str]:
    """Return the names of the engines that run here."""
    return [name for name in ENGINES if not missing(name)]
