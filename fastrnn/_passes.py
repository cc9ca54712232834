"""Passes over batches: an update, or an evaluation; what is not finite ends them."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from fastrnn._examples import Examples
from fastrnn._kernels.threads import threads_unless_named
from fastrnn._objective import Objective
from fastrnn._run import Run
from fastrnn._updates import update
from fastrnn.optimizers import Optimizer, clip_by_global_norm


class DivergenceError(FloatingPointError):
    """A loss, a gradient or weights that are not finite; the message says where, and what to try."""


@dataclass(frozen=True)
class Passes:
    """How a batch is treated."""

    objective: Objective
    clip_norm: float | None

    def gradient(self, run: Run, batch: Examples, learning_rate: float | None) -> tuple[float, dict[str, float]]:
        """Return the loss and the sums of the measures; leave the clipped gradient in the objective."""
        with self._quiet(), self._threads():
            return self._gradient(run, batch, learning_rate)

    def update(self, run: Run, batch: Examples, optimizer: Optimizer, learning_rate: float) -> None:
        """
        Make one update, unless the loss or the gradient are not finite, and add it up in the run.

        A batch of padding alone makes none, as momentum and weight decay would change weights without a reason; the
        state of recurrent layers goes on through it.
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

    def _gradient(self, run: Run, batch: Examples, learning_rate: float | None) -> tuple[float, dict[str, float]]:
        loss, measures = self.objective.gradient(batch, run.dropout)
        if not isfinite(loss):
            raise self.divergence(f"the loss is {loss}", _where(run), learning_rate)
        rows = [gradient.values for _, gradient in self.objective.tables.values()]
        norm = clip_by_global_norm(self.objective.flat_gradients, self.clip_norm, *rows)
        if not isfinite(norm):
            raise self.divergence(f"the norm of the gradient is {norm}", _where(run), learning_rate)
        return loss, measures

    def _quiet(self) -> np.errstate:
        """Let NumPy say nothing of what is not finite: it is found where it matters."""
        return np.errstate(over="ignore", invalid="ignore")

    def _threads(self) -> threads_unless_named:
        """Hold losses and optimizers, which nobody tells, to the objective's number of threads."""
        return threads_unless_named(self.objective.n_threads)

    def check_finite(self, name: str, value: object, epoch: int, learning_rate: float | None) -> None:
        """Refuse numbers that are not finite at the end of an epoch."""
        if not np.isfinite(value).all():  # type: ignore[call-overload]
            raise self.divergence(f"{name} not finite", f"after epoch {epoch}", learning_rate)

    def divergence(self, what: str, where: str, learning_rate: float | None) -> DivergenceError:
        """Return the error that says what happened where, and what to try."""
        advice = f"inputs scaled to {self.objective.scale}"
        if learning_rate is not None:
            limit = "clip_norm=1.0" if self.clip_norm is None else f"a clip_norm below {self.clip_norm:g}"
            advice = f"a learning_rate below {learning_rate:g}, {limit}, or {advice}"
        return DivergenceError(f"{what} {where}: try {advice}; the model has the weights of the last finite epoch")


def _where(run: Run) -> str:
    return f"in epoch {run.epoch}, batch {run.batches + 1}"
