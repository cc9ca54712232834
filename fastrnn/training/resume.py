"""What must be the same when a run goes on."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastrnn._checks import described
from fastrnn._typing import Array
from fastrnn.training.errors import ResumeError
from fastrnn.training.history import History, oriented
from fastrnn.training.objectives import Objective
from fastrnn.training.plan import Plan

TREE = {
    "seed", "weights", "best", "optimizer", "order", "dropout", "history", "best_epoch", "present", "settings", "data",
}  # fmt: skip


def run_settings(
    objective: Objective, seed: int, optimizer: Any, schedule: Any, clip_norm: float | None
) -> dict[str, Any]:
    """Return the settings of a trainer that must be the same when its run goes on."""
    return objective.settings() | {
        "seed": seed,
        "optimizer": described(optimizer),
        "schedule": described(schedule),
        "clip_norm": clip_norm,
    }


def fit_settings(plan: Plan, validation: Any, schedule: Any) -> dict[str, Any]:
    """Return the arguments of `fit` that must be the same when its run goes on."""
    monitor = plan.monitor or "none, as without patience and validation set"
    settings: dict[str, Any] = {"batch_size": plan.batch_size, "window": plan.window, "monitor": monitor}
    settings["validation"] = validation if validation is None or np.isscalar(validation) else "a set of its own"
    return settings | ({"epochs": plan.epochs} if getattr(schedule, "uses_epochs", False) else {})


def check_same(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse settings that are not as they were when the run began."""
    for name in now | before:
        if before.get(name) != now.get(name):
            why = ", and the schedule depends on it" if name == "epochs" else ""
            raise ResumeError(f"{name} of the run is {before.get(name)}, but {now.get(name)} is given{why}")


def check_end(history: History, plan: Plan, patience: int | None) -> None:
    """Refuse an end that lies before the present epoch of the run."""
    done = history.n_epochs
    if plan.epochs < done:
        raise ResumeError(f"epochs is {plan.epochs}, but the run has done {done}; expected at least as many")
    if patience is None or plan.monitor is None:
        return
    waited, best = [0], float("inf")
    for loss in oriented(history, plan.monitor, plan.sign)[:-1]:  # after the last one it may end
        waited.append(0 if loss < best else waited[-1] + 1)
        best = min(best, loss)
    if max(waited) >= patience:
        wait = f"has gone on for {max(waited)} epochs without a better {plan.monitor}"
        raise ResumeError(f"patience is {patience}, but the run {wait}; expected more than that")


def check_tree(tree: Any) -> None:
    """Refuse a tree that is not the state of a training run."""
    if not isinstance(tree, dict) or tree.get("kind") != "training":
        raise ResumeError("this is not the state of a training run; pass what Trainer.state returns")
    missing = TREE - tree.keys()
    if missing:
        raise ResumeError(f"the state of the training run lacks {', '.join(sorted(missing))}")


def check_memory(tree: dict[str, Any], weights: Array, optimizer: Any, remembered: Mapping[str, Any]) -> None:
    """Refuse a state that does not fit the weights of the model, or the memory of its optimizer."""
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
