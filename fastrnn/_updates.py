"""One step of an optimizer over all parameters: the flat vector as a whole, tables of lazy layers by rows.

To the optimizer the rows of a batch are a flat vector like any other: they are gathered, with what is remembered of
them, updated, and put back. So any optimizer works, and a step costs what its rows cost.
"""

from typing import Any

import numpy as np

from fastrnn._kernels.types import Array
from fastrnn._lbfgs import LBFGS
from fastrnn._objective import Objective
from fastrnn.layers import RowGradient
from fastrnn.optimizers import Optimizer


def initial_state(optimizer: Optimizer | LBFGS, objective: Objective) -> dict[str, Any]:
    """Return what is remembered of the flat vector, and under the name of each table what is of that."""
    states: dict[str, dict[str, Any]] = {}
    for table, (parameters, _) in objective.tables.items():
        states[table] = optimizer.initial_state(parameters.reshape(-1))
        for name, value in states[table].items():
            is_array = isinstance(value, np.ndarray)
            if not (value.shape == (parameters.size,) if is_array else np.isscalar(value)):
                got = f"shape {value.shape}" if is_array else f"type {type(value).__name__}"
                raise TypeError(
                    f"{optimizer!r} remembers {name!r} of {got} of the lazy table {table}, expected a number, "
                    f"or an array ({parameters.size},) with one for each parameter"
                )
    return optimizer.initial_state(objective.flat_parameters[: objective.flat_gradients.size]) | states


def update(optimizer: Optimizer, objective: Objective, state: dict[str, Any], learning_rate: float) -> None:
    """Make one step down."""
    gradients, tables = objective.flat_gradients, objective.tables
    own = {name: value for name, value in state.items() if name not in tables}
    optimizer.update(objective.flat_parameters[: gradients.size], gradients, own, learning_rate)
    state.update(own)
    for name, (parameters, gradient) in tables.items():
        _update_rows(optimizer, parameters, gradient, state[name], learning_rate)


def _update_rows(
    optimizer: Optimizer, table: Array, gradient: RowGradient, state: dict[str, Any], learning_rate: float
) -> None:
    """Make one step down with the rows of a gradient; arrays in the state are as long as the table is large."""
    rows, shape = gradient.rows, gradient.values.shape
    arrays = {name: value.reshape(table.shape) for name, value in state.items() if isinstance(value, np.ndarray)}
    parameters = table.take(rows, axis=0).reshape(-1)
    own = state | {name: array.take(rows, axis=0).reshape(-1) for name, array in arrays.items()}
    optimizer.update(parameters, gradient.values.reshape(-1), own, learning_rate)
    table[rows] = parameters.reshape(shape)
    for name, array in arrays.items():
        array[rows] = own.pop(name).reshape(shape)
    state.update(own)
