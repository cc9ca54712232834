"""Probabilities of the words of a text, and the most likely next ones."""

from pathlib import Path
from typing import Any

import numpy as np

from fastrnn.cli.errors import UsageError
from fastrnn.cli.run.tables import Rows
from fastrnn.cli.tasks.words.report import LIKELIEST, expect
from fastrnn.data import load_ngrams, load_text, ngrams_of


def load(model: Any, path: Path, key: str | None) -> Any:
    """Return n-grams as rows of words (N, K + 1), the next word last, or a text as sentences."""
    if path.suffix.lower() not in (".h5", ".hdf5", ".npz"):
        if key is not None:
            raise UsageError(f"--key {key} is for files of arrays, but {path} is read as text")
        return load_text(path)
    ngrams = load_ngrams(path)
    parts = {
        "testx": (ngrams.x_test, ngrams.y_test),
        "valx": (ngrams.x_validation, ngrams.y_validation),
        "trainx": (ngrams.x_train, ngrams.y_train),
    }
    x, y = parts.get(key or "testx", (None, None))
    if x is None or y is None:
        there = " or ".join(f"--key {name}" for name, (part, _) in parts.items() if part is not None)
        raise UsageError(f"{path}: has no n-grams {key or 'testx'}; use {there}")
    return np.array(ngrams.words, object)[np.column_stack([x, y])]


def tabulate(model: Any, texts: Any) -> Rows:
    """Return each context with its next word, the probability of that word, and the most likely words with theirs."""
    order = model.n_features_in_ + 1
    if isinstance(texts, np.ndarray):
        texts = texts[:, -order:].tolist()
    x, y = ngrams_of(texts, model.vocabulary_.tolist(), order, model.unknown)
    k = min(LIKELIEST, len(model.vocabulary_))
    rows = []
    for context, words, probabilities, truth in expect(model, x, y):
        assert truth is not None
        pairs = zip((truth.word, *words), (truth.probability, *probabilities), strict=True)
        rows.append([" ".join(context), *(value for word, p in pairs for value in (word, f"{p:.6g}"))])
    likeliest = [name for place in range(1, k + 1) for name in (f"word_{place}", f"p_{place}")]
    return ["context", "next", "p_next", *likeliest], rows, f"{len(rows)} contexts with the {k} most likely next words"
