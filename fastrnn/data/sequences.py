"""Labelled sequences from HDF5 and npz files, checked before anything is trained on them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fastrnn.data._files import DataError, DataFile, listing
from fastrnn.data.lazy_array import LazyArray, Rows

__all__ = ["Dataset", "digits", "load_inputs", "load_sequences"]

_ROLES = ("X_train", "y_train", "X_test", "y_test")
_NAMES = (  # what files call the four; the first convention whose two training arrays are there is taken
    ("trX", "trY", "tstX", "tstY"),
    _ROLES,
    ("x_train", "y_train", "x_test", "y_test"),
    ("X", "y", "X_test", "y_test"),
)
_INPUT_NAMES = ("X", "tstX", "X_test", "x_test")


@dataclass(frozen=True)
class Dataset:
    """
    Labelled sequences to train on and, where there are any, to test on.

    Attributes
    ----------
    X_train, X_test : ndarray or LazyArray (N, T, I) or (N, T)
        The sequences, finite real numbers in the dtype of the file; `X_test` is None without a test set.
    y_train, y_test : ndarray of intp (N,)
        The labels: indices into `classes` when that is known; `y_test` is None without a test set.
    classes : list of str or None
        The names of the classes.
    """

    X_train: Rows
    y_train: np.ndarray
    X_test: Rows | None = None
    y_test: np.ndarray | None = None
    classes: list[str] | None = None


def load_sequences(
    path: str | os.PathLike[str], *, keys: Mapping[str, str] | None = None, stream: bool = False
) -> Dataset:
    """
    Load labelled sequences from an HDF5 (``.h5``, ``.hdf5``) or NumPy (``.npz``) file.

    The arrays are looked for under the names trX, trY, tstX, tstY, then X_train, y_train, X_test, y_test (or x_train,
    x_test), then X, y. The test set may be absent. Labels are integers, one-hot rows or texts. The names of the classes
    are taken from an attribute ``classes`` of the file or of the training labels, or from an array of this name; else
    labels that are texts are the names themselves, sorted.

    Parameters
    ----------
    path : path-like
        The file.
    keys : mapping, optional
        The names of arrays that are called otherwise, by role: X_train, y_train, X_test, y_test or some of these.
    stream : bool
        Leave the sequences of an HDF5 file there, to be read by blocks as they are needed; that they are finite numbers
        is checked as they are read.

    Returns
    -------
    Dataset
        The sequences and labels.

    Raises
    ------
    DataError
        When the file cannot be read or an array is missing, has the wrong shape or holds a value that cannot be used.
    ValueError
        When `keys` has an unknown role.
    """
    with DataFile(path) as file:
        names = _choose(file, dict(keys or {}))
        X_train = _inputs(file, names["X_train"], stream)
        raw = file.array(names["y_train"])
        y_train, classes = _labels(file, names["y_train"], raw, file.classes(names["y_train"]))
        _check_lengths(file, names["X_train"], X_train, names["y_train"], y_train)
        if "X_test" not in names:
            return Dataset(X_train, y_train, classes=classes)

        X_test = _inputs(file, names["X_test"], stream)
        if X_test.shape[2:] != X_train.shape[2:]:
            expected = f"the channels of {names['X_train']!r}, which has shape {X_train.shape}"
            raise file.error(names["X_test"], f"has shape {X_test.shape}", expected)
        raw_test = file.array(names["y_test"])
        if (raw_test.dtype.kind == "U", raw_test.shape[1:]) != (raw.dtype.kind == "U", raw.shape[1:]):
            problem = f"has shape {raw_test.shape} and dtype {raw_test.dtype}"
            raise file.error(names["y_test"], problem, f"labels like {names['y_train']!r}, {raw.shape} of {raw.dtype}")
        y_test, _ = _labels(file, names["y_test"], raw_test, classes)
        _check_lengths(file, names["X_test"], X_test, names["y_test"], y_test)
        return Dataset(X_train, y_train, X_test, y_test, classes)


def load_inputs(path: str | os.PathLike[str], key: str | None = None, *, stream: bool = False) -> Rows:
    """
    Load sequences without labels, to predict on.

    Parameters
    ----------
    path : path-like
        An HDF5 or npz file as for `load_sequences`.
    key : str, optional
        The name of the array; by default X or, where there is none, the inputs of the test set.
    stream : bool
        As for `load_sequences`.

    Returns
    -------
    ndarray or LazyArray (N, T, I) or (N, T)
        The sequences, finite real numbers in the dtype of the file.

    Raises
    ------
    DataError
        As for `load_sequences`.
    """
    with DataFile(path) as file:
        candidates = _INPUT_NAMES if key is None else (key,)
        for name in candidates:
            if name in file.names:
                return _inputs(file, name, stream)
        raise DataError(f"{file.path}: has {listing(file.names)}; expected {' or '.join(map(repr, candidates))}")


def digits() -> Dataset:
    """
    Return the hand-written digits inside scikit-learn as sequences of their rows, from the top.

    Returns
    -------
    Dataset
        `X_train` float32 (1797, 8, 8) with values from 0 to 16, `y_train` (1797,), classes "0" to "9"; no test set.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Dataset(bunch.images.astype(np.float32), bunch.target.astype(np.intp), classes=list("0123456789"))


def _choose(file: DataFile, keys: dict[str, str]) -> dict[str, str]:
    """Return the name of the array for each role; without a test set for two of them only."""
    if unknown := keys.keys() - set(_ROLES):
        raise ValueError(f"keys names {listing(sorted(unknown))}; expected some of {listing(_ROLES)}")
    for key in keys.values():
        if key not in file.names:
            raise DataError(f"{file.path}: has no {key!r}, but {listing(file.names)}")
    conventions = [dict(zip(_ROLES, names, strict=True)) | keys for names in _NAMES]
    for names in conventions:
        if names["X_train"] in file.names and names["y_train"] in file.names:
            break
    else:
        pairs = dict.fromkeys(f"{names['X_train']!r} with {names['y_train']!r}" for names in conventions)
        raise DataError(f"{file.path}: has {listing(file.names)}; expected {' or '.join(pairs)}")
    missing = [names[role] for role in ("X_test", "y_test") if names[role] not in file.names]
    if len(missing) == 1:
        raise DataError(f"{file.path}: has half a test set, no {missing[0]!r}, but {listing(file.names)}")
    return {role: name for role, name in names.items() if name not in missing}


def _inputs(file: DataFile, key: str, stream: bool) -> Rows:
    """Return the inputs `key`, checked, or to be checked as they are read."""
    x = file.lazy(key) if stream else file.array(key)
    if x.dtype.kind not in "biuf":
        raise file.error(key, f"has dtype {x.dtype}", "real numbers")
    if x.ndim not in (2, 3) or not x.size:
        raise file.error(
            key, f"has shape {x.shape}", "(examples, steps) or (examples, steps, channels), none of them 0"
        )

    def checked(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        finite = np.isfinite(values)
        if not finite.all():
            index = np.unravel_index(np.argmin(finite), values.shape)
            row, *others = map(int, index)
            axes = zip(("row", "step", "channel"), (numbers[row], *others), strict=False)
            place = ", ".join(f"{axis} {i}" for axis, i in axes)
            raise file.error(key, f"holds {values[index]} in {place}", "finite numbers")
        return values

    if isinstance(x, LazyArray):
        return x.map(checked)
    return checked(x, np.arange(len(x))).astype(x.dtype.newbyteorder("="), copy=False)


def _labels(
    file: DataFile, key: str, raw: np.ndarray, classes: list[str] | None
) -> tuple[np.ndarray, list[str] | None]:
    """Return the labels `key` as integers (N,), and the names of the classes, found in texts when not given."""
    if raw.ndim not in (1, 2) or not raw.size:
        raise file.error(key, f"has shape {raw.shape}", "labels (examples,) or one-hot rows (examples, classes)")
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.dtype.kind == "U" and raw.ndim == 1:
        classes = classes or np.unique(raw).tolist()
        return _from_texts(file, key, raw.tolist(), classes), classes
    if raw.dtype.kind not in "biuf":
        raise file.error(key, f"has dtype {raw.dtype} and shape {raw.shape}", "integers, texts or one-hot rows")
    return (_from_one_hot if raw.ndim == 2 else _from_numbers)(file, key, raw, classes), classes


def _from_texts(file: DataFile, key: str, texts: list[str], classes: list[str]) -> np.ndarray:
    index = {name: i for i, name in enumerate(classes)}
    for row, text in enumerate(texts):
        if text not in index:
            raise file.error(key, f"is {text!r} in row {row}", f"one of {listing(classes)}")
    return np.array([index[text] for text in texts], dtype=np.intp)


def _from_one_hot(file: DataFile, key: str, raw: np.ndarray, classes: list[str] | None) -> np.ndarray:
    if classes is not None and raw.shape[1] != len(classes):
        raise file.error(key, f"has {raw.shape[1]} columns", f"one for each of the {len(classes)} classes")
    valid = ((raw == 0) | (raw == 1)).all(axis=1) & (np.count_nonzero(raw, axis=1) == 1)
    if not valid.all():
        row = int(np.argmin(valid))
        raise file.error(key, f"is not one-hot in row {row}, {listing(raw[row].tolist())}", "one 1, else 0")
    return raw.argmax(axis=1)


def _from_numbers(file: DataFile, key: str, raw: np.ndarray, classes: list[str] | None) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # what does not fit becomes some other number
        labels = raw.astype(np.intp)
    valid, expected = labels == raw, "integers"
    if classes is not None:
        valid &= (labels >= 0) & (labels < len(classes))
        expected = f"integers from 0 to {len(classes) - 1}, as there are {len(classes)} classes"
    if not valid.all():
        row = int(np.argmin(valid))
        raise file.error(key, f"is {raw[row]} in row {row}", expected)
    return labels


def _check_lengths(file: DataFile, x_key: str, x: Rows, y_key: str, y: np.ndarray) -> None:
    if len(x) != len(y):
        raise file.error(y_key, f"has {len(y)} rows", f"{len(x)}, one for each of {x_key!r}")
