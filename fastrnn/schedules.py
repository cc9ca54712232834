"""Schedules of the learning rate.

A schedule has no state. It computes the learning rate of an epoch from the initial rate, the number of the epoch, the
number of all epochs, and the values monitored so far. So a resumed run has nothing to restore.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar, Protocol

from fastrnn._checks import check_choice, check_integer, check_number


class Schedule(Protocol):
    """
    What a trainer calls before each epoch, to get the learning rate.

    A schedule that depends on the number of all epochs has an attribute ``uses_epochs = True``: a run with such a
    schedule cannot be resumed with another number of epochs.
    """

    def __call__(self, learning_rate: float, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        """
        Return the learning rate of an epoch.

        Parameters
        ----------
        learning_rate : float
            The learning rate of the optimizer, used in the first epoch.
        epoch : int
            The number of the epoch, from 1.
        epochs : int
            The number of all epochs.
        losses : sequence of float
            The monitored values of the epochs before, with signs such that lower is better.

        Returns
        -------
        float
            The learning rate.
        """


@dataclass(frozen=True)
class StepSchedule:
    """
    Multiply the learning rate by a factor every few epochs.

    Parameters
    ----------
    every : int
        The number of epochs between changes.
    factor : float
        The factor, in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.
    """

    every: int = 10
    factor: float = 0.5

    def __post_init__(self) -> None:
        check_integer("every", self.every, 1)
        check_number("factor", self.factor, "(0, 1]")

    def __call__(self, learning_rate: float, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        return learning_rate * self.factor ** ((epoch - 1) // self.every)


@dataclass(frozen=True)
class CosineSchedule:
    """
    Lower the learning rate along half a cosine wave over all epochs (Loshchilov and Hutter 2017, without restarts).

    Parameters
    ----------
    final : float
        The fraction of the learning rate that the epoch after the last one would have, in [0, 1].

    Raises
    ------
    TypeError, ValueError
        If `final` is not a number in [0, 1].
    """

    final: float = 0.0
    uses_epochs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number("final", self.final, "[0, 1]")

    def __call__(self, learning_rate: float, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        wave = (1 + cos(pi * (epoch - 1) / epochs)) / 2
        return learning_rate * (self.final + (1 - self.final) * wave)


@dataclass(frozen=True)
class PlateauSchedule:
    """
    Multiply the learning rate by a factor when the monitored value has not improved for some epochs.

    Parameters
    ----------
    factor : float
        The factor, in (0, 1].
    patience : int
        The number of epochs without improvement before a change, and again before the next one.
    minimum : float
        The learning rate does not fall below this.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.
    """

    factor: float = 0.5
    patience: int = 3
    minimum: float = 0.0

    def __post_init__(self) -> None:
        check_number("factor", self.factor, "(0, 1]")
        check_integer("patience", self.patience, 1)
        check_number("minimum", self.minimum, "[0, inf)")

    def __call__(self, learning_rate: float, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        best, waited = float("inf"), 0
        for loss in losses:
            waited += 1
            if loss < best:
                best, waited = loss, 0
            elif waited == self.patience:
                learning_rate, waited = max(learning_rate * self.factor, self.minimum), 0
        return learning_rate


SCHEDULES = {"step": StepSchedule, "cosine": CosineSchedule, "plateau": PlateauSchedule}


def get_schedule(schedule: str | Schedule | None) -> Schedule | None:
    """
    Return a schedule by its name, with default parameters, or the object itself.

    Parameters
    ----------
    schedule : {"step", "cosine", "plateau"}, Schedule or None
        A name, a schedule, or None for a constant learning rate.

    Returns
    -------
    Schedule or None
        The schedule.

    Raises
    ------
    TypeError, ValueError
        If no schedule has this name, or a class was passed.
    """
    if isinstance(schedule, type):
        raise TypeError(f"schedule is {schedule!r}, expected a name or an object such as {schedule.__name__}()")
    if schedule is None or callable(schedule):
        return schedule
    check_choice("schedule", schedule, tuple(SCHEDULES))
    return SCHEDULES[schedule]()
