"""A step of training: the gradient of a batch and the update of the parameters; numbers that are not finite end it.

The rows of a table that a batch uses are gathered into a flat vector, together with the optimizer's state of them. The
optimizer updates this vector like any other, and the rows are put back. So any optimizer works, and the cost of a step
depends on its rows, not on the size of the table.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from fastrnn._kernels.threads import threads_unless_named
from fastrnn._typing import Array
from fastrnn.layers import RowGradient
from fastrnn.optimizers import Optimizer, clip_by_global_norm
from fastrnn.training.batches import Examples
from fastrnn.training.errors import DivergenceError
from fastrnn.training.lbfgs import LBFGS
from fastrnn.training.objectives import Objective
from fastrnn.training.state import TrainingState


@dataclass(frozen=True)
class Passes:
    """The passes over a batch: gradient, update and evaluation."""

    objective: Objective
    clip_norm: float | None

    def gradient(
        self, run: TrainingState, batch: Examples, learning_rate: float | None
    ) -> tuple[float, dict[str, float]]:
        """Return the loss and the sums of the measures; leave the clipped gradient in the objective."""
        with self._quiet(), self._threads():
            return self._gradient(run, batch, learning_rate)

    def update(self, run: TrainingState, batch: Examples, optimizer: Optimizer, learning_rate: float) -> None:
        """
        Make one update, unless the loss or the gradient is not finite, and add the batch to the run.

        A batch of padding alone makes no update, because momentum and weight decay would change weights without a
        reason. The state of recurrent layers is still carried through it.
        """
        with self._quiet(), self._threads():
            loss, measures = self._gradient(run, batch, learning_rate)
            if batch.n_steps:
                update(optimizer, self.objective, run.optimizer, learning_rate)
        run.add(batch.n_steps, loss, measures, self.objective.state)

    def evaluate(
        self, examples: Examples, batch_size: int, at_a_time: int | None = None, window: int | None = None
    ) -> tuple[float, dict[str, float]]:
        """Return loss and measures; see `Objective.evaluate`."""
        with self._quiet(), self._threads():
            return self.objective.evaluate(examples, batch_size, at_a_time, window)

    def _gradient(
        self, run: TrainingState, batch: Examples, learning_rate: float | None
    ) -> tuple[float, dict[str, float]]:
        loss, measures = self.objective.gradient(batch, run.dropout)
        if not isfinite(loss):
            raise self.divergence(f"the loss is {loss}", _where(run), learning_rate)
        rows = [gradient.values for _, gradient in self.objective.tables.values()]
        norm = clip_by_global_norm(self.objective.flat_gradients, self.clip_norm, *rows)
        if not isfinite(norm):
            raise self.divergence(f"the norm of the gradient is {norm}", _where(run), learning_rate)
        return loss, measures

    def _quiet(self) -> np.errstate:
        """Silence NumPy's warnings about numbers that are not finite: they are checked where it matters."""
        return np.errstate(over="ignore", invalid="ignore")

    def _threads(self) -> threads_unless_named:
        """Give losses and optimizers, which have no such argument, the objective's number of threads."""
        return threads_unless_named(self.objective.n_threads)

    def check_finite(self, name: str, value: object, epoch: int, learning_rate: float | None) -> None:
        """Refuse numbers that are not finite at the end of an epoch."""
        if not np.isfinite(value).all():  # type: ignore[call-overload]
            raise self.divergence(f"{name} not finite", f"after epoch {epoch}", learning_rate)

    def divergence(self, what: str, where: str, learning_rate: float | None) -> DivergenceError:
        """Return the error that says what happened, where, and what to try."""
        advice = f"inputs scaled to {self.objective.scale}"
        if learning_rate is not None:
            limit = "clip_norm=1.0" if self.clip_norm is None else f"a clip_norm below {self.clip_norm:g}"
            advice = f"a learning_rate below {learning_rate:g}, {limit}, or {advice}"
        return DivergenceError(f"{what} {where}: try {advice}; the model has the weights of the last finite epoch")


def _where(run: TrainingState) -> str:
    return f"in epoch {run.epoch}, batch {run.batches + 1}"


# ---- the update ------------------------------------------------------------------------------------------------------


def initial_state(optimizer: Optimizer | LBFGS, objective: Objective) -> dict[str, Any]:
    """Return the optimizer's state of the flat vector, and under the name of each table its state of the table."""
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
    """Make one step of the optimizer."""
    gradients, tables = objective.flat_gradients, objective.tables
    own = {name: value for name, value in state.items() if name not in tables}
    optimizer.update(objective.flat_parameters[: gradients.size], gradients, own, learning_rate)
    state.update(own)
    for name, (parameters, gradient) in tables.items():
        _update_rows(optimizer, parameters, gradient, state[name], learning_rate)


def _update_rows(
    optimizer: Optimizer, table: Array, gradient: RowGradient, state: dict[str, Any], learning_rate: float
) -> None:
    """Make one step of the optimizer with some rows; arrays in the state have a number for each of the table."""
    rows, shape = gradient.rows, gradient.values.shape
    arrays = {name: value.reshape(table.shape) for name, value in state.items() if isinstance(value, np.ndarray)}
    parameters = table.take(rows, axis=0).reshape(-1)
    own = state | {name: array.take(rows, axis=0).reshape(-1) for name, array in arrays.items()}
    optimizer.update(parameters, gradient.values.reshape(-1), own, learning_rate)
    table[rows] = parameters.reshape(shape)
    for name, array in arrays.items():
        array[rows] = own.pop(name).reshape(shape)
    state.update(own)
