"""Labelled sequences from HDF5 and npz files. They are checked as they are loaded."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fastrnn.data.array_files import ArrayFile
from fastrnn.data.checks import check_finite, check_real
from fastrnn.data.errors import listing
from fastrnn.data.lazy_array import Rows

__all__ = ["Dataset", "digits", "load_inputs", "load_sequences"]

_ROLES = ("X_train", "y_train", "X_test", "y_test")
_NAMES = (  # conventions for the four roles; the first one whose two training arrays exist is taken
    ("trX", "trY", "tstX", "tstY"),
    _ROLES,
    ("x_train", "y_train", "x_test", "y_test"),
    ("X", "y", "X_test", "y_test"),
)
_INPUT_NAMES = ("X", "tstX", "X_test", "x_test")


@dataclass(frozen=True)
class Dataset:
    """
    Labelled sequences to train on and, if there are any, to test on.

    Attributes
    ----------
    X_train, X_test : ndarray or LazyArray (N, T, I) or (N, T)
        The sequences, finite real numbers in the dtype of the file; `X_test` is None without a test set.
    y_train, y_test : ndarray of intp (N,)
        The labels, indices into `classes` if that is not None; `y_test` is None without a test set.
    classes : list of str or None
        The names of the classes, if the file has them.
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

    The names of the arrays are trX, trY, tstX, tstY, or else X_train, y_train, X_test, y_test (or x_train, x_test), or
    else X, y. The test set may be missing. Labels are integers, one-hot rows or texts. The names of the classes come
    from an attribute ``classes`` of the file or of the training labels, or from an array of this name; otherwise, text
    labels are the names themselves, sorted.

    Parameters
    ----------
    path : path-like
        The file.
    keys : mapping, optional
        Other names of arrays, by role: some of X_train, y_train, X_test and y_test.
    stream : bool
        Do not load the sequences of an HDF5 file: read them by blocks as they are needed. Whether they hold finite
        numbers is then checked as they are read.

    Returns
    -------
    Dataset
        The sequences and labels.

    Raises
    ------
    DataError
        When the file cannot be read, or an array is missing, has a wrong shape or holds a value that cannot be used.
    ValueError
        When `keys` has an unknown role.
    """
    with ArrayFile(path) as file:
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
        An HDF5 or npz file.
    key : str, optional
        The name of the array. The default is X or, if there is none, the inputs of the test set.
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
    with ArrayFile(path) as file:
        candidates = _INPUT_NAMES if key is None else (key,)
        for name in candidates:
            if name in file.names:
                return _inputs(file, name, stream)
        raise file.missing(" or ".join(map(repr, candidates)))


def digits() -> Dataset:
    """
    Return the handwritten digits that come with scikit-learn, each image as a sequence of its rows from the top.

    Returns
    -------
    Dataset
        `X_train` float32 (1797, 8, 8) with values from 0 to 16, `y_train` (1797,), classes "0" to "9"; no test set.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Dataset(bunch.images.astype(np.float32), bunch.target.astype(np.intp), classes=list("0123456789"))


def _choose(file: ArrayFile, keys: dict[str, str]) -> dict[str, str]:
    """Return the name of the array for each role: two roles if there is no test set, four if there is one."""
    if unknown := keys.keys() - set(_ROLES):
        raise ValueError(f"keys has {listing(sorted(unknown))}, expected some of {listing(_ROLES)}")
    for key in keys.values():
        if key not in file.names:
            raise file.missing(repr(key))
    conventions = [dict(zip(_ROLES, names, strict=True)) | keys for names in _NAMES]
    for names in conventions:
        if names["X_train"] in file.names and names["y_train"] in file.names:
            break
    else:
        pairs = dict.fromkeys(f"{names['X_train']!r} with {names['y_train']!r}" for names in conventions)
        raise file.missing(" or ".join(pairs))
    roles = _ROLES if file.has_pair(names["X_test"], names["y_test"]) else _ROLES[:2]
    return {role: names[role] for role in roles}


def _inputs(file: ArrayFile, key: str, stream: bool) -> Rows:
    """Return the array `key`, checked as a whole or, with `stream`, as it is read."""
    x = file.lazy(key) if stream else file.array(key)
    check_real(x, file.name_of(key))
    if x.ndim not in (2, 3) or not x.size:
        expected = "(examples, steps) or (examples, steps, channels), each axis at least 1"
        raise file.error(key, f"has shape {x.shape}", expected)
    return check_finite(x, file.name_of(key), ("row", "step", "channel"))


def _labels(
    file: ArrayFile, key: str, raw: np.ndarray, classes: list[str] | None
) -> tuple[np.ndarray, list[str] | None]:
    """Return the labels as integers (N,), and the names of the classes: those given, or those that text labels show."""
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


def _from_texts(file: ArrayFile, key: str, texts: list[str], classes: list[str]) -> np.ndarray:
    index = {name: i for i, name in enumerate(classes)}
    for row, text in enumerate(texts):
        if text not in index:
            raise file.error(key, f"is {text!r} in row {row}", f"one of {listing(classes)}")
    return np.array([index[text] for text in texts], dtype=np.intp)


def _from_one_hot(file: ArrayFile, key: str, raw: np.ndarray, classes: list[str] | None) -> np.ndarray:
    if classes is not None and raw.shape[1] != len(classes):
        raise file.error(key, f"has {raw.shape[1]} columns", f"one for each of the {len(classes)} classes")
    valid = ((raw == 0) | (raw == 1)).all(axis=1) & (np.count_nonzero(raw, axis=1) == 1)
    if not valid.all():
        row = int(np.argmin(valid))
        raise file.error(key, f"is not one-hot in row {row}: {listing(raw[row].tolist())}", "one 1 and zeros")
    return raw.argmax(axis=1)


def _from_numbers(file: ArrayFile, key: str, raw: np.ndarray, classes: list[str] | None) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # a value that no integer holds becomes another number
        labels = raw.astype(np.intp)
    valid, expected = labels == raw, "integers"
    if classes is not None:
        valid &= (labels >= 0) & (labels < len(classes))
        expected = f"integers from 0 to {len(classes) - 1}, as there are {len(classes)} classes"
    if not valid.all():
        row = int(np.argmin(valid))
        raise file.error(key, f"is {raw[row]} in row {row}", expected)
    return labels


def _check_lengths(file: ArrayFile, x_key: str, x: Rows, y_key: str, y: np.ndarray) -> None:
    if len(x) != len(y):
        raise file.error(y_key, f"has {len(y)} rows", f"{len(x)}, one for each of {x_key!r}")
