"""What a call of `fit` does, and which of it must be the same when a run goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property
from typing import Any, NamedTuple

from fastrnn._examples import Examples
from fastrnn._fingerprint import fingerprint
from fastrnn.history import History


class ResumeError(ValueError):
    """A run cannot go on with what is given; the message says what it had, and what it would have."""


class BatchReport(NamedTuple):
    """
    What a batch callback is told; loss and accuracy are means over the epoch so far.

    Parameters
    ----------
    epoch, epochs : int
        The present epoch, from 1, and the number of all.
    batch, batches : int
        The batch just done, from 1, and the number of all in the epoch.
    loss : float
        Training loss.
    accuracy : float or None
        Training accuracy.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float | None


@dataclass(frozen=True)
class Plan:
    """What a call of `fit` does."""

    training: Examples
    held_out: Examples | None
    monitor: str | None
    epochs: int
    batch_size: int
    window: int | None = None
    known: Mapping[str, str] = field(default_factory=dict)  # fingerprints that need no pass over the data

    @cached_property
    def data(self) -> dict[str, str]:
        """Fingerprints of all arrays, by name, and what else is known of the data."""
        sets = {"training": self.training, "validation": self.held_out}
        arrays = {
            f"{name} {part}": array
            for name, examples in sets.items()
            for part in ("x", "y", "lengths", "weights")
            if (array := getattr(examples, part, None)) is not None
        }
        return {name: self.known.get(name) or fingerprint(array) for name, array in arrays.items()} | dict(self.known)


def described(value: Any) -> Any:
    """Return a setting so that equal ones are equal, also after a file: a number or text, or the name of a function."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value) if is_dataclass(value) else getattr(value, "__qualname__", type(value).__qualname__)


def check_same(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse what is not as it was when the run began."""
    for name in now | before:
        if before.get(name) != now.get(name):
            why = ", and the schedule depends on it" if name == "epochs" else ""
            raise ResumeError(f"{name} of the run is {before.get(name)}, but {now.get(name)} is given{why}")


def check_end(history: History, monitor: str | None, epochs: int, patience: int | None) -> None:
    """Refuse an end that the run is past already."""
    done = history.n_epochs
    if epochs < done:
        raise ResumeError(f"epochs is {epochs}, but the run has done {done}; expected at least as many")
    if patience is None or monitor is None:
        return
    waited, best = [0], float("inf")
    for loss in oriented(history, monitor)[:-1]:  # after the last one it may end
        waited.append(0 if loss < best else waited[-1] + 1)
        best = min(best, loss)
    if max(waited) >= patience:
        wait = f"has gone on for {max(waited)} epochs without a better {monitor}"
        raise ResumeError(f"patience is {patience}, but the run {wait}; expected more than that")


def oriented(history: History, column: str) -> list[float]:
    """Return a column so that small is good."""
    sign = -1 if column.endswith("accuracy") else 1
    return [sign * value for value in history.get(column, ())]
