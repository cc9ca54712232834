"""From sequence to sequence: an encoder reads one, and a decoder writes another."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np

from fastrnn._checks import check_integer
from fastrnn._kernels.checks import check_lengths
from fastrnn._random import generators
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.layers import Layer, ModelState, Shape
from fastrnn.models._backprop import Backprop
from fastrnn.models._model import Model
from fastrnn.models.sequential import Sequential, load_model


class EncoderDecoder(Model):
    """
    An encoder reads a sequence, and its final state starts a decoder, which writes another (Sutskever et al. 2014).

    The decoder writes symbols 0..V-1 one after another. At each step it reads the symbol before; at the first step it
    reads V, which stands for the beginning. In training it reads the true symbols (teacher forcing).
    `fastrnn.decoding.decode` uses the trained model: it searches for the most likely sequence.

    Parameters
    ----------
    encoder : iterable of Layer
        From the input to the last recurrent layer.
    decoder : iterable of Layer
        It has as many recurrent layers as the encoder, with the same cells and sizes, and they give an output at each
        step. The last layer gives V logits a step.

    Attributes
    ----------
    encoder, decoder : Sequential
        The two nets.
    n_symbols : int
        V, the number of symbols to write. This and the attributes below are known after `build`.
    dtype : dtype
        float32 or float64.
    flat_parameters, flat_gradients : ndarray
        The parameters and gradients of both nets, the encoder first; the nets have views of them.
    parameters, gradients : mapping of str to ndarray
        Views of them by name, such as ``"encoder.0.0.forward.Wx"``.

    Raises
    ------
    TypeError, ValueError
        If a net has no layers, or the recurrent layers of the two do not match.

    References
    ----------
    I. Sutskever, O. Vinyals and Q. V. Le, "Sequence to sequence learning with neural networks", NIPS 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import LSTM, Dense, EncoderDecoder, Trainer
    >>> from fastrnn.decoding import decode
    >>> x = np.random.default_rng(0).integers(1, 5, (500, 3))
    >>> y = np.pad(x[:, ::-1], ((0, 0), (0, 1)))  # backwards, and the symbol 0 ends it
    >>> model = EncoderDecoder([LSTM(32)], [LSTM(32, return_sequences=True), Dense(5)]).build((None, 5), 5)
    >>> history = Trainer(model, "cross_entropy", learning_rate=0.02).fit(x, y, epochs=10)
    >>> decode(model, np.array([[1, 2, 4]]))[0]
    array([[4, 2, 1, 0]])
    """

    _to_build = "model.build(input_shape, n_symbols)"

    def __init__(self, encoder: Iterable[Layer], decoder: Iterable[Layer]) -> None:
        self.encoder, self.decoder = Sequential(encoder), Sequential(decoder)
        for name, net in (("encoder", self.encoder), ("decoder", self.decoder)):
            for layer in net.layers:
                if layer.lazy:
                    raise ValueError(f"the {name} has {layer!r}, but both nets are one flat vector; use lazy=False")
        states = [[layer.carries for layer in _with_state(net)] for net in (self.encoder, self.decoder)]
        if not states[0] or states[0] != states[1]:
            raise ValueError(
                f"the encoder ends with states of {_list(self.encoder)}, but the decoder begins with those of "
                f"{_list(self.decoder)}; expected as many recurrent layers, of the same cells, sizes and directions"
            )
        for layer in _with_state(self.decoder):
            if layer.reads_ahead or not layer.gives_steps:
                raise ValueError(
                    f"the decoder has {layer!r}, but writes step by step; "
                    "use return_sequences=True and bidirectional=False"
                )

    def __repr__(self) -> str:
        return f"EncoderDecoder({list(self.encoder.layers)!r}, {list(self.decoder.layers)!r})"

    def build(self, input_shape: Shape, n_symbols: int, dtype: Any = "float32", seed: int | None = 0) -> Self:
        """
        Make the parameters.

        Parameters
        ----------
        input_shape : tuple
            (T or None, I) of the encoder; I is also the number of symbols of integer inputs.
        n_symbols : int
            V, the number of symbols to write.
        dtype : {"float32", "float64"}
            Dtype of parameters and inputs.
        seed : int, optional
            Seed of the initial parameters; None for new ones each time.

        Returns
        -------
        EncoderDecoder
            The model itself.

        Raises
        ------
        TypeError, ValueError
            If the layers do not take these shapes, or the dtype is wrong.
        """
        rng, V = generators(seed).weights, check_integer("n_symbols", n_symbols, 1)
        self.encoder._build(input_shape, dtype, rng)
        self.decoder._build((None, V + 1), dtype, rng)
        if self.decoder.output_shape != (None, V):
            raise ValueError(
                f"the decoder gives outputs {self.decoder.output_shape}, expected (None, {V}): a logit for each symbol "
                "at each step"
            )
        return self._join()

    def _join(self) -> Self:
        """Make one vector of the parameters of both nets, and views of it in them."""
        nets = {"encoder": self.encoder, "decoder": self.decoder}
        V = self.decoder.output_shape[-1]
        assert V is not None
        self.dtype, self.n_symbols = self.decoder.dtype, V
        self.flat_parameters = np.concatenate([net.flat_parameters for net in nets.values()])
        self.flat_gradients = np.zeros_like(self.flat_parameters)
        first = 0
        for net in nets.values():
            own = slice(first, first + net.flat_parameters.size)
            net._bind(self.flat_parameters[own], self.flat_gradients[own])
            first = own.stop
        views = {f"{name}.{key}": view for name, net in nets.items() for key, view in net.parameters.items()}
        slopes = {f"{name}.{key}": view for name, net in nets.items() for key, view in net.gradients.items()}
        self.parameters, self.gradients = MappingProxyType(views), MappingProxyType(slopes)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (self.encoder, self.decoder)

    def encode(
        self, x: Array, lengths: Array | None = None, *, n_threads: int | None = None, **training: Any
    ) -> tuple[ModelState, Backprop]:
        """
        Read sequences.

        Parameters
        ----------
        x : ndarray (B, T, I), or integers (B, T)
            Inputs of the encoder.
        lengths : integers (B,), optional
            Steps of each row.
        n_threads : int, optional
            Number of threads; see `recurrent_forward`.
        **training
            Other arguments of `Sequential.forward`.

        Returns
        -------
        state : tuple
            The initial state of the decoder, as its `forward` takes it.
        backprop : Backprop
            The backward pass through the encoder.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape, dtype or range.
        RuntimeError
            If the model is not built.
        """
        self._check_built()
        _, backprop = self.encoder.forward(x, lengths=lengths, n_threads=n_threads, **training)
        return _handed(backprop.state, self.encoder, self.decoder), backprop

    def forward(
        self,
        x: Array,
        y: Array,
        *,
        lengths: Array | None = None,
        y_lengths: Array | None = None,
        training: bool = False,
        rng: np.random.Generator | None = None,
        n_threads: int | None = None,
        checkpoint_every: int | None = None,
    ) -> "tuple[Array, EncoderDecoderBackprop]":
        """
        Read sequences, and predict each symbol of the target sequences from the symbols before it.

        Parameters
        ----------
        x : ndarray (B, T, I), or integers (B, T)
            Inputs of the encoder.
        y : integers (B, U)
            The symbols to write, 0..V-1.
        lengths, y_lengths : integers (B,), optional
            Steps of each row of x, and of y.
        training, rng, n_threads, checkpoint_every
            As in `Sequential.forward`.

        Returns
        -------
        logits : ndarray (B, U, V)
            For each symbol of y.
        backprop : EncoderDecoderBackprop
            ``backprop(dlogits)`` adds the gradients of the parameters into `gradients`.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape, dtype or range.
        RuntimeError
            If the model is not built.
        """
        how: dict[str, Any] = {
            "training": training,
            "rng": rng,
            "n_threads": n_threads,
            "checkpoint_every": checkpoint_every,
        }
        self._check_built()
        y = np.asarray(y)
        if y.shape[:1] != np.shape(x)[:1] or y.ndim != 2 or y.dtype.kind not in "iu":
            raise ValueError(
                f"y has shape {y.shape} and dtype {y.dtype}, expected symbols: integers ({len(x)}, U), as x has rows"
            )
        written = np.full(len(y), y.shape[1]) if y_lengths is None else check_lengths(y_lengths, *y.shape)
        read = np.arange(y.shape[1]) < written[:, None]
        if (read & ((y < 0) | (y >= self.n_symbols))).any():
            raise ValueError(f"y holds symbols beyond 0..{self.n_symbols - 1}")
        state, into_encoder = self.encode(x, lengths, **how)
        before = np.empty(y.shape, np.min_scalar_type(self.n_symbols))
        before[:, :1] = self.n_symbols
        before[:, 1:] = y[:, :-1]
        logits, into_decoder = self.decoder.forward(before, lengths=y_lengths, state=state, **how)
        return logits, EncoderDecoderBackprop(self, into_encoder, into_decoder)

    def zero_gradients(self) -> None:
        """Set the gradients to zero: the backward pass adds to them."""
        self._check_built()
        self.flat_gradients[...] = 0

    def to_tree(self) -> dict[str, Any]:
        self._check_built()
        return {"kind": "EncoderDecoder", "encoder": self.encoder.to_tree(), "decoder": self.decoder.to_tree()}


class EncoderDecoderBackprop(NamedTuple):
    """The backward pass of one `EncoderDecoder.forward`."""

    model: EncoderDecoder
    into_encoder: Backprop
    into_decoder: Backprop

    def __call__(self, dlogits: Array) -> None:
        """
        Add the gradients of the parameters into `model.gradients`.

        Parameters
        ----------
        dlogits : ndarray (B, U, V)
            Gradient of the logits.

        Raises
        ------
        RuntimeError
            If the forward pass kept no tape.
        """
        self.into_decoder(dlogits, need_dx=False)
        dstate = _handed(self.into_decoder.dstate, self.model.decoder, self.model.encoder)
        self.into_encoder(None, dstate, need_dx=False)


def load_encoder_decoder(
    tree: dict[str, Any], cells: Sequence[Cell] = (), classes: Sequence[type] = ()
) -> EncoderDecoder:
    """
    Make the model that `EncoderDecoder.to_tree` has described.

    Parameters
    ----------
    tree : dict
        From `EncoderDecoder.to_tree`.
    cells : sequence of Cell
        Custom cells that its layers use.
    classes : sequence of type
        Classes of its custom layers.

    Returns
    -------
    EncoderDecoder
        The model.

    Raises
    ------
    TypeError, ValueError
        If a net cannot be made, or the two do not match.
    """
    return _remake(*(load_model(tree[name], cells, classes) for name in ("encoder", "decoder")))


def _remake(encoder: Sequential, decoder: Sequential) -> EncoderDecoder:
    """Return the model of two nets, with their parameters if they are built."""
    model = EncoderDecoder(encoder.layers, decoder.layers)
    model.encoder, model.decoder = encoder, decoder
    return model._join() if encoder._is_built else model


def _with_state(net: Sequential) -> list[Layer]:
    return [layer for layer in net.layers if layer.carries]


def _list(net: Sequential) -> str:
    return ", ".join(map(repr, _with_state(net))) or "no recurrent layer"


def _handed(state: ModelState, giving: Sequential, taking: Sequential) -> ModelState:
    """Return the states of the layers of one net as those of another."""
    if state is None:
        return None
    states = (own for layer, own in zip(giving.layers, state, strict=True) if layer.carries)
    return tuple([next(states) if layer.carries else None for layer in taking.layers])
