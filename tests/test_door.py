"""Wrong arguments are refused: the message names the argument, what it is, and what is expected."""

import numpy as np
import pytest
from kernels import Problem

from fastrnn import Weights, pack, recurrent_backward, recurrent_forward, set_num_threads
from fastrnn._kernels import dense_backward, dense_forward

P = Problem("lstm", (3, 5, 4, 7), "float32")
WIDE = [w.astype("float64") for w in P.weights]
PACKED = pack("lstm", P.weights, backend="reference")
PACKED_GRU = pack("gru", Problem("gru", (3, 5, 4, 7), "float32").weights)


def forward(**changed):
    arguments = {"cell": "lstm", "x": P.x, "weights": P.weights, "state": P.state} | changed
    return recurrent_forward(**arguments)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"cell": "ltsm"}, ValueError, "cell 'ltsm' is unknown"),
        ({"backend": "cuda"}, ValueError, "backend 'cuda' is unknown; expected None or one of 'native'"),
        ({"x": P.x.astype("float64")}, TypeError, "x has dtype float64, expected float32"),
        ({"x": P.x > 0}, TypeError, "x has dtype bool"),
        ({"x": P.x[0]}, ValueError, r"x has shape \(5, 4\), expected \(any, any, 4\)"),
        ({"x": P.x[..., :3]}, ValueError, r"x has shape \(3, 5, 3\), expected \(any, any, 4\)"),
        ({"x": np.zeros((3, 5, 4), int)}, ValueError, "holds integers and has shape"),
        ({"x": np.full((3, 5), 4)}, ValueError, r"x holds the symbol 4, expected whole numbers in 0\.\.3"),
        ({"x": np.full((3, 5), -1)}, ValueError, "x holds the symbol -1"),
        ({"weights": P.x}, TypeError, "weights must be a fastrnn.Weights"),
        ({"weights": Weights(*(w.astype("float16") for w in P.weights))}, TypeError, "weights.Wx has dtype float16"),
        ({"weights": P.weights._replace(Wh=WIDE[1])}, TypeError, "weights.Wh has dtype float64, expected float32"),
        ({"weights": P.weights._replace(Wh=P.weights.Wh[1:])}, ValueError, r"weights.Wh has shape \(6, 4, 7\)"),
        ({"weights": P.weights._replace(Wx=P.weights.Wx[:, 1:])}, ValueError, "'lstm' has 4 gates"),
        ({"weights": P.weights._replace(bh=P.weights.bh[0])}, ValueError, r"weights.bh has shape \(7,\)"),
        ({"state": P.state[:1]}, ValueError, r"state has 1 entries, expected a tuple of 2 \(h, c\)"),
        ({"state": (P.state[0], P.state[1][1:])}, ValueError, r"state\[1\] has shape \(2, 7\), expected \(3, 7\)"),
        ({"state": (P.state[0].astype(float), None)}, TypeError, r"state\[0\] has dtype float64"),
        ({"lengths": np.array([1.0, 2.0, 3.0])}, TypeError, "lengths has dtype float64, expected whole numbers"),
        ({"lengths": np.array([1, 2])}, ValueError, r"lengths has shape \(2,\), expected \(3,\)"),
        ({"lengths": [1, 6, 2]}, ValueError, r"lengths\[1\] is 6, expected 0\.\.5"),
        ({"lengths": [1, 2, -1]}, ValueError, r"lengths\[2\] is -1"),
        ({"recurrent_mask": P.mask[:2]}, ValueError, r"recurrent_mask has shape \(2, 7\)"),
        ({"n_threads": 0}, ValueError, "n_threads is 0, expected at least 1"),
        ({"n_threads": 1.5}, TypeError, "n_threads is 1.5"),
        ({"checkpoint_every": 0}, ValueError, "checkpoint_every is 0, expected at least 1"),
        ({"weights": PACKED_GRU}, ValueError, "weights were packed for cell 'gru', but cell is 'lstm'"),
        ({"weights": PACKED, "backend": "numba"}, ValueError, "packed for backend 'reference', but backend is 'numba'"),
    ],
)
def test_forward_refuses(changed, error, message):
    with pytest.raises(error, match=message):
        forward(**changed)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dy": P.dy[:, 1:]}, ValueError, r"dy has shape \(3, 4, 7\), expected \(3, 5, 7\)"),
        ({"dy": P.dy.astype(float)}, TypeError, "dy has dtype float64"),
        ({"dstate": (P.dstate[0],)}, ValueError, "dstate has 1 entries, expected a tuple of 2"),
        ({"tape": None}, TypeError, "tape must come from recurrent_forward"),
    ],
)
def test_backward_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        recurrent_backward(**({"tape": forward()[2]} | arguments))


@pytest.mark.parametrize("n", [0, -1, 2.0, True])
def test_set_num_threads_refuses(n):
    with pytest.raises((TypeError, ValueError), match="n_threads is"):
        set_num_threads(n)


def test_dense_refuses():
    x, W, b = np.zeros((5, 4)), np.zeros((4, 3)), np.zeros(3)
    with pytest.raises(ValueError, match="activation 'selu' is unknown"):
        dense_forward(x, W, b, "selu")
    with pytest.raises(ValueError, match=r"b has shape \(2,\), expected \(3,\)"):
        dense_forward(x, W, b[:2])
    with pytest.raises(ValueError, match=r"x has shape \(5, 3\), expected \(any, 4\)"):
        dense_forward(x[:, :3], W, b)
    with pytest.raises(TypeError, match="x has dtype float32"):
        dense_forward(x.astype("float32"), W, b)
    with pytest.raises(ValueError, match=r"dy has shape \(4, 3\), expected \(5, 3\)"):
        dense_backward(dense_forward(x, W, b)[1], np.zeros((4, 3)))
