"""Bases of the estimators whose net is trained by mini-batches, and of those with recurrent layers."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

from fastrnn._checks import check_number
from fastrnn.cells import Cell
from fastrnn.estimators._base import TrainedEstimator, print_epoch
from fastrnn.layers import Dropout, Gaussian, Layer, Recurrent
from fastrnn.optimizers import SGD, Adam, Optimizer, get_optimizer
from fastrnn.schedules import Schedule
from fastrnn.training import Trainer


@dataclass(eq=False, repr=False, kw_only=True)
class NetEstimator(TrainedEstimator):
    """
    Base of the estimators whose net is trained by mini-batches.

    `_optimizers` has, by name, the optimizers with the constants found best for the estimator. A name that is not in it
    stands for the defaults of its class in `fastrnn.optimizers.OPTIMIZERS`.

    Parameters
    ----------
    optimizer : {OPTIMIZERS} or Optimizer
        Name of the optimizer. An object such as ``fastrnn.SGD(0.1, momentum=0.9)`` has constants of its own.
    learning_rate : float or None
        Learning rate of an optimizer given by name; None takes the one found best.
    schedule : {SCHEDULES}, Schedule or None
        How the learning rate changes from epoch to epoch; None keeps it constant.
    clip_norm : float or None
        Maximum norm of the gradient of a batch; None does not clip.
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        Distribution of the initial weights.

    Attributes
    ----------
    model_ : Sequential
        The net.
    """

    _optimizers: ClassVar[Mapping[str, Optimizer]] = {"adam": Adam(1e-3), "sgd": SGD(0.1)}

    optimizer: str | Optimizer = "adam"
    learning_rate: float | None = None
    schedule: str | Schedule | None = None
    clip_norm: float | None = 1.0
    initializer: str | Gaussian = "xavier"

    def _make_optimizer(self) -> Optimizer:
        return choose_optimizer(self._optimizers, self.optimizer, self.learning_rate)

    def _make_trainer(self, model: Any, loss: str, seed: int, checkpoint_every: int | None = None) -> Trainer:
        """Return the trainer of a net."""
        return Trainer(
            model,
            loss,
            self._make_optimizer(),
            schedule=self.schedule,
            clip_norm=self.clip_norm,
            patience=self.patience,
            callbacks=[print_epoch] if self.verbose else [],
            seed=seed,
            n_threads=self.n_threads,
            checkpoint_every=checkpoint_every,
        )


def choose_optimizer(
    best: Mapping[str, Optimizer], optimizer: str | Optimizer, learning_rate: float | None
) -> Optimizer:
    """Return an optimizer; a name stands for the constants found best, and `learning_rate` replaces their rate."""
    found = best.get(optimizer) if isinstance(optimizer, str) else None
    if found is None:
        return get_optimizer(optimizer, learning_rate)
    return found if learning_rate is None else replace(found, learning_rate=learning_rate)  # type: ignore[type-var]


@dataclass(eq=False, repr=False)
class RecurrentNetEstimator(NetEstimator):
    """
    Base of the estimators with recurrent layers.

    Parameters
    ----------
    cell : {CELLS} or Cell
        Recurrent cell.
    hidden_size : int
        Number of hidden units per layer.
    layers : int
        Number of stacked recurrent layers.
    dropout : float
        Dropout rate of the outputs of recurrent and dense layers.
    recurrent_dropout : float
        Dropout rate of the hidden state, with one mask for all steps of a sequence.
    forget_bias : float
        Initial bias of the LSTM's forget gate.
    """

    cell: str | Cell = "gru"
    hidden_size: int = 128
    layers: int = 1
    _: KW_ONLY
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    forget_bias: float = 0.0

    def _make_recurrent(self, *, return_sequences: bool, bidirectional: bool = False) -> Recurrent:
        """Return the recurrent layers."""
        return Recurrent(
            self.cell,
            self.hidden_size,
            return_sequences=return_sequences,
            bidirectional=bidirectional,
            layers=self.layers,
            dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout,
            initializer=self.initializer,
            forget_bias=self.forget_bias,
        )

    def _make_dropout(self) -> list[Layer]:
        """Return a dropout layer, or nothing where nothing is dropped."""
        rate = check_number("dropout", self.dropout, "[0, 1)")
        return [Dropout(rate)] if rate else []
