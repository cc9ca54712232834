"""Everybody who is timed, behind one small interface: an adapter a peer, in a file of its own.

An adapter is made from a problem and a number of threads, which it sets for its own library. Weights, inputs and
buffers are brought into the peer's favourite layout there, outside of the time.
"""

import importlib
from typing import Protocol

from benchmarks.cases import Problem
from fastrnn._kernels.types import Array


class Engine(Protocol):
    """A peer, ready to run one problem."""

    def __init__(self, problem: Problem, n_threads: int) -> None: ...

    def infer(self) -> object:
        """Run forward, keeping nothing for a backward pass; h of all steps, in the engine's own layout."""

    def train(self) -> object:
        """Run forward and backward from the gradient of the final h; gradients of the weights, in its own layout."""

    def results(self) -> dict[str, Array]:
        """Return y (B, T, H) of `infer` and the gradients dWx, dWh, dbx, dbh of `train`, in fastrnn's layout."""


# Name: the module, and the class in it. The first one is what the others are compared with.
ENGINES = {
    "native": ("native_engine", "Native"),
    "numba": ("fastrnn_engine", "Numba"),
    "numpy": ("numpy_engine", "NumpyEngine"),
    "torch": ("torch_engine", "TorchEngine"),
}


def load(name: str) -> type[Engine]:
    """Return an engine's class; ImportError where it cannot run here."""
    module, attribute = ENGINES[name]
    return getattr(importlib.import_module(f"benchmarks.engines.{module}"), attribute)


def installed() -> list[str]:
    """Return the names of the engines that run here."""

    def runs(name: str) -> bool:
        try:
            load(name)
        except ImportError:
            return False
        return True

    return [name for name in ENGINES if runs(name)]
