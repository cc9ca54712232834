"""The loop over the epochs of a training run: by mini-batches, or by L-BFGS with all examples at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastrnn._kernels import pool
from fastrnn._random import generator
from fastrnn._typing import Array
from fastrnn.optimizers import Optimizer
from fastrnn.schedules import Schedule
from fastrnn.training.errors import DivergenceError
from fastrnn.training.history import BatchReport, History, oriented
from fastrnn.training.lbfgs import LBFGS
from fastrnn.training.plan import Plan
from fastrnn.training.shuffle import epoch_order
from fastrnn.training.state import TrainingState
from fastrnn.training.step import Passes

EVALUATED = 1 << 17  # steps, or places, of validation that are in the net at a time, or a batch


@dataclass
class Loop:
    """The epochs of a call of `fit`; callbacks are those of the `Trainer`."""

    run: TrainingState
    plan: Plan
    passes: Passes
    optimizer: Optimizer | LBFGS
    schedule: Schedule | None
    patience: int | None
    start_callbacks: tuple[Callable[[History], Any], ...]
    batch_callbacks: tuple[Callable[[BatchReport], Any], ...]
    callbacks: tuple[Callable[[int, History], Any], ...]
    finished: dict[str, Any] = field(init=False)  # the run at the end of the last epoch

    def __post_init__(self) -> None:
        self.finished = self.run.mark(self.weights)

    @property
    def weights(self) -> Array:
        """The parameters that are trained."""
        return self.passes.objective.flat_parameters

    def go(self) -> None:
        """Do all epochs; Ctrl-C and divergence end the run with the last finite epoch."""
        try:
            for callback in self.start_callbacks:
                callback(self.run.history)
            if isinstance(self.optimizer, LBFGS):
                self._minimize(self.optimizer)
            else:
                while self._goes_on():
                    self._train_epoch(self.optimizer)
        except KeyboardInterrupt:
            self._go_back()
        except DivergenceError:
            self._go_back()
            raise
        finally:
            pool.release()

    def _go_back(self) -> None:
        """Go back to the end of the last epoch."""
        self.run.go_back(self.finished)
        self.weights[...] = self.finished["weights"]

    def _goes_on(self) -> bool:
        """Is there an epoch left to do, and does the patience last?"""
        history = self.run.history
        waited = history.n_epochs - (history.best_epoch or 0)
        return history.n_epochs < self.plan.epochs and (self.patience is None or waited < self.patience)

    def _train_epoch(self, optimizer: Optimizer) -> None:
        """Do an epoch by mini-batches, or what is left of it."""
        run, plan, objective = self.run, self.plan, self.passes.objective
        epoch, start = run.epoch, time.perf_counter() - run.seconds
        learning_rate = optimizer.learning_rate
        if self.schedule is not None:
            losses = oriented(run.history, plan.monitor or "train_loss", plan.sign)
            learning_rate = self.schedule(learning_rate, epoch, plan.epochs, losses)
        stream, training, batch_size, window = generator(run.order), plan.training, plan.batch_size, plan.window
        order, again = (epoch_order(rng, training.x.shape, training.x.dtype) for rng in (stream, generator(run.order)))
        batches = training.n_batches(again, batch_size, window)
        for batch in objective.batches(training, order, batch_size, window, skip=run.batches):
            self.passes.update(run, batch, optimizer, learning_rate)
            run.seconds = time.perf_counter() - start
            self._report_batch(batches)
        self._end_epoch(start, learning_rate, stream)

    def _minimize(self, optimizer: LBFGS) -> None:
        """Do all epochs, each an iteration of an optimizer that takes all examples at once."""
        run, objective = self.run, self.passes.objective
        N = len(self.plan.training.x)
        (batch,) = objective.batches(self.plan.training, [np.arange(N)], N)
        measures: dict[str, float] = {}

        def loss_and_gradient() -> tuple[float, Array]:
            nonlocal measures
            loss, measures = self.passes.gradient(run, batch, None)
            return loss, objective.flat_gradients

        while self._goes_on():
            start = time.perf_counter() - run.seconds
            if run.batches == 0:
                if run.optimizer["ended"]:
                    break
                state = optimizer.iterate(run.optimizer, loss_and_gradient, self.weights)
                if state is None:
                    run.optimizer |= {"ended": True}
                    break
                run.optimizer = state
                run.add(batch.n_steps, state["loss"], measures)
                run.seconds = time.perf_counter() - start
                self._report_batch(1)
            self._end_epoch(start, None, generator(run.order))

    def _report_batch(self, batches: int) -> None:
        """Call the batch callbacks."""
        if not self.batch_callbacks:
            return
        run, means = self.run, self.run.means
        report = BatchReport(
            run.epoch, self.plan.epochs, run.batches, batches, means["train_loss"], means.get("train_accuracy")
        )
        for callback in self.batch_callbacks:
            callback(report)

    def _end_epoch(self, start: float, learning_rate: float | None, stream: np.random.Generator) -> None:
        """Validate, record the epoch, keep its weights if they are the best, and call the callbacks."""
        run, plan, history, epoch = self.run, self.plan, self.run.history, self.run.epoch
        self.passes.check_finite("weights are", self.weights, epoch, learning_rate)
        history.append(
            run.means
            | self._validate(learning_rate)
            | {"epoch": epoch, "learning_rate": learning_rate, "seconds": time.perf_counter() - start}
        )
        if plan.monitor is None or history.best_epoch is None or self._is_better(plan.monitor, history.best_epoch):
            history.best_epoch, run.best = epoch, self.weights.copy()
        run.end_epoch(stream)
        self.finished = run.mark(self.weights)
        for callback in self.callbacks:
            callback(history.n_epochs, history)

    def _validate(self, learning_rate: float | None) -> dict[str, float]:
        """Return loss and measures of the validation set, if there is one."""
        held_out, plan = self.plan.held_out, self.plan
        if held_out is None:
            return {}
        places = held_out.x.shape[1] if held_out.x.ndim < 4 else int(np.prod(held_out.x.shape[1:-1]))
        at_a_time = max(plan.batch_size, min(256, EVALUATED // max(1, places)))
        loss, measures = self.passes.evaluate(held_out, max(plan.batch_size, 256), at_a_time, plan.window)
        self.passes.check_finite("the validation loss is", loss, self.run.epoch, learning_rate)
        return {f"validation_{name}": value for name, value in ({"loss": loss} | measures).items()}

    def _is_better(self, column: str, best_epoch: int) -> bool:
        """Is the last epoch better than the best one?"""
        values = oriented(self.run.history, column, self.plan.sign)
        return values[-1] < values[best_epoch - 1]
