"""Dropout (Srivastava et al. 2014), inverted: what stays is scaled up in training, and prediction does nothing."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn._checks import check_number
from fastrnn._kernels.types import PackedWeights
from fastrnn._typing import Array
from fastrnn.layers._base import Backward, Call, Forward, Layer, Parameters, Shape, State


def draw_mask(call: Call, shape: tuple[int, ...], rate: float, dtype: np.dtype[Any]) -> Array | None:
    """
    Draw what outputs are multiplied with.

    Parameters
    ----------
    call : Call
        The pass: its random numbers, and whether it trains.
    shape : tuple of int
        Of the mask.
    rate : float
        Probability of 0, in [0, 1).
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray or None
        0 with probability `rate`, else 1 / (1 - rate); None where dropout does not act.

    Raises
    ------
    ValueError
        If the pass trains, but has no random numbers.
    """
    if not call.training or rate == 0:
        return None
    if call.rng is None:
        raise ValueError("rng is None, but dropout acts in training: expected a numpy.random.Generator")
    kept = call.rng.random(shape, np.float32) >= rate  # the same rows in either dtype
    return kept * dtype.type(1 / (1 - rate))


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """
    Set inputs to zero at random, in training only.

    Parameters
    ----------
    rate : float
        Probability of each, in [0, 1).

    Raises
    ------
    TypeError, ValueError
        If `rate` is not a number in [0, 1).
    """

    rate: float

    def __post_init__(self) -> None:
        check_number("rate", self.rate, "[0, 1)")

    def pack_steps(self, parameters: Parameters) -> list[PackedWeights]:
        return []

    def forward(self, weights: Any, x: Array, state: State, call: Call) -> Forward:
        if x.dtype.kind != "f":
            raise TypeError(
                f"x has dtype {x.dtype}, expected floats: {self!r} cannot drop symbols, but what an Embedding before "
                "it makes of them"
            )
        mask = draw_mask(call, x.shape, self.rate, x.dtype)

        def backprop(gradients: Parameters, dy: Array | None, dstate: State, need_dx: bool) -> Backward:
            return dy if dy is None or mask is None else dy * mask, None

        return x if mask is None else x * mask, None, backprop if call.training else None

    def tape_size(self, input_shape: Shape) -> int:
        return int(np.prod([size or 1 for size in input_shape]))
