"""How much memory a recurrent net needs from the forward pass to the backward pass, and during the backward pass.

Let H' be H rounded up to whole vectors, as in the native kernels, and S the number of states. One step of one row takes
S H' numbers for the states, and the numbers that the cell keeps for the backward pass: 4 H' for LSTM and GRU, none for
the RNN. A whole tape has T such steps. A tape with checkpoints has the states at the start of each segment, and its
backward pass needs a tape of the longest segment. All of this grows with B; weights and their gradients do not.
"""

from typing import Any, NamedTuple

import numpy as np

from fastrnn._kernels import backends
from fastrnn._kernels.ragged import CHUNK_ROWS
from fastrnn.cells import Cell


class NetBytes(NamedTuple):
    """The memory of one recurrent net in training, in bytes."""

    tape: int  # from the forward pass to the end of the backward pass
    output: int  # y of all steps, if it is not part of the tape; kept as long as y is
    backward: int  # in addition during the backward pass, without dy and dx
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
    """Return the bytes of a net. For a ragged batch this is the most that any lengths can need."""
    dtype = np.dtype(dtype)
    module = backends.choose(backend, cell)
    state, kept, deltas, inputs = module.layout(cell, I, H, dtype)
    S, G = cell.n_states, cell.n_gates
    step = S * state + kept + (state if masked else 0)
    longest, segments, chunk = _segments(B, T, checkpoint_every, ragged)
    weights = (I + H) * G * state
    copies = B * T * I if ragged else 0  # x in the kernel's order of rows
    tape = copies + 2 * weights + B * S * state + (B * state if masked else 0)  # weights in panels, and transposed
    working = B * (chunk * deltas + 2 * S * state) + 2 * weights  # weight gradients, in panels and unpacked
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

    A chunk has a fixed number of rows, so where only one row of a ragged batch runs, it has as many steps as rows.
    """
    chunk = max(1, min(T, CHUNK_ROWS if ragged else CHUNK_ROWS // max(B, 1)))
    if checkpoint_every is None:
        return T, 1, chunk
    if ragged:
        return min(T, checkpoint_every + chunk - 1), -(-T // checkpoint_every), chunk
    longest = min(T, -(-checkpoint_every // chunk) * chunk)
    return longest, -(-T // max(longest, 1)), chunk
