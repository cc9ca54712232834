"""A dense layer, on every example or on every step of a sequence."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn._checks import check_choice, check_integer
from fastrnn._kernels import backends, dense_backward, dense_forward
from fastrnn._kernels.checks import check_array
from fastrnn._kernels.dense import pack_dense
from fastrnn._kernels.types import PackedWeights
from fastrnn._typing import Array
from fastrnn.cells.rnn import RNN_LINEAR
from fastrnn.layers._base import Backward, Call, Forward, Layer, Parameters, Shape, State, Step
from fastrnn.layers.initializers import Initializer, check_initializer, draw

ACTIVATIONS = (None, "linear", "relu", "tanh", "sigmoid")


@dataclass(frozen=True, repr=False)
class Dense(Layer):
    """
    Compute ``f(x W + b)``; parameters W (I, U) and b (U,).

    It takes inputs (B, ..., I) and computes each step, or place, by itself. Steps beyond a row's length are never read,
    and are 0 in the output.

    Parameters
    ----------
    units : int
        U, the number of outputs.
    activation : {None, "linear", "relu", "tanh", "sigmoid"}
        The function f; None is linear.
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Initial weights; biases are 0.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.
    """

    units: int
    activation: str | None = None
    initializer: Initializer = "xavier"

    def __post_init__(self) -> None:
        check_integer("units", self.units, 1)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_initializer(self.initializer)

    @property
    def batch_first(self) -> bool:
        return True

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def initialize(self, input_shape: Shape, rng: np.random.Generator) -> Parameters:
        I = input_shape[-1]
        assert I is not None
        return {"W": draw(self.initializer, rng, (I, self.units)), "b": np.zeros(self.units)}

    def pack_steps(self, parameters: Parameters) -> list[PackedWeights]:
        return [pack_dense(parameters["W"], parameters["b"], self.activation)]

    def forward(self, weights: Any, x: Array, state: State, call: Call) -> Forward:
        W, b = weights["W"], weights["b"]
        valid: Any = ...
        if x.ndim == 3 and call.lengths is not None:
            valid = np.arange(x.shape[1]) < call.lengths[:, None]
            valid = ... if valid.all() else valid
        rows, tape = dense_forward(x[valid], W, b, self.activation, keep_tape=call.training, n_threads=call.n_threads)

        def backprop(gradients: Parameters, dy: Array | None, dstate: State, need_dx: bool) -> Backward:
            if dy is None or tape is None:
                return None, None
            if valid is not ...:
                dy = check_array("dy", dy, (*x.shape[:-1], self.units), x.dtype)
            dx, *_ = dense_backward(tape, dy[valid], need_dx=need_dx, add_to=(gradients["W"], gradients["b"]))
            return None if dx is None else _put(dx, valid, x.shape), None

        return _put(rows, valid, (*x.shape[:-1], self.units)), None, backprop if call.training else None

    def tape_size(self, input_shape: Shape) -> int:
        return int(np.prod([size or 1 for size in self.output_shape(input_shape)]))

    def training_bytes(self, input_shape: Shape, step: Step) -> tuple[int, int]:
        *places, I = input_shape
        layout = backends.choose(None, RNN_LINEAR).layout
        state, _, _, inputs = layout(RNN_LINEAR, I, self.units, step.dtype)
        copied = I if step.copies else 0
        return step.bytes((*places, state + copied)), step.bytes((*places, self.units + inputs + copied))


def _put(rows: Array, valid: Any, shape: tuple[int, ...]) -> Array:
    """Return an array of zeros with the rows at their places."""
    if valid is ...:
        return rows
    out = np.zeros(shape, rows.dtype)
    out[valid] = rows
    return out
