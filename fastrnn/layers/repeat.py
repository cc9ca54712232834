"""The same vector at each of several steps."""

from dataclasses import dataclass

import numpy as np

from fastrnn._checks import check_integer
from fastrnn._typing import Array
from fastrnn.layers._base import Backward, Call, Forward, Layer, Parameters, Shape, State


@dataclass(frozen=True, repr=False)
class RepeatVector(Layer):
    """
    Give the same vector at each of n steps, (B, I) to (B, n, I): it hands the last output of an encoder to a decoder.

    The layers above have the n steps of this layer: the `lengths` of the inputs do not apply to them.

    Parameters
    ----------
    n : int
        Number of steps.

    Raises
    ------
    TypeError, ValueError
        If `n` is not a whole number above 0.
    """

    n: int

    def __post_init__(self) -> None:
        check_integer("n", self.n, 1)

    @property
    def own_steps(self) -> bool:
        return True

    @property
    def gives_steps(self) -> bool:
        return False

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise ValueError(f"{self!r} got inputs {input_shape}, expected (I,): a vector for each example")
        return (self.n, *input_shape)

    def forward(self, weights: Parameters, x: Array, state: State, call: Call) -> Forward:
        def backprop(gradients: Parameters, dy: Array | None, dstate: State, need_dx: bool) -> Backward:
            return None if dy is None else dy.sum(axis=1), None

        return np.repeat(x[:, None], self.n, axis=1), None, backprop if call.training else None
