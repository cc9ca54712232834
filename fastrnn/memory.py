"""The memory that training takes: a formula, the checkpoints that keep it within a limit, and what is available.

``docs/memory.md`` explains it with an example.
"""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from fastrnn._checks import check_integer
from fastrnn.layers import Step
from fastrnn.models.sequential import Sequential

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
MEMORY_INFO = Path("/proc/meminfo")
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
FINENESS = 8  # how many numbers of steps are tried between one power of two and the next


def training_bytes(
    model: Sequential, batch_size: int, steps: int, checkpoint_every: int | None = None, *, ragged: bool = False
) -> int:
    """
    Return the peak memory of a training step.

    It counts the inputs of the batch, tapes, outputs and masks of all layers, and the backward pass of the layer that
    takes the most. It does not count parameters, the optimizer and the data set. Inputs count as numbers, although
    symbols take less; as inputs of an embedding they count as 8 bytes.

    Parameters
    ----------
    model : Sequential
        A model that is built.
    batch_size : int
        B, the number of examples in a batch.
    steps : int
        T, the number of steps of the longest; ignored if inputs have no steps.
    checkpoint_every : int, optional
        As in `recurrent_forward`.
    ragged : bool
        Are lengths unequal? The result is then for the worst of them.

    Returns
    -------
    int
        The bytes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a whole number above 0.
    RuntimeError
        If the model is not built.
    """
    model._check_built()
    B, T = check_integer("batch_size", batch_size, 1), check_integer("steps", steps, 1)
    if checkpoint_every is not None:
        check_integer("checkpoint_every", checkpoint_every, 1)
    shape = (T, *model.input_shape[1:]) if model.has_steps else model.input_shape
    output_shape = shape
    for layer in model.layers:
        output_shape = layer.output_shape(output_shape)
    step = Step(B, model.dtype, checkpoint_every, ragged, copies=ragged)
    dy = step.bytes(output_shape)
    kept, peak = model.layers[0].input_bytes(shape, step), 0
    for index, (layer, own) in enumerate(zip(model.layers, model._parameters, strict=True), start=1):
        more, transient = layer.training_bytes(shape, step)
        transient += dy if index < len(model.layers) else 0  # the loss holds it to the end
        kept, peak = kept + more, max(peak, transient)
        # A dense layer copies arrays that are time first, such as h of all steps, and those with steps to leave out.
        step = step._replace(needs_dx=step.needs_dx or bool(own), copies=ragged or not layer.batch_first)
        shape = layer.output_shape(shape)
    return kept + peak


def choose_checkpoints(
    model: Sequential, batch_size: int, steps: int, limit: int, *, ragged: bool = False
) -> int | None:
    """
    Choose checkpoints that keep a training step within a memory limit.

    Parameters
    ----------
    model : Sequential
        A model that is built.
    batch_size : int
        B, the number of examples in a batch.
    steps : int
        T, the number of steps of the longest.
    limit : int
        Limit in bytes for the result of `training_bytes`.
    ragged : bool
        Are lengths unequal?

    Returns
    -------
    int or None
        The `checkpoint_every` that takes the least memory. None if the whole tape fits: that is a third less work.

    Raises
    ------
    ValueError
        If nothing fits; the message says what would.
    """
    if training_bytes(model, batch_size, steps, ragged=ragged) <= limit:
        return None
    powers = 2.0 ** (np.arange(FINENESS * int(np.ceil(np.log2(steps))) + 1) / FINENESS)
    sizes = {k: training_bytes(model, batch_size, steps, k, ragged=ragged) for k in sorted({int(p) for p in powers})}
    best = min(sizes, key=sizes.__getitem__)
    if sizes[best] > limit:
        raise ValueError(
            f"memory_limit is {limit:,} bytes, expected at least {sizes[best]:,}: batches of {batch_size} "
            f"sequences of {steps} steps need that much; a smaller batch_size needs less"
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
        If the value is not a size, or not above 0.
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
    Return how much memory this process may still take without swapping to the disk.

    Returns
    -------
    int or None
        On Linux the memory that the kernel reports as available, or the limit of a container if that is less. On other
        systems all memory of the machine, or None if the system does not report it.
    """
    known = [int(text) for text in map(_text, CONTAINER_LIMITS) if text.strip().isdigit()]  # else there is no limit
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
