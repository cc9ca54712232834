"""Make the files of a release, which later releases must read: a tree of everything that `storage` stores, and models.

python tests/golden/make_files.py        (once a release; older files stay)
"""

import sys
from pathlib import Path

import numpy as np

import fastrnn
from fastrnn import storage

HERE = Path(__file__).parent


def main() -> None:
    """Write the files, and what the models give for some inputs."""
    sys.path.insert(0, str(HERE.parent))
    from test_storage import RELEASED

    version, rng = fastrnn.__version__, np.random.default_rng(0)
    storage.write(HERE / f"tree-{version}.h5", RELEASED)
    x, rows = rng.normal(size=(12, 5, 2)), rng.uniform(size=(12, 4))
    labels = np.array(["läuft", "sitzt", "geht"])[np.arange(12) % 3]
    classifier = fastrnn.RecurrentClassifier(
        "lstm", 3, layers=2, bidirectional=True, head=(4,), dropout=0.1, optimizer=fastrnn.SGD(0.1, 0.9, "nesterov"),
        schedule=fastrnn.CosineSchedule(0.1), class_weight={"läuft": 1.0, "sitzt": 2.0, "geht": 0.5}, epochs=2,
        random_state=0, dtype="float64",
    ).fit(x, labels)  # fmt: skip
    regressor = fastrnn.RecurrentRegressor("gru", 3, epochs=2, random_state=0, dtype="float64").fit(x, x.mean(axis=1))
    autoencoder = fastrnn.SparseAutoencoder(3, epochs=2, random_state=0, dtype="float64").fit(rows)
    classifier.save(HERE / f"classifier-{version}.h5")
    regressor.save(HERE / f"regressor-{version}.h5")
    autoencoder.save(HERE / f"autoencoder-{version}.h5")
    np.savez(
        HERE / f"files-{version}.npz",
        x=x,
        rows=rows,
        probabilities=classifier.predict_proba(x),
        predictions=regressor.predict(x),
        features=autoencoder.transform(rows),
    )


if __name__ == "__main__":
    main()
