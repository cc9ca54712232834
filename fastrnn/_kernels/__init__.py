"""The entrance to the compiled code: functions that check arrays, choose the backend, and call it.

They take arrays and return arrays. Nothing here knows layers, files or command-line options.
"""

from fastrnn._kernels import backends
from fastrnn._kernels.autoencoder import AutoencoderWeights, sparse_autoencoder_cost
from fastrnn._kernels.checks import (
    check_array,
    check_count,
    check_lengths,
    check_state,
    check_symbols,
    check_weights,
    check_x,
)
from fastrnn._kernels.config import show_config
from fastrnn._kernels.dense import dense_backward, dense_forward
from fastrnn._kernels.pool import release
from fastrnn._kernels.ragged import ragged_batch
from fastrnn._kernels.rows import add_rows, take_rows
from fastrnn._kernels.softmax import softmax_cross_entropy
from fastrnn._kernels.threads import choose_threads, set_num_threads, threads_here
from fastrnn._kernels.types import KernelCall, PackedWeights, Tape, Weights
from fastrnn._kernels.update import adam_update, sgd_update, sum_of_squares
from fastrnn._typing import Array
from fastrnn.cells import Cell, get_cell

__all__ = [
    "AutoencoderWeights",
    "PackedWeights",
    "Tape",
    "Weights",
    "adam_update",
    "add_rows",
    "dense_backward",
    "dense_forward",
    "pack",
    "recurrent_backward",
    "recurrent_forward",
    "set_num_threads",
    "sgd_update",
    "show_config",
    "softmax_cross_entropy",
    "sparse_autoencoder_cost",
    "sum_of_squares",
    "take_rows",
]


def pack(cell: str | Cell, weights: Weights, *, backend: str | None = None) -> PackedWeights:
    """
    Copy weights into the layout of the kernels, once for many calls.

    Parameters
    ----------
    cell : str or Cell
        As in `recurrent_forward`.
    weights : Weights
        The weights. They are copied: changes to your arrays do not change the result.
    backend : {None, "native", "numba", "reference"}
        The backend of the calls; None for the best.

    Returns
    -------
    PackedWeights
        Pass them to `recurrent_forward` in place of weights.

    Raises
    ------
    TypeError, ValueError
        If a weight has the wrong shape or dtype, or cell or backend are unknown.
    """
    cell = get_cell(cell)
    weights = check_weights(cell, weights)
    module = backends.choose(backend, cell)
    payload = module.pack(cell, weights)
    I, G, H = weights.Wx.shape
    return PackedWeights(
        cell, (I, G, H), weights.Wx.dtype, weights.bh is not None, module, module.instruction_set, payload
    )


def recurrent_forward(
    cell: str | Cell,
    x: Array,
    weights: Weights | PackedWeights,
    state: tuple[Array | None, ...] | None = None,
    *,
    lengths: Array | None = None,
    reverse: bool = False,
    sequences: bool = True,
    keep_tape: bool = True,
    recurrent_mask: Array | None = None,
    checkpoint_every: int | None = None,
    n_threads: int | None = None,
    backend: str | None = None,
) -> tuple[Array | None, tuple[Array, ...], Tape | None]:
    """
    Run a recurrent cell over a batch of sequences.

    With the same build, backend, instruction set and dtype, the bits of `y` and of the states of a row do not depend on
    the rest of the batch, on the row's place in it, on `n_threads`, `keep_tape` or `checkpoint_every`. They are also
    the same if you pass the sequence in pieces and carry the state over. The bits of weight gradients depend neither on
    `n_threads` nor on `checkpoint_every`. ``backend="reference"`` does not promise this.

    A tape keeps `x`, and for each of the ``B * T`` steps the states and the values that `step_vjp` needs. With H hidden
    units these are 6 H numbers for the LSTM, 5 H for the GRU and H for the RNN, rounded up to whole vectors.

    Inside the native kernels numbers below the normal range (1.2e-38 in float32) count as 0. fastrnn keeps up to 256 MB
    of memory of large arrays that are no longer used, for the next call.

    Parameters
    ----------
    cell : str or Cell
        The name of a cell in `fastrnn.cells.CELLS`, such as ``"lstm"``, ``"gru"`` or ``"rnn_tanh"``, or a custom
        `Cell`; ``"rnn"`` is ``"rnn_tanh"``.
    x : ndarray (B, T, I), or integers (B, T)
        Inputs in the dtype of the weights. Integers in 0..I-1 stand for one-hot rows, which are never created.
    weights : Weights or PackedWeights
        Wx (I, G, H), Wh (H, G, H), bx (G, H), bh (G, H) or None, float32 or float64; or the result of `pack`.
    state : tuple of S ndarrays (B, H), optional
        Initial states, h first. None, also for one entry, means zeros.
    lengths : integers (B,), optional
        Number of steps of each row, 0..T. Beyond its length, `x` of a row is never read and `y` is 0. The final state
        is the state after the last step of the row.
    reverse : bool
        Run over t = length - 1 .. 0. `y[b, t]` stays at its t, and `state` enters at the last step of a row.
    sequences : bool
        Return h of every step. If False, `y` is None, and only the final state is returned.
    keep_tape : bool
        Keep what `recurrent_backward` needs. If False, the tape is None.
    recurrent_mask : ndarray (B, H), optional
        Multiplies h before `Wh` at every step (recurrent dropout of Gal and Ghahramani 2016).
    checkpoint_every : int, optional
        Keep the states of every k-th step only (k is rounded up to whole chunks of the weight gradients), and compute
        the rest again in the backward pass. This is a third more work, for a tape of O(T / k + k) instead of O(T)
        steps. The reference ignores it and keeps everything.
    n_threads : int, optional
        Number of threads. None uses as many as help for this size, and at most what `set_num_threads`, OpenMP and the
        CPUs of the process allow.
    backend : {None, "native", "numba", "reference"}
        The backend; None for the best. A backend that you name is never replaced by another.

    Returns
    -------
    y : ndarray (B, T, H) or None
        h after every step. It is read-only while a tape uses its memory.
    state : tuple of S ndarrays (B, H)
        The final states.
    tape : Tape or None
        For `recurrent_backward`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape, dtype or range. The message names it.
    """
    cell = get_cell(cell)
    packed = weights if isinstance(weights, PackedWeights) else pack(cell, weights, backend=backend)
    if packed.cell != cell:
        raise ValueError(f"weights were packed for cell {packed.cell.name!r}, but cell is {cell.name!r}")
    if backend is not None and backend != packed.backend_name:
        raise ValueError(f"weights were packed for backend {packed.backend_name!r}, but backend is {backend!r}")
    I, G, H = packed.shape
    x = check_x(x, I, packed.dtype)
    B, T = x.shape[:2]
    batch = ragged_batch(B, T, None if lengths is None else check_lengths(lengths, B, T), bool(reverse))
    states = check_state("state", cell, state, (B, H), packed.dtype)
    mask = None if recurrent_mask is None else check_array("recurrent_mask", recurrent_mask, (B, H), packed.dtype)
    inputs = batch.gather(x)
    if x.ndim == 2:
        check_symbols(inputs, batch.lengths, I)
    call = KernelCall(
        x=inputs,
        active=batch.active,
        lengths=batch.lengths,
        mask=None if mask is None else batch.gather_rows(mask).copy(),  # the caller may change the original
        n_threads=choose_threads(n_threads, 2 * batch.count * G * H * (H + (I if x.ndim == 3 else 1))),
        sequences=bool(sequences),
        keep_tape=bool(keep_tape),
        checkpoint_every=None if checkpoint_every is None else check_count("checkpoint_every", checkpoint_every),
    )
    h, final, saved = packed.backend.forward(cell, packed.payload, call, tuple(map(batch.gather_rows, states)))
    if call.checkpoint_every is not None:  # memory is short, so keep none for the next call
        release()
    y = None
    if sequences:
        y = batch.scatter(h[1:].swapaxes(0, 1))
        y.flags.writeable = not (keep_tape and batch.whole)
    tape = Tape(packed, call, batch, saved) if keep_tape else None
    return y, tuple(map(batch.scatter_rows, final)), tape


def recurrent_backward(
    tape: Tape,
    dy: Array | None = None,
    dstate: tuple[Array | None, ...] | None = None,
    *,
    need_dx: bool = True,
) -> tuple[Array | None, Weights, tuple[Array, ...]]:
    """
    Backpropagate through time (Werbos 1990).

    Parameters
    ----------
    tape : Tape
        From `recurrent_forward`.
    dy : ndarray (B, T, H), optional
        Gradient of `y`. It is never read beyond the length of a row.
    dstate : tuple of S ndarrays (B, H), optional
        Gradient of the final states. None, also for one entry, means zeros.
    need_dx : bool
        Compute the gradient of `x`. If False, it is None, which saves a product.

    Returns
    -------
    dx : ndarray (B, T, I) or None
        Gradient of `x`, 0 beyond the length of a row. None if `x` are symbols.
    dweights : Weights
        Gradients of the weights. `bh` is None if it was None. That of `Wx` has all rows, also if `x` are symbols.
    dstate : tuple of S ndarrays (B, H)
        Gradient of the initial states.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or dtype. The message names it.
    """
    if not isinstance(tape, Tape):
        raise TypeError(f"tape must come from recurrent_forward(..., keep_tape=True), but is {tape!r}")
    packed, batch = tape.packed, tape.batch
    call = tape.call._replace(n_threads=threads_here(tape.call.n_threads))
    H = packed.shape[2]
    B, T = batch.shape
    if dy is not None:
        dy = batch.gather(check_array("dy", dy, (B, T, H), packed.dtype))
    dstates = check_state("dstate", packed.cell, dstate, (B, H), packed.dtype)
    dx, dweights, dinitial = packed.backend.backward(
        packed.cell,
        packed.payload,
        call,
        tape.saved,
        dy,
        tuple(map(batch.gather_rows, dstates)),
        bool(need_dx) and not call.symbols,
    )
    if call.checkpoint_every is not None:
        release()
    if not packed.has_bh:
        dweights = dweights._replace(bh=None)
    return None if dx is None else batch.scatter(dx), dweights, tuple(map(batch.scatter_rows, dinitial))
