"""A recurrent net that forecasts series, as a scikit-learn estimator."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from fastrnn._checks import check_choice, check_integer, check_number
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.estimators._base import Fitting
from fastrnn.estimators.regressor import RecurrentRegressor
from fastrnn.forecasting import futures, origins_of, steps_held_out, windows
from fastrnn.models.stream import Streamed
from fastrnn.optimizers import SGD, Adam, Optimizer
from fastrnn.training import BatchReport
from fastrnn.training.history import History

Series = list[Array]  # each (T, C), float64


@dataclass(eq=False, repr=False)
class RecurrentForecaster(RecurrentRegressor):
    """
    Forecast the next steps of series with a recurrent net.

    A `RecurrentRegressor` whose examples are windows of series: `window` steps in, the `horizon` steps after them out,
    all at once. The last share of every series, `validation_fraction`, tells when to stop; nothing of it is trained
    on, nor in the scales of inputs and targets. Forecasts are in the unit of the series.

    Parameters
    ----------
    cell, hidden_size, layers, bidirectional, head, dropout, recurrent_dropout, optimizer, learning_rate, schedule
        As in `RecurrentClassifier`.
    epochs, batch_size, patience, clip_norm, initializer, forget_bias, n_threads, memory_limit
        As in `RecurrentClassifier`.
    validation_fraction : float or None
        Share of the steps at the end of each series that is held out; None or 0 for none.
    standardize : bool
        Bring every channel, and every target, to mean 0 and standard deviation 1, by the training examples.
    random_state, dtype, warm_start, verbose
        As in `RecurrentClassifier`.
    return_sequences : bool
        Train on forecasts from each step of a window (many to many), in place of those from its last step.
    window : int
        W, steps that a forecast sees.
    horizon : int
        H, steps that it is about.
    targets : sequence of int or str, or None
        The channels to forecast, by number or by the name in a DataFrame; None is all. All channels are inputs.
    difference : bool
        Forecast the change since the last known value, from changes since the beginning of the window: for series with
        a trend, or without a fixed level. Else values are forecast from values.

    Attributes
    ----------
    n_features_in_ : int
        C, the number of channels.
    n_iter_, best_epoch_, history_, model_
        As in `RecurrentClassifier`.
    origin_ : ndarray (C,)
        Means of the training part, which are subtracted first without `difference`.

    window_, horizon_, difference_ : int, int, bool
        The parameters that it was fitted with, and forecasts with.
    columns_ : ndarray of intp (K,)
        The channels that it forecasts.
    series_column_ : str or None
        The column that tells series apart in the file on which ``fastrnn-train forecast`` has trained it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RecurrentForecaster
    >>> series = 20 + np.sin(np.arange(300) / 5)
    >>> forecaster = RecurrentForecaster(window=40, horizon=6, hidden_size=16, epochs=5, random_state=0).fit(series)
    >>> forecaster.predict(series).shape
    (6,)
    """

    _optimizers: ClassVar[Mapping[str, Optimizer]] = {"adam": Adam(2e-3), "sgd": SGD(0.1)}

    hidden_size: int = 64
    _: KW_ONLY
    window: int = 48
    horizon: int = 12
    targets: Sequence[int | str] | None = None
    difference: bool = True

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: None = None,
        *,
        callbacks: Iterable[Callable[[int, History], Any]] = (),
        batch_callbacks: Iterable[Callable[[BatchReport], Any]] = (),
        state: dict[str, Any] | None = None,
    ) -> Self:
        """
        Train on series.

        Parameters
        ----------
        X : array (T,), (T, C) or (S, T, C), DataFrame, or list of S of the first two
            One series, or several; T may differ in a list.
        y : None
            Not used: what is to be forecast are later steps of X.
        callbacks, batch_callbacks, state
            As in `RecurrentClassifier.fit`.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If data or a parameter cannot be used; the message names it.
        DivergenceError
            If training diverges.
        """
        return self.train(self.prepare(X, y, state=state), callbacks, batch_callbacks, state)

    def prepare(  # type: ignore[override]
        self, X: Any, y: None = None, *, state: dict[str, Any] | None = None
    ) -> Fitting:
        """
        Do all of `fit` but the training: check data and parameters, cut windows, and build net and trainer.

        Parameters
        ----------
        X, y, state
            As in `fit`; of the state the seed alone is taken.

        Returns
        -------
        Fitting
            For `train`.

        Raises
        ------
        TypeError, ValueError
            If data or a parameter cannot be used; the message names it.
        """
        if y is not None:
            raise TypeError("y is given, but what is to be forecast are later steps of X; expected None")
        check_integer("window", self.window, 1)
        check_integer("horizon", self.horizon, 1)
        check_choice("difference", self.difference, (False, True))
        if self._each_step() and self.bidirectional:
            raise ValueError("bidirectional reads what return_sequences is to forecast; expected one of them")
        fraction = self.validation_fraction or 0.0
        if fraction:
            check_number("validation_fraction", fraction, "(0, 1)")
        series, names = _check_series(X)
        learning = [len(one) - steps_held_out(len(one), fraction) for one in series]
        self._check_lengths(series, learning)
        again = self.warm_start and hasattr(self, "model_")
        if again:
            self._check_same_task()
        self._keep_parameters()
        if not again:
            self.columns_ = self._find_targets(series[0].shape[1], names)
            self.origin_ = np.concatenate([one[:n] for one, n in zip(series, learning, strict=True)]).mean(axis=0)
        else:
            self._check_channels(series)
        H = self.horizon
        origins = [origins_of(0, n, self.window, H) for n in learning]
        x, target = self._examples(series, origins, self.window)
        validation = None
        if fraction:
            W, parts = self.window, series
            if self._each_step():  # with windows that begin before it, most steps would be forecasts of what is learned
                parts = [one[n - 1 :] for one, n in zip(series, learning, strict=True)]
                W = min(W, *(len(part) - H for part in parts))
                origins = [origins_of(W, len(part), W, H) for part in parts]
            else:
                origins = [origins_of(n, len(one), W, H) for one, n in zip(series, learning, strict=True)]
            validation = self._examples(parts, origins, W)
        fitting = super().prepare(x, target, validation_data=validation, state=state)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        return fitting

    def _check_same_task(self) -> None:
        """Refuse to go on with a net that forecasts something else."""
        for name, value in self._kept_parameters().items():
            if name != "window" and getattr(self, name) != value:
                what = f"warm_start goes on with a net whose {name} is {value}"
                raise ValueError(f"{what}, but {getattr(self, name)} is asked for; expected the same")

    def _check_lengths(self, series: Series, learning: list[int]) -> None:
        """Refuse series that are too short for a window with its horizon, or have too short an end for validation."""
        W, H = self.window, self.horizon
        for index, (one, n) in enumerate(zip(series, learning, strict=True)):
            which, held_out = "X" if len(series) == 1 else f"X[{index}]", len(one) - n
            if n < W + H:
                least = f"at least {W + H}, as window is {W} and horizon {H}"
                raise ValueError(f"{which} has {n} steps to train with, expected {least}")
            if self.validation_fraction and held_out < H:
                asked = f"validation_fraction {self.validation_fraction} of {which} is {held_out} steps"
                raise ValueError(f"{asked}, expected at least {H}, as horizon is {H}; or 0")

    def _find_targets(self, C: int, names: list[str] | None) -> Array:
        """Return the numbers of the channels to forecast."""
        if self.targets is None:
            return np.arange(C)
        if isinstance(self.targets, str) or not len(self.targets):
            raise TypeError(f"targets is {self.targets!r}, expected a list of channels, or None for all")
        known: dict[Any, int] = {column: column for column in range(C)}
        known |= {name: column for column, name in enumerate(names or [])}
        for target in self.targets:
            if isinstance(target, bool) or target not in known:
                expected = f"a number from 0 to {C - 1}" + (f" or one of {', '.join(names)}" if names else "")
                raise ValueError(f"targets has {target!r}, expected {expected}")
        columns = [known[target] for target in self.targets]
        if len(set(columns)) < len(columns):
            raise ValueError(f"targets is {list(self.targets)!r}, expected every channel once")
        return np.array(columns, np.intp)

    def _check_channels(self, series: Series) -> None:
        C = series[0].shape[1]
        if len(self.origin_) != C:
            raise ValueError(f"X has {C} channels, expected {len(self.origin_)}, as it was fitted with")

    # ---- windows ----------------------------------------------------------------------------------------------------

    def _examples(self, series: Series, origins: list[Array], W: int) -> tuple[Array, Array]:
        """Return inputs (N, W, C) and targets (N, K), or (N, W, K) where each step forecasts; K is H times targets."""
        x = np.concatenate([self._inputs(one, at, W) for one, at in zip(series, origins, strict=True)])
        targets = []
        for one, at in zip(series, origins, strict=True):
            known = at[:, None] + np.arange(1 - W, 1) if self._each_step() else at
            values = futures(one[:, self.columns_], known, self.horizon_)
            values -= self._base(one, known)
            targets.append(values.reshape(*known.shape, -1))
        return x, np.concatenate(targets)

    def _inputs(self, series: Array, origins: Array, W: int) -> Array:
        x = windows(series, origins, W)
        return x - (x[:, :1] if self.difference_ else self.origin_)

    def _base(self, series: Array, origins: Array) -> Array:
        """Return what is to be added (..., 1, K) to outputs of the net, which are small numbers."""
        base = series[origins] if self.difference_ else np.broadcast_to(self.origin_, (*origins.shape, series.shape[1]))
        return base[..., None, self.columns_]

    # ---- using ------------------------------------------------------------------------------------------------------

    def backtest(self, X: Any, origins: Any) -> Array:
        """
        Return what would have been forecast at steps of a series.

        Parameters
        ----------
        X : array (T,) or (T, C), or DataFrame
            The series.
        origins : integers (n,)
            The last step known, for each forecast: from window - 1 to T - 1.

        Returns
        -------
        ndarray (n, H, K)
            float64: for each of the K targets the H steps after the origin.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If it is not fitted, X is not like what it was fitted with, or an origin is out of range.
        """
        (series,) = self._check_fitted_with([X])
        origins = np.asarray(origins)
        if origins.ndim != 1 or (origins.size and origins.dtype.kind not in "iu"):
            raise TypeError(f"origins has shape {origins.shape} and dtype {origins.dtype}, expected integers (n,)")
        wrong = origins[(origins < self.window_ - 1) | (origins >= len(series))]
        if len(wrong):
            expected = f"from window - 1 = {self.window_ - 1} to {len(series) - 1}"
            raise ValueError(f"origins has {wrong[0]}, expected numbers {expected}, the last step")
        parts = [np.empty((0, self.horizon_, len(self.columns_)))]
        for first in range(0, len(origins), 4096):  # windows of so many are in memory
            at = origins[first : first + 4096].astype(np.intp)
            y = super().predict(self._inputs(series, at, self.window_))
            y = y[:, -1] if self._gives_steps() else y
            parts.append(y.reshape(len(at), self.horizon_, -1) + self._base(series, at))
        return np.concatenate(parts)

    def predict(self, X: Any) -> Array:
        """
        Forecast the steps after the end of series.

        Parameters
        ----------
        X : array (T,), (T, C) or (S, T, C), DataFrame, or list of S of the first two
            The series, of `window` steps or more: the last ones are seen.

        Returns
        -------
        ndarray (H,), (H, K), (S, H) or (S, H, K)
            float64: the H next steps of the K targets; without the last axis where series are (T,).

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If it is not fitted, or X is not like what it was fitted with.
        """
        series = self._check_fitted_with(X)
        ends = np.concatenate([self.backtest(one, [len(one) - 1]) for one in series])
        several = _is_list(X) or np.ndim(X) == 3
        if np.ndim(X[0] if _is_list(X) else X) == 1:
            ends = ends[:, :, 0]
        return ends if several else ends[0]

    def score(self, X: Any, y: None = None, sample_weight: None = None) -> float:
        """
        Return R² of all forecasts within series, from every step that has a window before and a horizon after it.

        Parameters
        ----------
        X : array (T,), (T, C) or (S, T, C), DataFrame, or list of S of the first two
            The series.
        y, sample_weight : None
            Not used.

        Returns
        -------
        float
            1 is the best, 0 what the mean of the true values would get.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `predict`, and if no series is long enough.
        """
        H, truth, forecasts = self.horizon_, [], []
        for one in self._check_fitted_with(X):
            origins = origins_of(0, len(one), self.window_, H)
            truth.append(futures(one[:, self.columns_], origins, H) if len(origins) else np.empty((0, H, 1)))
            forecasts.append(self.backtest(one, origins))
        K = len(self.columns_)
        both = [np.concatenate([each.reshape(-1, K) for each in part]) for part in (truth, forecasts)]
        if not len(both[0]):
            raise ValueError(f"X has no series of {self.window_ + H} steps or more, as window and horizon take")
        return float(r2_score(*both))

    def _check_fitted_with(self, X: Any) -> Series:
        check_is_fitted(self, "model_")
        series, names = _check_series(X)
        self._check_channels(series)
        known = getattr(self, "feature_names_in_", None)
        if names is not None and known is not None and names != list(known):
            raise ValueError(
                f"X has the columns {', '.join(names)}; expected {', '.join(known)}, as it was fitted with"
            )
        for index, one in enumerate(series):
            if len(one) < self.window_:
                which = "X" if len(series) == 1 else f"X[{index}]"
                raise ValueError(f"{which} has {len(one)} steps, expected at least {self.window_}, the window")
        return series

    def _stream(self) -> Streamed:
        raise TypeError("a RecurrentForecaster takes windows, not single steps; expected a RecurrentRegressor")

    # ---- files ------------------------------------------------------------------------------------------------------

    def _keep_parameters(self) -> None:
        self.window_, self.horizon_, self.difference_ = self.window, self.horizon, self.difference

    def _kept_parameters(self) -> dict[str, Any]:
        return {"window": self.window_, "horizon": self.horizon_, "difference": self.difference_}

    def _fitted_tree(self) -> dict[str, Any]:
        own = {"columns": self.columns_, "origin": self.origin_, "series_column": getattr(self, "series_column_", None)}
        return super()._fitted_tree() | own

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell]) -> None:
        super()._set_fitted(tree, cells)
        self.columns_, self.origin_, self.series_column_ = tree["columns"], tree["origin"], tree["series_column"]
        if self.model_.output_shape[-1] != self.horizon_ * len(self.columns_):
            problem = f"{len(self.columns_)} targets and a horizon of {self.horizon_}"
            raise ValueError(f"it has {problem}, but its net {self.model_.output_shape[-1]} outputs")
        if self.model_.input_shape[-1] != len(self.origin_):
            raise ValueError(f"its origin is of {len(self.origin_)} channels, its net takes others")


def _is_list(X: Any) -> bool:
    """Is it a list of series, and not one of numbers?"""
    return isinstance(X, list | tuple) and len(X) > 0 and np.ndim(X[0]) > 0


def _check_series(X: Any) -> tuple[Series, list[str] | None]:
    """Return series (T, C) of finite numbers, and the names of the channels where a DataFrame says them."""
    if _is_list(X):
        parts = list(X)
    else:
        parts = list(np.asarray(X)) if np.ndim(X) == 3 else [X]
    if not parts:
        raise ValueError("X has no series, expected at least one")
    series: Series = []
    for index, part in enumerate(parts):
        which = "X" if len(parts) == 1 else f"X[{index}]"
        one = np.asarray(part)
        one = one[:, None] if one.ndim == 1 else one
        if one.ndim != 2 or not one.size:
            raise ValueError(f"{which} has shape {np.shape(part)}, expected (T,) or (T, C), neither of them 0")
        if one.dtype.kind not in "biuf":
            raise ValueError(f"{which} has dtype {one.dtype}, expected numbers")
        if series and one.shape[1] != series[0].shape[1]:
            raise ValueError(f"{which} has {one.shape[1]} channels, expected {series[0].shape[1]} as X[0] has")
        one = one.astype(np.float64)
        if not np.isfinite(one).all():
            step, channel = np.argwhere(~np.isfinite(one))[0]
            value = one[step, channel]
            raise ValueError(f"{which} holds {value} at step {step}, channel {channel}; expected finite numbers")
        series.append(one)
    columns = getattr(parts[0], "columns", None)
    names = None if columns is None else [str(name) for name in columns]
    return series, names
