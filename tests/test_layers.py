"""Layers: their gradients, what they are made of, and what they refuse."""

import numpy as np
import pytest
from differences import assert_gradient

from fastrnn import Weights, cells, recurrent_forward
from fastrnn.layers import GRU, LSTM, RNN, Call, Dense, Dropout, Gaussian, Recurrent
from fastrnn.layers.description import describe, rebuild
from fastrnn.layers.initializers import draw

B, T, I, H = 3, 5, 4, 7
LENGTHS = np.array([4, 0, 5])
OWN = cells.Cell("own", "h", "h", cells.RNN_TANH.step, cells.RNN_TANH.step_vjp)

LAYERS = [
    RNN(H, "tanh", return_sequences=True),
    RNN(H, "sigmoid", bidirectional=True),
    LSTM(H, layers=2, bidirectional=True, dropout=0.3, recurrent_dropout=0.2, return_sequences=True),
    LSTM(H, layers=2, dropout=0.3),
    GRU(H, layers=3, recurrent_dropout=0.4),
    GRU(H, bidirectional=True, return_sequences=True),
    Dense(6, "tanh"),
    Dense(6, "sigmoid"),
    Dropout(0.4),
]


class Pass:
    """A layer with random parameters, inputs and states, and one way through it whose dropout is always the same."""

    def __init__(self, layer, lengths=None):
        rng = np.random.default_rng(5)
        self.layer, self.lengths = layer, lengths
        initial = layer.initialize((T, I), rng)
        self.parameters = {name: rng.uniform(-0.4, 0.4, value.shape) for name, value in initial.items()}
        self.x = rng.normal(size=(B, T, I))
        self.state, self.dstate = None, None
        if isinstance(layer, Recurrent):
            count = layer.layers * len(layer.directions), layer.equations.n_states
            self.state, self.dstate = (
                tuple(tuple(own) for own in rng.normal(size=(*count, B, layer.hidden_size))) for _ in range(2)
            )
        self.dy = rng.normal(size=self.forward()[0].shape)

    def forward(self):
        call = Call(training=True, lengths=self.lengths, rng=np.random.default_rng(1))
        return self.layer.forward(self.layer.pack(self.parameters), self.x, self.state, call)

    def loss(self):
        y, state, _ = self.forward()
        value = float((y * self.dy).sum())
        if self.dstate is not None:
            pairs = zip(state, self.dstate, strict=True)
            value += sum(float((s * d).sum()) for own, down in pairs for s, d in zip(own, down, strict=True))
        return value


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_gradients(layer, lengths):
    way = Pass(layer, lengths)
    gradients = {name: np.ones_like(value) for name, value in way.parameters.items()}
    dx, dstate = way.forward()[2](gradients, way.dy, way.dstate, True)
    assert_gradient(dx, way.loss, way.x)
    for name, value in way.parameters.items():
        assert_gradient(gradients[name] - 1, way.loss, value)  # gradients are added
    if way.state is not None:
        for own, down in zip(way.state, dstate, strict=True):
            for value, d in zip(own, down, strict=True):
                assert_gradient(d, way.loss, value)


@pytest.mark.parametrize("sequences", [False, True])
def test_stack_is_what_one_would_compose(sequences):
    layer = LSTM(H, layers=2, bidirectional=True, return_sequences=sequences)
    way = Pass(layer, LENGTHS)
    got, state, _ = way.forward()
    y, final = way.x, []
    for level in range(2):
        outputs = []
        for direction, reverse in (("forward", False), ("backward", True)):
            weights = Weights(*(way.parameters[f"{level}.{direction}.{name}"] for name in Weights._fields))
            own = way.state[2 * level + reverse]
            out, last, _ = recurrent_forward("lstm", y, weights, own, lengths=LENGTHS, reverse=reverse)
            outputs.append(out)
            final.append(last)
        y = np.concatenate(outputs, axis=2)
    if not sequences:
        y = np.concatenate([final[2][0], final[3][0]], axis=1)
    np.testing.assert_array_equal(got, y)
    for own, expected in zip(state, final, strict=True):
        np.testing.assert_array_equal(own, expected)


def test_padding_is_never_read_by_dense():
    way = Pass(Dense(6, "relu"), LENGTHS)
    beyond = np.arange(T) >= LENGTHS[:, None]
    way.x[beyond] = np.nan
    way.dy[beyond] = np.nan
    y, _, backprop = way.forward()
    gradients = {name: np.zeros_like(value) for name, value in way.parameters.items()}
    dx, _ = backprop(gradients, way.dy, None, True)
    assert not y[beyond].any()
    assert not dx[beyond].any()
    assert all(np.isfinite(value).all() for value in (y, dx, *gradients.values()))


def test_symbols_are_one_hot_rows():
    way = Pass(GRU(H, return_sequences=True))
    symbols = np.random.default_rng(2).integers(0, I, (B, T))
    way.x = symbols
    got = way.forward()[0]
    way.x = np.eye(I)[symbols]
    np.testing.assert_allclose(got, way.forward()[0], rtol=1e-13, atol=1e-13)


def test_dropout_scales_what_it_keeps():
    x = np.random.default_rng(0).normal(size=(40, 50, 30)).astype("f4")
    y = Dropout(0.3).forward({}, x, None, Call(training=True, rng=np.random.default_rng(1)))[0]
    kept = y != 0
    assert y.dtype == x.dtype
    assert abs(kept.mean() - 0.7) < 0.01  # seven standard deviations
    np.testing.assert_allclose(y[kept], x[kept] / 0.7, rtol=1e-6)
    assert Dropout(0.3).forward({}, x, None, Call())[0] is x


def test_recurrent_dropout_is_one_mask_for_all_steps():
    # An identity net that adds its input: h counts the steps, and what the mask drops or scales shows in the sums.
    layer = RNN(200, "relu", return_sequences=True, recurrent_dropout=0.25)
    parameters = {f"0.forward.{name}": value for name, value in _counting_weights(200)._asdict().items()}
    call = Call(training=True, rng=np.random.default_rng(0))
    y = layer.forward(layer.pack(parameters), np.ones((2, 4, 1)), None, call)[0]
    dropped = y[:, -1] == 1
    assert 0.15 < dropped.mean() < 0.35
    assert (dropped[0] != dropped[1]).any()
    scale = 1 / 0.75
    expected = np.where(dropped[:, None], 1, np.cumsum(scale ** np.arange(4))[:, None])
    np.testing.assert_allclose(y, expected, rtol=1e-12)


def _counting_weights(size):
    zeros = np.zeros((1, size))
    return Weights(np.ones((1, 1, size)), np.eye(size)[:, None], zeros, zeros)


def test_directions_and_layers_draw_their_own_masks():
    layer = GRU(H, layers=2, bidirectional=True, recurrent_dropout=0.5, return_sequences=True)
    way = Pass(layer)
    for name, value in way.parameters.items():  # all nets of a level alike
        value[...] = way.parameters[name.replace("backward", "forward")]
    way.x[...] = way.x[:, :1]  # the same in both directions
    way.state = None
    y = way.forward()[0]
    assert not np.allclose(y[:, -1, :H], y[:, 0, H:])


def test_initial_weights():
    rng = np.random.default_rng(3)
    Wx = draw("xavier", rng, (20, 4, 50))
    limit = np.sqrt(6 / 70)
    assert Wx.dtype == np.float64
    assert 0.99 * limit < np.abs(Wx).max() < limit
    assert abs(Wx.var() - limit**2 / 3) < 0.05 * limit**2 / 3
    gates = draw("orthogonal", rng, (9, 3, 9), recurrent=True).swapaxes(0, 1)
    np.testing.assert_allclose(gates @ gates.swapaxes(1, 2), np.broadcast_to(np.eye(9), (3, 9, 9)), atol=1e-14)
    assert not np.allclose(gates[0], gates[1])
    normal = draw(Gaussian(0.2), rng, (100, 100))
    assert abs(normal.std() - 0.2) < 0.01
    assert abs(draw("gaussian", rng, (100, 100)).std() - 0.01) < 5e-4


def test_initial_biases():
    initial = LSTM(H, forget_bias=1.5, bidirectional=True).initialize((T, I), np.random.default_rng(0))
    for direction in ("forward", "backward"):
        np.testing.assert_array_equal(initial[f"0.{direction}.bx"], np.outer([0, 1.5, 0, 0], np.ones(H)))
        assert not initial[f"0.{direction}.bh"].any()
    assert not GRU(H, forget_bias=1.5).initialize((T, I), np.random.default_rng(0))["0.forward.bx"].any()


def test_initializer_reaches_all_weights():
    layers = [LSTM(40, layers=2, initializer=Gaussian(1e-6)), Dense(50, initializer=Gaussian(1e-6))]
    for layer in layers:
        for name, value in layer.initialize((T, 30), np.random.default_rng(0)).items():
            assert np.abs(value).max() < 1e-5, name


@pytest.mark.parametrize("layer", [*LAYERS, GRU(3, initializer=Gaussian(0.3)), Recurrent("gru", 5, layers=2)], ids=repr)
def test_description_makes_the_same_layer(layer):
    assert rebuild(describe(layer)) == layer
    assert eval(repr(layer)) == layer


def test_own_cell_runs_and_is_found_by_name():
    layer = Recurrent(OWN, H, layers=2)
    plain = Recurrent("rnn_tanh", H, layers=2)
    np.testing.assert_allclose(Pass(layer, LENGTHS).forward()[0], Pass(plain, LENGTHS).forward()[0], rtol=1e-12)
    description = describe(layer)
    assert description["cell"] == "own"
    assert rebuild(description, (OWN,)) == layer
    with pytest.raises(ValueError, match=r"this model uses the custom cell 'own': pass it as cells=\[own\]"):
        rebuild(description)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LSTM(0), ValueError, "hidden_size is 0, expected at least 1"),
        (lambda: LSTM(2.5), TypeError, "hidden_size is 2.5, expected a whole number"),
        (lambda: GRU(3, layers=True), TypeError, "layers is True, expected a whole number"),
        (lambda: GRU(3, dropout=1.0), ValueError, r"dropout is 1.0, expected a number in \[0, 1\)"),
        (lambda: GRU(3, recurrent_dropout=float("nan")), ValueError, "recurrent_dropout is nan, expected"),
        (lambda: GRU(3, return_sequences=1), ValueError, "return_sequences is 1, expected one of False, True"),
        (lambda: RNN(3, "elu"), ValueError, "activation is 'elu', expected one of 'tanh', 'relu', 'sigmoid'"),
        (lambda: Recurrent("gruu", 3), ValueError, "cell 'gruu' is unknown; expected one of"),
        (lambda: GRU(3, initializer="zeros"), ValueError, "initializer is 'zeros', expected one of 'xavier'"),
        (lambda: Gaussian(0), ValueError, r"deviation is 0, expected a number in \(0, inf\)"),
        (lambda: Dense(3, "softmax"), ValueError, "activation is 'softmax', expected one of None, 'linear'"),
        (lambda: Dropout("a"), TypeError, "rate is 'a', expected a number"),
        (lambda: rebuild({"layer": "Conv"}), ValueError, r"the custom layer 'Conv': pass it as classes=\[Conv\]"),
        (lambda: LSTM(3).output_shape((4,)), ValueError, r"LSTM\(3\) takes sequences .* has shape \(4,\); .* below"),
    ],
)
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_dropout_needs_a_generator_and_floats():
    with pytest.raises(ValueError, match="rng is None, but dropout acts in training"):
        Dropout(0.3).forward({}, np.ones((2, 3)), None, Call(training=True))
    with pytest.raises(TypeError, match="x has dtype int64, expected floats"):
        Dropout(0.3).forward({}, np.ones((2, 3), np.int64), None, Call())


def test_state_of_another_layer_is_refused():
    way = Pass(LSTM(H, layers=2))
    way.state = way.state[:1]
    with pytest.raises(
        ValueError, match=r"state of LSTM\(7, layers=2\) has 1 entries, expected a tuple of 2: .*\(h, c\)"
    ):
        way.forward()
