"""Passes over batches: an update, or an evaluation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastrnn._examples import Examples
from fastrnn._run import Run
from fastrnn.losses import COUNTERS, Loss
from fastrnn.model import Sequential
from fastrnn.optimizers import Optimizer, clip_by_global_norm


class DivergenceError(FloatingPointError):
    """A loss, a gradient or weights that are not finite; the message says where, and what to try."""


@dataclass(frozen=True)
class Passes:
    """How a batch is treated."""

    model: Sequential
    loss: Loss
    optimizer: Optimizer
    clip_norm: float | None
    n_threads: int | None
    checkpoint_every: int | None

    @property
    def steps(self) -> bool:
        """Does the model give an output each step?"""
        return len(self.model.output_shape) == 2

    @property
    def count(self) -> Callable[..., float] | None:
        """Counter of right answers, if the loss has one."""
        return next((count for known, count in COUNTERS if known is self.loss), None)

    def accuracy(self, correct: float, steps: int) -> float | None:
        """Return the share of right answers, if the loss knows such."""
        return correct / max(steps, 1) if self.count else None

    def update(self, run: Run, batch: Examples, learning_rate: float) -> None:
        """Make one update, unless the loss or the gradient are not finite, and add it up in the run."""
        model, where = self.model, f"in epoch {run.epoch}, batch {run.batches + 1}"
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found below
            y, backprop = model.forward(
                batch.x,
                training=True,
                lengths=batch.lengths,
                rng=run.dropout,
                n_threads=self.n_threads,
                checkpoint_every=self.checkpoint_every,
            )
            loss, dy = self.loss(y, batch.y, batch.mask, batch.weights)
            if not np.isfinite(loss):
                raise self.divergence(f"the loss is {loss}", where, learning_rate)
            model.flat_gradients[...] = 0
            backprop(dy, need_dx=False)
            norm = clip_by_global_norm(model.flat_gradients, self.clip_norm)
            if not np.isfinite(norm):
                raise self.divergence(f"the norm of the gradient is {norm}", where, learning_rate)
            self.optimizer.update(model.flat_parameters, model.flat_gradients, run.optimizer, learning_rate)
        run.batches += 1
        run.loss += loss * batch.n_steps
        run.correct += self.count(y, batch.y, batch.mask) if self.count else 0.0
        run.steps += batch.n_steps

    def evaluate(self, examples: Examples, batch_size: int, at_a_time: int | None = None) -> tuple[float, float | None]:
        """Return loss and accuracy over all examples; so many of a batch at a time are in the net, None is all."""
        loss, correct, steps = 0.0, 0.0, 0
        for batch in examples.batches(np.arange(len(examples.x)), batch_size, self.steps):
            with np.errstate(over="ignore", invalid="ignore"):
                y = self.model.predict(batch.x, batch.lengths, at_a_time or batch_size, self.n_threads)
                value, _ = self.loss(y, batch.y, batch.mask, batch.weights)
            loss += value * batch.n_steps
            correct += self.count(y, batch.y, batch.mask) if self.count else 0.0
            steps += batch.n_steps
        return loss / max(steps, 1), self.accuracy(correct, steps)

    def check_finite(self, name: str, value: object, epoch: int, learning_rate: float) -> None:
        """Refuse numbers that are not finite at the end of an epoch."""
        if not np.isfinite(value).all():  # type: ignore[call-overload]
            raise self.divergence(f"{name} not finite", f"after epoch {epoch}", learning_rate)

    def divergence(self, what: str, where: str, learning_rate: float) -> DivergenceError:
        """Return the error that says what happened where, and what to try."""
        limit = "clip_norm=1.0" if self.clip_norm is None else f"a clip_norm below {self.clip_norm:g}"
        return DivergenceError(
            f"{what} {where}: try a learning_rate below {learning_rate:g}, {limit}, or inputs scaled to "
            "a standard deviation of 1; the model has the weights of the last finite epoch"
        )
