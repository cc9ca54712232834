"""Training: epochs of shuffled mini-batches, validation, early stopping, and a state that can be saved."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastrnn._checks import check_choice, check_integer, check_number
from fastrnn._random import fresh_seed
from fastrnn._typing import Array
from fastrnn.data.lazy_array import Rows
from fastrnn.losses import Loss, LossFunction
from fastrnn.models.encoder_decoder import EncoderDecoder
from fastrnn.models.sequential import Sequential
from fastrnn.optimizers import Optimizer, get_optimizer
from fastrnn.schedules import Schedule, get_schedule
from fastrnn.training.errors import DivergenceError, ResumeError
from fastrnn.training.history import BatchReport, History
from fastrnn.training.lbfgs import LBFGS
from fastrnn.training.loop import Loop
from fastrnn.training.making import make_objective
from fastrnn.training.objectives import Objective
from fastrnn.training.plan import Plan, check_targets, choose_monitor, divide
from fastrnn.training.resume import check_end, check_memory, check_same, check_tree, fit_settings, run_settings
from fastrnn.training.state import TrainingState
from fastrnn.training.step import Passes, initial_state

__all__ = ["BatchReport", "DivergenceError", "ResumeError", "Trainer"]


class Trainer:
    """
    Train a model.

    The order of examples, dropout and the validation split each have their own random stream, so switching one on does
    not change the others. Equal seeds give equal bits, with any number of threads. Examples of more than 64 MiB are
    shuffled by blocks of this size, and then within four blocks at a time, so a file can be read block by block.

    Parameters
    ----------
    model : Sequential, EncoderDecoder or Objective
        A model that is built, or a custom objective.
    loss : {"cross_entropy", "mse", "binary_cross_entropy"}, Loss or callable
        A name, or a custom loss; see `fastrnn.losses`. An encoder and decoder need "cross_entropy", or another loss
        that takes padding. None for an objective.
    optimizer : {"adam", "sgd"} or Optimizer
        A name, or an object such as ``SGD(0.1, momentum=0.9)``. `LBFGS` takes all examples at once, with an
        iteration as an epoch. It takes no learning rate, `schedule` or `clip_norm`, and no lazy layers.
    learning_rate : float, optional
        For an optimizer given by name.
    schedule : {"step", "cosine", "plateau"}, Schedule or None
        See `fastrnn.schedules`; None keeps the learning rate.
    clip_norm : float, optional
        Largest Euclidean norm of the gradient of a batch; None does not clip.
    patience : int, optional
        Stop after this number of epochs without a better monitored value; None never stops early.
    monitor : str, optional
        The column of the history that decides which epoch is the best; the model gets the weights of that epoch. It is
        one that is measured, such as "train_loss", "train_accuracy", "validation_loss" or "validation_accuracy". None
        is the validation loss. Without a validation set None is the training loss if there is a patience, and otherwise
        nothing: the last weights stay.
    callbacks : iterable of callable
        Called after each epoch with its number, from 1, and the `History`.
    batch_callbacks : iterable of callable
        Called after each batch with a `BatchReport`.
    start_callbacks : iterable of callable
        Called by `fit` with the `History` so far, after all checks and before training.
    seed : int, optional
        Seed of everything random; None for a new one each time.
    n_threads : int, optional
        Number of threads; see `recurrent_forward`.
    checkpoint_every : int, optional
        Keep the tapes of recurrent layers only at every k-th step: less memory, a third more work, the same bits.
        `fastrnn.memory.choose_checkpoints` chooses k. Validation then has at most `batch_size` examples in the net.

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
        loss: str | Loss | LossFunction | None,
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
                raise ValueError(f"{name} is {value!r}, but {optimizer!r} does not use it; pass None")
        self.patience = None if patience is None else check_integer("patience", patience, 1)
        self.callbacks = tuple(callbacks)
        self.batch_callbacks = tuple(batch_callbacks)
        self.start_callbacks = tuple(start_callbacks)
        self.seed = seed
        self.checkpoint_every = (
            None if checkpoint_every is None else check_integer("checkpoint_every", checkpoint_every, 1)
        )
        self._objective = make_objective(model, loss, n_threads, self.checkpoint_every)
        check_choice("monitor", monitor, (None, *self._objective.columns))
        self.monitor = monitor
        if isinstance(optimizer, LBFGS) and self._objective.tables:
            table = next(iter(self._objective.tables))
            raise ValueError(f"{optimizer!r} needs the whole gradient, but {table} is of a lazy layer; use lazy=False")
        self._passes = Passes(self._objective, clip_norm)
        self._run: TrainingState | None = None
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
        Train the model from its present weights or, after `restore`, from the restored state of the run.

        After `restore` you may change `epochs` (if no schedule depends on it), `patience`, `n_threads`,
        `checkpoint_every` and callbacks, and nothing else.

        Ctrl-C ends training early: the model gets the best weights of the finished epochs.

        Parameters
        ----------
        x : ndarray (N, T, I), integers (N, T), or ndarray (N, ...)
            Inputs in the dtype of the model; also what `fastrnn.data.read_by_blocks` returns.
        y : ndarray (N, ...)
            Targets as the loss takes them; (N, T, ...) for a model that gives an output at each step. A class of -1 is
            padding there: its step counts in no loss and no accuracy, and a batch of padding alone makes no update.
            None for an objective that needs no targets. Also what `fastrnn.data.read_by_blocks` returns.
        epochs : int
            Number of epochs, with those before `restore`.
        batch_size : int
            Examples in a batch; the last batch of an epoch has the rest.
        validation : float or tuple, optional
            Share of the examples to hold out (by class, if `y` has a class for each example), or a validation set:
            (x, y), (x, y, lengths) or (x, y, lengths, sample_weight).
        lengths : integers (N,), optional
            Steps of each row; each batch is cut to its longest.
        sample_weight : ndarray (N,), optional
            Weights of the examples in the loss; scaled to the mean 1.
        window : int, optional
            Number of steps for truncated backpropagation through time, for long sequences with an output at each step.
            A batch of rows comes window by window, with an update each. The final state of a window is the initial
            state of the next; gradients end at the first step of the window. None goes back through all steps.
        known : mapping of str to str, optional
            Known fingerprints of the data, which must be the same when a run goes on, such as those of labels. Those of
            the inputs are "training x" and "validation x"; if they are given, `fit` needs no pass over the inputs.

        Returns
        -------
        History
            The results of each epoch.

        Raises
        ------
        DivergenceError
            If a loss, the norm of a gradient or the weights are not finite. It is raised before the update, and the
            model has the weights of the last finite epoch.
        TypeError, ValueError
            If an argument has the wrong type, shape or value, or, after `restore`, is not the same as before; the
            message names it, with the old and the new value.
        """
        epochs = check_integer("epochs", epochs, 1)
        batch_size = check_integer("batch_size", batch_size, 1)
        self._check_window(window)
        objective = self._objective
        run = self._run if self._run is not None and self._continues else self._begin()
        examples = objective.check(x, y, lengths, sample_weight)
        check_targets(objective, "y", examples)
        training, held_out = divide(objective, examples, validation, run.seed)
        monitor = choose_monitor(self.monitor, self.patience, held_out is not None)
        plan = Plan(training, held_out, monitor, objective.sign(monitor), epochs, batch_size, window, known or {})
        settings = self._settings(run) | fit_settings(plan, validation, self.schedule)
        if self._continues:
            check_same(run.settings, settings)
            check_end(run.history, plan, self.patience)
            check_same(run.data, plan.data)
        run.settings, run.data = settings, plan.data
        self._run, self._continues = run, False
        objective.state = run.carried
        Loop(
            run,
            plan,
            self._passes,
            self.optimizer,
            self.schedule,
            self.patience,
            self.start_callbacks,
            self.batch_callbacks,
            self.callbacks,
        ).go()
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
            Number of steps at a time, for long sequences; the state is carried from one window to the next.

        Returns
        -------
        loss : float
            The loss.
        accuracy : float or None
            Share of right answers, unweighted; None if the loss counts no right answers.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape or value.
        """
        check_integer("batch_size", batch_size, 1)
        self._check_window(window)
        examples = self._objective.check(x, y, lengths, sample_weight)
        check_targets(self._objective, "y", examples)
        loss, measures = self._passes.evaluate(examples.take(slice(None)), batch_size, window=window)
        return loss, measures.get("accuracy")

    @property
    def history(self) -> History:
        """The results of the epochs so far."""
        return History() if self._run is None else self._run.history

    def state(self) -> dict[str, Any]:
        """
        Return the state of the run: at its end, or in a callback of either kind.

        Returns
        -------
        dict
            A tree of arrays, strings and numbers that training does not change: last and best weights, optimizer,
            random streams, history, progress of the present epoch, settings, and fingerprints of the data (shape, dtype
            and BLAKE2 of all bytes).

        Raises
        ------
        RuntimeError
            If there is no run yet.
        """
        if self._run is None:
            raise RuntimeError("there is no training run yet: call fit first")
        return self._run.to_tree(self.model.flat_parameters)

    def restore(self, tree: dict[str, Any]) -> None:
        """
        Go back to a state. The next `fit` with the same arguments ends with the same bits as an uninterrupted run.

        Parameters
        ----------
        tree : dict
            From `state`.

        Raises
        ------
        ValueError
            If it is not the state of such a model and optimizer; `fit` checks everything else that must be the same.
        """
        check_tree(tree)
        run, weights = TrainingState.from_tree(tree, self._objective.columns), self.model.flat_parameters
        settings = self._settings(run)
        check_same({name: run.settings.get(name) for name in settings}, settings)
        check_memory(tree, weights, self.optimizer, initial_state(self.optimizer, self._objective))
        self._run, self._continues = run, True
        weights[...] = tree["weights"]

    def _begin(self) -> TrainingState:
        weights = self.model.flat_parameters
        seed = fresh_seed() if self.seed is None else self.seed
        state = initial_state(self.optimizer, self._objective)
        return TrainingState.begin(seed, state, weights, self._objective.columns)

    def _check_window(self, window: int | None) -> None:
        if window is None:
            return
        check_integer("window", window, 1)
        if isinstance(self.optimizer, LBFGS):
            raise ValueError(f"window is {window}, but {self.optimizer!r} takes all steps at once; pass None")
        self._objective.check_window(window)

    def _settings(self, run: TrainingState) -> dict[str, Any]:
        """Return the settings of the trainer that must be the same when the run goes on."""
        seed = run.seed if self.seed is None else self.seed
        return run_settings(self._objective, seed, self.optimizer, self.schedule, self._passes.clip_norm)
