"""Live signals: a model or estimator takes one step at a time and remembers the steps before."""

from typing import Any, NamedTuple, NoReturn

import numpy as np

from fastrnn._checks import check_integer
from fastrnn._kernels.chain import Frame, States, make_chain
from fastrnn._kernels.checks import check_state
from fastrnn._typing import Array
from fastrnn.layers import ModelState
from fastrnn.layers._base import by_net
from fastrnn.models._backprop import check_model_state
from fastrnn.models.sequential import Sequential


class Streamed(NamedTuple):
    """What a stream runs; an estimator returns its own from a method `_stream`."""

    model: Sequential
    frame: Frame = Frame()
    n_threads: int | None = None


class Stream:
    """
    Run a model or estimator one step at a time, and carry the state from step to step: for live sensors and audio.

    After each step the result equals, to the bit, what `predict` gives for all steps since the last `reset`: its last
    step if the model gives an output at each step, otherwise the result for a sequence that ends here. For a classifier
    it equals `predict_proba`.

    The stream packs the weights when it is made: later training does not change it. Streams of one model are
    independent of each other, and each is for one thread at a time. A stream cannot be copied or pickled; its `state`
    can.

    Parameters
    ----------
    model : Sequential, RecurrentClassifier or RecurrentRegressor
        A model that is built, or an estimator that is fitted, without bidirectional layers.
    batch_size : int
        B, the number of signals that run side by side.

    Raises
    ------
    TypeError, ValueError
        If the model cannot run step by step, or `batch_size` is not a whole number above 0.
    RuntimeError, NotFittedError
        If the model is not built, or the estimator not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import GRU, Dense, Sequential, Stream
    >>> model = Sequential([GRU(16, return_sequences=True), Dense(3)]).build((None, 2))
    >>> x = np.random.default_rng(0).normal(size=(1, 5, 2)).astype("float32")
    >>> stream = Stream(model)
    >>> y = [stream.step(x[:, t]) for t in range(5)]
    >>> bool((np.stack(y, axis=1) == model.predict(x)).all())
    True
    """

    def __init__(self, model: Any, batch_size: int = 1) -> None:
        if isinstance(model, Sequential):
            streamed = Streamed(model)
        elif hasattr(model, "_stream"):
            streamed = model._stream()
        else:
            raise TypeError(f"model is {model!r}, expected a Sequential, a RecurrentClassifier or a RecurrentRegressor")
        self.batch_size = check_integer("batch_size", batch_size, 1)
        own, frame, n_threads = streamed
        own._check_built()
        if not own.has_steps:
            raise ValueError(f"the model takes inputs {own.input_shape} without steps, expected sequences (T, I)")
        nets = [layer.pack_steps(mine) for layer, mine in zip(own.layers, own._parameters, strict=True)]
        if not any(nets):
            raise ValueError(f"{own!r} does nothing in prediction; add a recurrent or dense layer")
        for layer, mine in zip(own.layers, nets, strict=True):
            if layer.carries and len(mine) != len(layer.carries):
                raise ValueError(f"{layer!r} packs {len(mine)} nets, expected {len(layer.carries)}: one for each state")
        self._name, self._layers, self._nets = repr(model), own.layers, nets
        symbols = own.layers[0].takes_symbols and not frame.finite
        packed = [net for own in nets for net in own]
        self._chain = make_chain(packed, self.batch_size, frame, symbols=symbols, n_threads=n_threads)
        # The method of the compiled object hides the one below: one more call would cost as much as a small step.
        self.step = self._chain.step  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return f"Stream({self._name}, batch_size={self.batch_size})"

    def step(self, x: Array, out: Array | None = None) -> Array:
        """
        Take the next step.

        It is fastest with `out`, and with contiguous inputs in the dtype of the model: nothing is allocated then.

        Parameters
        ----------
        x : ndarray (B, I), or integers (B,)
            The inputs of this step, in the dtype of the model, or one symbol a row. An estimator takes finite numbers
            of any dtype, and also (B,) if there is one channel.
        out : ndarray, optional
            Array for the result: C-contiguous, in its shape and dtype. None makes a new array.

        Returns
        -------
        ndarray
            For a model (B, U) in its dtype; for an estimator float64, as `predict_proba` or `predict` returns. It is
            `out` if that is given.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong shape or dtype, or an estimator's input is not finite; the state does not
            change then.
        RuntimeError
            If another thread is in the middle of a step.
        """
        return self._chain.step(x, out)

    def reset(self) -> None:
        """Go back to the beginning: all states are zero."""
        self.state = None

    @property
    def state(self) -> ModelState:
        """A copy of the state as `Sequential.forward` returns it: an entry for each layer, None if it has no state.

        Set it to the same; None is zeros, also for any entry. A wrong state is refused as a whole.
        """
        states = (_copies(own) for own in self._chain.states)
        layers = [tuple(next(states) for _ in nets) for nets in self._nets]
        return tuple(own if layer.carries else None for layer, own in zip(self._layers, layers, strict=True))

    @state.setter
    def state(self, state: ModelState) -> None:
        given = check_model_state("state", state, len(self._layers))
        states: States = []
        for index, (layer, nets, own) in enumerate(zip(self._layers, self._nets, given, strict=True)):
            if not layer.carries:
                if own is not None:
                    raise ValueError(f"state[{index}] is given, but {layer!r} has no state; pass None")
                states += [None] * len(nets)
                continue
            for place, (net, entry) in enumerate(zip(nets, by_net(f"state[{index}]", layer, own), strict=True)):
                shape = (self.batch_size, net.shape[2])
                states.append(_copies(check_state(f"state[{index}][{place}]", net.cell, entry, shape, net.dtype)))
        self._chain.states = states

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Stream cannot be copied or pickled; make another of the model, and set its state")


def _copies(states: tuple[Array, ...] | None) -> tuple[Array, ...]:
    return tuple(map(np.copy, states or ()))
