"""How much memory a recurrent net takes between forward and backward, and while it goes back: the formulas.

With rows of H' numbers (H rounded up to whole vectors by the native kernels), S states and G gates, a step of one row
takes S H' numbers of states, and as many more as the cell keeps for the way back: 4 H' for LSTM and GRU, none for the
RNN. A whole tape has T such steps, one with checkpoints the states of each segment's beginning; going back then
takes a tape of the longest segment. All of it grows with B; weights and their gradients do not.
"""

from typing import Any, NamedTuple

import numpy as np

from fastrnn._kernels import backends
from fastrnn._kernels.ragged import CHUNK_ROWS
from fastrnn.cells import Cell


class NetBytes(NamedTuple):
    """What one recurrent net takes in training, in bytes."""

    tape: int  # from forward to the end of backward
    output: int  # y of all steps, where it is no part of the tape; kept as long as somebody refers to it
    backward: int  # more while it goes back, without dy and dx
    dx: int


def net_bytes(
    cell: Cell,
    B: int,
    T: int,
    I: int,
    H: int,
    dtype: Any,
    *,
    checkpoint_every: int | None = None,
    sequences: bool = True,
    masked: bool = False,
    ragged: bool = False,
    backend: str | None = None,
) -> NetBytes:
    """Return the bytes of a net; of a ragged batch the most that any lengths may need."""
    dtype = np.dtype(dtype)
    module = backends.choose(backend, cell)
    state, kept, deltas, inputs = module.layout(cell, I, H, dtype)
    S, G = cell.n_states, cell.n_gates
    step = S * state + kept + (state if masked else 0)
    longest, segments, chunk = _segments(B, T, checkpoint_every, ragged)
    weights = (I + H) * G * state
    copies = B * T * I if ragged else 0  # of x, in the kernel's order of rows
    tape = copies + 2 * weights + B * S * state + (B * state if masked else 0)  # weights in panels, and transposed
    working = B * (chunk * deltas + 4 * S * state) + 2 * weights  # their gradients, in panels and out of them
    if checkpoint_every is None:
        tape += B * (T * step + S * state)
        output = B * T * H if ragged and sequences else 0
    else:
        tape += B * segments * S * state
        working += B * (longest * step + S * state)
        output = B * (T * (H if ragged else state) + state) if sequences else 0
    working += B * T * H if ragged and sequences else 0  # dy in the kernel's order
    dx = B * T * (inputs + (I if ragged else 0))
    return NetBytes(*(int(numbers * dtype.itemsize) for numbers in (tape, output, working, dx)))


def _segments(B: int, T: int, checkpoint_every: int | None, ragged: bool) -> tuple[int, int, int]:
    """Return the steps of the longest segment, the number of segments, and the steps of the longest chunk.

    Rows that outlast the others may stretch a chunk of a ragged batch to as many steps as it has rows.
    """
    chunk = max(1, min(T, CHUNK_ROWS if ragged else CHUNK_ROWS // max(B, 1)))
    if checkpoint_every is None:
        return T, 1, chunk
    if ragged:
        return min(T, checkpoint_every + chunk - 1), -(-T // checkpoint_every), chunk
    longest = min(T, -(-checkpoint_every // chunk) * chunk)
    return longest, -(-T // max(longest, 1)), chunk
