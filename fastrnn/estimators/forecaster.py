"""A recurrent net that forecasts series, as a scikit-learn estimator."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from fastrnn._checks import check_choice, check_integer
from fastrnn._typing import Array
from fastrnn.cells import Cell
from fastrnn.estimators._base import Fitting, RunState, TrainedEstimator, Validation
from fastrnn.estimators.inputs.series import Series, check_series, find_channels, is_list, place_of
from fastrnn.estimators.regressor import RecurrentRegressor
from fastrnn.forecasting import futures, origins_of, steps_held_out, windows
from fastrnn.models.stream import Streamed
from fastrnn.optimizers import SGD, Adam, Optimizer

AT_A_TIME = 4096  # windows that are in memory together


@dataclass(eq=False, repr=False)
class RecurrentForecaster(RecurrentRegressor):
    """
    Forecast the next steps of series with a recurrent net.

    A `RecurrentRegressor` whose examples are windows of the series: it reads `window` steps and forecasts the `horizon`
    steps after them, all at once. The end of every series, a share of `validation_fraction`, is held out: it decides
    when training stops, and neither the net nor the scales of inputs and targets are learned from it. Forecasts are in
    the unit of the series.

    Parameters
    ----------
    validation_fraction : float or None
        Share of the steps at the end of each series held out as a validation set; None or 0 trains on all of them.
    return_sequences : bool
        Train on forecasts from every step of a window (many to many), instead of only its last step.
    window : int
        Number of steps that a forecast is made from.
    horizon : int
        Number of steps to forecast.
    targets : sequence of int or str, or None
        Channels to forecast, by number or by name in a DataFrame; None forecasts all. All channels are inputs.
    difference : bool
        Forecast changes since the last known value, for series with a trend or without a fixed level; otherwise values.

    Attributes
    ----------
    n_features_in_ : int
        Number of channels.
    origin_ : ndarray (C,)
        Means of the training part; without `difference` they are subtracted from the series first.
    window_ : int
        The `window` that it was fitted with.
    horizon_ : int
        The `horizon` that it was fitted with.
    difference_ : bool
        The `difference` that it was fitted with.
    columns_ : ndarray of intp (K,)
        Numbers of the channels that it forecasts.
    series_column_ : str or None
        Name of the column that tells the series apart in the file they were read from; `fit` does not set it.
    validation_rows_ : ndarray
        Empty: the ends of series are held out, not rows.

    Notes
    -----
    With `difference` inputs are changes since the beginning of the window.

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

    fit = TrainedEstimator.fit  # type: ignore[assignment]  # series have neither weights nor groups

    def prepare(  # type: ignore[override]
        self, X: Any, y: None = None, *, validation_data: Validation = None, state: RunState = None
    ) -> Fitting:
        """
        Do all of `fit` except training: check the data and the parameters, cut windows, and build the net.

        Parameters
        ----------
        X : array (T,), (T, C) or (S, T, C), DataFrame, or list of S of the first two
            One series or several; their lengths may differ in a list.
        y : None
            Not used: the targets are later steps of X.
        validation_data : tuple (X, None), optional
            As in `fit`; forecasts are validated at all steps of these series that have a window before them and a
            horizon after them.
        """
        again = self.warm_start and hasattr(self, "model_")
        self._check_parameters(y, again)
        fraction = self._fraction(validation_data)
        series, names = check_series(X)
        learning = [len(one) - steps_held_out(len(one), fraction) for one in series]
        self._check_lengths(series, learning, fraction)
        self._keep_parameters()
        if not again:
            self.columns_ = find_channels(self.targets, series[0].shape[1], names)
            self.series_column_: str | None = None
            self.origin_ = np.concatenate([one[:n] for one, n in zip(series, learning, strict=True)]).mean(axis=0)
        else:
            self._check_channels(series)
        origins = [origins_of(0, n, self.window, self.horizon) for n in learning]
        x, target = self._examples(series, origins, self.window)
        validation = None
        if validation_data is not None:
            validation = self._validation_series(validation_data, names)
        elif fraction:
            validation = self._ends(series, learning)
        fitting = super().prepare(x, target, validation_data=validation, state=state)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        return fitting

    # ---- checks -----------------------------------------------------------------------------------------------------

    def _check_parameters(self, y: Any, again: bool) -> None:
        if y is not None:
            raise TypeError("y is given, but the targets are later steps of X; expected None")
        check_integer("window", self.window, 1)
        check_integer("horizon", self.horizon, 1)
        check_choice("difference", self.difference, (False, True))
        if self._each_step() and self.bidirectional:
            raise ValueError("bidirectional reads what return_sequences is to forecast; expected one of them")
        if again:
            self._check_same_task()

    def _check_same_task(self) -> None:
        """Refuse to continue with a net that forecasts something else."""
        for name, value in self._kept_parameters().items():
            if name != "window" and getattr(self, name) != value:
                what = f"warm_start continues with a net whose {name} is {value}"
                raise ValueError(f"{what}, but {getattr(self, name)} is asked for; expected the same")

    def _check_lengths(self, series: Series, learning: list[int], fraction: float) -> None:
        """Refuse series too short for a window and its horizon, or with an end too short for validation."""
        W, H = self.window, self.horizon
        for index, (one, n) in enumerate(zip(series, learning, strict=True)):
            which, held_out = place_of("X", index, len(series)), len(one) - n
            if n < W + H:
                least = f"at least {W + H}, as window is {W} and horizon {H}"
                raise ValueError(f"{which} has {n} steps to train with, expected {least}")
            if fraction and held_out < H:
                asked = f"validation_fraction {fraction} of {which} is {held_out} steps"
                raise ValueError(f"{asked}, expected at least {H}, as horizon is {H}; or 0")

    def _check_channels(self, series: Series, name: str = "X") -> None:
        C = series[0].shape[1]
        if len(self.origin_) != C:
            raise ValueError(f"{name} has {C} channels, expected {len(self.origin_)}, as it was fitted with")

    def _check_names(self, names: list[str] | None, known: Sequence[str] | None, name: str = "X") -> None:
        if names is not None and known is not None and names != list(known):
            raise ValueError(
                f"{name} has the columns {', '.join(names)}; expected {', '.join(known)}, as it was fitted with"
            )

    # ---- windows ----------------------------------------------------------------------------------------------------

    def _examples(self, series: Series, origins: list[Array], W: int) -> tuple[Array, Array]:
        """Return inputs (N, W, C) and targets (N, H * K), or (N, W, H * K) if every step forecasts."""
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
        """Return what is added (..., 1, K) to the outputs of the net, which are small numbers."""
        base = series[origins] if self.difference_ else np.broadcast_to(self.origin_, (*origins.shape, series.shape[1]))
        return base[..., None, self.columns_]

    def _ends(self, series: Series, learning: list[int]) -> tuple[Array, Array]:
        """Return the examples of the ends of series, of which the first steps are learned from."""
        W, H = self.window, self.horizon
        if not self._each_step():
            origins = [origins_of(n, len(one), W, H) for one, n in zip(series, learning, strict=True)]
            return self._examples(series, origins, W)
        # Most steps of windows that begin before the ends would be forecasts of what is learned.
        ends = [one[n - 1 :] for one, n in zip(series, learning, strict=True)]
        W = min(W, *(len(end) - H for end in ends))
        return self._examples(ends, [origins_of(W, len(end), W, H) for end in ends], W)

    def _validation_series(self, validation_data: Any, names: list[str] | None) -> tuple[Array, Array]:
        """Return the examples of series that nothing is learned from."""
        X, y = validation_data
        if y is not None:
            raise TypeError("validation_data has a y, but the targets are later steps of X; expected (X, None)")
        series, own = check_series(X, "X of validation_data")
        self._check_channels(series, "X of validation_data")
        self._check_names(own, names, "X of validation_data")
        W, H = self.window, self.horizon
        for index, one in enumerate(series):
            if len(one) < W + H:
                which = place_of("X of validation_data", index, len(series))
                least = f"at least {W + H}, as window is {W} and horizon {H}"
                raise ValueError(f"{which} has {len(one)} steps, expected {least}")
        return self._examples(series, [origins_of(0, len(one), W, H) for one in series], W)

    # ---- using ------------------------------------------------------------------------------------------------------

    def backtest(self, X: Any, origins: Any) -> Array:
        """
        Return the forecasts that would have been made at some steps of a series.

        Parameters
        ----------
        X : array (T,) or (T, C), or DataFrame
            The series.
        origins : integers (n,)
            The last known step of each forecast: from window - 1 to T - 1.

        Returns
        -------
        ndarray (n, H, K)
            float64: the H steps after each origin, for each of the K targets.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If it is not fitted, X does not have the channels that it was fitted with, or an origin is out of range.
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
        for first in range(0, len(origins), AT_A_TIME):
            at = origins[first : first + AT_A_TIME].astype(np.intp)
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
            The series, of at least `window` steps; only the last ones are read.

        Returns
        -------
        ndarray (H,), (H, K), (S, H) or (S, H, K)
            float64: the next H steps of the K targets; without the last axis if the series are (T,).

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If it is not fitted, or X does not have the channels that it was fitted with.
        """
        series = self._check_fitted_with(X)
        ends = np.concatenate([self.backtest(one, [len(one) - 1]) for one in series])
        several = is_list(X) or np.ndim(X) == 3
        if np.ndim(X[0] if is_list(X) else X) == 1:
            ends = ends[:, :, 0]
        return ends if several else ends[0]

    def score(self, X: Any, y: None = None, sample_weight: None = None) -> float:
        """
        Return R² of all forecasts within the series.

        A forecast is made at every step that has a window before it and a horizon after it.

        Parameters
        ----------
        X : array (T,), (T, C) or (S, T, C), DataFrame, or list of S of the first two
            The series.
        y, sample_weight : None
            Not used.

        Returns
        -------
        float
            1 is the best; the mean of the true values would get 0.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `predict`, and if all series are too short.
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
        series, names = check_series(X)
        self._check_channels(series)
        self._check_names(names, getattr(self, "feature_names_in_", None))
        for index, one in enumerate(series):
            if len(one) < self.window_:
                which = place_of("X", index, len(series))
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
        own = {"columns": self.columns_, "origin": self.origin_, "series_column": self.series_column_}
        return super()._fitted_tree() | own

    def _set_fitted(self, tree: dict[str, Any], cells: Sequence[Cell], classes: Sequence[type]) -> None:
        super()._set_fitted(tree, cells, classes)
        self.columns_, self.origin_, self.series_column_ = tree["columns"], tree["origin"], tree["series_column"]
        if self.model_.output_shape[-1] != self.horizon_ * len(self.columns_):
            problem = f"{len(self.columns_)} targets and a horizon of {self.horizon_}"
            raise ValueError(f"it has {problem}, but its net {self.model_.output_shape[-1]} outputs")
        if self.model_.input_shape[-1] != len(self.origin_):
            raise ValueError(f"its origin is of {len(self.origin_)} channels, its net takes others")
