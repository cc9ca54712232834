"""What takes minutes: kernels at the sizes of the benchmark, and accuracies on real data."""

import numpy as np
import pytest
from kernels import INSTRUCTION_SETS, Problem, assert_same_bits

from fastrnn import RecurrentClassifier, data
from fastrnn.testing import TOLERANCES, relative_error

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("size", [(32, 150, 3, 128), (1, 1000, 1, 32), (64, 50, 128, 512)], ids=str)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru"])
def test_kernels_at_full_size(cell, dtype, size, use_backend):
    problem = Problem(cell, size, dtype)
    expected = problem.as_float64().run(backend="reference")
    for name in INSTRUCTION_SETS:
        got = problem.run(**use_backend(name), n_threads=1)
        for results, truth, tolerance in zip(got, expected, TOLERANCES[dtype], strict=True):
            for key, value in results.items():
                assert relative_error(value, truth[key]) <= tolerance, (name, key)
        for a, b in zip(got, problem.run(**use_backend(name), n_threads=4), strict=True):
            assert_same_bits(a, b)


@pytest.mark.parametrize(("cell", "least"), [("lstm", 0.64), ("gru", 0.65), ("rnn", 0.46)])
def test_accuracy_on_human_activity(data_folder, cell, least):
    """Mean of three seeds, hidden 128, head 64, early stopping; test and training recordings differ."""
    dataset = data.load_sequences(data_folder / "data3.h5")
    scores = [
        RecurrentClassifier(cell, random_state=seed)
        .fit(dataset.X_train, dataset.y_train)
        .score(dataset.X_test, dataset.y_test)
        for seed in range(3)
    ]
    assert np.mean(scores) >= least
