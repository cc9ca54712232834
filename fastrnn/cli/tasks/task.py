"""What the command needs to know about a task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Prepared(NamedTuple):
    """
    A task prepared from its parameters; nothing is written yet.

    Attributes
    ----------
    estimator : object
        The estimator, with its parameters.
    dataset : object
        The data, as the report of the task takes them.
    fitting : Fitting
        The training that the estimator has prepared.
    description : str
        One line about the model and its data.
    """

    estimator: Any
    dataset: Any
    fitting: Any
    description: str


@dataclass(frozen=True, eq=False)
class Task:
    """
    A task of the command.

    Attributes
    ----------
    name : str
        The name on the command line.
    help : str
        One sentence for the help text.
    estimator : str
        Path of the class that is trained, such as ``"fastrnn.estimators.classifier.RecurrentClassifier"``: its
        parameters and those of its optimizers are options of the task.
    prepare : callable
        Takes the parameters and returns a `Prepared`; raises UsageError, TypeError or ValueError for parameters that
        cannot be run.
    report : str
        Path of the module whose ``report(estimator, dataset, folder, console, parameters)`` writes and shows the
        result. It may also have ``COLUMNS`` for the progress, and ``watch(estimator, dataset, epoch, console)``, which
        is called after each epoch.
    predict : str
        Path of the module that `fastrnn-predict` uses for the estimator: ``load(estimator, path, key)`` returns data,
        and ``tabulate(estimator, data)`` the columns and rows of a CSV file and a description; empty for none.
    data : str
        Help text of the argument DATA; empty for a task that takes no data.
    options : sequence of Option
        Options for its data, and those that replace an option of the estimator.
    left_out : tuple of str
        Parameters of the estimator that are not options.
    measures : tuple of str
        Numbers of metrics.json, such as ``"test.accuracy"``, that the table of a sweep shows; the first that
        all runs have decides which run is best.
    best : callable or None
        `max`, or `min` for a loss; None if runs are not compared.
    drawn : str
        The number of metrics.json that the figure of a sweep shows.
    draw : callable, optional
        Draws another figure of a sweep: takes the finished runs and the sweep's `RunFolder`.
    """

    name: str
    help: str
    estimator: str
    prepare: Callable[[dict[str, Any]], Prepared]
    report: str
    predict: str = ""
    data: str = ""
    options: Sequence[Any] = ()
    left_out: tuple[str, ...] = ()
    measures: tuple[str, ...] = ("test.loss",)
    best: Callable[..., Any] | None = max
    drawn: str = ""
    draw: Callable[[list[Any], Any], None] | None = None

    @property
    def estimator_name(self) -> str:
        """Name of the class that is trained."""
        return self.estimator.rpartition(".")[2]
