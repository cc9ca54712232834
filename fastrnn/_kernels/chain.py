"""Chains of nets that run one step at a time and keep their states. Streams use them.

`make_chain` returns a compiled `Chain` if all nets are native, and otherwise a `PythonChain`, which has the same
methods and calls `recurrent_forward`. Both give the same bits as a call on the whole sequence.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastrnn._kernels import backends, recurrent_forward
from fastrnn._kernels.checks import check_array, check_symbols
from fastrnn._kernels.softmax import softmax
from fastrnn._kernels.threads import WORK_PER_THREAD, choose_threads
from fastrnn._kernels.types import PackedWeights
from fastrnn._typing import Array

States = list[tuple[Array, ...] | None]  # for each net S arrays (B, H), h first; None for a net without states


class Frame(NamedTuple):
    """What an estimator does before and after its nets. A model alone does none of this."""

    finite: bool = False  # convert inputs of any dtype, and refuse numbers that are not finite
    inputs: tuple[Array, Array] | None = None  # mean and scale (I,): nets get (x - mean) / scale
    wide: bool = False  # outputs are float64
    softmax: bool = False
    outputs: tuple[Array, Array] | None = None  # mean and scale (U,): return y * scale + mean
    shape: tuple[int, ...] | None = None  # shape of an output without the batch; None is (U,)


class Chain(Protocol):
    """The interface of a chain."""

    states: States

    def step(self, x: Array, out: Array | None = None) -> Array:
        """Run one step on x (B, I), or on symbols (B,). Return the outputs, in `out` if it is given."""


def make_chain(
    nets: Sequence[PackedWeights], batch_size: int, frame: Frame, *, symbols: bool, n_threads: int | None
) -> Chain:
    """Return a chain of nets whose states are zero. `symbols`: may inputs be integers?"""
    dtype, I, U = nets[0].dtype, nets[0].shape[0], nets[-1].shape[2]
    shape = (batch_size, *((U,) if frame.shape is None else frame.shape))
    convert = partial(as_step, shape=(batch_size, I), dtype=dtype, symbols=symbols, finite=frame.finite)
    check_out = partial(as_out, shape=shape, dtype=np.dtype(np.float64) if frame.wide else dtype)
    compiled = backends.native()
    if compiled is None or any(net.backend is not compiled for net in nets):
        return PythonChain(nets, batch_size, frame, convert, check_out, shape, n_threads)
    work = sum(2 * batch_size * G * H * (H + inputs) for inputs, G, H in (net.shape for net in nets))
    threads = partial(choose_threads, n_threads, work) if work >= 2 * WORK_PER_THREAD else None
    payloads = [net.payload for net in nets]
    make = compiled.variant(dtype).Chain
    return make(payloads, batch_size, frame, shape, symbols, convert, check_out, threads)


class PythonChain:
    """A chain of nets of any backend and any cell, which calls `recurrent_forward`."""

    def __init__(
        self,
        nets: Sequence[PackedWeights],
        batch_size: int,
        frame: Frame,
        convert: Callable[[Any], Array],
        check_out: Callable[[Any], Array],
        shape: tuple[int, ...],
        n_threads: int | None,
    ) -> None:
        self.nets, self.frame, self.shape, self.n_threads = nets, frame, shape, n_threads
        self.convert, self.check_out = convert, check_out
        self.dtype = np.dtype(np.float64) if frame.wide else nets[0].dtype
        self.states: States = [
            tuple(np.zeros((batch_size, net.shape[2]), net.dtype) for _ in net.cell.states) for net in nets
        ]

    def step(self, x: Any, out: Any = None) -> Array:
        """Run one step on x (B, I), or on symbols (B,). Return the outputs, in `out` if it is given."""
        x = self.convert(x)
        out = np.empty(self.shape, self.dtype) if out is None else self.check_out(out)
        if self.frame.finite:
            _check_finite(x)
        if self.frame.inputs is not None:
            mean, scale = self.frame.inputs
            x = ((x - mean) / scale).astype(x.dtype)
        if x.ndim == 1:
            check_symbols(x[:, None], np.ones(len(x), int), self.nets[0].shape[0])
        states: States = []
        for net, state in zip(self.nets, self.states, strict=True):
            _, state, _ = recurrent_forward(
                net.cell, x[:, None], net, state, sequences=False, keep_tape=False, n_threads=self.n_threads
            )
            states.append(state)
            x = state[0]
        self.states = states
        y = x.astype(self.dtype)
        if self.frame.outputs is not None:
            mean, scale = self.frame.outputs
            y = y * scale + mean
        if self.frame.softmax:
            y = softmax(y)
        out[...] = y.reshape(self.shape)
        return out


def as_step(x: Any, *, shape: tuple[int, int], dtype: np.dtype[Any], symbols: bool, finite: bool) -> Array:
    """Return the inputs of one step as (B, I), or symbols as int64 (B,). Refuse anything else."""
    array = np.asarray(x)
    B, I = shape
    if finite:
        if array.dtype.kind not in "biuf":
            raise ValueError(f"x has dtype {array.dtype}, expected numbers")
        with np.errstate(over="ignore"):  # infinite numbers are refused later
            array = array.astype(dtype)
        array = array[:, None] if I == 1 and array.shape == (B,) else array
    elif array.dtype.kind in "iu" and symbols:
        if array.shape != (B,):
            raise ValueError(f"x holds integers and has shape {array.shape}, expected ({B},): a symbol for each row")
        return array.astype(np.int64)
    return np.array(check_array("x", array, shape, dtype), order="C")


def as_out(out: Any, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return the output array. Refuse one of another shape or dtype, or one that cannot be written in place."""
    expected = f"expected a writable, C-contiguous array of shape {shape} and dtype {dtype}"
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out has type {type(out).__name__}, {expected}")
    if out.dtype != dtype:
        raise TypeError(f"out has dtype {out.dtype}, {expected}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, {expected}")
    if not out.flags.writeable:
        raise ValueError(f"out is read-only, {expected}")
    if not (out.flags.c_contiguous and out.flags.aligned):
        raise ValueError(f"out is not contiguous, {expected}")
    return out


def _check_finite(x: Array) -> None:
    wrong = np.argwhere(~np.isfinite(x))
    if len(wrong):
        row, channel = map(int, wrong[0])
        value = "NaN" if np.isnan(x[row, channel]) else "infinity (or a value too large for its dtype)"
        raise ValueError(f"x contains {value} at row {row}, channel {channel}; expected finite numbers")
