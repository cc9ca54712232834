"""The memory that training takes: a formula, the checkpoints with which it stays within a limit, and what there is.

``docs/memory.md`` explains it with an example.
"""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from fastrnn._checks import check_integer
from fastrnn._kernels import backends
from fastrnn._kernels.memory import net_bytes
from fastrnn.cells.rnn import RNN_LINEAR
from fastrnn.layers import Dense, Embedding, Layer, Recurrent
from fastrnn.models.sequential import Sequential

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
MEMORY_INFO = Path("/proc/meminfo")
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
FINENESS = 8  # numbers of steps that are tried from one power of two to the next


def training_bytes(
    model: Sequential, batch_size: int, steps: int, checkpoint_every: int | None = None, *, ragged: bool = False
) -> int:
    """
    Return the memory of a training step at its peak.

    It counts the inputs of the batch, tapes, outputs and masks of all layers, and what the way back takes in the layer
    that takes most; parameters, the optimizer and the data set are not in it. Inputs count as numbers: symbols take
    less, and count as 8 bytes where an embedding takes them.

    Parameters
    ----------
    model : Sequential
        A model that is built.
    batch_size : int
        B, the number of examples in a batch.
    steps : int
        T, the number of steps of the longest.
    checkpoint_every : int, optional
        As in `recurrent_forward`.
    ragged : bool
        Are lengths unequal? The result is then what the worst of them need.

    Returns
    -------
    int
        The bytes.

    Raises
    ------
    TypeError, ValueError
        If a number is no whole number above 0.
    RuntimeError
        If the model is not built.
    """
    model._check_built()
    B, T = check_integer("batch_size", batch_size, 1), check_integer("steps", steps, 1)
    if checkpoint_every is not None:
        check_integer("checkpoint_every", checkpoint_every, 1)
    shape = (T, *model.input_shape[1:]) if len(model.input_shape) == 2 else model.input_shape
    kept = 8 * B * T if isinstance(model.layers[0], Embedding) else _bytes(model, B, shape)
    peak, needs_dx, copies = 0, False, ragged
    dy = _bytes(model, B, shape[:-1] + model.output_shape[-1:] if len(model.output_shape) == 2 else model.output_shape)
    for index, (layer, own) in enumerate(zip(model.layers, model._parameters, strict=True), start=1):
        if isinstance(layer, Recurrent):
            more, transient = _recurrent_bytes(layer, model, B, shape, checkpoint_every, ragged, needs_dx)
        else:
            more, transient = _pointwise_bytes(layer, model, B, shape, copies)
        # A dense layer copies what lies time first, as h of all steps does, and what has steps that do not count.
        copies = ragged or not isinstance(layer, Dense | Embedding)
        transient += dy if index < len(model.layers) else 0  # the loss holds it to the end
        kept, peak, needs_dx = kept + more, max(peak, transient), needs_dx or bool(own)
        shape = layer.output_shape(shape)
    return kept + peak


def _recurrent_bytes(
    layer: Recurrent, model: Sequential, B: int, shape: Any, checkpoint_every: int | None, ragged: bool, needs_dx: bool
) -> tuple[int, int]:
    """Return what all nets of a layer keep, and the most that one takes while it goes back."""
    T, I = shape
    H, directions = layer.hidden_size, len(layer.directions)
    kept = peak = 0
    for index in range(layer.layers):
        last = index == layer.layers - 1
        sequences = layer.return_sequences or not last
        net = net_bytes(
            layer.equations,
            B,
            T,
            I,
            H,
            model.dtype,
            checkpoint_every=checkpoint_every,
            sequences=sequences,
            masked=layer.recurrent_dropout > 0,
            ragged=ragged,
        )
        output = _bytes(model, B, (T, directions * H)) if sequences else 0
        dropped = output if layer.dropout and not last else 0
        # What the layer above refers to: h with the mask on it, else both directions side by side, else h itself.
        kept += directions * net.tape + (2 * dropped or (output if layer.bidirectional else net.output))
        dx = directions * net.dx if needs_dx or index > 0 else 0
        both = _bytes(model, B, (T, I)) if dx and layer.bidirectional else 0  # the sum of the two
        peak = max(peak, output + dropped + dx + max(net.backward, both))
        I = directions * H
    return kept, peak


def _pointwise_bytes(layer: Layer, model: Sequential, B: int, shape: Any, copies: bool) -> tuple[int, int]:
    """Return what a layer without steps keeps, and what it takes while it goes back: outputs, and whole vectors."""
    outputs = layer.output_shape(shape)
    if isinstance(layer, Embedding):
        count = B * shape[0]
        vectors, rows = _bytes(model, B, outputs), _bytes(model, min(count, layer.vocabulary), layer.dimension)
        # Vectors; dy, and where it is lazy the most rows that there may be, and symbols sorted.
        return vectors, vectors + (rows + 5 * 8 * count if layer.lazy else 0)
    if not isinstance(layer, Dense):
        return 2 * _bytes(model, B, outputs), _bytes(model, B, outputs)
    layout = backends.choose(None, RNN_LINEAR).layout
    state, _, _, inputs = layout(RNN_LINEAR, shape[-1], outputs[-1], model.dtype)
    copied = shape[-1] if copies else 0
    kept, working = state + copied, outputs[-1] + inputs + copied
    return _bytes(model, B, (*outputs[:-1], kept)), _bytes(model, B, (*outputs[:-1], working))


def _bytes(model: Sequential, B: int, shape: Any) -> int:
    return int(B * np.prod(shape, dtype=int)) * model.dtype.itemsize


def choose_checkpoints(
    model: Sequential, batch_size: int, steps: int, limit: int, *, ragged: bool = False
) -> int | None:
    """
    Choose the checkpoints with which a training step stays within a limit.

    Parameters
    ----------
    model : Sequential
        A model that is built.
    batch_size : int
        B, the number of examples in a batch.
    steps : int
        T, the number of steps of the longest.
    limit : int
        Number of bytes, for what `training_bytes` counts.
    ragged : bool
        Are lengths unequal?

    Returns
    -------
    int or None
        `checkpoint_every` of the least memory; None where the whole tape fits, which is a third less work.

    Raises
    ------
    ValueError
        If nothing fits; it says what would.
    """
    if training_bytes(model, batch_size, steps, ragged=ragged) <= limit:
        return None
    powers = 2.0 ** (np.arange(FINENESS * int(np.ceil(np.log2(steps))) + 1) / FINENESS)
    sizes = {k: training_bytes(model, batch_size, steps, k, ragged=ragged) for k in sorted({int(p) for p in powers})}
    best = min(sizes, key=sizes.__getitem__)
    if sizes[best] > limit:
        raise ValueError(
            f"memory_limit is {limit:,} bytes, expected at least {sizes[best]:,}: what batches of {batch_size} "
            f"sequences of {steps} steps take at the least (a smaller batch_size takes less)"
        )
    return best


def parse_bytes(value: Any) -> int:
    """
    Return a number of bytes.

    Parameters
    ----------
    value : str, int or float
        ``"500 MB"`` (10**6), ``"1.5 GiB"`` (2**30), or the number itself.

    Returns
    -------
    int
        The bytes.

    Raises
    ------
    ValueError
        If it is none, or not above 0.
    """
    size = -1.0
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z]*)\s*", value)
        unit = match[2].upper() or "B" if match else ""
        if match and unit in UNITS:
            size = float(match[1]) * UNITS[unit]
    elif isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        size = float(value)
    if not 1 <= size < np.inf:
        raise ValueError(f'memory_limit is {value!r}, expected a size such as "500 MB" or "1.5 GiB", or bytes above 0')
    return int(size)


def available_bytes() -> int | None:
    """
    Return how much memory this process may still take without driving others, or itself, to the disk.

    Returns
    -------
    int or None
        On Linux what the kernel holds for available, or the limit of a container if that is less; elsewhere all
        memory of the machine, or None where the system does not tell.
    """
    known = [int(text) for text in map(_text, CONTAINER_LIMITS) if text.strip().isdigit()]  # else there is none
    available = re.search(r"MemAvailable:\s+(\d+) kB", _text(MEMORY_INFO))
    if available:
        known.append(1024 * int(available[1]))
    elif "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(known, default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
