"""Parameters that are set after `fit` are for the next one: what was fitted is used as it was fitted."""

import pickle

import numpy as np
import pytest

import fastrnn
from fastrnn import (
    CharacterLanguageModel,
    NGramLanguageModel,
    RecurrentClassifier,
    RecurrentForecaster,
    RecurrentRegressor,
    SequenceTranslator,
)

rng = np.random.default_rng(0)
X, LABELS = rng.normal(size=(12, 6, 2)), np.arange(12) % 3
SERIES = np.sin(np.arange(90)[:, None] / [3.0, 5.0]) + np.array([10, 3])
TEXT = "the cat sat on the mat. " * 9
WORDS = [line.split() for line in ["the cat sat on the mat", "a dog lay on the rug"] * 4]
QUESTIONS = ["ab", "ba", "abc", "cab", "bca", "cc"]
SMALL = {"hidden_size": 5, "epochs": 2, "random_state": 0}
# Another value of everything that estimators have, but for n_threads, memory_limit and verbose, which are of the
# machine, and beam_size and unknown, which say how a fitted model is to be used.
OTHER = {
    "cell": "rnn", "hidden_size": 9, "layers": 2, "bidirectional": True, "head": (3, 2), "dropout": 0.4,
    "recurrent_dropout": 0.3, "optimizer": "sgd", "learning_rate": 0.5, "schedule": "step", "epochs": 7,
    "batch_size": 3, "validation_fraction": 0.4, "patience": 2, "clip_norm": 0.1, "initializer": "orthogonal",
    "forget_bias": 1.5, "standardize": False, "random_state": 8, "dtype": "float64", "warm_start": True,
    "class_weight": "balanced", "return_sequences": True, "window": 11, "horizon": 6, "targets": [1],
    "difference": False, "stateful": False, "step": 2, "vocabulary": "xyz", "embedding": 4, "reverse": True,
    "source_vocabulary": "xyz", "target_vocabulary": "xyz", "max_steps": 1, "order": 2, "vocabulary_size": 3,
}  # fmt: skip
OF_USE = ("n_threads", "memory_limit", "verbose", "beam_size", "unknown")

CASES = {
    "classifier": (
        lambda: RecurrentClassifier(**SMALL).fit(X, LABELS),
        lambda model: (model.predict_proba(X), model.predict(X), model.score(X, LABELS)),
    ),
    "regressor": (
        lambda: RecurrentRegressor(**SMALL).fit(X, X.mean(axis=1)),
        lambda model: (model.predict(X), model.score(X, X.mean(axis=1))),
    ),
    "regressor of steps": (
        lambda: RecurrentRegressor(return_sequences=True, **SMALL).fit(X, X[:, :, 0]),
        lambda model: (model.predict(X), model.score(X, X[:, :, 0])),
    ),
    "forecaster": (
        lambda: RecurrentForecaster(window=8, horizon=4, **SMALL).fit(SERIES),
        lambda model: (model.predict(SERIES), model.backtest(SERIES, [30, 40]), model.score(SERIES)),
    ),
    "forecaster of steps": (
        lambda: RecurrentForecaster(window=8, horizon=4, return_sequences=True, **SMALL).fit(SERIES),
        lambda model: (model.predict(SERIES), model.backtest(SERIES, [30, 40]), model.score(SERIES)),
    ),
    "characters": (
        lambda: CharacterLanguageModel(window=9, batch_size=2, layers=1, **SMALL).fit(TEXT),
        lambda model: (
            model.predict_proba("the cat"),
            "".join(model.generate("on", 9, random_state=3)),
            model.evaluate(TEXT[:60]),
        ),
    ),
    "characters by windows": (
        lambda: CharacterLanguageModel(window=9, stateful=False, batch_size=8, layers=1, **SMALL).fit(TEXT),
        lambda model: (
            model.predict_proba(TEXT[:30]),
            "".join(model.generate(TEXT[:12], 9, random_state=3)),
            model.evaluate(TEXT[:60]),
        ),
    ),
    "words": (
        lambda: NGramLanguageModel(order=3, vocabulary_size=7, **SMALL).fit(WORDS),
        lambda model: (model.predict_proba(["the", "bird"]), model.evaluate([["the", "bird", "sat", "on"]])),
    ),
    "translator": (
        lambda: SequenceTranslator(**SMALL).fit(QUESTIONS, [row[::-1] for row in QUESTIONS]),
        lambda model: (model.predict(QUESTIONS), model.evaluate(QUESTIONS, QUESTIONS), model.max_steps_),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_parameters_set_after_fit_change_nothing(name, tmp_path):
    fit, use = CASES[name]
    model = fit()
    expected = pickle.dumps(use(model))
    changed = {key: OTHER[key] for key in model.get_params() if key not in OF_USE}
    for key, value in changed.items():
        if value == getattr(model, key):
            changed[key] = not value
    model.set_params(**changed)
    assert all(model.get_params()[key] == value for key, value in changed.items())
    assert pickle.dumps(use(model)) == expected
    model.save(tmp_path / "model.h5")
    assert pickle.dumps(use(fastrnn.load(tmp_path / "model.h5"))) == expected
    assert pickle.dumps(use(pickle.loads(pickle.dumps(model)))) == expected


def test_the_next_fit_takes_them():
    forecaster = RecurrentForecaster(window=8, horizon=4, **SMALL).fit(SERIES)
    forecaster.set_params(horizon=6, window=11)
    assert forecaster.predict(SERIES).shape == (4, 2)
    with pytest.raises(ValueError, match="expected at least 8, the window"):
        forecaster.predict(SERIES[:7])
    forecaster.fit(SERIES)
    assert (forecaster.window_, forecaster.horizon_) == (11, 6)
    assert forecaster.predict(SERIES).shape == (6, 2)


def test_a_warm_start_keeps_what_is_forecast():
    forecaster = RecurrentForecaster(window=8, horizon=4, warm_start=True, **SMALL).fit(SERIES)
    for name, value, old in (("horizon", 6, 4), ("difference", False, True)):
        with pytest.raises(ValueError, match=f"a net whose {name} is {old}, but {value} is asked for"):
            forecaster.set_params(**{name: value}).fit(SERIES)
        forecaster.set_params(**{name: old})
    assert forecaster.set_params(window=9).fit(SERIES).window_ == 9
