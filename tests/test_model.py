"""Models: gradients through all layers, equal bits, copies, files."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from differences import assert_gradient

from fastrnn import cells, storage
from fastrnn.layers import GRU, LSTM, RNN, Dense, Dropout, Gaussian, Recurrent
from fastrnn.losses import get_loss
from fastrnn.models.sequential import Sequential, load_model

B, T, I = 3, 5, 4
LENGTHS = np.array([3, 5, 1])
RNG = np.random.default_rng(4)
X = RNG.normal(size=(B, T, I))

STACK = [
    LSTM(5, layers=2, bidirectional=True, dropout=0.3, recurrent_dropout=0.2, return_sequences=True),
    Dropout(0.2),
    GRU(6),
    Dense(7, "tanh"),
    Dense(3),
]
STEPWISE = [Dropout(0.2), GRU(5, return_sequences=True), Dense(6, "sigmoid"), RNN(4, return_sequences=True), Dense(2)]


def build(layers, dtype="float64", seed=0):
    """A model with biases that are not 0."""
    model = Sequential(layers).build((None, I), dtype, seed)
    rng = np.random.default_rng(8)
    model.flat_parameters[...] += rng.uniform(-0.1, 0.1, model.flat_parameters.size)
    return model


@pytest.mark.parametrize(
    ("layers", "name", "target", "mask"),
    [
        (STACK, "cross_entropy", np.array([2, 0, 1]), None),
        (STACK, "mse", RNG.normal(size=(B, 3)), None),
        (STACK, "binary_cross_entropy", RNG.random((B, 3)), None),
        (STEPWISE, "cross_entropy", RNG.integers(0, 2, (B, T)), np.arange(T) < LENGTHS[:, None]),
    ],
    ids=["stack cross_entropy", "stack mse", "stack binary", "stepwise cross_entropy"],
)
def test_gradients_of_a_loss(layers, name, target, mask):
    model, loss, x = build(layers), get_loss(name), X.copy()

    def forward():
        y, backprop = model.forward(x, training=True, lengths=LENGTHS, rng=np.random.default_rng(1))
        return *loss(y, target, mask), backprop

    _, dy, backprop = forward()
    dx = backprop(dy)
    gradients = model.flat_gradients.copy()
    assert_gradient(dx, lambda: forward()[0], x)
    assert_gradient(gradients, lambda: forward()[0], model.flat_parameters)
    assert backprop(dy, need_dx=False) is None
    np.testing.assert_array_equal(model.flat_gradients, 2 * gradients)  # added, and the same again


def test_gradients_of_the_state():
    model = build(STACK)
    _, backprop = model.forward(X, lengths=LENGTHS)
    state, dstate = copy.deepcopy(backprop.state), copy.deepcopy(backprop.state)
    for model_state in (state, dstate):
        assert [own and len(own) for own in model_state] == [4, None, 1, None, None]
        for value in arrays(model_state):
            value[...] = RNG.normal(size=value.shape)
    dy = RNG.normal(size=(B, 3))

    def forward():
        return model.forward(X, training=True, lengths=LENGTHS, state=state, rng=np.random.default_rng(1))

    def loss():
        y, backprop = forward()
        pairs = zip(arrays(backprop.state), arrays(dstate), strict=True)
        return float((y * dy).sum() + sum((s * d).sum() for s, d in pairs))

    backprop = forward()[1]
    backprop(dy, dstate)
    assert backprop.dstate[1] is None
    for value, d in zip(arrays(state), arrays(backprop.dstate), strict=True):
        assert_gradient(d, loss, value)


def arrays(state):
    return [value for layer in state if layer is not None for own in layer for value in own]


def test_a_sequence_in_two_pieces_is_the_whole_to_the_bit():
    model = build([LSTM(9, layers=2, return_sequences=True), GRU(5, return_sequences=True), Dense(3)], "float32")
    x = X.astype("f4")
    whole, end = model.forward(x)
    first, middle = model.forward(x[:, :2])
    second, last = model.forward(x[:, 2:], state=middle.state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)
    for got, expected in zip(arrays(last.state), arrays(end.state), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("layers", [STACK, STEPWISE])
@pytest.mark.parametrize("lengths", [None, np.random.default_rng(0).integers(0, T + 1, 31)], ids=["whole", "ragged"])
def test_predict_is_the_same_whatever_the_batch(layers, lengths):
    model = build(layers, "float32")
    x = np.random.default_rng(1).normal(size=(31, T, I)).astype("f4")
    expected = model.predict(x, lengths)
    for batch_size in (1, 7, 30):
        np.testing.assert_array_equal(model.predict(x, lengths, batch_size=batch_size), expected)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda threads: model.predict(x, lengths, n_threads=threads), [1, 2, 1, 3]):
            np.testing.assert_array_equal(got, expected)
    assert model.predict(x[:0]).shape == (0, *expected.shape[1:])


def test_weights_packed_before_are_a_snapshot():
    model = build([GRU(5)])
    weights, before = model.pack(), model.predict(X)
    model.flat_parameters[...] = 0
    np.testing.assert_array_equal(model.forward(X, weights=weights)[0], before)
    assert not model.predict(X).any()


@pytest.mark.parametrize("duplicate", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy], ids=["pickle", "copy"])
def test_copies_have_views_of_their_own(duplicate):
    model = build(STACK)
    twin = duplicate(model)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    before = model.flat_parameters.copy()
    for views, vector in ((twin.parameters, twin.flat_parameters), (twin.gradients, twin.flat_gradients)):
        for count, view in enumerate(views.values()):
            view[...] = count
        sizes = [view.size for view in views.values()]
        np.testing.assert_array_equal(vector, np.repeat(np.arange(len(sizes)), sizes))
    np.testing.assert_array_equal(model.flat_parameters, before)
    unbuilt = duplicate(Sequential([GRU(2)]))
    assert repr(unbuilt) == "Sequential([GRU(2)])"


def test_names_and_shapes():
    model = build(STACK)
    shapes = {name: view.shape for name, view in model.parameters.items()}
    assert list(shapes)[:4] == ["0.0.forward.Wx", "0.0.forward.Wh", "0.0.forward.bx", "0.0.forward.bh"]
    assert shapes["0.0.backward.Wx"] == (4, 4, 5)
    assert shapes["0.1.backward.Wx"] == (10, 4, 5)
    assert shapes["2.0.forward.Wh"] == (6, 3, 6)
    assert (shapes["3.W"], shapes["3.b"], shapes["4.W"]) == ((6, 7), (7,), (7, 3))
    assert sum(np.prod(shape) for shape in shapes.values()) == model.flat_parameters.size
    assert model.gradients.keys() == model.parameters.keys()
    assert model.output_shape == (3,)
    with pytest.raises(TypeError):
        model.parameters["4.b"] = np.zeros(3)  # would no longer be a view


def test_initial_weights_are_the_seed():
    first, again, other = (Sequential(STACK).build((T, I), "float32", seed=seed).flat_parameters for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first != other, first != 0)  # all but the biases
    wide = Sequential(STACK).build((T, I), "float64", seed=3).flat_parameters
    np.testing.assert_array_equal(first, wide.astype("f4"))
    ones = [Sequential([GRU(3)]).build((T, I), seed=None).flat_parameters for _ in range(2)]
    assert (ones[0] != ones[1]).any()


def test_file_gives_the_same_model(tmp_path):
    own = cells.Cell("own", "h", "h", cells.RNN_TANH.step, cells.RNN_TANH.step_vjp)
    model = build([Recurrent(own, 5, return_sequences=True), *STACK[:3], Dense(2, initializer=Gaussian(0.1))])
    model.save(tmp_path / "model.h5")
    tree = storage.read(tmp_path / "model.h5")
    twin = load_model(tree, cells=(own,))
    assert twin.layers == model.layers
    assert (twin.input_shape, twin.dtype) == ((None, I), np.float64)
    np.testing.assert_array_equal(twin.flat_parameters, model.flat_parameters)
    with pytest.raises(ValueError, match=r"the custom cell 'own': pass it as cells=\[own\]"):
        load_model(tree)
    wrong = tree["parameters"].pop("4.W")
    with pytest.raises(ValueError, match=r"parameters are missing, or are not of this model: 4\.W"):
        load_model(tree, cells=(own,))
    tree["parameters"]["4.W"] = wrong[1:]
    with pytest.raises(ValueError, match=r"parameter 4\.W has shape \(5, 2\) .*expected \(6, 2\) and float64"):
        load_model(tree, cells=(own,))


def test_summary(capsys):
    Sequential([LSTM(5, bidirectional=True), Dense(3)]).build((10, 4)).summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "output", "parameters", "tape", "bytes"]
    # 2 directions, 4 gates of 4 + 5 inputs and two biases for 5 units; 11 times h and c, 10 times 4 gates, in 4 bytes
    assert lines[2].split() == ["0", "LSTM(5,", "bidirectional=True)", "(10)", "440", "2,480"]
    assert lines[3].split() == ["1", "Dense(3)", "(3)", "33", "12"]
    assert lines[5].split() == ["473", "2,492"]
    assert lines[6] == "input (10, 4), float32; tape bytes are those of an example"
    assert len({len(line) for line in lines[:6]}) == 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Sequential([]), ValueError, "layers is empty"),
        (lambda: Sequential([GRU(3), 4]), TypeError, r"layers\[1\] is 4, expected a layer"),
        (lambda: Sequential([GRU(3)]).predict(X), RuntimeError, r"call model.build\(input_shape\) first"),
        (lambda: Sequential([GRU(3)]).build((4,)), ValueError, r"takes sequences \(T, I\)"),
        (lambda: Sequential([GRU(3), GRU(3)]).build((T, I)), ValueError, r"return_sequences=True"),
        (
            lambda: Sequential([GRU(3)]).build((1, 2, 3)),
            ValueError,
            r"GRU\(3\) takes sequences \(T, I\), but its input has shape \(1, 2, 3\)$",
        ),
        (lambda: Sequential([Dense(3)]).build(()), ValueError, r"input_shape is \(\), expected \(T or None, I\)"),
        (lambda: Sequential([Dense(3)]).build((4, 0, 2)), ValueError, r"input_shape\[1\] is 0, expected at least 1"),
        (lambda: Sequential([GRU(3)]).build((T, 0)), ValueError, "I in input_shape is 0, expected at least 1"),
        (lambda: Sequential([GRU(3)]).build((T, I), "float16"), TypeError, "dtype is 'float16', expected float32 or"),
        (lambda: build([GRU(3)]).predict(X[..., 1:]), ValueError, r"x has shape \(3, 5, 3\), expected \(any, any, 4\)"),
        (lambda: build([GRU(3)]).predict(X[0]), ValueError, r"x has shape \(5, 4\), expected a batch of \(None, 4\)"),
        (lambda: build([GRU(3)], "float32").predict(X), TypeError, "x has dtype float64, expected float32"),
        (lambda: build([GRU(3)]).predict(X, LENGTHS + 1), ValueError, r"lengths\[1\] is 6, expected 0\.\.5"),
        (lambda: build([GRU(3)]).predict(X, batch_size=0), ValueError, "batch_size is 0, expected at least 1"),
        (lambda: build([GRU(3)]).forward(X, state=()), ValueError, "state has 0 entries, expected a tuple of 1"),
        (lambda: build([GRU(3)]).forward(X)[1](np.zeros((3, 3))), RuntimeError, r"training=True\) to go back"),
        (
            lambda: Sequential([Dense(3)]).build((I,)).forward(X[:, 0].astype("f4"), lengths=LENGTHS),
            ValueError,
            r"lengths is given, but inputs \(4,\) have no steps",
        ),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_without_recurrent_layers():
    model = Sequential([Dropout(0.2), Dense(6, "tanh"), Dense(2)]).build((I,), "float64")
    W, b, V, c = model.parameters.values()
    np.testing.assert_allclose(model.predict(X[:, 0]), np.tanh(X[:, 0] @ W + b) @ V + c, rtol=1e-12)
