"""Schedules of the learning rate.

A schedule is its constants: the learning rate of an epoch follows from the first one, the epoch's number, the number of
epochs, and the values monitored so far, so that a run that goes on after a break needs no memory of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar, Protocol

from fastrnn._checks import check_choice, check_integer, check_number


class Schedule(Protocol):
    """
    What the trainer calls before each epoch.

    One that depends on the number of all epochs says so by an attribute ``uses_epochs = True``: its run may not go on
    with another number.
    """

    def __call__(self, learning_rate: float, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        """
        Return the learning rate of an epoch.

        Parameters
        ----------
        learning_rate : float
            The optimizer's own, which the first epoch has.
        epoch : int
            Number of the epoch, from 1.
        epochs : int
            Number of all epochs.
        losses : sequence of float
            What was monitored in the epochs before, oriented so that small is good.

        Returns
        -------
        float
            The learning rate.
        """


@dataclass(frozen=True)
class StepSchedule:
    """
    Multiply the learning rate by a factor every so many epochs.

    Parameters
    ----------
    every : int
        Number of epochs between changes.
    factor : float
        In (0, 1].

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
    Let the learning rate fall along half a wave over all epochs (Loshchilov and Hutter 2017, without restarts).

    Parameters
    ----------
    final : float
        Share of the learning rate at which an epoch after the last would arrive, in [0, 1].

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
    Multiply the learning rate by a factor when the monitored loss has not improved for some epochs.

    Parameters
    ----------
    factor : float
        In (0, 1].
    patience : int
        Number of epochs without improvement before a change; then as many again before the next.
    minimum : float
        The learning rate never falls below this.

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
    Return the schedule of this name with its defaults, or the object itself.

    Parameters
    ----------
    schedule : {"step", "cosine", "plateau"}, Schedule or None
        A name, an object, or None for a constant learning rate.

    Returns
    -------
    Schedule or None
        The schedule.

    Raises
    ------
    TypeError, ValueError
        If no schedule has this name, or it is a class.
    """
    if isinstance(schedule, type):
        raise TypeError(f"schedule is {schedule!r}, expected a name or an object such as {schedule.__name__}()")
    if schedule is None or callable(schedule):
        return schedule
    check_choice("schedule", schedule, tuple(SCHEDULES))
    return SCHEDULES[schedule]()
