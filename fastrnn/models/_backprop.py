"""The backward pass through all layers of a model."""

from collections.abc import Sequence

from fastrnn._typing import Array
from fastrnn.layers import Gradients, LayerBackprop, ModelState, State


def check_model_state(name: str, state: ModelState, count: int) -> Sequence[State]:
    """Return an entry for each layer of the model."""
    if state is None:
        return (None,) * count
    if not isinstance(state, tuple | list) or len(state) != count:
        got = f"{len(state)} entries" if isinstance(state, tuple | list) else f"type {type(state).__name__}"
        raise ValueError(f"{name} has {got}, expected a tuple of {count}: one for each layer of the model, or None")
    return state


class Backprop:
    """
    The backward pass of one `Sequential.forward`; may be called more than once.

    Attributes
    ----------
    state : tuple
        The final state: an entry for each layer, None for a layer without state.
    dstate : tuple or None
        After a call, the gradient of the initial state.
    """

    def __init__(
        self, gradients: list[Gradients], backprops: list[LayerBackprop | None], state: tuple[State, ...]
    ) -> None:
        self._gradients = gradients
        self._backprops = backprops
        self.state = state
        self.dstate: tuple[State, ...] | None = None

    def __call__(self, dy: Array | None, dstate: ModelState = None, *, need_dx: bool = True) -> Array | None:
        """
        Add the gradients of the parameters into `model.gradients`.

        Parameters
        ----------
        dy : ndarray or None
            Gradient of the output; None is zero.
        dstate : tuple, optional
            Gradient of the final state, laid out like it; None is zero, also for any entry.
        need_dx : bool
            Compute the gradient of the input, too; training does not need it.

        Returns
        -------
        ndarray or None
            Gradient of the input, if `need_dx`; None for symbols.

        Raises
        ------
        RuntimeError
            If the forward pass kept no tape.
        TypeError, ValueError
            If a gradient has the wrong shape or dtype.
        """
        dfinal = check_model_state("dstate", dstate, len(self._backprops))
        dinitial: list[State] = [None] * len(dfinal)
        # Below the first layer with parameters, only dx is left to compute.
        lowest = next((index for index, own in enumerate(self._gradients) if own), len(dfinal))
        for index in reversed(range(0 if need_dx else lowest, len(dfinal))):
            backprop = self._backprops[index]
            if backprop is None:
                raise RuntimeError("this forward pass kept no tape: call model.forward(..., training=True) to go back")
            dy, dinitial[index] = backprop(self._gradients[index], dy, dfinal[index], need_dx or index > lowest)
        self.dstate = tuple(dinitial)
        return dy if need_dx else None
