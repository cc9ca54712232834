"""What a call of `fit` does, and which of it must be the same when a run goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property
from typing import Any

from fastrnn._typing import Array
from fastrnn.data.fingerprint import fingerprint
from fastrnn.training.batches import Examples
from fastrnn.training.errors import ResumeError
from fastrnn.training.history import History, oriented

TREE = {
    "seed", "weights", "best", "optimizer", "order", "dropout", "history", "best_epoch", "present", "settings", "data",
}  # fmt: skip


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


def check_tree(tree: Any) -> None:
    """Refuse what is no state of a training run."""
    if not isinstance(tree, dict) or tree.get("kind") != "training":
        raise ResumeError("this is no state of a training run, expected what Trainer.state returns")
    missing = TREE - tree.keys()
    if missing:
        raise ResumeError(f"the state of the training run lacks {', '.join(sorted(missing))}")


def check_memory(tree: dict[str, Any], weights: Array, optimizer: Any, remembered: Mapping[str, Any]) -> None:
    """Refuse a state that does not fit the weights of a model, or what its optimizer remembers."""
    if tree["weights"].shape != weights.shape or tree["weights"].dtype != weights.dtype:
        raise ResumeError(
            f"the state has {tree['weights'].size} weights of {tree['weights'].dtype}, "
            f"but the model has {weights.size} of {weights.dtype}"
        )
    if tree["optimizer"].keys() != remembered.keys():
        raise ResumeError(
            f"the state's optimizer remembers {sorted(tree['optimizer'])}, "
            f"but {optimizer!r} remembers {sorted(remembered)}"
        )
