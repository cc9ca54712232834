"""All numbers of an example side by side."""

from dataclasses import dataclass
from math import prod

import numpy as np

from fastrnn._typing import Array
from fastrnn.layers._base import Backward, Call, Forward, Layer, Parameters, Shape, State


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Put all numbers of an example side by side, such as (B, T, I) to (B, T * I), as inputs of a dense layer."""

    @property
    def gives_steps(self) -> bool:
        return False

    def output_shape(self, input_shape: Shape) -> Shape:
        sizes = [size for size in input_shape if size is not None]
        if len(input_shape) < 2 or len(sizes) < len(input_shape):
            raise ValueError(f"Flatten() got inputs {input_shape}, expected (T, I) with a number of steps")
        return (prod(sizes),)

    def forward(self, weights: Parameters, x: Array, state: State, call: Call) -> Forward:
        if call.lengths is not None and (call.lengths != x.shape[1]).any():
            short = int(np.argmax(call.lengths != x.shape[1]))
            raise ValueError(f"lengths[{short}] is {call.lengths[short]}, but Flatten() takes all {x.shape[1]} steps")

        def backprop(gradients: Parameters, dy: Array | None, dstate: State, need_dx: bool) -> Backward:
            return None if dy is None else dy.reshape(x.shape), None

        return x.reshape(len(x), prod(x.shape[1:])), None, backprop if call.training else None
