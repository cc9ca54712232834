"""Layers in a row, with all parameters in one flat vector."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from fastrnn._checks import check_dtype, check_integer
from fastrnn._kernels.checks import check_lengths
from fastrnn._random import generators
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.data.lazy_array import Rows, as_rows
from fastrnn.layers import Call, Layer, ModelState, RowGradient, Shape
from fastrnn.layers.description import describe, rebuild
from fastrnn.models._backprop import Backprop, check_model_state
from fastrnn.models._flat import joined, named, views_of
from fastrnn.models._model import Model
from fastrnn.models._summary import summarize


class Sequential(Model):
    """
    Layers in a row.

    Parameters
    ----------
    layers : iterable of Layer
        From input to output.

    Attributes
    ----------
    layers : tuple of Layer
        The layers.
    input_shape, output_shape : tuple
        Shapes without the batch; known after `build`.
    dtype : dtype
        float32 or float64.
    parameters, gradients : mapping of str to ndarray
        Views of the flat vectors by name, ``"{index of the layer}.{name within it}"``, such as ``"0.1.backward.Wx"``.
        Change them in place: ``model.parameters["2.b"][...] = 0``.
    flat_parameters, flat_gradients : ndarray
        The vectors themselves. The tables of lazy layers are at the end of the first, and not in the second.
    row_gradients : dict of str to RowGradient
        The gradients of these tables by name; they are also in `gradients`.

    Raises
    ------
    TypeError, ValueError
        If there is no layer, or something that is not one.

    Examples
    --------
    >>> from fastrnn import GRU, Dense, Sequential
    >>> model = Sequential([GRU(16), Dense(3)]).build((None, 4))
    >>> model
    Sequential([GRU(16), Dense(3)])
    >>> model.parameters["1.W"].shape
    (16, 3)
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = tuple(layers)
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers[{index}] is {layer!r}, expected a layer such as fastrnn.GRU(32)")
        if not self.layers:
            raise ValueError("layers is empty, expected at least one layer")

    def __repr__(self) -> str:
        return f"Sequential([{', '.join(map(repr, self.layers))}])"

    def build(self, input_shape: Shape, dtype: Any = "float32", seed: int | None = 0) -> Self:
        """
        Make the parameters.

        Parameters
        ----------
        input_shape : tuple
            The shape that the first layer takes, without the batch: (T or None, I) for sequences, (I,) for inputs
            without time, or (height, width, channels). I is also the number of symbols of integer inputs.
        dtype : {"float32", "float64"}
            Dtype of parameters and inputs.
        seed : int, optional
            Seed of the initial parameters; None for new ones each time.

        Returns
        -------
        Sequential
            The model itself.

        Raises
        ------
        TypeError, ValueError
            If the layers do not take this shape, or the dtype is wrong.
        """
        return self._build(input_shape, dtype, generators(seed).weights)

    def _build(self, input_shape: Shape, dtype: Any, rng: np.random.Generator) -> Self:
        """Draw the parameters."""
        self.dtype = check_dtype(dtype)
        self.input_shape = _check_shape(input_shape)
        shape = self.input_shape
        self._shapes, self._row_gradients = [], []
        dense: list[Array] = []
        tables: list[Array] = []
        for layer in self.layers:
            output_shape = layer.output_shape(shape)  # first, as it refuses a wrong shape
            initial, shape = layer.initialize(shape, rng), output_shape
            self._shapes.append({name: value.shape for name, value in initial.items()})
            self._row_gradients.append(
                {name: RowGradient.empty(value.shape[1], self.dtype) for name, value in initial.items() if layer.lazy}
            )
            (tables if layer.lazy else dense).extend(value.ravel() for value in initial.values())
        self.output_shape = shape
        vector = np.concatenate([np.empty(0), *dense, *tables], dtype=self.dtype)
        self._bind(vector, np.zeros(sum(map(np.size, dense)), self.dtype))
        return self

    def _bind(self, parameters: Array, gradients: Array) -> None:
        """Take two flat vectors, and make named views of them."""
        self.flat_parameters, self.flat_gradients = parameters, gradients
        dense = [{} if layer.lazy else own for layer, own in zip(self.layers, self._shapes, strict=True)]
        tables = [own if layer.lazy else {} for layer, own in zip(self.layers, self._shapes, strict=True)]
        self._parameters = joined(views_of(parameters, dense), views_of(parameters[gradients.size :], tables))
        self._gradients = joined(views_of(gradients, dense), self._row_gradients)
        self.parameters = named(self._parameters)
        self.gradients = named(self._gradients)
        self.row_gradients = named(self._row_gradients)

    def __getstate__(self) -> dict[str, Any]:
        views = ("_parameters", "_gradients", "parameters", "gradients", "row_gradients")
        return {name: value for name, value in self.__dict__.items() if name not in views}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._is_built:
            self._bind(self.flat_parameters, self.flat_gradients)

    @property
    def has_steps(self) -> bool:
        """Are inputs sequences, whose first axis is time? Only then can there be `lengths`, windows and streams."""
        self._check_built()
        return self.layers[0].has_steps(self.input_shape)

    def _check_has_steps(self) -> None:
        """Refuse lengths where inputs have no time axis."""
        if not self.has_steps:
            raise ValueError(f"lengths is given, but inputs {self.input_shape} have no steps; pass None")

    def zero_gradients(self) -> None:
        """
        Set the gradients to zero.

        The backward pass adds to them. `Trainer` calls this for each batch; your own training loop must do so, too.

        Raises
        ------
        RuntimeError
            If the model is not built.

        Examples
        --------
        >>> import numpy as np
        >>> from fastrnn import LSTM, Dense, Embedding, Sequential
        >>> model = Sequential([Embedding(1000, 8, lazy=True), LSTM(4), Dense(2)]).build((None, 1000))
        >>> x = np.array([[7, 3, 7], [512, 3, 9]])
        >>> for step in range(10):
        ...     y, backprop = model.forward(x, training=True)
        ...     model.zero_gradients()
        ...     backprop(y - 1, need_dx=False)
        ...     model.flat_parameters[: model.flat_gradients.size] -= 0.1 * model.flat_gradients
        ...     gradient = model.gradients["0.W"]
        ...     model.parameters["0.W"][gradient.rows] -= 0.1 * gradient.values
        >>> gradient.rows
        array([  3,   7,   9, 512])
        """
        self._check_built()
        self.flat_gradients[...] = 0
        for gradient in self.row_gradients.values():
            gradient.clear()

    def pack(self) -> list[Any]:
        """
        Prepare the parameters for many calls of `forward`.

        Returns
        -------
        list
            What `forward` takes as `weights`: a snapshot. Later changes of recurrent parameters do not change it.

        Raises
        ------
        RuntimeError
            If the model is not built.
        """
        self._check_built()
        return [layer.pack(own) for layer, own in zip(self.layers, self._parameters, strict=True)]

    def forward(
        self,
        x: Array,
        *,
        training: bool = False,
        lengths: Array | None = None,
        state: ModelState = None,
        rng: np.random.Generator | None = None,
        weights: list[Any] | None = None,
        n_threads: int | None = None,
        checkpoint_every: int | None = None,
    ) -> tuple[Array, Backprop]:
        """
        Run all layers.

        Parameters
        ----------
        x : ndarray (B, T, I), integers (B, T), or ndarray (B, ...)
            Inputs in the dtype of the model; integers in 0..I-1 stand for one-hot rows.
        training : bool
            Let dropout act, and keep what the backward pass needs.
        lengths : integers (B,), optional
            Steps of each row; beyond them nothing is read, and outputs are 0.
        state : tuple, optional
            Initial state: an entry for each layer, None for one without state. See `Recurrent`.
        rng : numpy.random.Generator, optional
            For dropout.
        weights : list, optional
            From `pack`; None packs the parameters for this call.
        n_threads : int, optional
            Number of threads; see `recurrent_forward`.
        checkpoint_every : int, optional
            Keep the tapes of recurrent layers only at every k-th step; see `recurrent_forward`.

        Returns
        -------
        y : ndarray
            Outputs of the last layer.
        backprop : Backprop
            ``dx = backprop(dy)`` is the backward pass; ``backprop.state`` is the final state.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape, dtype or range; the message names it.
        RuntimeError
            If the model is not built.
        """
        self._check_built()
        y = np.asarray(x)
        self._check_batch(y)
        if lengths is not None:
            self._check_has_steps()
            lengths = check_lengths(lengths, *y.shape[:2])
        call = Call(training, lengths, rng, n_threads, checkpoint_every)
        backprops, final = [], []
        initial = check_model_state("state", state, len(self.layers))
        for layer, packed, own in zip(self.layers, weights or self.pack(), initial, strict=True):
            y, own, backprop = layer.forward(packed, y, own, call)
            if layer.own_steps:
                call = call._replace(lengths=None)
            backprops.append(backprop)
            final.append(own)
        return y, Backprop(self._gradients, backprops, tuple(final))

    def _check_batch(self, x: Array) -> None:
        """Refuse inputs of another shape; of sequences the layers check the number of channels."""
        shape = self.input_shape
        if x.ndim == 2 == len(shape) and x.dtype.kind in "iu":
            return
        sizes = () if self.has_steps else zip(x.shape[1:], shape, strict=False)
        if x.ndim != len(shape) + 1 or any(want not in (None, got) for got, want in sizes):
            raise ValueError(f"x has shape {x.shape}, expected a batch of {shape}")

    def predict(
        self, x: Rows, lengths: Array | None = None, batch_size: int = 256, n_threads: int | None = None
    ) -> Array:
        """
        Run all layers over many examples; a classifier gives logits.

        The result of a row is the same to the bit, whatever `batch_size` and `n_threads`.

        Parameters
        ----------
        x : ndarray (N, T, I), integers (N, T), or ndarray (N, ...)
            Inputs in the dtype of the model; also what `fastrnn.data.read_by_blocks` returns.
        lengths : integers (N,), optional
            Steps of each row.
        batch_size : int
            Number of examples at a time.
        n_threads : int, optional
            Number of threads; see `recurrent_forward`.

        Returns
        -------
        ndarray (N, ...)
            Outputs of the last layer; 0 beyond a row's length.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As `forward`.
        """
        self._check_built()
        x = as_rows(x)
        check_integer("batch_size", batch_size, 1)
        if x.ndim < 2:
            raise ValueError(f"x has shape {x.shape}, expected a batch of {self.input_shape}")
        if lengths is not None:
            self._check_has_steps()
            lengths = check_lengths(lengths, *x.shape[:2])
        weights = self.pack()
        parts = []
        for first in range(0, max(len(x), 1), batch_size):
            rows = slice(first, first + batch_size)
            own = None if lengths is None else lengths[rows]
            parts.append(self.forward(x[rows], lengths=own, weights=weights, n_threads=n_threads)[0])
        return np.concatenate(parts)

    def summary(self) -> None:
        """Print the layers, their output shapes and parameters, and the size of their tapes for an example."""
        self._check_built()
        print(summarize(self.layers, self._parameters, self.input_shape, self.dtype))

    def to_tree(self) -> dict[str, Any]:
        """
        Return the model as a tree of arrays, strings and numbers.

        Returns
        -------
        dict
            Layers, input shape, dtype, and copies of the parameters by name; `load_model` makes the model from it.

        Raises
        ------
        RuntimeError
            If the model is not built.
        """
        self._check_built()
        return {
            "kind": "Sequential",
            "layers": [describe(layer) for layer in self.layers],
            "input_shape": self.input_shape,
            "dtype": self.dtype.name,
            "parameters": {name: value.copy() for name, value in self.parameters.items()},
        }


def load_model(tree: dict[str, Any], cells: Sequence[Cell] = (), classes: Sequence[type] = ()) -> Sequential:
    """
    Make the model that `Sequential.to_tree` has described.

    Parameters
    ----------
    tree : dict
        From `Sequential.to_tree`.
    cells : sequence of Cell
        Custom cells that its layers use.
    classes : sequence of type
        Classes of its custom layers.

    Returns
    -------
    Sequential
        The model.

    Raises
    ------
    TypeError, ValueError
        If a custom cell or layer is missing, or the parameters are not those of the model.
    """
    layers = [rebuild(description, cells, classes) for description in tree["layers"]]
    model = Sequential(layers).build(tuple(tree["input_shape"]), tree["dtype"])
    saved = tree["parameters"]
    if saved.keys() != model.parameters.keys():
        names = ", ".join(sorted(saved.keys() ^ model.parameters.keys()))
        raise ValueError(f"parameters are missing, or are not of this model: {names}")
    for name, view in model.parameters.items():
        if saved[name].shape != view.shape or saved[name].dtype != view.dtype:
            raise ValueError(
                f"parameter {name} has shape {saved[name].shape} and dtype {saved[name].dtype}, "
                f"expected {view.shape} and {view.dtype}"
            )
        view[...] = saved[name]
    return model


def _check_shape(shape: Any) -> Shape:
    """Return an input shape, without the batch."""
    if not isinstance(shape, tuple | list) or not shape:
        expected = "(T or None, I), or (I,) for inputs without time, or (height, width, channels)"
        raise ValueError(f"input_shape is {shape!r}, expected {expected}")
    steps = len(shape) == 2
    names = ["T in input_shape" if steps else f"input_shape[{axis}]" for axis in range(len(shape) - 1)]
    sizes = (
        None if size is None else check_integer(name, size, 0 if steps else 1)
        for name, size in zip(names, shape[:-1], strict=True)
    )
    return (*sizes, check_integer("I in input_shape" if len(shape) < 3 else "channels in input_shape", shape[-1], 1))
