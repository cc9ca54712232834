"""The state of a training run, besides the weights of its model."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from fastrnn._random import generator, generators
from fastrnn._typing import Array
from fastrnn.training.history import History

PRESENT = ("batches", "loss", "measures", "steps", "seconds", "carried")


@dataclass
class TrainingState:
    """The state of a training run at the end of a batch."""

    seed: int
    optimizer: dict[str, Any]
    order: Mapping[str, Any]  # state of the stream when the present epoch began: its order is drawn from it again
    dropout: np.random.Generator
    history: History
    best: Array  # weights of the best epoch, or of the beginning; replaced, never changed
    # The present epoch so far:
    batches: int = 0
    loss: float = 0.0  # sums over steps
    measures: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    carried: Any = None  # the initial state of recurrent layers in the next window of the same rows
    # The weights to go on from, when the model has the best ones:
    last: Array | None = None
    # What must be the same when it goes on, by name:
    settings: dict[str, Any] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)  # fingerprints

    @classmethod
    def begin(cls, seed: int, optimizer: dict[str, Any], weights: Array, columns: Iterable[str] = ()) -> Self:
        """Return the state before the first epoch; `columns` is the order of those of the history."""
        random, history = generators(seed), History(order=columns)
        return cls(seed, optimizer, random.order.bit_generator.state, random.dropout, history, weights.copy())

    @property
    def epoch(self) -> int:
        """The present epoch, from 1."""
        return self.history.n_epochs + 1

    @property
    def means(self) -> dict[str, float]:
        """Loss and measures of the present epoch so far."""
        sums = {"train_loss": self.loss} | self.measures
        return {name: value / max(self.steps, 1) for name, value in sums.items()}

    def add(self, steps: int, loss: float, measures: Mapping[str, float], carried: Any = None) -> None:
        """Add a batch to the present epoch: its mean loss, sums of its measures, and the final state of its layers."""
        self.batches += 1
        self.loss += loss * steps
        for name, value in measures.items():
            self.measures[name] = self.measures.get(name, 0.0) + value
        self.steps += steps
        self.carried = carried

    def end_epoch(self, order: np.random.Generator) -> None:
        """Go to the beginning of the next epoch."""
        self.order = order.bit_generator.state
        self.batches, self.loss, self.measures, self.steps, self.seconds = 0, 0.0, {}, 0, 0.0
        self.carried = None

    def mark(self, weights: Array) -> dict[str, Any]:
        """Return what `go_back` needs; of the history only its length, so it costs the same in every epoch."""
        return {
            "weights": weights.copy() if self.last is None else self.last,
            "best": self.best,
            "optimizer": copied(self.optimizer),
            "order": self.order,
            "dropout": self.dropout.bit_generator.state,
            "best_epoch": self.history.best_epoch,
            "present": {name: copied(getattr(self, name)) for name in PRESENT},
            "epochs": self.history.n_epochs,
        }

    def go_back(self, mark: dict[str, Any]) -> None:
        """Go back to what it was when it was marked."""
        self.optimizer, self.order, self.best = copied(mark["optimizer"]), mark["order"], mark["best"]
        self.dropout = generator(mark["dropout"])
        self.history.cut(mark["epochs"], mark["best_epoch"])
        for name, value in mark["present"].items():
            setattr(self, name, copied(value))

    def to_tree(self, weights: Array) -> dict[str, Any]:
        """Return copies of everything, and of the weights of the model, as arrays, strings and numbers."""
        tree = self.mark(weights)
        del tree["epochs"]
        return tree | {
            "kind": "training",
            "seed": self.seed,
            "settings": dict(self.settings),
            "data": dict(self.data),
            "history": {name: list(column) for name, column in self.history.items()},
        }

    @classmethod
    def from_tree(cls, tree: dict[str, Any], columns: Iterable[str] = ()) -> Self:
        """Return the run that `to_tree` has described; `columns` is the order of those of the history."""
        return cls(
            seed=tree["seed"],
            optimizer=copied(tree["optimizer"]),
            order=tree["order"],
            dropout=generator(tree["dropout"]),
            history=History(tree["history"], tree["best_epoch"], columns),
            best=tree["best"],
            settings=tree["settings"],
            data=tree["data"],
            **copied(tree["present"]),
        )


def copied(value: Any) -> Any:
    """Return a copy that shares only what cannot change: read-only arrays, numbers and strings."""
    if isinstance(value, dict):
        return {name: copied(item) for name, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value if isinstance(value, np.ndarray) and not value.flags.writeable else deepcopy(value)
