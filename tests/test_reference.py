"""The reference against outside truth: PyTorch in float64, forward and all gradients."""

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from fastrnn import Weights, recurrent_backward, recurrent_forward
from fastrnn._kernels.reference import product
from fastrnn.cells import CELLS
from fastrnn.testing import relative_error

GOLDEN = [path for path in sorted(Path(__file__).with_name("golden").glob("*.npz")) if path.stem in CELLS]


def test_golden_vectors_are_there():
    assert {path.stem for path in GOLDEN} == {"gru", "lstm", "rnn_relu", "rnn_tanh"}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reference_agrees_with_pytorch(path):
    golden = dict(np.load(path))
    cell = CELLS[path.stem]
    weights = Weights(*(golden[name] for name in Weights._fields))
    state = tuple(golden[f"initial_{s}"] for s in cell.states)
    y, final, tape = recurrent_forward(cell, golden["x"], weights, state, backend="reference")
    dx, dweights, dinitial = recurrent_backward(tape, golden["dy"], tuple(golden[f"dfinal_{s}"] for s in cell.states))

    results = {"y": y, "dx": dx} | {f"d{name}": w for name, w in zip(Weights._fields, dweights, strict=True)}
    results |= {f"final_{s}": v for s, v in zip(cell.states, final, strict=True)}
    results |= {f"dinitial_{s}": v for s, v in zip(cell.states, dinitial, strict=True)}
    for name, value in results.items():
        assert relative_error(value, golden[name]) < 1e-12, name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_over_nothing_are_0_whatever_lies_there(dtype):
    """New arrays without numbers have strides of 0, and an address all the same."""
    nothing = as_strided(np.full(8, np.nan, dtype), (0, 1, 3), (0, 0, 0))
    sums = product("bk,kgh->gbh", np.zeros((5, 3), dtype)[:, :0], nothing)
    np.testing.assert_array_equal(sums, np.zeros((1, 5, 3)))
