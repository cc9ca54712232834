"""The types that callers of the kernels and the backends share."""

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from fastrnn._typing import Array
from fastrnn.cells import Cell


class Weights(NamedTuple):
    """
    The weights of one recurrent net, or their gradients.

    Parameters
    ----------
    Wx : ndarray (I, G, H)
        Input weights, float32 or float64; all weights have one dtype.
    Wh : ndarray (H, G, H)
        Recurrent weights.
    bx : ndarray (G, H)
        Bias of the input product.
    bh : ndarray (G, H) or None
        Bias of the recurrent product; None means zeros.
    """

    Wx: Array
    Wh: Array
    bx: Array
    bh: Array | None = None


class KernelCall(NamedTuple):
    """One call as a backend gets it: rows are sorted by length, longest first, and start at their own first step."""

    x: Array  # (B, T, I), or (B, T) symbols
    active: Array  # (T,) int32, number of rows that run at each step, in falling order
    lengths: Array  # (B,) int32, number of steps of each row, in falling order
    mask: Array | None  # (B, H), multiplies h before Wh
    n_threads: int
    sequences: bool  # return h of every step?
    keep_tape: bool
    checkpoint_every: int | None = None

    @property
    def symbols(self) -> bool:
        """Whether the inputs are integers."""
        return self.x.ndim == 2


@dataclass(frozen=True, eq=False)
class PackedWeights:
    """
    A copy of weights in the layout of one backend, made by `pack`.

    Attributes
    ----------
    cell : Cell
        The cell of the weights.
    shape : tuple
        Sizes (I, G, H).
    dtype : dtype
        float32 or float64.
    has_bh : bool
        Whether the weights had a bias of the recurrent product.
    instruction_set : str
        The instruction set that the backend was compiled for.
    """

    cell: Cell
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    has_bh: bool
    backend: ModuleType
    instruction_set: str
    payload: Any

    def __repr__(self) -> str:
        I, _, H = self.shape
        return f"PackedWeights({self.cell.name!r}, I={I}, H={H}, {self.dtype}, backend={self.backend_name!r})"

    @cached_property
    def backend_name(self) -> str:
        """``"native"``, ``"numba"`` or ``"reference"``."""
        return BACKEND_NAMES[self.backend.__name__.rpartition(".")[2]]


BACKEND_NAMES = {"native": "native", "jit": "numba", "reference": "reference"}


@dataclass(frozen=True, eq=False)
class Tape:
    """
    What `recurrent_backward` needs from a forward call. You may use a tape more than once.

    A tape refers to the caller's `x`, which must not change before the backward pass. It has its own copy of the
    weights.

    Attributes
    ----------
    backend : str
        The backend that ran: ``"native"``, ``"numba"`` or ``"reference"``.
    instruction_set : str
        What it was compiled for, such as ``"avx512"``; ``"numpy"`` for the reference.
    n_threads : int
        Number of threads that ran.
    """

    packed: PackedWeights
    call: KernelCall
    batch: Any
    saved: Any

    def __repr__(self) -> str:
        B, T = self.call.x.shape[:2]
        return f"Tape({self.packed.cell.name!r}, B={B}, T={T}, backend={self.backend!r}, n_threads={self.n_threads})"

    @property
    def backend(self) -> str:
        """The backend that ran: ``"native"``, ``"numba"`` or ``"reference"``."""
        return self.packed.backend_name

    @property
    def instruction_set(self) -> str:
        """What it was compiled for."""
        return self.packed.instruction_set

    @property
    def n_threads(self) -> int:
        """Number of threads that ran."""
        return self.call.n_threads
