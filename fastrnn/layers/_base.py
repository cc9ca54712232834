"""What `Sequential` asks of a layer.

A layer is the arguments of its constructor and nothing else. `forward` gets the weights and returns, beside its output,
a function that goes back (the pattern of thinc): what lies between the two passes lives in that function alone, so that
several threads may run one layer at once.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from fastrnn._kernels.types import PackedWeights
from fastrnn._typing import Array

Shape = tuple[int | None, ...]  # without the batch: (T or None, I) or (I,)
Parameters = dict[str, Array]
Gradients = dict[str, Any]  # of one layer: arrays, or, where it is lazy, a `RowGradient` for each
State = tuple[tuple[Array | None, ...] | None, ...] | None  # of one layer
ModelState = tuple[State, ...] | None  # an entry for each layer

# (gradients, dy, dstate, need_dx) -> (dx, gradient of the initial state); adds into `gradients`.
Backward = tuple[Array | None, State]
LayerBackprop = Callable[[Gradients, Array | None, State, bool], Backward]
Forward = tuple[Array, State, LayerBackprop | None]  # y, the final state, and the way back if a tape was kept


class Call(NamedTuple):
    """What one forward pass says to all layers."""

    training: bool = False  # dropout acts, and tapes are kept
    lengths: Array | None = None
    rng: np.random.Generator | None = None
    n_threads: int | None = None
    checkpoint_every: int | None = None  # tapes of recurrent layers; see `recurrent_forward`


@dataclass(frozen=True, repr=False)
class Layer:
    """Base of all layers; one without parameters that keeps its input's shape overrides `forward` alone."""

    @property
    def lazy(self) -> bool:
        """Are its parameters tables (V, D) whose gradients are `RowGradient`s, outside of the model's flat vector?"""
        return False

    @property
    def own_steps(self) -> bool:
        """Does its output have steps of its own, to which the lengths of the inputs say nothing?"""
        return False

    def output_shape(self, input_shape: Shape) -> Shape:
        """
        Return the shape of the output.

        Parameters
        ----------
        input_shape : tuple
            (T or None, I) or (I,), without the batch.

        Returns
        -------
        tuple
            Likewise.

        Raises
        ------
        ValueError
            If the layer does not take such inputs.
        """
        return input_shape

    def initialize(self, input_shape: Shape, rng: np.random.Generator) -> Parameters:
        """
        Draw the initial parameters.

        Parameters
        ----------
        input_shape : tuple
            Shape of the input, without the batch.
        rng : numpy.random.Generator
            Where the numbers come from.

        Returns
        -------
        dict of str to ndarray
            float64 arrays by their names within the layer.
        """
        return {}

    def pack(self, parameters: Parameters) -> Any:
        """
        Lay parameters out for many calls of `forward`.

        Parameters
        ----------
        parameters : dict of str to ndarray
            The layer's parameters by name.

        Returns
        -------
        object
            What `forward` takes as weights.
        """
        return parameters

    def pack_steps(self, parameters: Parameters) -> list[PackedWeights]:
        """
        Lay parameters out for prediction one step at a time.

        Parameters
        ----------
        parameters : dict of str to ndarray
            The layer's parameters by name.

        Returns
        -------
        list of PackedWeights
            The nets that a step passes one after another; none where prediction does nothing.

        Raises
        ------
        ValueError
            If the layer does not work step by step.
        """
        raise ValueError(f"{self!r} does not run one step at a time, expected recurrent and dense layers and dropout")

    def forward(self, weights: Any, x: Array, state: State, call: Call) -> Forward:
        """
        Run the layer.

        Parameters
        ----------
        weights : object
            From `pack`.
        x : ndarray
            A batch of inputs.
        state : tuple or None
            Initial state of a recurrent layer.
        call : Call
            What the pass says to all layers.

        Returns
        -------
        y : ndarray
            Outputs.
        state : tuple or None
            Final state of a recurrent layer.
        backprop : callable or None
            ``backprop(gradients, dy, dstate, need_dx) -> (dx, dstate)``, which adds into `gradients`; None where no
            tape was kept.
        """
        raise NotImplementedError

    def tape_size(self, input_shape: Shape) -> int:
        """
        Count the numbers that one example keeps between the passes.

        Parameters
        ----------
        input_shape : tuple
            Shape of the input, without the batch; T None counts as one step.

        Returns
        -------
        int
            How many.
        """
        return 0

    def __repr__(self) -> str:
        """Return the shortest call that makes this layer."""
        values = [(field, getattr(self, field.name)) for field in fields(self) if field.init]
        shown = [repr(value) for field, value in values if field.default is MISSING]
        shown += [f"{field.name}={value!r}" for field, value in values if field.default not in (MISSING, value)]
        return f"{type(self).__name__}({', '.join(shown)})"
