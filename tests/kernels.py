"""Shared code of the kernel tests: random problems, and one forward and backward pass with all results."""

from typing import Any

import numpy as np

from fastrnn import Weights, recurrent_backward, recurrent_forward
from fastrnn._kernels import native
from fastrnn.cells import Cell, get_cell
from fastrnn.testing import random_weights

# B, T, I, H around the lane counts of all instruction sets; more rows than a chunk; more steps than a chunk.
SIZES = [
    (3, 5, 4, 7), (1, 1, 1, 1), (2, 3, 5, 33), (13, 7, 17, 16), (7, 40, 3, 31), (4, 3, 6, 8), (5, 4, 3, 9),
    (6, 3, 2, 15), (3, 6, 7, 17), (70, 4, 9, 130), (300, 3, 50, 65), (3, 300, 2, 8), (0, 3, 2, 3), (2, 0, 3, 4),
]  # fmt: skip
INSTRUCTION_SETS = list(native.SUPPORTED)
BACKENDS = [*INSTRUCTION_SETS, "numba"]


class Problem:
    """Random inputs of a call: weights are uniform in +-1/sqrt(H), all others unit normal."""

    def __init__(self, cell: str | Cell, size: tuple[int, int, int, int], dtype: str, *, symbols: bool = False) -> None:
        B, T, I, H = size
        self.cell = get_cell(cell)
        rng = self.rng = np.random.default_rng(sum(size))
        self.weights = random_weights(self.cell, I, H, rng, dtype)
        self.x = rng.integers(0, I, (B, T)) if symbols else rng.normal(size=(B, T, I)).astype(dtype)
        self.dy = rng.normal(size=(B, T, H)).astype(dtype)
        self.state, self.dstate = (tuple(rng.normal(size=(self.cell.n_states, B, H)).astype(dtype)) for _ in range(2))
        self.lengths = rng.integers(0, T + 1, B)
        self.mask = ((rng.random((B, H)) < 0.6) * 1.5).astype(dtype)

    def rows(self, index: Any) -> "Problem":
        """The same problem for some rows of the batch."""
        part = object.__new__(Problem)
        part.__dict__ = dict(self.__dict__)
        for name in ("x", "dy", "lengths", "mask"):
            setattr(part, name, getattr(self, name)[index])
        part.state, part.dstate = (tuple(s[index] for s in states) for states in (self.state, self.dstate))
        return part

    def as_float64(self) -> "Problem":
        """The same numbers in float64, for the reference."""
        wide = self.rows(slice(None))
        wide.weights = Weights(*(w.astype(float) for w in self.weights))
        wide.x = self.x if self.x.ndim == 2 else self.x.astype(float)
        wide.dy, wide.mask = self.dy.astype(float), self.mask.astype(float)
        wide.state, wide.dstate = (tuple(s.astype(float) for s in q) for q in (self.state, self.dstate))
        return wide

    def run(self, *, masked: bool = False, ragged: bool = False, **options: Any) -> tuple[dict, dict]:
        """Return the results of forward and those of backward, each by name."""
        if masked:
            options["recurrent_mask"] = self.mask
        if ragged:
            options["lengths"] = self.lengths
        y, final, tape = recurrent_forward(self.cell, self.x, self.weights, self.state, **options)
        dx, dweights, dinitial = recurrent_backward(tape, self.dy, self.dstate)
        forward = {"y": y} | {f"final_{s}": v for s, v in zip(self.cell.states, final, strict=True)}
        gradients = {} if dx is None else {"dx": dx}
        gradients |= {f"d{name}": w for name, w in zip(Weights._fields, dweights, strict=True)}
        gradients |= {f"dinitial_{s}": v for s, v in zip(self.cell.states, dinitial, strict=True)}
        return forward, gradients


ROW_RESULTS = ("y", "dx", "final_h", "final_c", "dinitial_h", "dinitial_c")


def row_results(results: tuple[dict, dict]) -> dict:
    """Those results of `Problem.run` that belong to single rows."""
    forward, gradients = results
    return {name: value for name, value in (forward | gradients).items() if name in ROW_RESULTS}


def assert_same_bits(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
