"""Make the files of a release, which later releases must read: a tree of everything that `storage` stores, and models.

python tests/golden/make_files.py        (once a release; older files stay)
"""

import sys
from pathlib import Path

import numpy as np

import fastrnn
from fastrnn import storage

HERE = Path(__file__).parent
RNG = np.random.default_rng(0)
X, ROWS = RNG.normal(size=(12, 5, 2)), RNG.uniform(size=(12, 4))
LABELS = np.array(["läuft", "sitzt", "geht"])[np.arange(12) % 3]
SENTENCES = [
    f"the {who} {did} on the {what}".split() for who, did, what in (("cat", "sat", "mat"), ("dog", "lay", "rug"))
]
SERIES, TEXT = X[0, 0, 0] + np.arange(60) % 7, "grüße, " * 9
SUMS = ["1+2", "3+45", "5-6"] * 4, ["3", "48", "-1"] * 4
SAME = {"epochs": 2, "random_state": 0, "dtype": "float64"}

# The models by name, and what is compared of each.
MODELS = {
    "classifier": lambda: fastrnn.RecurrentClassifier(
        "lstm", 3, layers=2, bidirectional=True, head=(4,), dropout=0.1, optimizer=fastrnn.SGD(0.1, 0.9, "nesterov"),
        schedule=fastrnn.CosineSchedule(0.1), class_weight={"läuft": 1.0, "sitzt": 2.0, "geht": 0.5}, **SAME,
    ).fit(X, LABELS),
    "regressor": lambda: fastrnn.RecurrentRegressor("gru", 3, **SAME).fit(X, X.mean(axis=1)),
    "autoencoder": lambda: fastrnn.SparseAutoencoder(3, **SAME).fit(ROWS),
    "forecaster": lambda: fastrnn.RecurrentForecaster(hidden_size=3, window=6, horizon=2, **SAME).fit(SERIES),
    "ngram": lambda: fastrnn.NGramLanguageModel(3, 4, order=3, batch_size=2, **SAME).fit(SENTENCES * 3),
    "characters": lambda: fastrnn.CharacterLanguageModel(hidden_size=3, window=5, batch_size=2, **SAME).fit(TEXT),
    "translator": lambda: fastrnn.SequenceTranslator(hidden_size=3, **SAME).fit(*SUMS),
}  # fmt: skip
RESULTS = {
    "classifier": lambda model: model.predict_proba(X),
    "regressor": lambda model: model.predict(X),
    "autoencoder": lambda model: model.transform(ROWS),
    "forecaster": lambda model: model.predict(np.arange(20) % 7),
    "ngram": lambda model: model.predict_proba([["the", "cat"], ["on", "zebra"]]),
    "characters": lambda model: model.predict_proba("rüg"),
    "translator": lambda model: np.array(model.evaluate(["1+2", "5-6"], ["3", "-1"])),
}


def main() -> None:
    """Write the files, and what the models give."""
    sys.path.insert(0, str(HERE.parent))
    from test_storage import RELEASED

    version, results = fastrnn.__version__, {}
    storage.write(HERE / f"tree-{version}.h5", RELEASED)
    for name, make in MODELS.items():
        model = make()
        model.save(HERE / f"{name}-{version}.h5")
        results[name] = RESULTS[name](model)
    np.savez(HERE / f"files-{version}.npz", **results)


if __name__ == "__main__":
    main()
