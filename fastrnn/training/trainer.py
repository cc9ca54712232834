"""Training: epochs of shuffled mini-batches, validation, early stopping, and a state that can be put away."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from fastrnn._checks import check_choice, check_integer, check_number
from fastrnn._kernels import pool
from fastrnn._random import fresh_seed, generator, generators
from fastrnn._typing import Array
from fastrnn.data.lazy_array import Rows
from fastrnn.losses import Loss, cross_entropy, get_loss
from fastrnn.models.encoder_decoder import EncoderDecoder
from fastrnn.models.sequential import Sequential
from fastrnn.optimizers import Optimizer, get_optimizer
from fastrnn.schedules import Schedule, get_schedule
from fastrnn.training.batches import Examples
from fastrnn.training.errors import DivergenceError, ResumeError
from fastrnn.training.history import BatchReport, History, oriented
from fastrnn.training.lbfgs import LBFGS
from fastrnn.training.objectives import Objective, Supervised
from fastrnn.training.resume import Plan, check_end, check_memory, check_same, check_tree, described
from fastrnn.training.shuffle import epoch_order
from fastrnn.training.splits import validation_split
from fastrnn.training.state import TrainingState
from fastrnn.training.step import Passes, initial_state
from fastrnn.training.teacher_forcing import TeacherForcing

__all__ = ["BatchReport", "DivergenceError", "ResumeError", "Trainer"]

MONITORS = (None, "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
EVALUATED = 1 << 17  # steps of validation that are in the net at a time, or a batch


class Trainer:
    """
    Train a model.

    The order of examples, dropout and the validation split draw from streams of their own, so that switching one on
    moves no other. Equal seeds give equal bits, with any number of threads. Examples of more than 64 MiB are shuffled
    by blocks of this size, and then within four blocks at a time, so that a file can be read block by block.

    Parameters
    ----------
    model : Sequential, EncoderDecoder or Objective
        A model that is built, or one that has an objective of its own.
    loss : {"cross_entropy", "mse", "binary_cross_entropy"} or callable
        See `fastrnn.losses`; "cross_entropy" for an encoder and decoder, None for an objective.
    optimizer : {"adam", "sgd"} or Optimizer
        A name, or an object such as ``SGD(0.1, momentum=0.9)``. `LBFGS` takes all examples at once, an iteration an
        epoch; it knows no learning rate, `schedule`, `clip_norm` or lazy layers.
    learning_rate : float, optional
        For an optimizer given by name.
    schedule : {"step", "cosine", "plateau"}, Schedule or None
        See `fastrnn.schedules`; None keeps the learning rate.
    clip_norm : float, optional
        Largest Euclidean norm of the gradient of a batch; None does not clip.
    patience : int, optional
        Stop after so many epochs without a better monitored value; None never stops early.
    monitor : {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy"}, optional
        What makes an epoch the best, whose weights the model has in the end. None is the validation loss; where there
        is no validation set, the training loss if there is a patience, or else nothing: the last weights stay.
    callbacks : iterable of callable
        Called after each epoch with its number, from 1, and the `History`.
    batch_callbacks : iterable of callable
        Called after each batch with a `BatchReport`.
    start_callbacks : iterable of callable
        Called by `fit` with the `History` so far, when all is checked and before anything is trained.
    seed : int, optional
        Of all that is random; None for another run each time.
    n_threads : int, optional
        Number of threads; see `recurrent_forward`.
    checkpoint_every : int, optional
        Keep the tapes of recurrent layers at every so many steps alone: less memory, a third more work, the same bits;
        `fastrnn.memory.choose_checkpoints` chooses it. Validation then has at most `batch_size` examples in the net.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import GRU, Dense, Sequential, Trainer
    >>> x = np.random.default_rng(0).normal(size=(100, 10, 3)).astype("float32")
    >>> y = (x.sum(axis=(1, 2)) > 0).astype(int)
    >>> model = Sequential([GRU(8), Dense(2)]).build(x.shape[1:])
    >>> history = Trainer(model, "cross_entropy").fit(x, y, epochs=2, batch_size=20, validation=0.2)
    >>> history.n_epochs
    2
    """

    def __init__(
        self,
        model: Sequential | EncoderDecoder | Objective,
        loss: str | Loss | None,
        optimizer: str | Optimizer | LBFGS = "adam",
        *,
        learning_rate: float | None = None,
        schedule: str | Schedule | None = None,
        clip_norm: float | None = None,
        patience: int | None = None,
        monitor: str | None = None,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        start_callbacks: Iterable[Callable[[History], Any]] = (),
        seed: int | None = 0,
        n_threads: int | None = None,
        checkpoint_every: int | None = None,
    ) -> None:
        clip_norm = None if clip_norm is None else check_number("clip_norm", clip_norm, "(0, inf)")
        self.model = model
        self.optimizer = optimizer if isinstance(optimizer, LBFGS) else get_optimizer(optimizer, learning_rate)
        self.schedule = get_schedule(schedule)
        for name, value in (("schedule", schedule), ("clip_norm", clip_norm)):
            if isinstance(optimizer, LBFGS) and value is not None:
                raise ValueError(f"{name} is {value!r}, but {optimizer!r} knows no such; expected None")
        self.patience = None if patience is None else check_integer("patience", patience, 1)
        check_choice("monitor", monitor, MONITORS)
        self.monitor = monitor
        self.callbacks = tuple(callbacks)
        self.batch_callbacks = tuple(batch_callbacks)
        self.start_callbacks = tuple(start_callbacks)
        self.seed = seed
        self.checkpoint_every = (
            None if checkpoint_every is None else check_integer("checkpoint_every", checkpoint_every, 1)
        )
        self._objective = _make_objective(model, loss, n_threads, self.checkpoint_every)
        if isinstance(optimizer, LBFGS) and self._objective.tables:
            table = next(iter(self._objective.tables))
            raise ValueError(
                f"{optimizer!r} needs the whole gradient, but {table} is of a lazy layer; expected lazy=False"
            )
        self._passes = Passes(self._objective, clip_norm)
        self._run: TrainingState | None = None
        self._finished: dict[str, Any] = {}  # the run at the end of the last epoch
        self._continues = False

    def fit(
        self,
        x: Rows,
        y: Rows | None,
        *,
        epochs: int,
        batch_size: int = 32,
        validation: float | tuple[Array, ...] | None = None,
        lengths: Array | None = None,
        sample_weight: Array | None = None,
        window: int | None = None,
        known: Mapping[str, str] | None = None,
    ) -> History:
        """
        Train the model, from its present weights or, after `restore`, from where that run was.

        Of what makes up a run, `epochs` (if no schedule depends on it), `patience`, `n_threads`, `checkpoint_every` and
        callbacks may change after `restore`, and nothing else.

        Ctrl-C ends it like the last epoch: the model gets the best weights of the finished epochs.

        Parameters
        ----------
        x : ndarray (N, T, I), integers (N, T), or ndarray (N, I)
            Inputs in the dtype of the model; also what `fastrnn.data.read_by_blocks` returns.
        y : ndarray (N, ...)
            Targets as the loss takes them, also (N, T, ...) for a model that gives an output each step, where a class
            of -1 is padding: its step counts in no loss and no accuracy, and a batch of nothing else makes no update.
            None for an objective that needs none. They, too, may be what `fastrnn.data.read_by_blocks` returns.
        epochs : int
            Number of epochs, with those before `restore`.
        batch_size : int
            Examples in a batch; the last one of an epoch has what is left.
        validation : float or tuple, optional
            Share of the examples to hold out (by class, where `y` holds a class for each), or a set of its own,
            (x, y), (x, y, lengths) or (x, y, lengths, sample_weight).
        lengths : integers (N,), optional
            Steps of each row; each batch is cut to its longest.
        sample_weight : ndarray (N,), optional
            Weights of the examples in the loss; scaled to the mean 1.
        window : int, optional
            Truncated backpropagation through time, for long sequences with an output each step: a batch of rows comes
            in windows of so many steps, with an update each, and the state at the end of one is where the next begins;
            gradients end at the window's first step. None goes back through all steps.
        known : mapping of str to str, optional
            What else the data of a run are known by when it goes on, such as fingerprints of labels; under "training x"
            and "validation x" those of these inputs, which then need no pass to be known.

        Returns
        -------
        History
            What each epoch gave.

        Raises
        ------
        DivergenceError
            If a loss, the norm of a gradient or the weights are not finite. It comes before the update, and the model
            has the weights of the last finite epoch.
        TypeError, ValueError
            If an argument has the wrong type, shape or value, or, after `restore`, is not the same as before; the
            message names it, with the old and the new value.
        """
        epochs = check_integer("epochs", epochs, 1)
        batch_size = check_integer("batch_size", batch_size, 1)
        self._check_window(window)
        run = self._run if self._run is not None and self._continues else self._begin()
        examples = self._objective.check(x, y, lengths, sample_weight)
        self._check_targets("y", examples)
        training, held_out = self._divide(run, examples, validation)
        self._check_targets("the part of y to train with", training)
        self._check_targets("y of the validation set", held_out)
        monitor = self._choose_monitor(held_out is not None)
        plan = Plan(training, held_out, monitor, epochs, batch_size, window, known or {})
        settings = self._settings(run) | self._planned(plan, validation)
        if self._continues:
            check_same(run.settings, settings)
            check_end(run.history, plan.monitor, epochs, self.patience)
            check_same(run.data, plan.data)
        run.settings, run.data = settings, plan.data
        self._run, self._continues = run, False
        self._objective.state = run.carried
        self._finished = run.mark(self.model.flat_parameters)
        try:
            for callback in self.start_callbacks:
                callback(run.history)
            if isinstance(self.optimizer, LBFGS):
                self._minimize(run, plan, self.optimizer)
            else:
                while self._goes_on(run, epochs):
                    self._train_epoch(run, plan, self.optimizer)
        except KeyboardInterrupt:
            self._go_back(run)
        except DivergenceError:
            self._go_back(run)
            raise
        finally:
            pool.release()
        run.last = self.model.flat_parameters.copy()
        self.model.flat_parameters[...] = run.best
        return run.history

    def evaluate(
        self,
        x: Rows,
        y: Rows | None,
        *,
        lengths: Array | None = None,
        sample_weight: Array | None = None,
        batch_size: int = 256,
        window: int | None = None,
    ) -> tuple[float, float | None]:
        """
        Compare the model's predictions with targets.

        Parameters
        ----------
        x, y, lengths, sample_weight
            As in `fit`.
        batch_size : int
            Number of examples at a time.
        window : int, optional
            Number of steps at a time, of long sequences; the state goes on from one to the next.

        Returns
        -------
        loss : float
            The loss.
        accuracy : float or None
            Share of right answers, unweighted; None where the loss knows no such.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape or value.
        """
        check_integer("batch_size", batch_size, 1)
        self._check_window(window)
        examples = self._objective.check(x, y, lengths, sample_weight)
        self._check_targets("y", examples)
        loss, measures = self._passes.evaluate(examples.take(slice(None)), batch_size, window=window)
        return loss, measures.get("accuracy")

    @property
    def history(self) -> History:
        """What the epochs so far gave."""
        return History() if self._run is None else self._run.history

    def state(self) -> dict[str, Any]:
        """
        Return the state of the run: at its end, or from within a callback of either kind.

        Returns
        -------
        dict
            A tree of arrays, strings and numbers, none of which training changes: last and best weights, optimizer,
            random streams, history, how far the present epoch is, the settings, and fingerprints of the data (shape,
            dtype and BLAKE2 of all bytes).

        Raises
        ------
        RuntimeError
            If there was no run yet.
        """
        if self._run is None:
            raise RuntimeError("there is no training run yet: call fit first")
        return self._run.to_tree(self.model.flat_parameters)

    def restore(self, tree: dict[str, Any]) -> None:
        """
        Go back to a state; the next `fit`, called as the one before, ends with the same bits as if never interrupted.

        Parameters
        ----------
        tree : dict
            From `state`.

        Raises
        ------
        ValueError
            If it is not the state of such a model and optimizer; what else must be the same `fit` checks.
        """
        check_tree(tree)
        run, weights = TrainingState.from_tree(tree), self.model.flat_parameters
        settings = self._settings(run)
        check_same({name: run.settings.get(name) for name in settings}, settings)
        check_memory(tree, weights, self.optimizer, initial_state(self.optimizer, self._objective))
        self._run, self._continues = run, True
        weights[...] = tree["weights"]

    def _begin(self) -> TrainingState:
        weights = self.model.flat_parameters
        seed = fresh_seed() if self.seed is None else self.seed
        return TrainingState.begin(seed, initial_state(self.optimizer, self._objective), weights)

    def _check_window(self, window: int | None) -> None:
        if window is None:
            return
        check_integer("window", window, 1)
        if isinstance(self.optimizer, LBFGS):
            raise ValueError(f"window is {window}, but {self.optimizer!r} takes all steps at once; expected None")
        self._objective.check_window(window)

    def _check_targets(self, name: str, examples: Examples | None) -> None:
        """Refuse a set of which every step is padding: its loss would be 0, the best there is."""
        if examples is not None and not self._objective.has_targets(examples):
            counting = "" if examples.weights is None else " where sample_weight is not 0"
            raise ValueError(f"{name} has nothing but padding{counting}, expected a target at one step at least")

    def _go_back(self, run: TrainingState) -> None:
        """Go back to the end of the last epoch."""
        run.go_back(self._finished)
        self.model.flat_parameters[...] = self._finished["weights"]

    def _settings(self, run: TrainingState) -> dict[str, Any]:
        """Return what of the trainer must be the same when a run goes on."""
        return self._objective.settings() | {
            "seed": run.seed if self.seed is None else self.seed,
            "optimizer": described(self.optimizer),
            "schedule": described(self.schedule),
            "clip_norm": self._passes.clip_norm,
        }

    def _planned(self, plan: Plan, validation: Any) -> dict[str, Any]:
        """Return what of the arguments of `fit` must be the same when a run goes on."""
        monitor = plan.monitor or "none, as without patience and validation set"
        settings: dict[str, Any] = {"batch_size": plan.batch_size, "window": plan.window, "monitor": monitor}
        settings["validation"] = validation if validation is None or np.isscalar(validation) else "a set of its own"
        return settings | ({"epochs": plan.epochs} if getattr(self.schedule, "uses_epochs", False) else {})

    def _divide(
        self, run: TrainingState, examples: Examples, validation: float | tuple[Array, ...] | None
    ) -> tuple[Examples, Examples | None]:
        """Return the examples to train with, and those to validate with."""
        if validation is None:
            return examples.take(slice(None)), None
        if isinstance(validation, tuple | list):
            if len(validation) not in (2, 3, 4):
                raise ValueError(f"validation has {len(validation)} entries, expected (x, y, lengths, sample_weight)")
            held_out = self._objective.check(*validation)
            return examples.take(slice(None)), held_out.take(slice(None))
        classes = self._objective.classes(examples)
        parts = validation_split(len(examples.x), validation, generators(run.seed).split, classes=classes)
        return examples.take(parts[0]), examples.take(parts[1])

    def _choose_monitor(self, has_validation: bool) -> str | None:
        """Return the column that makes an epoch the best, or None if the last one is to be."""
        if self.monitor is None:
            if has_validation:
                return "validation_loss"
            return None if self.patience is None else "train_loss"
        if self.monitor.startswith("validation") and not has_validation:
            raise ValueError(f"monitor is {self.monitor!r}, but fit got no validation set")
        if self.monitor.endswith("accuracy") and "train_accuracy" not in self._objective.measures:
            raise ValueError(f"monitor is {self.monitor!r}, but the loss knows no accuracy")
        return self.monitor

    def _goes_on(self, run: TrainingState, epochs: int) -> bool:
        """Is there an epoch to do, and patience for it?"""
        done = run.history.n_epochs
        return done < epochs and (self.patience is None or done - (run.history.best_epoch or 0) < self.patience)

    def _train_epoch(self, run: TrainingState, plan: Plan, optimizer: Optimizer) -> None:
        """Do an epoch, or what is left of one."""
        epoch, start = run.epoch, time.perf_counter() - run.seconds
        learning_rate = optimizer.learning_rate
        if self.schedule is not None:
            losses = oriented(run.history, plan.monitor or "train_loss")
            learning_rate = self.schedule(learning_rate, epoch, plan.epochs, losses)
        stream, training, batch_size, window = generator(run.order), plan.training, plan.batch_size, plan.window
        order, again = (epoch_order(rng, training.x.shape, training.x.dtype) for rng in (stream, generator(run.order)))
        batches = training.n_batches(again, batch_size, window)
        for batch in self._objective.batches(training, order, batch_size, window, skip=run.batches):
            self._passes.update(run, batch, optimizer, learning_rate)
            run.seconds = time.perf_counter() - start
            self._report_batch(run, plan, batches)
        self._end_epoch(run, plan, start, learning_rate, stream)

    def _minimize(self, run: TrainingState, plan: Plan, optimizer: LBFGS) -> None:
        """Do all epochs, each an iteration of an optimizer that takes all examples at once."""
        N = len(plan.training.x)
        (batch,) = self._objective.batches(plan.training, [np.arange(N)], N)
        measures: dict[str, float] = {}

        def loss_and_gradient() -> tuple[float, Array]:
            nonlocal measures
            loss, measures = self._passes.gradient(run, batch, None)
            return loss, self._objective.flat_gradients

        while self._goes_on(run, plan.epochs):
            start = time.perf_counter() - run.seconds
            if run.batches == 0:
                if run.optimizer["ended"]:
                    break
                state = optimizer.iterate(run.optimizer, loss_and_gradient, self.model.flat_parameters)
                if state is None:
                    run.optimizer |= {"ended": True}
                    break
                run.optimizer = state
                run.add(batch.n_steps, state["loss"], measures)
                run.seconds = time.perf_counter() - start
                self._report_batch(run, plan, 1)
            self._end_epoch(run, plan, start, None, generator(run.order))

    def _report_batch(self, run: TrainingState, plan: Plan, batches: int) -> None:
        """Tell the batch callbacks."""
        if not self.batch_callbacks:
            return
        means = run.means
        report = BatchReport(
            run.epoch, plan.epochs, run.batches, batches, means["train_loss"], means.get("train_accuracy")
        )
        for callback in self.batch_callbacks:
            callback(report)

    def _end_epoch(
        self, run: TrainingState, plan: Plan, start: float, learning_rate: float | None, stream: np.random.Generator
    ) -> None:
        """Validate, write the epoch down, keep its weights if they are the best, and tell the callbacks."""
        passes, history, epoch, held_out = self._passes, run.history, run.epoch, plan.held_out
        weights = self.model.flat_parameters
        passes.check_finite("weights are", weights, epoch, learning_rate)
        validation: dict[str, float] = {}
        if held_out is not None:
            at_a_time = max(plan.batch_size, min(256, EVALUATED // max(1, held_out.x.shape[1])))
            batch_size = max(plan.batch_size, 256)
            loss, measures = passes.evaluate(held_out, batch_size, at_a_time, plan.window)
            passes.check_finite("the validation loss is", loss, epoch, learning_rate)
            validation = {f"validation_{name}": value for name, value in ({"loss": loss} | measures).items()}
        history.append(
            run.means
            | validation
            | {
                "epoch": epoch,
                "learning_rate": learning_rate,
                "seconds": time.perf_counter() - start,
            }
        )
        if plan.monitor is None or history.best_epoch is None or _is_better(history, plan.monitor):
            history.best_epoch, run.best = epoch, weights.copy()
        run.end_epoch(stream)
        self._finished = run.mark(weights)
        for callback in self.callbacks:
            callback(history.n_epochs, history)


def _make_objective(
    model: Sequential | EncoderDecoder | Objective,
    loss: str | Loss | None,
    n_threads: int | None,
    checkpoint_every: int | None,
) -> Objective:
    """Return what is to be trained."""
    if isinstance(model, Objective) and loss is None:
        return model
    if isinstance(model, Sequential) and loss is not None:
        model._check_built()
        return Supervised(model, get_loss(loss), n_threads, checkpoint_every)
    if isinstance(model, EncoderDecoder) and loss is not None and get_loss(loss) is cross_entropy:
        model._check_built()
        return TeacherForcing(model, n_threads, checkpoint_every)
    raise TypeError(
        f"loss is {loss!r} for a {type(model).__name__}, expected one for a Sequential, "
        "'cross_entropy' for an EncoderDecoder, and None for an Objective"
    )


def _is_better(history: History, column: str) -> bool:
    """Is the last epoch better than the best one?"""
    last, best = history[column][-1], history[column][(history.best_epoch or 1) - 1]
    return bool(last > best if column.endswith("accuracy") else last < best)
