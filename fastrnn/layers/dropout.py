"""Inverted dropout (Srivastava et al. 2014): training scales up what it keeps, so prediction does nothing."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn._checks import check_number
from fastrnn._kernels.types import PackedWeights
from fastrnn._typing import Array
from fastrnn.layers._base import Backward, Call, Forward, Layer, Parameters, Shape, State


def draw_mask(call: Call, shape: tuple[int, ...], rate: float, dtype: np.dtype[Any]) -> Array | None:
    """
    Draw the mask that outputs are multiplied by.

    Parameters
    ----------
    call : Call
        The forward pass: its random numbers, and whether it trains.
    shape : tuple of int
        Shape of the mask.
    rate : float
        Probability of 0, in [0, 1).
    dtype : dtype
        float32 or float64.

    Returns
    -------
    ndarray or None
        0 with probability `rate`, else 1 / (1 - rate). None if dropout does not act.

    Raises
    ------
    ValueError
        If the pass trains without random numbers.
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
    Set inputs to zero at random, only in training.

    Parameters
    ----------
    rate : float
        Probability of 0 for each input, in [0, 1).

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
                f"x has dtype {x.dtype}, expected floats: {self!r} cannot drop symbols; put it after the Embedding"
            )
        mask = draw_mask(call, x.shape, self.rate, x.dtype)

        def backprop(gradients: Parameters, dy: Array | None, dstate: State, need_dx: bool) -> Backward:
            return dy if dy is None or mask is None else dy * mask, None

        return x if mask is None else x * mask, None, backprop if call.training else None

    def tape_size(self, input_shape: Shape) -> int:
        return int(np.prod([size or 1 for size in input_shape]))
