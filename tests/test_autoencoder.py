"""The sparse autoencoder as an estimator: against plain formulas and scipy, its files, and scikit-learn's checks."""

import pickle
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastrnn
from fastrnn import AutoencoderWeights, SparseAutoencoder, sparse_autoencoder_cost, storage
from fastrnn._random import generators
from fastrnn.training import DivergenceError, Trainer
from fastrnn.training.autoencoder import AutoencoderObjective
from fastrnn.training.lbfgs import LBFGS

N, F, H = 23, 6, 4
X = np.random.default_rng(0).uniform(0.1, 0.9, (N, F))
PENALTIES = {"l2": 0.01, "sparsity": 0.2, "sparsity_weight": 0.3}


def autoencoder(**parameters):
    return SparseAutoencoder(**({"hidden_size": H, **PENALTIES, "random_state": 5, "dtype": "float64"} | parameters))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def initial(tied=False):
    """What the estimator begins with: of the seed's stream of weights, uniform in +-sqrt(6 / (F + H))."""
    rng, limit = generators(5).weights, np.sqrt(6 / (F + H))
    W1 = rng.uniform(-limit, limit, (F, H))
    return [W1, np.zeros(H), None if tied else rng.uniform(-limit, limit, (H, F)), np.zeros(F)]


def by_hand(weights, x):
    """The cost and its gradient, written down for untied weights."""
    W1, b1, W2, b2 = weights
    h = sigmoid(x @ W1 + b1)
    y = sigmoid(h @ W2 + b2)
    rho, p, n = h.mean(0), PENALTIES["sparsity"], len(x)
    parts = {
        "reconstruction": ((y - x) ** 2).sum() / (2 * n),
        "l2": PENALTIES["l2"] / 2 * ((W1**2).sum() + (W2**2).sum()),
        "sparsity": PENALTIES["sparsity_weight"] * (p * np.log(p / rho) + (1 - p) * np.log((1 - p) / (1 - rho))).sum(),
    }
    d2 = (y - x) / n * y * (1 - y)
    d1 = (d2 @ W2.T + PENALTIES["sparsity_weight"] / n * ((1 - p) / (1 - rho) - p / rho)) * h * (1 - h)
    return parts, [x.T @ d1 + PENALTIES["l2"] * W1, d1.sum(0), h.T @ d2 + PENALTIES["l2"] * W2, d2.sum(0)]


def same(got, expected):
    """Are all weights equal to the bit?"""
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


# scikit-learn's data are not within 0..1, of which the estimator warns.
@pytest.mark.filterwarnings("ignore:X has values in:UserWarning")
@parametrize_with_checks(
    [SparseAutoencoder(hidden_size=5, epochs=5), SparseAutoencoder(hidden_size=5, epochs=2, solver="adam")]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_mini_batches_with_momentum_are_what_one_would_write_down():
    fitted = autoencoder(solver="sgd", learning_rate=0.7, momentum=0.6, epochs=3, batch_size=9).fit(X)
    weights, order = initial(), generators(5).order
    velocity = [np.zeros_like(W) for W in weights]
    for epoch in range(3):
        rows, sums = order.permutation(N), {"reconstruction": 0.0, "l2": 0.0, "sparsity": 0.0}
        for first in range(0, N, 9):
            batch = X[rows[first : first + 9]]
            parts, gradients = by_hand(weights, batch)
            sums = {name: value + len(batch) * parts[name] for name, value in sums.items()}
            velocity = [0.6 * v + g for v, g in zip(velocity, gradients, strict=True)]
            weights = [W - 0.7 * v for W, v in zip(weights, velocity, strict=True)]
        for name, value in sums.items():
            np.testing.assert_allclose(fitted.history_[name][epoch], value / N, rtol=1e-10)
        np.testing.assert_allclose(fitted.history_["train_loss"][epoch], sum(sums.values()) / N, rtol=1e-10)
    for got, expected in zip(fitted.weights_, weights, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    assert list(fitted.history_) == [
        "epoch", "train_loss", "reconstruction", "l2", "sparsity", "learning_rate", "seconds"
    ]  # fmt: skip
    assert (fitted.n_iter_, fitted.best_epoch_) == (3, 3)


def test_what_is_known_of_a_fitted_one():
    fitted = autoencoder(epochs=7).fit(X)
    W1, b1, W2, b2 = fitted.weights_
    h = sigmoid(X @ W1 + b1)
    y = sigmoid(h @ W2 + b2)
    np.testing.assert_allclose(fitted.transform(X), h, rtol=1e-12)
    np.testing.assert_allclose(fitted.inverse_transform(h), y, rtol=1e-12)
    np.testing.assert_allclose(fitted.mean_activation_, h.mean(0), rtol=1e-12)
    parts, _ = by_hand(fitted.weights_, X)
    assert fitted.parts_ == pytest.approx(parts, rel=1e-12)
    assert fitted.cost_ == pytest.approx(sum(parts.values()), rel=1e-12)
    assert fitted.cost(X) == (fitted.cost_, fitted.parts_)
    assert fitted.score(X) == pytest.approx(-parts["reconstruction"], rel=1e-12)
    mean_squared_error = ((y - X) ** 2).mean()
    assert fitted.psnr(X) == pytest.approx(-10 * np.log10(mean_squared_error), rel=1e-12)
    assert fitted.psnr(X, data_range=0.8) == pytest.approx(10 * np.log10(0.64 / mean_squared_error), rel=1e-12)
    assert np.shares_memory(fitted.components_, W1)
    assert fitted.components_.shape == (H, F)
    assert list(fitted.get_feature_names_out()) == [f"sparseautoencoder{unit}" for unit in range(H)]


@pytest.mark.parametrize("tied", [False, True])
def test_lbfgs_is_scipy_on_the_cost(tied):
    start = AutoencoderWeights(*initial(tied))
    ends = np.cumsum([W.size for W in start if W is not None])[:-1]

    def unflatten(vector):
        pieces = iter(np.split(vector, ends))
        return AutoencoderWeights(*(None if W is None else next(pieces).reshape(W.shape) for W in start))

    def function(vector):
        cost, _, gradients = sparse_autoencoder_cost(unflatten(vector), X, **PENALTIES)
        return cost, np.concatenate([g.ravel() for g in gradients if g is not None])

    costs = []
    result = minimize(
        function, np.concatenate([W.ravel() for W in start if W is not None]), jac=True, method="L-BFGS-B",
        callback=lambda vector: costs.append(function(vector)[0]), options={"maxiter": 12},
    )  # fmt: skip
    fitted = autoencoder(tied=tied, epochs=12).fit(X)
    for got, expected in zip(fitted.weights_, unflatten(result.x), strict=True):
        if got is not None:
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    assert fitted.history_["train_loss"] == pytest.approx(costs, rel=1e-12)
    assert fitted.history_["epoch"] == list(range(1, 13))
    assert "learning_rate" not in fitted.history_
    assert costs[-1] < 0.8 * function(np.concatenate([W.ravel() for W in start if W is not None]))[0]
    assert (fitted.weights_.W2 is None) == tied


def test_lbfgs_ends_where_nothing_gets_better():
    fitted = autoencoder(epochs=100_000).fit(X)
    assert fitted.n_iter_ < 5000
    _, gradients = by_hand(fitted.weights_, X)
    assert max(np.abs(g).max() for g in gradients) < 1e-3
    assert fitted.cost_ == pytest.approx(fitted.history_["train_loss"][-1], rel=1e-14)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
def test_single_precision_is_near_double(solver):
    options = {"solver": solver, "epochs": 3, "learning_rate": 0.01}
    single, double = (autoencoder(dtype=dtype, **options).fit(X) for dtype in ("float32", "float64"))
    assert {W.dtype for W in single.weights_} == {np.dtype("float32")}
    assert single.transform(X).dtype == single.inverse_transform(single.transform(X)).dtype == np.float32
    for a, b in zip(single.weights_, double.weights_, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert not np.array_equal(single.weights_.W1, double.weights_.W1)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_equal_seeds_give_equal_bits_with_any_number_of_threads(solver):
    data = np.random.default_rng(1).uniform(size=(300, 40))
    options = {"solver": solver, "hidden_size": 30, "epochs": 3, "dtype": "float32"}
    first = autoencoder(**options, n_threads=1).fit(data)
    same(autoencoder(**options, n_threads=2).fit(data).weights_, first.weights_)
    assert not np.array_equal(autoencoder(**options, random_state=6).fit(data).weights_.W1, first.weights_.W1)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_early_stopping_keeps_the_best_weights(solver):
    seen = []
    fitted = autoencoder(
        solver=solver, epochs=300, learning_rate=1.0, batch_size=5, validation_fraction=0.4, patience=3, l2=0.0,
        hidden_size=30,
    )  # fmt: skip
    fitted.fit(X, callbacks=[lambda *_: seen.append(deepcopy(fitted.weights_))])
    losses = fitted.history_["validation_loss"]
    assert fitted.best_epoch_ == int(np.argmin(losses)) + 1
    assert fitted.n_iter_ == fitted.best_epoch_ + 3 < 300
    same(fitted.weights_, seen[fitted.best_epoch_ - 1])
    assert fitted.cost(X[fitted.validation_rows_])[0] == min(losses)
    assert fitted.cost_ == fitted.cost(np.delete(X, fitted.validation_rows_, axis=0))[0]


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resumed_run_has_the_same_bits(solver, dtype, tmp_path):
    options = {"solver": solver, "epochs": 15, "batch_size": 7, "validation_fraction": 0.3, "dtype": dtype}
    states, whole = [], autoencoder(**options)
    whole.fit(
        X,
        batch_callbacks=[lambda _: states.append(whole.trainer_.state())],
        callbacks=[lambda *_: states.append(whole.trainer_.state())],
    )
    for index in (0, 2, 3, 5, len(states) - 1):  # within epochs and between; L-BFGS with some and with all its memory
        storage.write(tmp_path / "state.h5", states[index])
        resumed = autoencoder(**options).fit(X, state=storage.read(tmp_path / "state.h5"))
        same(resumed.weights_, whole.weights_)
        assert resumed.best_epoch_ == whole.best_epoch_
        for name in set(whole.history_) - {"seconds"}:
            assert resumed.history_[name] == whole.history_[name]


def test_lbfgs_goes_on_where_more_epochs_are_asked_for():
    part, whole = (autoencoder(epochs=epochs).fit(X) for epochs in (5, 19))
    same(autoencoder(epochs=19).fit(X, state=part.trainer_.state()).weights_, whole.weights_)
    again = autoencoder(epochs=5).fit(X, state=part.trainer_.state())  # nothing is left to do
    same(again.weights_, part.weights_)
    ended = autoencoder(epochs=100_000).fit(X)
    again = autoencoder(epochs=200_000).fit(X, state=ended.trainer_.state())
    assert again.n_iter_ == ended.n_iter_
    same(again.weights_, ended.weights_)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_interruption_keeps_the_finished_epochs(solver):
    def interrupt(epoch, history):
        if epoch == 4:
            raise KeyboardInterrupt

    fitted = autoencoder(solver=solver, epochs=9).fit(X, callbacks=[interrupt])
    same(fitted.weights_, autoencoder(solver=solver, epochs=4).fit(X).weights_)
    assert fitted.n_iter_ == 4


def test_an_interrupted_iteration_counts_once():
    states, whole = [], autoencoder(epochs=3)
    whole.fit(X, batch_callbacks=[lambda _: states.append(whole.trainer_.state())])
    assert states[1]["history"]["epoch"] == [1]
    resumed = autoencoder(epochs=2).fit(X, state=states[1])
    assert resumed.history_["train_loss"][1] == pytest.approx(resumed.cost_, rel=1e-12)


def test_divergence_is_told():
    # Weights of 1e200 have squares beyond double precision.
    fitted = autoencoder(solver="sgd", learning_rate=1e200, momentum=0.0, l2=1.0, batch_size=N, epochs=9)
    with pytest.raises(DivergenceError, match=r"in epoch 2, batch 1: try a learning_rate below 1e\+200.* range 0\.\.1"):
        fitted.fit(X)
    assert fitted.n_iter_ == 1
    assert np.isfinite(fitted.weights_.W1).all()


@pytest.mark.parametrize("tied", [False, True])
def test_saved_and_pickled_ones_have_the_same_bits(tied, tmp_path):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    fitted = autoencoder(tied=tied, epochs=3, validation_fraction=0.3).fit(frame)
    fitted.scaler_ = fastrnn.data.ImageScaler((2, 3), 0.25)
    fitted.save(tmp_path / "model.h5")
    loaded = fastrnn.load(tmp_path / "model.h5")
    assert type(loaded) is SparseAutoencoder
    assert loaded.get_params() == fitted.get_params()
    assert loaded.scaler_ == fitted.scaler_
    assert dict(loaded.history_) == {name: column for name, column in fitted.history_.items() if name != "seconds"}
    assert (loaded.n_iter_, loaded.best_epoch_, loaded.cost_, loaded.parts_) == (
        fitted.n_iter_, fitted.best_epoch_, fitted.cost_, fitted.parts_,
    )  # fmt: skip
    assert list(loaded.feature_names_in_) == list("abcdef")
    np.testing.assert_array_equal(loaded.mean_activation_, fitted.mean_activation_)
    for other in (loaded, pickle.loads(pickle.dumps(fitted))):
        h = other.transform(frame)
        np.testing.assert_array_equal(h, fitted.transform(frame))
        np.testing.assert_array_equal(other.inverse_transform(h), fitted.inverse_transform(h))


def test_damaged_trees_are_refused(tmp_path):
    tree = autoencoder(epochs=1).fit(X).to_tree()
    for change, message in (
        ({"n_features_in": 7}, "takes 7 features, but its weights are for 6"),
        ({"weights": tree["weights"] | {"b1": np.zeros(3)}}, "weights.b1"),
        ({"scaler": {"shape": [2, 3], "deviation": -1.0}}, "deviation"),
    ):
        storage.write(tmp_path / "model.h5", tree | change)
        with pytest.raises(fastrnn.StorageError, match=message):
            fastrnn.load(tmp_path / "model.h5")


def test_pipeline_and_search():
    digits, y = load_digits(return_X_y=True)
    features = SparseAutoencoder(hidden_size=30, sparsity=0.1, sparsity_weight=0.1, l2=1e-4, epochs=80, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), features, LogisticRegression(C=100.0, max_iter=2000))
    pipeline.fit(digits[:1200], y[:1200])
    assert pipeline.score(digits[1200:], y[1200:]) > 0.85  # ten classes
    search = GridSearchCV(autoencoder(epochs=3), {"hidden_size": [2, 5], "tied": [False, True]}, cv=2).fit(X)
    assert len(search.cv_results_["params"]) == 4
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()


@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_a_validation_set_of_its_own_is_only_validated_on(solver):
    own = np.random.default_rng(1).uniform(0.1, 0.9, (9, F))
    parameters = {"solver": solver, "epochs": 4, "batch_size": 5}
    fitted = autoencoder(**parameters, validation_fraction=0.3).fit(X, validation_data=(own, None))
    alone = autoencoder(**parameters).fit(X)
    assert fitted.history_["train_loss"] == alone.history_["train_loss"]
    assert len(fitted.validation_rows_) == 0
    best = fitted.history_["validation_loss"][fitted.best_epoch_ - 1]
    assert best == min(fitted.history_["validation_loss"])
    np.testing.assert_allclose(best, fitted.cost(own)[0], rtol=1e-12)
    np.testing.assert_allclose(fitted.cost_, fitted.cost(X)[0], rtol=1e-12)
    with pytest.raises(ValueError, match=f"X has {F - 1} features, but SparseAutoencoder is expecting {F}"):
        autoencoder().fit(X, validation_data=(own[:, 1:], None))
    with pytest.raises(ValueError, match="X contains NaN at row 2, column 1"):
        autoencoder().fit(X, validation_data=(np.where(np.arange(9 * F).reshape(9, F) == 2 * F + 1, np.nan, own), None))


def test_inputs_beyond_a_sigmoid_are_warned_of():
    with pytest.warns(UserWarning, match=r"X has values in -?\d.*reconstructs only those in 0\.\.1; scale it"):
        autoencoder(epochs=1).fit(3 * X - 1)
    autoencoder(epochs=1).fit(np.array([[0.0, 1.0]] * 3))  # the ends are within


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_named(value):
    wrong, name = X.copy(), "NaN" if np.isnan(value) else "infinity"
    wrong[7, 2] = value
    fitted = autoencoder(epochs=1).fit(X)
    for call in (fitted.fit, fitted.transform, fitted.score, fitted.psnr):
        with pytest.raises(ValueError, match=rf"X contains {name}.* at row 7, column 2; expected finite numbers"):
            call(wrong)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_size": 0}, "hidden_size is 0, expected at least 1"),
        ({"l2": -1.0}, r"l2 is -1.0, expected a number in \[0, inf\)"),
        ({"sparsity": 1.0}, r"sparsity is 1.0, expected a number in \(0, 1\)"),
        ({"sparsity_weight": np.nan}, "sparsity_weight is nan"),
        ({"tied": "no"}, "tied is 'no'"),
        ({"solver": "newton"}, "solver is 'newton', expected one of 'lbfgs', 'adam', 'sgd'"),
        ({"solver": "sgd", "learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"solver": "sgd", "momentum": 1.0}, "momentum is 1.0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"validation_fraction": 1.5}, "validation_fraction is 1.5"),
        ({"patience": 0}, "patience is 0"),
        ({"n_threads": 0}, "n_threads is 0"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        autoencoder(**parameters).fit(X)


def test_misuse_is_told():
    fitted = autoencoder(epochs=1)
    for call in (fitted.transform, fitted.inverse_transform, fitted.score, fitted.cost):
        with pytest.raises(NotFittedError):
            call(X)
    with pytest.raises(NotFittedError):
        fitted.save("model.h5")
    fitted.fit(X)
    with pytest.raises(ValueError, match=f"X has {F} columns, expected {H}: one for each hidden unit"):
        fitted.inverse_transform(X)
    with pytest.raises(ValueError, match=r"data_range is 0, expected a number in \(0, inf\)"):
        fitted.psnr(X, data_range=0)


def test_the_trainer_refuses_what_an_objective_does_not_know():
    objective = AutoencoderObjective(AutoencoderWeights(*initial()), **PENALTIES, n_threads=1)
    with pytest.raises(TypeError, match="loss is 'mse' for a AutoencoderObjective, expected one for a Sequential"):
        Trainer(objective, "mse")
    with pytest.raises(ValueError, match=r"clip_norm is 1\.0, but LBFGS"):
        Trainer(objective, None, LBFGS(), clip_norm=1.0)
    with pytest.raises(ValueError, match="y is given, but an autoencoder learns from x alone"):
        Trainer(objective, None).fit(X, X, epochs=1)
    with pytest.raises(
        ValueError, match="monitor is 'train_accuracy', expected one of None, 'train_loss', 'reconstruction'"
    ):
        Trainer(objective, None, monitor="train_accuracy").fit(X, None, epochs=1)


def test_a_refused_fit_leaves_the_fitted_estimator_alone():
    X = np.random.default_rng(0).uniform(0.1, 0.9, (30, 6))
    estimator = SparseAutoencoder(hidden_size=3, epochs=3, random_state=0).fit(X)
    before = estimator.transform(X)
    with pytest.raises(ValueError, match="patience is 0"):
        estimator.set_params(patience=0).fit(X)
    np.testing.assert_array_equal(estimator.transform(X), before)
