"""L-BFGS, which takes all examples at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastrnn._checks import check_integer
from fastrnn._kernels.types import Array


@dataclass(frozen=True)
class LBFGS:
    """
    Limited-memory BFGS (Byrd, Lu, Nocedal and Zhu 1995) of scipy; the line search finds the length of its steps.

    Scipy computes in float64, whatever the dtype of the parameters. It ends by itself where an iteration lowers the
    loss by less than 2e-9 of it, or where no number of the gradient exceeds 1e-5.

    Parameters
    ----------
    memory : int
        How many steps back it remembers the curvature.
    """

    memory: int = 10
    learning_rate: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_integer("memory", self.memory, 1)

    def initial_state(self, parameters: Array) -> dict[str, Any]:
        """Return what a file holds of it: nothing, because scipy does not hand its memory out."""
        return {}

    def minimize(
        self,
        loss_and_gradient: Callable[[], tuple[float, Array]],
        parameters: Array,
        iterations: int,
        goes_on: Callable[[], bool],
    ) -> None:
        """
        Change the parameters in place, until the end of so many iterations or until `goes_on` says no.

        Parameters
        ----------
        loss_and_gradient : callable
            Returns both at the present parameters; the gradient may be changed by the next call.
        parameters : ndarray
            The flat vector.
        iterations : int
            Most iterations.
        goes_on : callable
            Called at the end of each iteration, when the parameters are those that it ends with.
        """
        from scipy.optimize import minimize

        def function(vector: Array) -> tuple[float, Array]:
            parameters[...] = vector
            loss, gradient = loss_and_gradient()
            return loss, gradient.astype(np.float64)

        def callback(vector: Array) -> None:
            # The line search ends at the point that it has looked at last, and so the parameters are those already.
            if not goes_on():
                raise StopIteration

        result = minimize(
            function,
            parameters.astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=callback,
            options={"maxcor": self.memory, "maxiter": iterations, "maxfun": np.iinfo(np.int32).max},
        )
        parameters[...] = result.x  # a line search that finds nothing better leaves another point
