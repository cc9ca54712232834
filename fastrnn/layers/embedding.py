"""A row of a table for each symbol."""

from dataclasses import dataclass

import numpy as np

from fastrnn._checks import check_choice, check_integer
from fastrnn._kernels.types import Array
from fastrnn.layers._base import Backward, Call, Forward, Gradients, Layer, Parameters, Shape, State
from fastrnn.layers.initializers import Gaussian, Initializer, check_initializer, draw

VECTORS = Gaussian(0.1)  # initial ones, whatever the size of the vocabulary


@dataclass(frozen=True, repr=False)
class Embedding(Layer):
    """
    Look up a vector for each symbol (Bengio et al. 2003); parameter W (V, D).

    Inputs are integers (B, T) in 0..V-1, outputs (B, T, D); symbols beyond a row's length are never read.

    A lazy one is another algorithm, which PyTorch calls SparseAdam: a row, its momentum or means, and its weight decay
    move only in batches that contain its symbol; numbers such as Adam's count of updates move in every batch. A batch
    then costs what its symbols cost, whatever V is. The exact one moves all rows in every batch, as if W were dense;
    under SGD without momentum and weight decay the two are the same.

    Parameters
    ----------
    vocabulary : int
        V, the number of symbols.
    dimension : int
        D, the length of a vector.
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Initial vectors.
    lazy : bool
        For large vocabularies: the gradient is a `RowGradient`, and optimizers see the rows of a batch alone.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.
    """

    vocabulary: int
    dimension: int
    initializer: Initializer = VECTORS
    lazy: bool = False

    def __post_init__(self) -> None:
        check_integer("vocabulary", self.vocabulary, 1)
        check_integer("dimension", self.dimension, 1)
        check_initializer(self.initializer)
        check_choice("lazy", self.lazy, (False, True))

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2 or input_shape[1] != self.vocabulary:
            raise ValueError(
                f"{self!r} got inputs {input_shape}, expected (T, {self.vocabulary}): symbols, and T of them"
            )
        return (input_shape[0], self.dimension)

    def initialize(self, input_shape: Shape, rng: np.random.Generator) -> Parameters:
        return {"W": draw(self.initializer, rng, (self.vocabulary, self.dimension))}

    def forward(self, weights: Parameters, x: Array, state: State, call: Call) -> Forward:
        valid = _check_symbols(x, self.vocabulary, call.lengths)
        symbols = x[valid].astype(np.intp, copy=False)
        y = np.zeros((*x.shape, self.dimension), weights["W"].dtype)
        y[valid] = weights["W"].take(symbols, axis=0)

        def backprop(gradients: Gradients, dy: Array | None, dstate: State, need_dx: bool) -> Backward:
            if dy is not None and self.lazy:
                gradients["W"].add(symbols, dy[valid])
            elif dy is not None:
                np.add.at(gradients["W"], symbols, dy[valid])
            return None, None

        return y, None, backprop if call.training else None


def _check_symbols(x: Array, V: int, lengths: Array | None) -> Array:
    """Return which symbols (B, T) count; refuse those that are not in 0..V-1."""
    if x.ndim != 2 or x.dtype.kind not in "iu":
        raise TypeError(f"x has shape {x.shape} and dtype {x.dtype}, expected symbols: integers (B, T)")
    valid = np.ones(x.shape, bool) if lengths is None else np.arange(x.shape[1]) < lengths[:, None]
    wrong = np.argwhere(valid & ((x < 0) | (x >= V)))
    if len(wrong):
        row, step = map(int, wrong[0])
        raise ValueError(f"x[{row}, {step}] is {x[row, step]}, expected a symbol in 0..{V - 1}")
    return valid
