"""What somebody adds to fastrnn from outside: an optimizer, an estimator and a task. Importing this registers them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.cli.options.estimator import make_estimator
from fastrnn.cli.options.option import DATA, Option
from fastrnn.cli.tasks.task import Prepared, Task
from fastrnn.cli.train import TASKS
from fastrnn.data import digits
from fastrnn.estimators.classifier import RecurrentClassifier
from fastrnn.estimators.files import ESTIMATORS
from fastrnn.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class SignDescent:
    """
    Go down by the sign of a running mean of the gradient (Chen et al. 2023, without weight decay).

    Parameters
    ----------
    learning_rate : float
        Step size.
    smoothing : float
        Share of the old mean in the new one.
    """

    learning_rate: float = 0.002
    smoothing: float = 0.9

    def initial_state(self, parameters: np.ndarray) -> dict[str, Any]:
        return {"mean": np.zeros_like(parameters)}

    def update(
        self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any], learning_rate: float
    ) -> None:
        state["mean"] *= self.smoothing
        state["mean"] += (1 - self.smoothing) * gradients
        parameters -= (learning_rate * np.sign(state["mean"])).astype(parameters.dtype)


@dataclass(eq=False, repr=False)
class ReversedClassifier(RecurrentClassifier):
    """
    Classify sequences that are read from their end.

    Parameters
    ----------
    every : int
        Read every so many steps.
    """

    every: int = 1

    def prepare(self, X: Any, y: Any, *arguments: Any, **options: Any) -> Any:
        return super().prepare(self._turned(X), y, *arguments, **options)

    def _checked(self, X: Any) -> Any:
        return super()._checked(self._turned(X))

    def _turned(self, X: Any) -> np.ndarray:
        return np.asarray(X)[:, :: -self.every]


def prepare(parameters: dict[str, Any]) -> Prepared:
    dataset = digits()
    estimator = make_estimator(REVERSED, parameters)
    X, y = np.asarray(dataset.X_train)[: parameters["rows"]], np.asarray(dataset.y_train)[: parameters["rows"]]
    return Prepared(estimator, (X, y), estimator.prepare(X, y), f"{len(X)} digits, read from their end")


def report(estimator: Any, dataset: Any, folder: Any, console: Any, parameters: dict[str, Any]) -> None:
    accuracy = estimator.score(*dataset)
    folder.write("notes/score.txt", f"{accuracy}\n".encode())
    folder.write_metrics({"epochs": estimator.n_iter_, "best_epoch": estimator.best_epoch_, "ended": "epochs",
                          "test": {"accuracy": accuracy}})  # fmt: skip
    console.print(f"accuracy {accuracy:.3f}")


def load(estimator: Any, path: Any, key: str | None) -> np.ndarray:
    return np.load(path)["X"]


def tabulate(estimator: Any, X: np.ndarray) -> tuple[list[str], list[list[str]], str]:
    rows = [[str(label)] for label in estimator.predict(X)]
    return ["digit"], rows, f"{len(rows)} digits"


REVERSED = Task(
    name="reversed",
    help="Train a classifier of digits that are read from their end.",
    estimator="additions.ReversedClassifier",
    prepare=prepare,
    report="additions",
    predict="additions",
    options=(Option("rows", int, "Number of digits.", 200, panel=DATA),),
    measures=("test.accuracy",),
    drawn="test.accuracy",
)

# One line each:
OPTIMIZERS["sign"] = SignDescent
ESTIMATORS.append(ReversedClassifier)
TASKS["reversed"] = REVERSED
