"""The one door to the compiled code: checks arrays, picks the backend, calls it.

Arrays in, arrays out; knows no layer, no file, no option.
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
from fastrnn._kernels.ragged import steps_of
from fastrnn._kernels.rows import add_rows, take_rows
from fastrnn._kernels.softmax import softmax_cross_entropy
from fastrnn._kernels.threads import choose_threads, set_num_threads, threads_here
from fastrnn._kernels.types import PackedWeights, Run, Tape, Weights
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
    Lay weights out as the kernels read them, once for many calls.

    Parameters
    ----------
    cell : str or Cell
        As in `recurrent_forward`.
    weights : Weights
        The weights; copied, so that changing them later changes nothing here.
    backend : {None, "native", "numba", "reference"}
        What the calls will run on; None for the best.

    Returns
    -------
    PackedWeights
        What `recurrent_forward` takes in place of weights.

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

    Within one build, backend, instruction set and dtype, `y` and the states of a row are the same bits whatever the
    batch it is in, its place there, `n_threads`, `keep_tape`, `checkpoint_every`, or feeding it in pieces with the
    state carried over; weight gradients depend on neither `n_threads` nor `checkpoint_every`. (Not promised for
    ``backend="reference"``.)

    A tape keeps ``B * T`` times the numbers in a row of states and of what `step_vjp` needs: with H hidden units 6 H
    numbers for the LSTM, 5 H for the GRU and H for the RNN, rounded up to whole vectors, and keeps `x`.

    Inside the native kernels numbers below the normal range (1.2e-38 in float32) count as 0. Memory of large arrays
    that are no longer used, up to 256 MB, is kept for the next call.

    Parameters
    ----------
    cell : {"rnn_tanh", "rnn", "rnn_relu", "rnn_sigmoid", "lstm", "gru"} or Cell
        The cell; ``"rnn"`` is ``"rnn_tanh"``.
    x : ndarray (B, T, I), or integers (B, T)
        Inputs in the dtype of the weights; integers in 0..I-1 stand for one-hot rows, which are never made.
    weights : Weights or PackedWeights
        Wx (I, G, H), Wh (H, G, H), bx (G, H), bh (G, H) or None, float32 or float64; or what `pack` returned.
    state : tuple of S ndarrays (B, H), optional
        Initial states, h first; None, also for one entry, is zeros.
    lengths : integers (B,), optional
        Steps of each row, 0..T. Beyond them `x` is never read, `y` is 0, and the final state is the one after the
        row's own last step.
    reverse : bool
        Run over t = length - 1 .. 0; `y[b, t]` stays at its t, `state` enters at the row's last step.
    sequences : bool
        Return h of every step. False: only the final state, and `y` is None.
    keep_tape : bool
        Keep what `recurrent_backward` needs. False: the tape is None.
    recurrent_mask : ndarray (B, H), optional
        Multiplies h before `Wh` at every step (recurrent dropout of Gal and Ghahramani 2016).
    checkpoint_every : int, optional
        Keep only the states at every so many steps, rounded up to whole chunks of the weight gradients, and compute
        the rest once more on the way back: a third more work, for a tape of O(T / k + k) in place of O(T) steps.
        The reference keeps everything all the same.
    n_threads : int, optional
        Number of threads; None takes as many as the problem is worth, at most what `set_num_threads`, OpenMP and the
        CPUs of the process allow.
    backend : {None, "native", "numba", "reference"}
        What runs; None for the best. One asked for by name is never replaced.

    Returns
    -------
    y : ndarray (B, T, H) or None
        h after every step; read-only while a tape uses its memory.
    state : tuple of S ndarrays (B, H)
        The final states.
    tape : Tape or None
        For `recurrent_backward`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape, dtype or range; the message names it.
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
    steps = steps_of(B, T, None if lengths is None else check_lengths(lengths, B, T), bool(reverse))
    states = check_state("state", cell, state, (B, H), packed.dtype)
    mask = None if recurrent_mask is None else check_array("recurrent_mask", recurrent_mask, (B, H), packed.dtype)
    inputs = steps.gather(x)
    if x.ndim == 2:
        check_symbols(inputs, steps.lengths, I)
    run = Run(
        x=inputs,
        active=steps.active,
        lengths=steps.lengths,
        mask=None if mask is None else steps.gather_rows(mask).copy(),  # the caller may change his own
        n_threads=choose_threads(n_threads, 2 * steps.count * G * H * (H + (I if x.ndim == 3 else 1))),
        sequences=bool(sequences),
        keep_tape=bool(keep_tape),
        checkpoint_every=None if checkpoint_every is None else check_count("checkpoint_every", checkpoint_every),
    )
    h, final, saved = packed.backend.forward(cell, packed.payload, run, tuple(map(steps.gather_rows, states)))
    if run.checkpoint_every is not None:  # memory is short: none may wait
        release()
    y = None
    if sequences:
        y = steps.scatter(h[1:].swapaxes(0, 1))
        y.flags.writeable = not (keep_tape and not steps.ragged)
    tape = Tape(packed, run, steps, saved) if keep_tape else None
    return y, tuple(map(steps.scatter_rows, final)), tape


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
        Gradient of `y`; never read beyond a row's length.
    dstate : tuple of S ndarrays (B, H), optional
        Gradient of the final states; None, also for one entry, is zero.
    need_dx : bool
        Compute the gradient of `x`. False: it is None, and its product is saved.

    Returns
    -------
    dx : ndarray (B, T, I) or None
        Gradient of `x`, 0 beyond a row's length; None for symbols.
    dweights : Weights
        Gradients of the weights; `bh` is None where it was. That of `Wx` has all rows, also where `x` are symbols.
    dstate : tuple of S ndarrays (B, H)
        Gradient of the initial states.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or dtype; the message names it.
    """
    if not isinstance(tape, Tape):
        raise TypeError(f"tape must come from recurrent_forward(..., keep_tape=True), but is {tape!r}")
    packed, steps = tape.packed, tape.steps
    run = tape.run._replace(n_threads=threads_here(tape.run.n_threads))
    H = packed.shape[2]
    B, T = steps.shape
    if dy is not None:
        dy = steps.gather(check_array("dy", dy, (B, T, H), packed.dtype))
    dstates = check_state("dstate", packed.cell, dstate, (B, H), packed.dtype)
    dx, dweights, dinitial = packed.backend.backward(
        packed.cell,
        packed.payload,
        run,
        tape.saved,
        dy,
        tuple(map(steps.gather_rows, dstates)),
        bool(need_dx) and not run.symbols,
    )
    if run.checkpoint_every is not None:
        release()
    if not packed.has_bh:
        dweights = dweights._replace(bh=None)
    return None if dx is None else steps.scatter(dx), dweights, tuple(map(steps.scatter_rows, dinitial))
