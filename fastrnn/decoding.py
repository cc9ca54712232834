"""Find the most likely output sequences of an encoder-decoder model, by greedy or beam search."""

from typing import Any

import numpy as np

from fastrnn._checks import check_integer
from fastrnn._kernels.softmax import log_softmax
from fastrnn._typing import Array
from fastrnn.models.encoder_decoder import EncoderDecoder

AT_A_TIME = 1024  # hypotheses that go through the net together


def decode(
    model: EncoderDecoder,
    x: Array,
    lengths: Array | None = None,
    *,
    end: int = 0,
    max_steps: int = 100,
    beam_size: int = 1,
    n_threads: int | None = None,
) -> tuple[Array, Array]:
    """
    Find the most likely output sequence for each input sequence.

    Parameters
    ----------
    model : EncoderDecoder
        The model.
    x : ndarray (N, T, I), or integers (N, T)
        The input sequences.
    lengths : integers (N,), optional
        The number of steps in each row of x; None for all steps.
    end : int
        The symbol that ends a sequence.
    max_steps : int
        The most symbols of a sequence, including `end`.
    beam_size : int
        How many of the most likely partial sequences to keep at each step; 1 is greedy search.
    n_threads : int, optional
        Number of threads; see `recurrent_forward`.

    Returns
    -------
    symbols : integers (N, U)
        The most likely sequence found for each row, up to and including `end`, then -1. U is the longest length.
    log_likelihood : ndarray (N,)
        The natural logarithm of the probability of each sequence, float64.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    """
    model._check_built()
    x = np.asarray(x)
    for name, value in (("max_steps", max_steps), ("beam_size", beam_size)):
        check_integer(name, value, 1)
    if check_integer("end", end, 0) >= model.n_symbols:
        raise ValueError(f"end is {end}, expected a symbol in 0..{model.n_symbols - 1}")
    symbols = np.full((len(x), max_steps), -1)
    scores = np.empty(len(x))
    at_a_time = max(1, AT_A_TIME // beam_size)
    for first in range(0, len(x), at_a_time):
        rows = slice(first, first + at_a_time)
        own = None if lengths is None else np.asarray(lengths)[rows]
        state, _ = model.encode(x[rows], own, n_threads=n_threads)
        symbols[rows], scores[rows] = _search(model, state, len(x[rows]), end, max_steps, beam_size, n_threads)
    longest = int((symbols >= 0).sum(axis=1).max(initial=0))
    return symbols[:, :longest], scores


def _search(
    model: EncoderDecoder, state: Any, N: int, end: int, max_steps: int, K: int, n_threads: int | None
) -> tuple[Array, Array]:
    """
    Return the best of K hypotheses for each of N initial states, and its log-likelihood.

    Hypotheses are sorted by likelihood, which can only fall. So once the first one has ended, no other can overtake it.
    """
    V, packed = model.n_symbols, model.decoder.pack()
    symbols, found = np.full((N, max_steps), -1), np.empty(N)
    left = np.arange(N)  # rows whose search goes on
    written = np.full((N, K, max_steps), -1)
    last = np.full((N, K), V)
    scores = np.full((N, K), -np.inf)
    scores[:, 0] = 0.0  # all K begin alike, so only one counts
    ended = np.zeros((N, K), bool)
    state = _rows(state, np.repeat(left, K))
    for step in range(max_steps):
        logits, after = model.decoder.forward(last.reshape(-1, 1), state=state, weights=packed, n_threads=n_threads)
        likelihoods = log_softmax(logits[:, 0]).reshape(-1, K, V)
        likelihoods[ended] = np.where(np.arange(V) == end, 0.0, -np.inf)  # a hypothesis that has ended stays as it is
        totals = (scores[:, :, None] + likelihoods).reshape(-1, K * V)
        best = np.argsort(-totals, axis=1, kind="stable")[:, :K]
        parents, last = np.divmod(best, V)
        rows = np.arange(len(left))[:, None]
        scores = totals[rows, best]
        ended, written = ended[rows, parents], written[rows, parents]
        written[:, :, step] = np.where(ended, -1, last)
        ended |= last == end
        done = ended[:, 0] | (step == max_steps - 1)
        symbols[left[done]], found[left[done]] = written[done, 0], scores[done, 0]
        if done.all():
            break
        state = _rows(after.state, (rows * K + parents)[~done].ravel())
        left, written, last, scores, ended = (each[~done] for each in (left, written, last, scores, ended))
    return symbols, found


def _rows(state: Any, rows: Array) -> Any:
    """Return some rows of all arrays of a state."""
    if isinstance(state, np.ndarray):
        return state[rows]
    return None if state is None else tuple([_rows(own, rows) for own in state])
