"""Sequences and tables, converted to arrays (N, T, I) with lengths, and standardised by channel."""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import h5py
import numpy as np
from sklearn.utils.validation import _check_feature_names, _check_n_features, check_array, validate_data

from fastrnn._checks import check_dtype
from fastrnn._typing import Array
from fastrnn.data import read_by_blocks
from fastrnn.data.fingerprint import Fingerprint
from fastrnn.data.lazy_array import LazyArray


class Inputs(NamedTuple):
    """Examples (N, T, I) or (N, F) as given, their lengths (N,) if they differ, and the dtype of the net."""

    given: LazyArray
    lengths: Array | None
    dtype: np.dtype[Any]

    @property
    def x(self) -> LazyArray:
        """The examples in the dtype of the net, checked when they are read."""
        return self.given.map(self._convert, dtype=self.dtype)

    def read_through(self, visit: Callable[[int, Array], Any] = lambda first, piece: None) -> str:
        """Check `x` in one pass and return its fingerprint; `visit` is called with the first row and each piece."""
        known = Fingerprint(self.given.shape, self.dtype)
        for first, piece in self.given.pieces():
            values = self._convert(piece, self.given.source_rows(slice(first, first + len(piece))))
            known.add(values)
            visit(first, values)
        return str(known)

    def _convert(self, values: Array, numbers: Array) -> Array:
        return check_finite(values, self.dtype, numbers)


def check_sequences(estimator: Any, X: Any, *, reset: bool) -> Inputs:
    """Convert X to sequences; with `reset` the number of features is learned, otherwise it must be the fitted one.

    X is (N, T, I), or (N, T) for one channel, or a list of (T_n, I) or (T_n,); an array may lie in a file. If an
    estimator is fitted with (N, T), the features are its columns, as scikit-learn counts them; otherwise they are the I
    channels. A list of rows of numbers, all of the same length, is a table (N, T).
    """
    dtype = check_dtype(estimator.dtype) if reset else estimator.model_.dtype
    lengths, table = None, False
    if _is_list_of_sequences(X):
        given, lengths = _from_list(X)
    elif getattr(X, "ndim", 2) == 3:
        given = _from_array(X)
    else:
        table = reset or estimator.fitted_with_table_
        given = check_table(estimator, X, reset=reset, counted=table)
        given = given.map(lambda values, _: values[:, :, None], (given.shape[1], 1))
    channels = given.shape[2]
    if reset:
        estimator.fitted_with_table_ = table
        if not table:
            estimator.n_features_in_ = channels
            _check_feature_names(estimator, np.empty((0, channels)), reset=True)
        return Inputs(given, lengths, dtype)
    expected = estimator.model_.input_shape[1]
    if channels != expected:
        name = type(estimator).__name__
        raise ValueError(f"X has {channels} channels, but {name} is expecting {expected}, as it was fitted with")
    return Inputs(given, lengths, dtype)


def check_table(estimator: Any, X: Any, *, reset: bool, counted: bool = True) -> LazyArray:
    """Return a table (N, F) of numbers as given; scikit-learn checks the number and names of its columns."""
    stored = as_stored(X)
    if stored is None:
        options: dict[str, Any] = {"dtype": "numeric", "ensure_all_finite": False}
        x = validate_data(estimator, X, reset=reset, **options) if counted else check_array(X, **options)
        return LazyArray(np.ascontiguousarray(x))
    if stored.ndim != 2 or not stored.size:
        raise ValueError(f"X has shape {stored.shape}, expected (N, F) with at least one sample and one feature")
    _check_real(stored)
    if counted:
        _check_n_features(estimator, stored, reset=reset)
        _check_feature_names(estimator, stored, reset=reset)
    return stored


def as_stored(X: Any) -> LazyArray | None:
    """Return an array that lies in a file as a lazy one, which is read by blocks; None for other arrays."""
    if isinstance(X, LazyArray):
        return X
    if isinstance(X, h5py.Dataset):
        return read_by_blocks(X)
    return LazyArray(X) if isinstance(X, np.memmap) else None


def _check_real(x: Any) -> None:
    if x.dtype.kind not in "biuf":
        raise ValueError(f"X has dtype {x.dtype}, expected numbers")


def _is_list_of_sequences(X: Any) -> bool:
    """Return whether X is a list of sequences: of arrays with two axes, or of different lengths."""
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1 and len(X):
        return np.ndim(X[0]) >= 1
    if not isinstance(X, list | tuple) or not X:
        return False
    if any(np.ndim(_first(row)) >= 1 for row in X if _size(row)):
        return True
    return len({_size(row) for row in X}) > 1


def _size(row: Any) -> int:
    return len(row) if hasattr(row, "__len__") else 0


def _first(row: Any) -> Any:
    return row.iloc[0] if hasattr(row, "iloc") else row[0]


def _from_array(X: Any) -> LazyArray:
    x = as_stored(X)
    if x is None:
        x = LazyArray(np.asarray(X))
    _check_real(x)
    if x.shape[1] == 0 or x.shape[2] == 0:
        raise ValueError(f"X has shape {x.shape}, expected (N, T, I) with at least one step and one channel")
    if len(x) == 0:
        raise ValueError(f"X has shape {x.shape}: found array with 0 sample(s), expected at least 1")
    return x


def _from_list(X: Any) -> tuple[LazyArray, Array | None]:
    rows: list[Array] = []
    for index, row in enumerate(X):
        row = np.asarray(row)
        if row.dtype.kind not in "biuf":
            raise ValueError(f"X[{index}] has dtype {row.dtype}, expected numbers")
        row = row[:, None] if row.ndim == 1 else row
        if row.ndim != 2 or row.shape[1] == 0:
            raise ValueError(f"X[{index}] has shape {row.shape}, expected (T, I) with at least one channel")
        if row.shape[1] != rows[0].shape[1] if rows else False:
            raise ValueError(f"X[{index}] has {row.shape[1]} channels, expected {rows[0].shape[1]} as X[0] has")
        rows.append(row)
    lengths = np.array([len(row) for row in rows])
    if not lengths.min():
        raise ValueError(f"X[{int(lengths.argmin())}] has no steps, expected at least one")
    x = np.zeros((len(rows), lengths.max(), rows[0].shape[1]), np.result_type(*rows))
    for to, row in zip(x, rows, strict=True):
        to[: len(row)] = row
    return LazyArray(x), None if (lengths == lengths[0]).all() else lengths


def check_finite(x: Array, dtype: np.dtype[Any], numbers: Array | None = None) -> Array:
    """Return x, (N, T, I) or (N, F), in this dtype; values that are not finite then are an error.

    `numbers` are the numbers of its rows, for the error.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        x = x.astype(dtype, copy=False)
        suspicious = not np.isfinite(x.sum())
    wrong = np.argwhere(~np.isfinite(x)) if suspicious else np.empty(0)
    if len(wrong):
        row, *others = map(int, wrong[0])
        value = "NaN" if np.isnan(x[row, *others]) else "infinity (or a value too large for its dtype)"
        axes = ("row", "step", "channel") if x.ndim == 3 else ("row", "column")
        place = (row if numbers is None else numbers[row], *others)
        where = ", ".join(f"{axis} {index}" for axis, index in zip(axes, place, strict=True))
        raise ValueError(f"X contains {value} at {where}; expected finite numbers")
    return x


class Moments:
    """
    Means and sums of squared deviations of columns, from rows that come in pieces.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", Stanford University, 1979.
    """

    def __init__(self, columns: int) -> None:
        self.n = 0
        self.mean, self.squares = np.zeros(columns), np.zeros(columns)

    def add(self, values: Array) -> None:
        """Add rows (n, K)."""
        n = len(values)
        if n == 0:
            return
        mean, squares = values.mean(0, dtype=np.float64), n * values.var(0, dtype=np.float64)
        if self.n == 0:
            self.mean = mean
        total, difference = self.n + n, mean - self.mean
        self.mean = self.mean + difference * (n / total)
        self.squares = self.squares + squares + difference**2 * (self.n * (n / total))
        self.n = total


class Standardizer(NamedTuple):
    """Means and standard deviations of columns; a constant column is only centred."""

    mean: Array
    scale: Array

    @classmethod
    def of(cls, moments: Moments) -> Self:
        """Return those of the rows in a `Moments`."""
        mean, scale = moments.mean, np.sqrt(moments.squares / moments.n)
        return cls(mean, np.where(scale > 1e-7 * np.maximum(1e-30, np.abs(mean)), scale, 1.0))

    @classmethod
    def of_rows(cls, values: Array) -> Self:
        """Return those of rows (n, K)."""
        moments = Moments(values.shape[1])
        moments.add(values)
        return cls.of(moments)

    def apply(self, values: Array) -> Array:
        """Return standardised values, in their dtype."""
        return ((values - self.mean) / self.scale).astype(values.dtype)

    def undo(self, values: Array) -> Array:
        """Invert `apply`, in float64."""
        return values * self.scale + self.mean


def learn_scales(sequences: Inputs, training: Array) -> tuple[Standardizer, str]:
    """Return the scales of the channels, from the valid steps of training rows, and the fingerprint of all rows."""
    given, lengths, _ = sequences
    n, T, I = given.shape
    trains = np.zeros(n, bool)
    trains[training] = True
    moments = Moments(I)

    def add(first: int, piece: Array) -> None:
        rows = slice(first, first + len(piece))
        valid = np.ones((len(piece), T), bool) if lengths is None else np.arange(T) < lengths[rows, None]
        moments.add(piece[valid & trains[rows, None]])

    known = sequences.read_through(add)
    return Standardizer.of(moments), known


def check_targets(y: Any, n: int, dtype: Any) -> Array:
    """Return finite targets (N,) or (N, K) for n examples; with dtype None, labels stay as they are."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    y = check_array(y, ensure_2d=False, dtype=dtype, input_name="y", ensure_min_samples=0)
    if y.ndim not in (1, 2) or len(y) != n:
        raise ValueError(f"y has shape {y.shape}, but X has {n} examples; expected ({n},) or ({n}, K)")
    return y


def check_step_targets(y: Any, sequences: Inputs) -> Array:
    """Return finite targets (N, T) or (N, T, K), one for each step of the sequences; 0 beyond a row's length."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    N, T = sequences.given.shape[:2]
    lengths = np.full(N, T) if sequences.lengths is None else sequences.lengths
    rows = [np.asarray(row) for row in y]
    if len(rows) != N:
        raise ValueError(f"y has {len(rows)} rows, expected {N}: one for each example of X")
    width = rows[0].shape[1:]
    out = np.zeros((N, T, *width))
    for index, (row, length) in enumerate(zip(rows, lengths.tolist(), strict=True)):
        if row.ndim not in (1, 2) or row.shape != (length, *width) or 0 in width:
            shape = (length, *width) if index else f"({length},) or ({length}, K)"
            expected = f"{shape}, as X[{index}] has {length} steps"
            raise ValueError(f"y[{index}] has shape {row.shape}, expected {expected}")
        if row.dtype.kind not in "biuf":
            raise ValueError(f"y[{index}] has dtype {row.dtype}, expected numbers")
        out[index, :length] = row
    if not np.isfinite(out).all():
        row, step = np.argwhere(~np.isfinite(out))[0][:2]
        raise ValueError(f"y contains NaN or infinity at row {row}, step {step}; expected finite numbers")
    return out


def valid_steps(values: Array, lengths: Array | None) -> Array:
    """Return the rows (n, K) of values (N, T, K) that are not padding."""
    if lengths is None:
        return values.reshape(-1, values.shape[2])
    return values[np.arange(values.shape[1]) < lengths[:, None]]
