"""What models ask of a layer.

A layer holds the arguments of its constructor and nothing else. `forward` gets the weights. It returns its output and a
function for the backward pass (the pattern of thinc). Only that function holds what the backward pass needs, so several
threads may run one layer at once.

A custom layer is a frozen dataclass that inherits from `Layer`. It overrides `forward`, and what else differs from a
layer without parameters that keeps the shape of its input.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from fastrnn._kernels.types import PackedWeights
from fastrnn._typing import Array

Shape = tuple[int | None, ...]  # without the batch: (T or None, I), (I,), (height, width, channels) ...
Parameters = dict[str, Array]
Gradients = dict[str, Any]  # of one layer: arrays, or, where it is lazy, a `RowGradient` for each
State = tuple[tuple[Array | None, ...] | None, ...] | None  # of one layer
ModelState = tuple[State, ...] | None  # an entry for each layer

# (gradients, dy, dstate, need_dx) -> (dx, gradient of the initial state); adds into `gradients`.
Backward = tuple[Array | None, State]
LayerBackprop = Callable[[Gradients, Array | None, State, bool], Backward]
Forward = tuple[Array, State, LayerBackprop | None]  # y, the final state, and the backward pass if a tape was kept


class Call(NamedTuple):
    """The settings of a forward pass, for all layers."""

    training: bool = False  # dropout acts, and tapes are kept
    lengths: Array | None = None
    rng: np.random.Generator | None = None
    n_threads: int | None = None
    checkpoint_every: int | None = None  # tapes of recurrent layers; see `recurrent_forward`


class NetState(NamedTuple):
    """The state that one net of a layer carries from step to step: which arrays, each (B, size)."""

    net: str  # the name of the net within the layer, such as "1.backward"
    names: tuple[str, ...]  # such as ("h", "c")
    size: int


class Step(NamedTuple):
    """A training step whose memory is counted; see `Layer.training_bytes`."""

    batch_size: int
    dtype: np.dtype[Any]
    checkpoint_every: int | None = None
    ragged: bool = False  # are lengths unequal?
    needs_dx: bool = False  # do layers below have parameters?
    copies: bool = False  # is the input laid out so that a dense layer has to copy it?

    def bytes(self, shape: Any) -> int:
        """Return the size of a batch of arrays of this shape."""
        return int(self.batch_size * np.prod(shape, dtype=int)) * self.dtype.itemsize


@dataclass(frozen=True, repr=False)
class Layer:
    """Base class of all layers; a layer without parameters that keeps its input's shape overrides only `forward`."""

    @property
    def lazy(self) -> bool:
        """Are its parameters tables (V, D) whose gradients are `RowGradient`s, outside of the model's flat vector?"""
        return False

    @property
    def takes_symbols(self) -> bool:
        """Does it take integers in place of one-hot rows when it runs one step at a time?"""
        return False

    @property
    def own_steps(self) -> bool:
        """Does its output have its own steps, so that the lengths of the inputs do not apply to it?"""
        return False

    @property
    def gives_steps(self) -> bool:
        """Does it give an output at each step of a sequence?"""
        return True

    @property
    def reads_ahead(self) -> bool:
        """Do outputs depend on later steps? Such a model takes no windows, and does not run one step at a time."""
        return False

    @property
    def carries(self) -> tuple[NetState, ...]:
        """The state that it carries from step to step, an entry for each net; empty for a layer without state."""
        return ()

    @property
    def batch_first(self) -> bool:
        """Are its outputs laid out row after row? A dense layer on top then copies nothing."""
        return False

    def has_steps(self, input_shape: Shape) -> bool:
        """
        Say whether inputs are sequences, whose first axis is time.

        Parameters
        ----------
        input_shape : tuple
            Shape of the input, without the batch.

        Returns
        -------
        bool
            True for (T or None, I).
        """
        return len(input_shape) == 2

    def output_shape(self, input_shape: Shape) -> Shape:
        """
        Return the shape of the output.

        Parameters
        ----------
        input_shape : tuple
            Shape of the input, without the batch: (T or None, I), (I,), (height, width, channels) ...

        Returns
        -------
        tuple
            Shape of the output, without the batch.

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
            Random numbers.

        Returns
        -------
        dict of str to ndarray
            float64 arrays by their names within the layer.
        """
        return {}

    def pack(self, parameters: Parameters) -> Any:
        """
        Prepare parameters for many calls of `forward`.

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
        Prepare parameters for prediction one step at a time.

        Parameters
        ----------
        parameters : dict of str to ndarray
            The layer's parameters by name.

        Returns
        -------
        list of PackedWeights
            The nets that a step passes one after another, from `fastrnn.pack`: one for each entry of `carries`, or, of
            a layer without state, any number of dense ones. Empty if the layer does nothing in prediction.

        Raises
        ------
        ValueError
            If the layer does not work step by step.
        """
        raise ValueError(f"{self!r} does not run one step at a time; use recurrent layers, dense layers and dropout")

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
            Initial state of a layer that carries one: for each net of `carries` a tuple of arrays (B, size).
        call : Call
            The settings of the pass.

        Returns
        -------
        y : ndarray
            Outputs.
        state : tuple or None
            Final state, likewise.
        backprop : callable or None
            ``backprop(gradients, dy, dstate, need_dx) -> (dx, dstate)``, which adds into `gradients`; None if no tape
            was kept.
        """
        raise NotImplementedError

    def tape_size(self, input_shape: Shape) -> int:
        """
        Count the numbers that one example keeps from the forward pass to the backward pass.

        Parameters
        ----------
        input_shape : tuple
            Shape of the input, without the batch; if T is None, of one step.

        Returns
        -------
        int
            How many.
        """
        return 0

    def input_bytes(self, input_shape: Shape, step: Step) -> int:
        """
        Count the bytes of a batch of inputs.

        Parameters
        ----------
        input_shape : tuple
            Shape of the input, without the batch.
        step : Step
            The training step.

        Returns
        -------
        int
            How many.
        """
        return step.bytes(input_shape)

    def training_bytes(self, input_shape: Shape, step: Step) -> tuple[int, int]:
        """
        Count the bytes that the layer takes in a training step.

        Parameters
        ----------
        input_shape : tuple
            Shape of the input, without the batch.
        step : Step
            The training step.

        Returns
        -------
        kept : int
            From the forward pass to the backward pass: outputs, tapes and masks. As it stands, two arrays of outputs.
        transient : int
            More during the layer's own backward pass. As it stands, one array of outputs.
        """
        outputs = step.bytes(self.output_shape(input_shape))
        return 2 * outputs, outputs

    def __repr__(self) -> str:
        """Return the shortest call that makes this layer."""
        values = [(field, getattr(self, field.name)) for field in fields(self) if field.init]
        shown = [repr(value) for field, value in values if field.default is MISSING]
        shown += [f"{field.name}={value!r}" for field, value in values if field.default not in (MISSING, value)]
        return f"{type(self).__name__}({', '.join(shown)})"


def by_net(name: str, layer: Layer, state: State) -> list[Any]:
    """Return the entries of a layer's state, or None for each; refuse another number of them."""
    nets = layer.carries
    if state is None:
        return [None] * len(nets)
    if not isinstance(state, tuple | list) or len(state) != len(nets):
        got = f"{len(state)} entries" if isinstance(state, tuple | list) else f"type {type(state).__name__}"
        names = ", ".join(dict.fromkeys(name for net in nets for name in net.names))
        raise ValueError(
            f"{name} of {layer!r} has {got}, expected a tuple of {len(nets)}: for each layer, then direction, "
            f"a tuple of the cell's states ({names})"
        )
    return list(state)
