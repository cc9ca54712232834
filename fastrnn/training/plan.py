"""What a call of `fit` does: its examples, and the column of the history that makes an epoch the best."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from fastrnn._random import generators
from fastrnn._typing import Array
from fastrnn.data.fingerprint import fingerprint
from fastrnn.training.batches import Examples
from fastrnn.training.objectives import Objective
from fastrnn.training.splits import validation_split


@dataclass(frozen=True)
class Plan:
    """What a call of `fit` does."""

    training: Examples
    held_out: Examples | None
    monitor: str | None
    sign: int  # of the monitored column: 1 if small is good, -1 if large is good
    epochs: int
    batch_size: int
    window: int | None = None
    known: Mapping[str, str] = field(default_factory=dict)  # fingerprints that need no pass over the data

    @cached_property
    def data(self) -> dict[str, str]:
        """Fingerprints of all arrays by name, and what else is known of the data."""
        sets = {"training": self.training, "validation": self.held_out}
        arrays = {
            f"{name} {part}": array
            for name, examples in sets.items()
            for part in ("x", "y", "lengths", "weights")
            if (array := getattr(examples, part, None)) is not None
        }
        return {name: self.known.get(name) or fingerprint(array) for name, array in arrays.items()} | dict(self.known)


def divide(
    objective: Objective, examples: Examples, validation: float | tuple[Array, ...] | None, seed: int
) -> tuple[Examples, Examples | None]:
    """Return the examples to train with, and those of the validation set."""
    parts: tuple[Examples, Examples | None]
    if validation is None:
        parts = examples.take(slice(None)), None
    elif isinstance(validation, tuple | list):
        if len(validation) not in (2, 3, 4):
            raise ValueError(f"validation has {len(validation)} entries, expected (x, y, lengths, sample_weight)")
        held_out = objective.check(*validation)
        parts = examples.take(slice(None)), held_out.take(slice(None))
    else:
        classes, rng = objective.classes(examples), generators(seed).split
        rows = validation_split(len(examples.x), validation, rng, classes=classes)
        parts = examples.take(rows[0]), examples.take(rows[1])
    check_targets(objective, "the part of y to train with", parts[0])
    check_targets(objective, "y of the validation set", parts[1])
    return parts


def check_targets(objective: Objective, name: str, examples: Examples | None) -> None:
    """Refuse a set in which every step is padding: its loss would be 0, the best possible."""
    if examples is not None and not objective.has_targets(examples):
        counting = "" if examples.weights is None else " where sample_weight is not 0"
        raise ValueError(f"{name} has nothing but padding{counting}, expected a target at one step at least")


def choose_monitor(monitor: str | None, patience: int | None, has_validation: bool) -> str | None:
    """Return the column that makes an epoch the best, or None if the last epoch is to be it."""
    if monitor is None:
        if has_validation:
            return "validation_loss"
        return None if patience is None else "train_loss"
    if monitor.startswith("validation") and not has_validation:
        raise ValueError(f"monitor is {monitor!r}, but fit got no validation set")
    return monitor
