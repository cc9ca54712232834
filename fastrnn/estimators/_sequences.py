"""What people have, as what the kernels take: arrays (N, T, I) with lengths, standardised by channel."""

from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils.validation import _check_feature_names, check_array, validate_data

from fastrnn._checks import check_dtype
from fastrnn._kernels.types import Array


class Sequences(NamedTuple):
    """Examples x (N, T, I), and their lengths (N,) where they are not equal."""

    x: Array
    lengths: Array | None

    def take(self, rows: Array) -> "Sequences":
        """Return some of the examples."""
        return Sequences(self.x[rows], None if self.lengths is None else self.lengths[rows])


def check_sequences(estimator: Any, X: Any, *, reset: bool) -> Sequences:
    """Convert X to sequences; `reset` learns the number of features, which is otherwise held against the fitted one.

    X is (N, T, I), or (N, T) for one channel, or a list of (T_n, I) or (T_n,). Features are the columns where an
    estimator is fitted with (N, T), as scikit-learn counts them, and else the I channels. A list of equally long rows
    of numbers is a table (N, T), as elsewhere.
    """
    dtype = check_dtype(estimator.dtype)
    if _is_list_of_sequences(X):
        sequences = _from_list(X, dtype)
        table = False
    elif getattr(X, "ndim", 2) == 3:
        sequences = Sequences(_from_array(X, dtype), None)
        table = False
    else:
        table = reset or estimator.fitted_with_table_
        if table:  # scikit-learn counts the columns, and knows their names
            x = validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False)
        else:
            x = check_array(X, dtype="numeric", ensure_all_finite=False)
        sequences = Sequences(check_finite(np.asarray(x)[:, :, None], dtype), None)
    channels = sequences.x.shape[2]
    if reset:
        estimator.fitted_with_table_ = table
        if not table:
            estimator.n_features_in_ = channels
            _check_feature_names(estimator, np.empty((0, channels)), reset=True)
        return sequences
    expected = estimator.model_.input_shape[1]
    if channels != expected:
        name = type(estimator).__name__
        raise ValueError(f"X has {channels} channels, but {name} is expecting {expected}, as it was fitted with")
    return sequences


def _is_list_of_sequences(X: Any) -> bool:
    """Is it a list of arrays of steps, of two axes or of unequal lengths?"""
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


def _from_array(X: Any, dtype: np.dtype[Any]) -> Array:
    x = np.asarray(X)
    if x.dtype.kind not in "biuf":
        raise ValueError(f"X has dtype {x.dtype}, expected numbers")
    if x.shape[1] == 0 or x.shape[2] == 0:
        raise ValueError(f"X has shape {x.shape}, expected (N, T, I) with at least one step and one channel")
    if len(x) == 0:
        raise ValueError(f"X has shape {x.shape}: found array with 0 sample(s), expected at least 1")
    return check_finite(x, dtype)


def _from_list(X: Any, dtype: np.dtype[Any]) -> Sequences:
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
    return Sequences(check_finite(x, dtype), None if (lengths == lengths[0]).all() else lengths)


def check_finite(x: Array, dtype: np.dtype[Any], axes: tuple[str, ...] = ("row", "step", "channel")) -> Array:
    """Return x in this dtype; refuse what is not finite then, by the names of the axes."""
    with np.errstate(over="ignore", invalid="ignore"):
        x = x.astype(dtype, copy=False)
        suspicious = not np.isfinite(x.sum())
    wrong = np.argwhere(~np.isfinite(x)) if suspicious else np.empty(0)
    if len(wrong):
        place = tuple(map(int, wrong[0]))
        value = "NaN" if np.isnan(x[place]) else "infinity (or a value too large for its dtype)"
        where = ", ".join(f"{axis} {index}" for axis, index in zip(axes, place, strict=True))
        raise ValueError(f"X contains {value} at {where}; expected finite numbers")
    return x


class Standardizer(NamedTuple):
    """Means and standard deviations by column; a constant column is only centred."""

    mean: Array
    scale: Array

    @classmethod
    def of(cls, values: Array) -> Self:
        """Return those of rows (n, K)."""
        mean = values.mean(0, dtype=np.float64)
        scale = values.std(0, dtype=np.float64)
        return cls(mean, np.where(scale > 1e-7 * np.maximum(1e-30, np.abs(mean)), scale, 1.0))

    @classmethod
    def of_sequences(cls, sequences: Sequences) -> Self:
        """Return those of the channels, over valid steps."""
        x, lengths = sequences
        if lengths is not None:
            return cls.of(x[np.arange(x.shape[1]) < lengths[:, None]])
        return cls.of(x.reshape(-1, x.shape[2]))

    def apply(self, values: Array) -> Array:
        """Return standardised values, in their dtype."""
        return ((values - self.mean) / self.scale).astype(values.dtype)

    def undo(self, values: Array) -> Array:
        """Return what `apply` was given, in float64."""
        return values * self.scale + self.mean


def check_targets(y: Any, n: int, dtype: Any) -> Array:
    """Return finite targets (N,) or (N, K) for n examples; dtype None keeps labels as they are."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    y = check_array(y, ensure_2d=False, dtype=dtype, input_name="y", ensure_min_samples=0)
    if y.ndim not in (1, 2) or len(y) != n:
        raise ValueError(f"y has shape {y.shape}, but X has {n} examples; expected ({n},) or ({n}, K)")
    return y
