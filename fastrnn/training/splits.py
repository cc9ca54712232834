"""Which examples are held out for validation; scikit-learn draws them."""

from typing import Any

import numpy as np

from fastrnn._checks import check_number
from fastrnn._typing import Array


def validation_split(
    n: int, fraction: float, rng: np.random.Generator, *, classes: Array | None = None, groups: Array | None = None
) -> tuple[Array, Array]:
    """
    Divide examples at random.

    Parameters
    ----------
    n : int
        Number of examples.
    fraction : float
        Share of the examples that is held out, in (0, 1).
    rng : numpy.random.Generator
        Random numbers.
    classes : ndarray (n,), optional
        Class of each example; both parts get each class by its share, if there are enough examples of each.
    groups : ndarray (n,), optional
        Group of each example, such as the person measured; a group is never divided. If given, `classes` are ignored.

    Returns
    -------
    training, validation : integers
        Rows of the examples, in ascending order.

    Raises
    ------
    TypeError, ValueError
        If there are too few examples or groups for two parts, or `fraction` is out of range or leaves no examples for
        training.
    """
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    check_number("validation fraction", fraction, "(0, 1)")
    units = n if groups is None else len(np.unique(groups))
    if units < 2:
        what = "example" if groups is None else "group"
        raise ValueError(f"there is {units} {what}, expected at least 2 to hold a validation set out")
    if np.ceil(fraction * units) == units:
        what = "examples" if groups is None else "groups"
        raise ValueError(f"the validation fraction {fraction} holds all {units} {what} out, expected less")
    options: dict[str, Any] = {"n_splits": 1, "test_size": fraction, "random_state": int(rng.integers(2**32))}
    if groups is not None:
        splitter = GroupShuffleSplit(**options)
    elif classes is not None and _can_stratify(classes, fraction):
        splitter = StratifiedShuffleSplit(**options)
    else:
        splitter = ShuffleSplit(**options)
    training, validation = next(splitter.split(np.zeros(n), classes, groups))
    return np.sort(training), np.sort(validation)


def _can_stratify(classes: Array, fraction: float) -> bool:
    """Are there two examples of each class, and is there room for each class in both parts?"""
    counts = np.unique(classes, return_counts=True)[1]
    held_out = int(np.ceil(fraction * len(classes)))
    return bool(counts.min() >= 2 and min(held_out, len(classes) - held_out) >= len(counts))
