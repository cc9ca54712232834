"""A row of a table for each symbol."""

from dataclasses import dataclass

import numpy as np

from fastrnn._checks import check_choice, check_integer
from fastrnn._kernels import add_rows, take_rows
from fastrnn._typing import Array
from fastrnn.layers._base import Backward, Call, Forward, Gradients, Layer, Parameters, Shape, State, Step
from fastrnn.layers.initializers import Gaussian, Initializer, check_initializer, draw

VECTORS = Gaussian(0.1)  # initial vectors, whatever the size of the vocabulary


@dataclass(frozen=True, repr=False)
class Embedding(Layer):
    """
    Look up a vector for each symbol (Bengio et al. 2003); parameter W (V, D).

    Inputs are integers (B, T) in 0..V-1, outputs (B, T, D). Symbols beyond a row's length are never read.

    With ``lazy=True`` training follows another algorithm, which PyTorch calls SparseAdam: a row, its momentum or means,
    and its weight decay change only in batches that contain its symbol. Numbers such as Adam's count of updates change
    in every batch. The cost of a batch then depends on its symbols, not on V. With ``lazy=False`` all rows change in
    every batch, as if W were dense. Under SGD without momentum and weight decay both give the same result.

    Parameters
    ----------
    vocabulary : int
        V, the number of symbols.
    dimension : int
        D, the length of a vector.
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Initial vectors.
    lazy : bool
        For large vocabularies: the gradient is a `RowGradient`, and optimizers see only the rows of a batch.

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

    @property
    def takes_symbols(self) -> bool:
        return True

    @property
    def batch_first(self) -> bool:
        return True

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2 or input_shape[1] != self.vocabulary:
            raise ValueError(f"{self!r} got inputs {input_shape}, expected (T, {self.vocabulary}): T symbols")
        return (input_shape[0], self.dimension)

    def initialize(self, input_shape: Shape, rng: np.random.Generator) -> Parameters:
        return {"W": draw(self.initializer, rng, (self.vocabulary, self.dimension))}

    def forward(self, weights: Parameters, x: Array, state: State, call: Call) -> Forward:
        if x.ndim != 2 or x.dtype.kind not in "iu":
            raise TypeError(f"x has shape {x.shape} and dtype {x.dtype}, expected symbols: integers (B, T)")
        valid = None
        if call.lengths is not None and (call.lengths != x.shape[1]).any():
            valid = np.arange(x.shape[1]) < call.lengths[:, None]

        def backprop(gradients: Gradients, dy: Array | None, dstate: State, need_dx: bool) -> Backward:
            if dy is not None and self.lazy:
                chosen = ... if valid is None else valid
                gradients["W"].add(x[chosen].ravel(), dy[chosen].reshape(-1, self.dimension))
            elif dy is not None:
                add_rows(gradients["W"], x, dy, valid)
            return None, None

        return take_rows(weights["W"], x, valid, name="x"), None, backprop if call.training else None

    def input_bytes(self, input_shape: Shape, step: Step) -> int:
        return 8 * step.batch_size * int(input_shape[0] or 1)  # int64

    def training_bytes(self, input_shape: Shape, step: Step) -> tuple[int, int]:
        count = step.batch_size * int(input_shape[0] or 1)
        vectors = step.bytes(self.output_shape(input_shape))
        rows = min(count, self.vocabulary) * self.dimension * step.dtype.itemsize
        # Vectors; then dy and, if it is lazy, the largest possible number of rows, and sorted symbols.
        return vectors, vectors + (rows + 5 * 8 * count if self.lazy else 0)
