"""Optimizers: they change one flat vector of parameters in place.

An optimizer holds only its constants. Its state between updates is a dict of arrays and numbers, which belongs to the
caller and can be saved. A schedule may give an update another learning rate than the optimizer's own.

To add an optimizer, write a frozen dataclass with the methods of `Optimizer` and a field `learning_rate`, whose default
is the rate it has when it is given by name, and add a line to `OPTIMIZERS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from math import sqrt
from typing import Any, Protocol

import numpy as np

from fastrnn._checks import check_choice, check_number
from fastrnn._kernels import adam_update, sgd_update, sum_of_squares
from fastrnn._typing import Array

FORMS = ("classical", "nesterov", "averaged")


class Optimizer(Protocol):
    """The methods that the trainer calls."""

    @property
    def learning_rate(self) -> float:
        """The initial learning rate."""

    def initial_state(self, parameters: Array) -> dict[str, Any]:
        """
        Return the state before the first update.

        For the tables of lazy layers, each array must have one number per parameter; `update` then gets only the rows
        of the batch, one after another.

        Parameters
        ----------
        parameters : ndarray
            The flat vector.

        Returns
        -------
        dict of str to ndarray or number
            The state, which `update` changes in place.
        """

    def update(self, parameters: Array, gradients: Array, state: dict[str, Any], learning_rate: float) -> None:
        """
        Make one update.

        Parameters
        ----------
        parameters : ndarray
            The flat vector; changed in place.
        gradients : ndarray
            Its gradient; not changed.
        state : dict
            From `initial_state`; changed in place.
        learning_rate : float
            Learning rate of this update.
        """


@dataclass(frozen=True)
class SGD:
    """
    Stochastic gradient descent with momentum.

    With gradient g, learning rate e and momentum a, the update is ``w -= e * v``. In the classical form
    ``v = a * v + g``. In the averaged form ``v = a * v + (1 - a) * g``, so its steps are smaller by 1 - a at the same
    learning rate. In the Nesterov form v is classical, and ``w -= e * (g + a * v)`` (Sutskever et al. 2013). All start
    with v = 0.

    Parameters
    ----------
    learning_rate : float
        Learning rate, above 0.
    momentum : float
        Momentum, in [0, 1).
    form : {"classical", "nesterov", "averaged"}
        Form of the momentum.
    weight_decay : float
        L2 penalty on the weights. This times the weights is added to the gradient.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.
    """

    learning_rate: float = 1e-2
    momentum: float = 0.0
    form: str = "classical"
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_choice("form", self.form, FORMS)
        _check_numbers(self, learning_rate="(0, inf)", momentum="[0, 1)", weight_decay="[0, inf)")

    def initial_state(self, parameters: Array) -> dict[str, Any]:
        return {"velocity": np.zeros_like(parameters)} if self.momentum else {}

    def update(self, parameters: Array, gradients: Array, state: dict[str, Any], learning_rate: float) -> None:
        sgd_update(
            parameters,
            gradients,
            state["velocity"] if self.momentum else None,
            form=self.form,
            learning_rate=learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )


@dataclass(frozen=True)
class Adam:
    """
    Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).

    Parameters
    ----------
    learning_rate : float
        Learning rate, above 0.
    beta1 : float
        Decay rate of the running mean of the gradient, in [0, 1).
    beta2 : float
        Decay rate of the running mean of the squared gradient, in [0, 1).
    epsilon : float
        Number added to the root of the second mean; above 0.
    weight_decay : float
        Decoupled weight decay. Each update first subtracts ``learning_rate * weight_decay * w`` from the weights w.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check_numbers(
            self,
            learning_rate="(0, inf)",
            beta1="[0, 1)",
            beta2="[0, 1)",
            epsilon="(0, inf)",
            weight_decay="[0, inf)",
        )

    def initial_state(self, parameters: Array) -> dict[str, Any]:
        return {"mean": np.zeros_like(parameters), "square": np.zeros_like(parameters), "updates": 0}

    def update(self, parameters: Array, gradients: Array, state: dict[str, Any], learning_rate: float) -> None:
        state["updates"] += 1
        adam_update(
            parameters,
            gradients,
            state["mean"],
            state["square"],
            updates=state["updates"],
            learning_rate=learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
        )


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "sgd": SGD}


def get_optimizer(optimizer: str | Optimizer, learning_rate: float | None = None) -> Optimizer:
    """
    Return the optimizer with this name, or the object itself.

    Parameters
    ----------
    optimizer : {"adam", "sgd"} or Optimizer
        A name in `OPTIMIZERS`, or an object, which has its own learning rate.
    learning_rate : float, optional
        Learning rate of an optimizer given by name; None takes the default of its class: 0.001 for Adam, 0.01 for SGD.

    Returns
    -------
    Optimizer
        The optimizer.

    Raises
    ------
    TypeError, ValueError
        If no optimizer has this name, if it has no default learning rate and none is given, or if the learning rate is
        not above 0.
    """
    if not isinstance(optimizer, str):
        if isinstance(optimizer, type) or not all(hasattr(optimizer, name) for name in ("initial_state", "update")):
            raise TypeError(
                f"optimizer is {optimizer!r}, expected {', '.join(map(repr, OPTIMIZERS))}, or an object such as "
                "fastrnn.SGD(0.1)"
            )
        return optimizer
    check_choice("optimizer", optimizer, tuple(OPTIMIZERS))
    kind: Callable[..., Optimizer] = OPTIMIZERS[optimizer]
    if learning_rate is not None:
        return kind(learning_rate=learning_rate)
    rate = signature(kind).parameters.get("learning_rate")
    if rate is not None and rate.default is Parameter.empty:
        raise ValueError(f"the optimizer {optimizer!r} has no default learning rate: give learning_rate")
    return kind()


def clip_by_global_norm(gradients: Array, limit: float | None, *more: Array) -> float:
    """
    Scale gradients down to a maximum norm (Pascanu et al. 2013).

    Parameters
    ----------
    gradients : ndarray
        The flat vector; changed in place if the norm is above the limit and finite.
    limit : float or None
        Maximum Euclidean norm; None changes nothing.
    *more : ndarray
        Gradients outside the vector; they count in the norm and are scaled by the same factor.

    Returns
    -------
    float
        The norm before scaling.
    """
    parts = (gradients, *more)
    norm = sqrt(sum(map(sum_of_squares, parts)))
    if limit is not None and limit < norm < np.inf:
        for part in parts:
            part *= limit / norm
    return norm


def _check_numbers(optimizer: Optimizer, **intervals: str) -> None:
    """Check the constants of a frozen dataclass and make them Python floats: a float64 scalar widens arrays."""
    for name, interval in intervals.items():
        object.__setattr__(optimizer, name, check_number(name, getattr(optimizer, name), interval))
