"""Recurrent layers of any cell: stacked, bidirectional, with dropout between layers and on the recurrent state."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from fastrnn._checks import check_choice, check_integer, check_number
from fastrnn._kernels import Weights, pack, recurrent_backward, recurrent_forward
from fastrnn._kernels.memory import net_bytes
from fastrnn._kernels.types import PackedWeights
from fastrnn._typing import Array
from fastrnn.cells import Cell, get_cell
from fastrnn.layers._base import Backward, Call, Forward, Layer, NetState, Parameters, Shape, State, Step, by_net
from fastrnn.layers.dropout import draw_mask
from fastrnn.layers.initializers import Initializer, check_initializer, draw

DIRECTIONS = ("forward", "backward")
ACTIVATIONS = ("tanh", "relu", "sigmoid")


@dataclass(frozen=True, repr=False)
class Recurrent(Layer):
    """
    Run a cell over sequences.

    It takes (B, T, I). As the first layer of a model it also takes symbols: integers (B, T) in 0..I-1. Each symbol
    picks a row of `Wx`, so a larger I costs no time or memory in the forward pass. But an update changes all of `Wx`:
    for many thousands of symbols put a lazy `Embedding` first.

    It gives h of all steps, or of each row's last step. A bidirectional layer puts both directions side by side,
    forward first, so a layer above takes 2H inputs. The state is a tuple over layers, then directions (forward first),
    of the cell's S arrays (B, H). Parameters are ``"{layer}.{direction}.{Wx|Wh|bx|bh}"``, such as ``"1.backward.Wx"``.

    Parameters
    ----------
    cell : {"rnn", "rnn_tanh", "rnn_relu", "rnn_sigmoid", "lstm", "gru"} or Cell
        The cell.
    hidden_size : int
        H, the number of hidden units of each direction.
    return_sequences : bool
        Return h of every step, (B, T, H). False: the final h, (B, H).
    bidirectional : bool
        Run a second net over each sequence from its end.
    layers : int
        Number of layers on top of each other.
    dropout : float
        Rate, in [0, 1), at which outputs of every layer but the last are dropped in training.
    recurrent_dropout : float
        Rate at which h is dropped before `Wh`, with one mask for all steps (Gal and Ghahramani 2016).
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Initial weights; biases are 0.
    forget_bias : float
        Initial `bx` of the forget gate, if the cell has one (a gate named f).

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.
    """

    cell: str | Cell
    hidden_size: int
    _: KW_ONLY
    return_sequences: bool = False
    bidirectional: bool = False
    layers: int = 1
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    initializer: Initializer = "xavier"
    forget_bias: float = 0.0

    def __post_init__(self) -> None:
        get_cell(self.cell)
        check_integer("hidden_size", self.hidden_size, 1)
        check_choice("return_sequences", self.return_sequences, (False, True))
        check_choice("bidirectional", self.bidirectional, (False, True))
        check_integer("layers", self.layers, 1)
        check_number("dropout", self.dropout, "[0, 1)")
        check_number("recurrent_dropout", self.recurrent_dropout, "[0, 1)")
        check_initializer(self.initializer)
        check_number("forget_bias", self.forget_bias, "(-inf, inf)")

    @property
    def equations(self) -> Cell:
        """The cell itself; `cell` may be its name."""
        return get_cell(self.cell)

    @property
    def directions(self) -> tuple[str, ...]:
        """Names of the directions, forward first."""
        return DIRECTIONS if self.bidirectional else DIRECTIONS[:1]

    @property
    def takes_symbols(self) -> bool:
        return True

    @property
    def gives_steps(self) -> bool:
        return self.return_sequences

    @property
    def reads_ahead(self) -> bool:
        return self.bidirectional

    @property
    def carries(self) -> tuple[NetState, ...]:
        return tuple(
            NetState(f"{layer}.{direction}", tuple(self.equations.states), self.hidden_size)
            for layer in range(self.layers)
            for direction in self.directions
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            advice = "; a recurrent layer below needs return_sequences=True" if len(input_shape) == 1 else ""
            raise ValueError(f"{self!r} takes sequences (T, I), but its input has shape {input_shape}{advice}")
        width = len(self.directions) * self.hidden_size
        return (input_shape[0], width) if self.return_sequences else (width,)

    def initialize(self, input_shape: Shape, rng: np.random.Generator) -> Parameters:
        cell, H = self.equations, self.hidden_size
        G = cell.n_gates
        I = input_shape[-1]
        assert I is not None
        parameters: Parameters = {}
        for layer in range(self.layers):
            for direction in self.directions:
                bx = np.zeros((G, H))
                if "f" in cell.gates:
                    bx[cell.gates.index("f")] = self.forget_bias
                Wx = draw(self.initializer, rng, (I, G, H))
                Wh = draw(self.initializer, rng, (H, G, H), recurrent=True)
                weights = Weights(Wx, Wh, bx, np.zeros((G, H)))
                parameters |= {f"{layer}.{direction}.{name}": value for name, value in weights._asdict().items()}
            I = len(self.directions) * H
        return parameters

    def pack(self, parameters: Parameters) -> Any:
        return [
            [
                pack(self.cell, Weights(*(parameters[f"{layer}.{direction}.{name}"] for name in Weights._fields)))
                for direction in self.directions
            ]
            for layer in range(self.layers)
        ]

    def pack_steps(self, parameters: Parameters) -> list[PackedWeights]:
        if self.bidirectional:
            raise ValueError(
                f"{self!r} reads sequences from their end too, and cannot run one step at a time; "
                "use bidirectional=False"
            )
        return [packed for (packed,) in self.pack(parameters)]

    def forward(self, weights: Any, x: Array, state: State, call: Call) -> Forward:
        initial = self._by_layer("state", state)
        final: list[tuple[Array, ...]] = []
        tapes: list[list[Any]] = []
        masks: list[Array | None] = []
        for layer in range(self.layers):
            last = layer == self.layers - 1
            outputs = []
            tapes.append([])
            for direction, packed, own in zip(self.directions, weights[layer], initial[layer], strict=True):
                recurrent_mask = draw_mask(call, (len(x), self.hidden_size), self.recurrent_dropout, packed.dtype)
                y, own, tape = recurrent_forward(
                    self.cell,
                    x,
                    packed,
                    own,
                    lengths=call.lengths,
                    reverse=direction == "backward",
                    sequences=self.return_sequences or not last,
                    keep_tape=call.training,
                    recurrent_mask=recurrent_mask,
                    checkpoint_every=call.checkpoint_every,
                    n_threads=call.n_threads,
                )
                outputs.append(own[0] if y is None else y)
                tapes[-1].append(tape)
                final.append(own)
            x = np.concatenate(outputs, axis=-1) if self.bidirectional else outputs[0]
            masks.append(None if last else draw_mask(call, x.shape, self.dropout, x.dtype))
            x = x if masks[-1] is None else x * masks[-1]

        def backprop(gradients: Parameters, dy: Array | None, dstate: State, need_dx: bool) -> Backward:
            dfinal = self._by_layer("dstate", dstate)
            dinitial: list[tuple[Array, ...]] = []
            for layer in reversed(range(self.layers)):
                if dy is not None and masks[layer] is not None:
                    dy = dy * masks[layer]
                dy, own = self._layer_backward(gradients, layer, tapes[layer], dy, dfinal[layer], need_dx or layer > 0)
                dinitial = own + dinitial
            return dy, tuple(dinitial)

        return x, tuple(final), backprop if call.training else None

    def _layer_backward(
        self,
        gradients: Parameters,
        layer: int,
        tapes: list[Any],
        dy: Array | None,
        dfinal: list[Any],
        need_dx: bool,
    ) -> tuple[Array | None, list[tuple[Array, ...]]]:
        """Go back through all directions of one layer; return dx and the gradients of their initial states."""
        H = self.hidden_size
        dx, dinitial = None, []
        for index, (direction, tape, dstate) in enumerate(zip(self.directions, tapes, dfinal, strict=True)):
            own = None if dy is None else dy[..., index * H : (index + 1) * H]
            if own is not None and own.ndim == 2:  # the output was the final h
                dstate = list(dstate or (None,) * self.equations.n_states)
                dstate[0] = own if dstate[0] is None else own + dstate[0]
                own = None
            own_dx, dweights, dstate = recurrent_backward(tape, own, dstate, need_dx=need_dx)
            for name, value in dweights._asdict().items():
                gradients[f"{layer}.{direction}.{name}"] += value
            dx = own_dx if dx is None else dx + own_dx
            dinitial.append(dstate)
        return dx, dinitial

    def _by_layer(self, name: str, state: State) -> list[list[Any]]:
        """Return the entries of a state, or None for each, layer by layer."""
        entries, width = by_net(name, self, state), len(self.directions)
        return [entries[first : first + width] for first in range(0, len(entries), width)]

    def tape_size(self, input_shape: Shape) -> int:
        T = input_shape[0] or 1
        values = (T + 1) * self.equations.n_states + T * self.equations.n_kept
        return self.layers * len(self.directions) * self.hidden_size * values

    def training_bytes(self, input_shape: Shape, step: Step) -> tuple[int, int]:
        T, I = (int(size or 1) for size in input_shape)
        B, H, directions = step.batch_size, self.hidden_size, len(self.directions)
        kept = peak = 0
        for index in range(self.layers):
            last = index == self.layers - 1
            sequences = self.return_sequences or not last
            net = net_bytes(
                self.equations,
                B,
                T,
                I,
                H,
                step.dtype,
                checkpoint_every=step.checkpoint_every,
                sequences=sequences,
                masked=self.recurrent_dropout > 0,
                ragged=step.ragged,
            )
            output = step.bytes((T, directions * H)) if sequences else 0
            dropped = output if self.dropout and not last else 0
            # What the layer above refers to: h with the mask on it, else both directions side by side, else h itself.
            kept += directions * net.tape + (2 * dropped or (output if self.bidirectional else net.output))
            dx = directions * net.dx if step.needs_dx or index > 0 else 0
            both = step.bytes((T, I)) if dx and self.bidirectional else 0  # the sum of the two
            peak = max(peak, output + dropped + dx + max(net.backward, both))
            I = directions * H
        return kept, peak


@dataclass(frozen=True, repr=False)
class RNN(Recurrent):
    """
    Run the Elman network, h' = f(x Wx + bx + h Wh + bh), over sequences.

    Parameters
    ----------
    hidden_size : int
        H, the number of hidden units of each direction.
    activation : {"tanh", "relu", "sigmoid"}
        The function f.
    return_sequences, bidirectional, layers, dropout, recurrent_dropout, initializer, forget_bias
        As in `Recurrent`.
    """

    cell: str | Cell = field(init=False)
    activation: str = field(default="tanh", kw_only=False)

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)
        object.__setattr__(self, "cell", f"rnn_{self.activation}")  # the dataclass is frozen
        super().__post_init__()


@dataclass(frozen=True, repr=False)
class LSTM(Recurrent):
    """
    Run the long short-term memory over sequences.

    Parameters
    ----------
    hidden_size : int
        H, the number of hidden units of each direction.
    return_sequences, bidirectional, layers, dropout, recurrent_dropout, initializer, forget_bias
        As in `Recurrent`.
    """

    cell: str | Cell = field(default="lstm", init=False)


@dataclass(frozen=True, repr=False)
class GRU(Recurrent):
    """
    Run the gated recurrent unit over sequences.

    Parameters
    ----------
    hidden_size : int
        H, the number of hidden units of each direction.
    return_sequences, bidirectional, layers, dropout, recurrent_dropout, initializer, forget_bias
        As in `Recurrent`.
    """

    cell: str | Cell = field(default="gru", init=False)
