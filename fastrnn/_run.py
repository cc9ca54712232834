"""What a training run knows besides the weights of its model."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from fastrnn._kernels.types import Array
from fastrnn._streams import generator, streams
from fastrnn.history import History

PRESENT = ("batches", "loss", "measures", "steps", "seconds")


@dataclass
class Run:
    """The state of a training run at the end of a batch."""

    seed: int
    optimizer: dict[str, Any]
    order: Mapping[str, Any]  # state of the stream where the present epoch began: its order is drawn from it again
    dropout: np.random.Generator
    history: History
    best: Array  # weights of the best epoch, or of the beginning; replaced, never changed
    # The present epoch so far:
    batches: int = 0
    loss: float = 0.0  # sums over steps
    measures: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    # The weights to go on from, when the model has been given the best ones:
    last: Array | None = None

    @classmethod
    def begin(cls, seed: int, optimizer: dict[str, Any], weights: Array) -> Self:
        """Return the state before the first epoch."""
        random = streams(seed)
        return cls(seed, optimizer, random.order.bit_generator.state, random.dropout, History(), weights.copy())

    @property
    def epoch(self) -> int:
        """The present epoch, from 1."""
        return self.history.n_epochs + 1

    @property
    def means(self) -> dict[str, float]:
        """Loss and measures of the present epoch so far."""
        sums = {"train_loss": self.loss} | self.measures
        return {name: value / max(self.steps, 1) for name, value in sums.items()}

    def add(self, steps: int, loss: float, measures: Mapping[str, float]) -> None:
        """Add a batch to the present epoch: its mean loss, and sums of its measures."""
        self.batches += 1
        self.loss += loss * steps
        for name, value in measures.items():
            self.measures[name] = self.measures.get(name, 0.0) + value
        self.steps += steps

    def end_epoch(self, order: np.random.Generator) -> None:
        """Go to the beginning of the next epoch."""
        self.order = order.bit_generator.state
        self.batches, self.loss, self.measures, self.steps, self.seconds = 0, 0.0, {}, 0, 0.0

    def to_tree(self, weights: Array) -> dict[str, Any]:
        """Return copies of everything, and of the weights of the model, as arrays, strings and numbers."""
        return {
            "kind": "training",
            "seed": self.seed,
            "weights": weights.copy() if self.last is None else self.last,
            "best": self.best,
            "optimizer": deepcopy(self.optimizer),
            "order": self.order,
            "dropout": self.dropout.bit_generator.state,
            "history": {name: list(column) for name, column in self.history.items()},
            "best_epoch": self.history.best_epoch,
            "present": {name: deepcopy(getattr(self, name)) for name in PRESENT},
        }

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Self:
        """Return the run that `to_tree` has described."""
        return cls(
            seed=tree["seed"],
            optimizer=deepcopy(tree["optimizer"]),
            order=tree["order"],
            dropout=generator(tree["dropout"]),
            history=History(tree["history"], tree["best_epoch"]),
            best=tree["best"],
            **deepcopy(tree["present"]),
        )
