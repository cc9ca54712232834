"""L-BFGS: an optimizer that takes all examples at once."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastrnn._checks import check_integer
from fastrnn._typing import Array

DECREASE, GRADIENT = 2.2e-9, 1e-5  # it ends when neither is exceeded; the values of scipy
ARMIJO, CURVATURE = 1e-3, 0.9  # constants of the strong Wolfe conditions; the values of scipy


@dataclass(frozen=True)
class LBFGS:
    """
    Limited-memory BFGS (Nocedal 1980; Liu and Nocedal 1989) with steps that satisfy the strong Wolfe conditions.

    It computes in float64, whatever the dtype of the parameters. It does not use BLAS, whose sums depend on its number
    of threads. It ends when an iteration lowers the loss by less than 2e-9 of it, or when no number of the gradient
    exceeds 1e-5.

    Parameters
    ----------
    memory : int
        How many steps it keeps to estimate the curvature.
    """

    memory: int = 10
    learning_rate: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_integer("memory", self.memory, 1)

    def initial_state(self, parameters: Array) -> dict[str, Any]:
        """
        Return the state before the first iteration.

        Parameters
        ----------
        parameters : ndarray (n,)
            The flat vector.

        Returns
        -------
        dict
            The point in float64, loss and gradient there (None before the first iteration), the last steps, the changes
            of the gradient, the products of both, and whether it has ended. Arrays in it are never changed.
        """
        point = parameters.astype(np.float64)
        memory: dict[str, Any] = {"steps": [], "changes": [], "products": []}
        return {"point": point, "loss": None, "gradient": None, **memory, "ended": False}

    def iterate(
        self, state: dict[str, Any], loss_and_gradient: Callable[[], tuple[float, Array]], parameters: Array
    ) -> dict[str, Any] | None:
        """
        Make one iteration.

        Parameters
        ----------
        state : dict
            From `initial_state` or the iteration before; it is not changed.
        loss_and_gradient : callable
            Returns both for the present parameters; the last call is for the new ones. The next call may change the
            gradient.
        parameters : ndarray (n,)
            The flat vector; changed in place.

        Returns
        -------
        dict or None
            The new state. None if no better parameters were found; the parameters are then those of `state`.
        """
        point, loss, gradient = state["point"], state["loss"], state["gradient"]

        def evaluate(at: Array) -> tuple[float, Array]:
            parameters[...] = at
            value, slope = loss_and_gradient()
            return value, slope.astype(np.float64)

        if loss is None:
            loss, gradient = evaluate(point)
        if np.abs(gradient).max(initial=0.0) <= GRADIENT:
            return None
        memory = list(zip(state["steps"], state["changes"], state["products"], strict=True))
        while True:
            direction = _direction(gradient, memory)
            found = _search(evaluate, point, direction, loss, _dot(gradient, direction))
            if found is not None:
                break
            if not memory:
                parameters[...] = point
                return None
            memory = []  # old curvature misleads: go down the gradient
        step, new_loss, new_gradient = found
        change = new_gradient - gradient
        product = _dot(step, change)
        if product > np.finfo(np.float64).eps * _dot(change, change):
            memory = [*memory, (step, change, product)][-self.memory :]
        small = loss - new_loss <= DECREASE * max(abs(loss), abs(new_loss), 1.0)
        after: dict[str, Any] = {
            "point": point + step,
            "loss": new_loss,
            "gradient": new_gradient,
            "steps": [step for step, _, _ in memory],
            "changes": [change for _, change, _ in memory],
            "products": [product for _, _, product in memory],
            "ended": bool(small or np.abs(new_gradient).max() <= GRADIENT),
        }
        for array in (after["point"], new_gradient, *after["steps"], *after["changes"]):
            array.flags.writeable = False  # copies of the state share them
        return after


def _direction(gradient: Array, memory: list[tuple[Array, Array, float]]) -> Array:
    """Return the direction by the two loops of Nocedal (1980); without memory, length 1 down the gradient."""
    if not memory:
        return gradient / -np.sqrt(_dot(gradient, gradient))
    direction, weights = -gradient, []
    for step, change, product in reversed(memory):
        weights.append(_dot(step, direction) / product)
        direction -= weights[-1] * change
    _, change, product = memory[-1]
    direction *= product / _dot(change, change)
    for (step, change, product), weight in zip(memory, reversed(weights), strict=True):
        direction += (weight - _dot(change, direction) / product) * step
    return direction


def _search(
    evaluate: Callable[[Array], tuple[float, Array]], point: Array, direction: Array, loss: float, slope: float
) -> tuple[Array, float, Array] | None:
    """Return a step along the direction, and the loss and the gradient after it; they were computed last."""
    from scipy.optimize import line_search

    if not slope < 0:
        return None
    seen: tuple[float, float, Array] | None = None  # distance along the direction, loss and gradient there

    def at(distance: float) -> tuple[float, Array]:
        nonlocal seen
        if seen is None or seen[0] != distance:
            seen = (distance, *evaluate(point + distance * direction))
        return seen[1:]

    # The search sees a function of one number.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it warns if it finds nothing
        distance, *_, found = line_search(
            lambda x: at(float(x[0]))[0],
            lambda x: np.array([_dot(at(float(x[0]))[1], direction)]),
            np.zeros(1),
            np.ones(1),
            gfk=np.array([slope]),
            old_fval=loss,
            c1=ARMIJO,
            c2=CURVATURE,
        )
    if distance is None or found is None:
        return None
    new_loss, gradient = at(float(distance))
    return float(distance) * direction, new_loss, gradient


def _dot(a: Array, b: Array) -> float:
    return float(np.einsum("i,i->", a, b))
