"""Classify three motions from a noisy sensor: sequences of unequal lengths, and the accuracy on new recordings."""

import numpy as np

from fastrnn import RecurrentClassifier

rng = np.random.default_rng(0)


def record(motion: str) -> np.ndarray:
    """Return one recording (T, 2). Recordings differ in length, phase and strength."""
    steps, phase, strength = rng.integers(40, 80), rng.uniform(0, 6), rng.uniform(0.5, 2)
    t = np.arange(steps) / 10
    turns = {"walk": 1.0, "run": 2.0, "hop": 3.0}[motion]
    wave = strength * np.sin(turns * t + phase)
    return np.stack([wave, np.abs(wave)], axis=1) + 0.3 * rng.normal(size=(steps, 2))


y = rng.choice(["walk", "run", "hop"], size=600)
X = [record(motion) for motion in y]
classifier = RecurrentClassifier(cell="gru", hidden_size=32, random_state=0, verbose=1).fit(X[:500], y[:500])
print(classifier.history_)
print(f"accuracy on 100 new recordings: {classifier.score(X[500:], y[500:]):.2f}")
