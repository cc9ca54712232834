"""What a user adds from outside of the package gives the right values, in training and after files."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from differences import assert_gradient

import fastrnn.losses
from fastrnn import GRU, SGD, Dense, Embedding, EncoderDecoder, Flatten, Sequential, Stream, Trainer, storage
from fastrnn.layers import Backward, Call, Forward, Gradients, Layer, NetState, Parameters, Shape, State
from fastrnn.layers.description import describe, rebuild
from fastrnn.losses import Loss, cross_entropy
from fastrnn.memory import training_bytes
from fastrnn.models.encoder_decoder import load_encoder_decoder
from fastrnn.models.sequential import load_model
from fastrnn.training.batches import Examples, check_examples
from fastrnn.training.errors import ResumeError
from fastrnn.training.objectives import Objective

N, T, I, C = 24, 6, 4, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, T, I))
Y = np.arange(N) % C
STEPS = RNG.integers(0, C, (N, T))
LENGTHS = RNG.integers(2, T + 1, N)
IMAGES = RNG.normal(size=(N, 4, 5, 2))


def classifier(*, steps: bool = False, dtype: str = "float64") -> Sequential:
    return Sequential([GRU(5, return_sequences=steps), Dense(C)]).build((T, I), dtype)


# ---- a loss ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Focal(Loss):
    """The focal loss: (1 - p) ** gamma * -log p of the true class's probability p."""

    gamma: float = 2.0
    counts_accuracy = takes_padding = stratifies = True

    def __call__(self, y, target, mask=None, sample_weight=None):
        valid = np.ones(y.shape[:-1], bool) if mask is None else mask
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        weights = np.broadcast_to(weights.reshape(-1, *(1,) * (y.ndim - 2)), valid.shape)[valid] / valid.sum()
        probabilities = np.exp(y[valid] - y[valid].max(axis=-1, keepdims=True))
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        hot = np.eye(y.shape[-1])[target[valid]]
        p = (probabilities * hot).sum(axis=-1)
        slope = self.gamma * (1 - p) ** (self.gamma - 1) * np.log(p) - (1 - p) ** self.gamma / p  # of the loss by p
        dy = np.zeros_like(y)
        dy[valid] = (weights * slope * p)[:, None] * (hot - probabilities)
        return float((weights * (1 - p) ** self.gamma * -np.log(p)).sum()), dy


class Plain:
    """A loss that is no `Loss`, but has some of the attributes."""

    counts_accuracy = takes_padding = True

    def __call__(self, y, target, mask=None, sample_weight=None):
        return cross_entropy(y, target, mask, sample_weight)


class Huber(Loss):
    """Quadratic for errors up to 1, then linear."""

    def __call__(self, y, target, mask=None, sample_weight=None):
        error = y - target
        values = np.where(np.abs(error) <= 1, error**2 / 2, np.abs(error) - 0.5)
        return float(values.mean()), np.clip(error, -1, 1) / error.size


def test_a_loss_has_the_gradient_of_its_model():
    model, loss = classifier(steps=True), Focal(1.5)
    mask = np.arange(T) < LENGTHS[:, None]

    def value():
        return loss(model.forward(X, lengths=LENGTHS)[0], STEPS, mask)[0]

    y, backprop = model.forward(X, lengths=LENGTHS, training=True)
    backprop(loss(y, STEPS, mask)[1], need_dx=False)
    assert_gradient(model.flat_gradients, value, model.flat_parameters)


def test_a_loss_that_counts_gives_the_accuracy():
    model = classifier()
    trainer = Trainer(model, Focal(), SGD(0.3), monitor="validation_accuracy")
    history = trainer.fit(X, Y, epochs=4, batch_size=5, validation=(X[:9], Y[:9]))
    assert list(history)[:5] == ["epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    assert history.best_epoch == 1 + int(np.argmax(history["validation_accuracy"]))
    right = model.predict(X[:9]).argmax(axis=1) == Y[:9]
    assert max(history["validation_accuracy"]) == pytest.approx(right.mean())
    assert trainer.evaluate(X[:9], Y[:9])[1] == pytest.approx(right.mean())


@pytest.mark.parametrize("loss", [Focal(), Plain()], ids=["class", "object"])
def test_a_loss_that_takes_padding_never_sees_it(loss):
    model, padded = classifier(steps=True), np.where(RNG.random((N, T)) < 0.3, -1, STEPS)
    padded[:, 0] = STEPS[:, 0]
    valid = (padded >= 0) & (np.arange(T) < LENGTHS[:, None])
    got, accuracy = Trainer(model, loss).evaluate(X, padded, lengths=LENGTHS)
    logits = model.predict(X, LENGTHS)
    np.testing.assert_allclose(got, loss(logits, STEPS, valid)[0], rtol=1e-12)
    np.testing.assert_allclose(accuracy, (logits.argmax(axis=-1) == STEPS)[valid].mean(), rtol=1e-12)
    with pytest.raises(ValueError, match="y has nothing but padding"):
        Trainer(model, loss).evaluate(X, np.full((N, T), -1))


def test_a_loss_without_padding_gets_minus_one_as_it_is():
    seen = []

    def loss(y, target, mask=None, sample_weight=None):
        seen.append(target.min())
        return 0.0, np.zeros_like(y)

    Trainer(classifier(steps=True), loss).evaluate(X, np.full((N, T), -1))
    assert seen == [-1]


def test_a_loss_that_stratifies_holds_out_each_class():
    held_out, y = {}, np.array([0] * 18 + [1] * 6)
    for name, loss in (("focal", Focal()), ("known", "cross_entropy"), ("plain", Plain())):
        trainer = Trainer(classifier(), loss, SGD(1e-300), seed=1)
        trainer.fit(X, y, epochs=1, validation=1 / 3)
        held_out[name] = trainer.state()["data"]["validation x"]
    assert held_out["focal"] == held_out["known"]
    assert held_out["plain"] != held_out["known"]


def test_a_loss_is_known_by_name_when_a_run_goes_on(monkeypatch):
    monkeypatch.setitem(fastrnn.losses.LOSSES, "huber", Huber())
    target = RNG.normal(size=(N, C))
    states, models = [], []
    for epochs in (4, 2):
        models.append(classifier())
        trainer = Trainer(models[-1], "huber", SGD(0.1, 0.9), callbacks=[lambda *_: None])
        trainer.fit(X, target, epochs=epochs)
        states.append(trainer.state())
    assert states[0]["settings"]["loss"] == "Huber"
    again = Trainer(classifier(), "huber", SGD(0.1, 0.9))
    again.restore(states[1])
    again.fit(X, target, epochs=4)
    np.testing.assert_array_equal(again.model.flat_parameters, models[0].flat_parameters)
    focal = Trainer(classifier(), Focal(2.0))
    focal.fit(X, Y, epochs=1)
    assert focal.state()["settings"]["loss"] == "Focal(gamma=2.0)"
    with pytest.raises(ResumeError, match=r"loss of the run is Focal\(gamma=2.0\), but Focal\(gamma=3.0\) is given"):
        Trainer(classifier(), Focal(3.0)).restore(focal.state())


def test_a_loss_that_takes_padding_trains_an_encoder_and_decoder():
    targets = np.where(np.arange(T) < LENGTHS[:, None], STEPS, -1)
    models = []
    for loss in ("cross_entropy", Plain()):
        models.append(
            EncoderDecoder([GRU(5)], [GRU(5, return_sequences=True), Dense(C)]).build((None, I), C, "float64")
        )
        history = Trainer(models[-1], loss, SGD(0.1)).fit(X, targets, epochs=2)
        assert "train_accuracy" in history
    np.testing.assert_array_equal(models[0].flat_parameters, models[1].flat_parameters)


# ---- a layer ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """An argument of a layer: a function x + scale * x ** 2, with other plain values."""

    scale: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Channels(Layer):
    """At each place of an image, f(x W) with parameters W (C, F)."""

    filters: int
    curve: Curve
    options: Any = None

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise ValueError(f"{self!r} takes images, not {input_shape}")
        return (*input_shape[:2], self.filters)

    def initialize(self, input_shape: Shape, rng: np.random.Generator) -> Parameters:
        return {"W": rng.normal(size=(input_shape[2] or 0, self.filters)) / 3}

    def forward(self, weights: Any, x: Any, state: State, call: Call) -> Forward:
        W, scale = weights["W"], self.curve.scale
        a = x @ W

        def backprop(gradients: Gradients, dy: Any, dstate: State, need_dx: bool) -> Backward:
            da = dy * (1 + 2 * scale * a)
            gradients["W"] += np.einsum("bhwc,bhwf->cf", x, da)
            return da @ W.T if need_dx else None, None

        return a + scale * a**2, None, backprop if call.training else None

    def tape_size(self, input_shape: Shape) -> int:
        return int(np.prod(self.output_shape(input_shape), dtype=int))


@dataclass(frozen=True, repr=False)
class Inside(Layer):
    """Two layers as one."""

    layer: Layer
    others: tuple[Layer, ...] = ()

    def _all(self) -> list[Layer]:
        return [self.layer, *self.others]

    def output_shape(self, input_shape: Shape) -> Shape:
        for layer in self._all():
            input_shape = layer.output_shape(input_shape)
        return input_shape

    def initialize(self, input_shape: Shape, rng: np.random.Generator) -> Parameters:
        parameters = {}
        for index, layer in enumerate(self._all()):
            own = layer.initialize(input_shape, rng)
            parameters |= {f"{index}.{name}": value for name, value in own.items()}
            input_shape = layer.output_shape(input_shape)
        return parameters

    def _own(self, parameters: Any, index: int) -> Any:
        return {name[2:]: value for name, value in parameters.items() if name.startswith(f"{index}.")}

    def pack_steps(self, parameters: Parameters) -> list[Any]:
        return [
            net for index, layer in enumerate(self._all()) for net in layer.pack_steps(self._own(parameters, index))
        ]

    def forward(self, weights: Any, x: Any, state: State, call: Call) -> Forward:
        steps = []
        for index, layer in enumerate(self._all()):
            x, _, back = layer.forward(layer.pack(self._own(weights, index)), x, None, call)
            steps.append(back)

        def backprop(gradients: Gradients, dy: Any, dstate: State, need_dx: bool) -> Backward:
            for index in reversed(range(len(steps))):
                dy, _ = steps[index](self._own(gradients, index), dy, None, need_dx or index > 0)
            return dy, None

        return x, None, backprop if call.training else None


@dataclass(frozen=True, repr=False)
class Leaky(Layer):
    """A memory of each channel: h' = d * h + x, with a parameter d for each channel; every step, or the last one."""

    gives_all: bool = True

    @property
    def gives_steps(self) -> bool:
        return self.gives_all

    @property
    def carries(self) -> tuple[NetState, ...]:
        return (NetState("memory", ("h",), 4),)

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape if self.gives_all else input_shape[1:]

    def initialize(self, input_shape: Shape, rng: np.random.Generator) -> Parameters:
        return {"d": rng.uniform(0.2, 0.9, input_shape[1] or 0)}

    def forward(self, weights: Any, x: Any, state: State, call: Call) -> Forward:
        d = weights["d"]
        h = np.empty((len(x), x.shape[1] + 1, x.shape[2]), x.dtype)
        h[:, 0] = 0 if state is None or state[0] is None else state[0][0]
        for t in range(x.shape[1]):
            h[:, t + 1] = d * h[:, t] + x[:, t]

        def backprop(gradients: Gradients, dy: Any, dstate: State, need_dx: bool) -> Backward:
            dh, dx = np.zeros_like(h[:, 0]), np.zeros_like(x)
            if dstate is not None and dstate[0] is not None:
                dh = dh + dstate[0][0]
            if dy is not None and not self.gives_all:
                dh = dh + dy
            for t in reversed(range(x.shape[1])):
                if dy is not None and self.gives_all:
                    dh = dh + dy[:, t]
                dx[:, t] = dh
                gradients["d"] += (dh * h[:, t]).sum(axis=0)
                dh = dh * d
            return dx, ((dh,),)

        y = h[:, 1:] if self.gives_all else h[:, -1]
        return y, ((h[:, -1],),), backprop if call.training else None


@dataclass(frozen=True, repr=False)
class Centered(Layer):
    """Subtract the mean of all steps: each output depends on later steps."""

    @property
    def reads_ahead(self) -> bool:
        return True

    def forward(self, weights: Any, x: Any, state: State, call: Call) -> Forward:
        def center(values: Any) -> Any:
            return values - values.mean(axis=1, keepdims=True)

        return center(x), None, (lambda gradients, dy, dstate, need_dx: (center(dy), None)) if call.training else None


CHANNELS = Channels(3, Curve(0.3, ("a", "b")), {"depth": 2, "inner": [Curve(0.5)]})


def image_net(dtype: str = "float64") -> Sequential:
    return Sequential([CHANNELS, Inside(Flatten(), (Dense(6, "tanh"),)), Dense(C)]).build((4, 5, 2), dtype)


def test_a_layer_on_images_has_the_right_outputs_and_gradients():
    model, x = image_net(), IMAGES[:5].copy()
    W, V, b, U, c = model.parameters.values()
    a = np.einsum("bhwc,cf->bhwf", x, W)
    expected = np.tanh((a + 0.3 * a**2).reshape(5, -1) @ V + b) @ U + c
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(x, batch_size=2), model.predict(x))
    assert model.output_shape == (C,)
    assert not model.has_steps

    def loss():
        return cross_entropy(model.forward(x)[0], Y[:5])[0]

    y, backprop = model.forward(x, training=True)
    dx = backprop(cross_entropy(y, Y[:5])[1])
    assert_gradient(dx, loss, x)
    assert_gradient(model.flat_gradients, loss, model.flat_parameters)


def test_a_layer_trains_as_plain_loops_would():
    model, by_hand = image_net(), image_net()
    Trainer(model, "cross_entropy", SGD(0.1), seed=3).fit(IMAGES, Y, epochs=3, batch_size=N)
    for _ in range(3):
        y, backprop = by_hand.forward(IMAGES, training=True)
        by_hand.zero_gradients()
        backprop(cross_entropy(y, Y)[1], need_dx=False)
        by_hand.flat_parameters[...] -= 0.1 * by_hand.flat_gradients
    np.testing.assert_allclose(model.flat_parameters, by_hand.flat_parameters, rtol=1e-10)
    history = Trainer(image_net(), "cross_entropy", SGD(0.1)).fit(IMAGES, Y, epochs=3, batch_size=5, validation=0.25)
    assert history.n_epochs == 3


def test_a_layer_may_end_a_model_with_a_class_for_each_place():
    model = Sequential([CHANNELS]).build((4, 5, 2), "float64")
    y = RNG.integers(0, 3, (N, 4, 5))
    loss, accuracy = Trainer(model, "cross_entropy").evaluate(IMAGES, y)
    logits = model.predict(IMAGES)
    np.testing.assert_allclose(accuracy, (logits.argmax(axis=-1) == y).mean(), rtol=1e-12)
    np.testing.assert_allclose(loss, cross_entropy(logits, y)[0], rtol=1e-12)


def test_a_layer_is_in_the_summary_and_in_memory_estimates(capsys):
    model = image_net("float32")
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[-5:] == ["(4,", "5,", "3)", "6", "240"]
    assert lines[-1].startswith("input (4, 5, 2), float32")
    inputs, outputs = 4 * 5 * 2 * 4, 4 * 5 * 3 * 4
    assert training_bytes(model, 7, 1) >= 7 * (inputs + 2 * outputs)


def test_a_layer_comes_back_from_a_file(tmp_path):
    model = image_net()
    Trainer(model, "cross_entropy", SGD(0.1)).fit(IMAGES, Y, epochs=1)
    model.save(tmp_path / "model.h5")
    tree, classes = storage.read(tmp_path / "model.h5"), [Channels, Curve, Inside]
    twin = load_model(tree, classes=classes)
    assert twin.layers == model.layers
    np.testing.assert_array_equal(twin.flat_parameters, model.flat_parameters)
    np.testing.assert_array_equal(twin.predict(IMAGES), model.predict(IMAGES))
    for missing, kind in (("Channels", "layer"), ("Curve", "class"), ("Inside", "layer")):
        given = [own for own in classes if own.__name__ != missing]
        with pytest.raises(ValueError, match=rf"^this model uses the custom {kind} '{missing}': pass it as classes=\["):
            load_model(tree, classes=given)


def test_a_layer_may_hold_cells_and_layers_by_any_name():
    own = fastrnn.cells.Cell("own", "h", "h", fastrnn.cells.RNN_TANH.step, fastrnn.cells.RNN_TANH.step_vjp)

    @dataclass(frozen=True, repr=False)
    class Holder(Layer):
        cell: Any
        layer: Any
        arguments: Any = None
        object: Any = None

    for layer in (Holder(own, GRU(3)), Holder("hexagon", {"cell": own}, [own, None], Curve(1.0))):
        assert rebuild(describe(layer), cells=[own], classes=[Holder, Curve]) == layer
    with pytest.raises(ValueError, match=r"this model uses the custom cell 'own': pass it as cells=\[own\]"):
        rebuild(describe(Holder(own, None)), classes=[Holder])


def test_a_layer_without_time_takes_no_lengths_and_no_other_shape():
    model = image_net()
    for call in (model.predict, lambda x, lengths: model.forward(x, lengths=lengths)):
        with pytest.raises(ValueError, match=r"lengths is given, but inputs \(4, 5, 2\) have no steps"):
            call(IMAGES, np.full(N, 4))
    with pytest.raises(ValueError, match="have no steps; pass None"):
        Trainer(model, "cross_entropy").fit(IMAGES, Y, epochs=1, lengths=np.full(N, 4))
    with pytest.raises(ValueError, match=r"x has shape \(24, 4, 4, 2\), expected a batch of \(4, 5, 2\)"):
        model.predict(IMAGES[:, :, :4])
    with pytest.raises(ValueError, match=r"x has shape \(24, 6, 4\), expected a batch of \(4, 5, 2\)"):
        model.predict(X)
    with pytest.raises(ValueError, match="takes images, not"):
        Sequential([CHANNELS]).build((T, I))
    with pytest.raises(ValueError, match=r"inputs \(4, 5, 2\) without steps"):
        Stream(model)
    with pytest.raises(ValueError, match=r"window is 2, but .* gives no output at each step"):
        Trainer(model, "cross_entropy").fit(IMAGES, Y, epochs=1, window=2)


def test_a_layer_runs_one_step_at_a_time():
    layers = [Inside(Dense(5, "tanh"), (Dense(6),)), GRU(4, return_sequences=True), Dense(2)]
    model = Sequential(layers).build((None, I), "float32")
    x, stream = X[:3].astype("f4"), Stream(model, batch_size=3)
    y = np.stack([stream.step(np.ascontiguousarray(x[:, t])) for t in range(T)], axis=1)
    np.testing.assert_array_equal(y, model.predict(x))
    assert stream.state[0] is None
    with pytest.raises(ValueError, match=r"Leaky\(\) does not run one step at a time; use recurrent layers"):
        Stream(Sequential([Leaky()]).build((None, I)))


def test_a_layer_carries_its_state_through_windows():
    model = Sequential([Leaky(), Dense(C)]).build((None, I), "float64")
    whole, end = model.forward(X)
    first, middle = model.forward(X[:, :4])
    second, last = model.forward(X[:, 4:], state=middle.state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)
    np.testing.assert_array_equal(last.state[0][0][0], end.state[0][0][0])
    trainer = Trainer(model, "cross_entropy", SGD(1e-300))
    np.testing.assert_allclose(trainer.evaluate(X, STEPS, window=2), trainer.evaluate(X, STEPS), rtol=1e-12)
    assert trainer.fit(X, STEPS, epochs=1, window=2).n_epochs == 1
    ahead = Sequential([Centered(), Dense(C)]).build((None, I))
    with pytest.raises(ValueError, match=r"window is 2, but Centered\(\) reads sequences from their end too"):
        Trainer(ahead, "cross_entropy").fit(X, STEPS, epochs=1, window=2)


def test_a_layer_hands_its_state_from_encoder_to_decoder(tmp_path):
    model = EncoderDecoder([Leaky(gives_all=False)], [Embedding(C + 1, 4), Leaky(), Dense(C)])
    model.build((None, I), C, "float64")

    def loss():
        return cross_entropy(model.forward(X, STEPS)[0], STEPS)[0]

    logits, backprop = model.forward(X, STEPS, training=True)
    backprop(cross_entropy(logits, STEPS)[1])
    assert np.abs(model.gradients["encoder.0.d"]).min() > 0
    assert_gradient(model.flat_gradients, loss, model.flat_parameters)
    Trainer(model, "cross_entropy", SGD(0.1)).fit(X, STEPS, epochs=1)
    model.save(tmp_path / "model.h5")
    twin = load_encoder_decoder(storage.read(tmp_path / "model.h5"), classes=[Leaky])
    np.testing.assert_array_equal(twin.forward(X, STEPS)[0], model.forward(X, STEPS)[0])
    with pytest.raises(ValueError, match=r"the decoder has Leaky\(gives_all=False\), but writes step by step"):
        EncoderDecoder([Leaky()], [Leaky(gives_all=False)])
    with pytest.raises(ValueError, match="as many recurrent layers"):
        EncoderDecoder([GRU(4)], [Leaky()])


# ---- a callback ------------------------------------------------------------------------------------------------------


class Averaging:
    """A callback that averages the weights of all epochs, and stops training after some of them."""

    def __init__(self, model: Sequential, stop: int) -> None:
        self.model, self.stop = model, stop
        self.sum, self.seen = np.zeros_like(model.flat_parameters), []

    def __call__(self, epoch: int, history: Any) -> None:
        self.sum += self.model.flat_parameters
        self.seen.append((epoch, history["train_loss"][-1]))
        if epoch == self.stop:
            raise KeyboardInterrupt


def test_a_callback_sees_each_epoch_and_may_end_training():
    model = classifier()
    average, weights, reports, starts = Averaging(model, 3), [], [], []
    trainer = Trainer(
        model,
        "cross_entropy",
        SGD(0.5),
        callbacks=[lambda *_: weights.append(model.flat_parameters.copy()), average],
        batch_callbacks=[reports.append],
        start_callbacks=[lambda history: starts.append(history.n_epochs)],
    )
    history = trainer.fit(X, Y, epochs=9, batch_size=10)
    assert starts == [0]
    assert average.seen == list(zip([1, 2, 3], history["train_loss"], strict=True))
    np.testing.assert_array_equal(average.sum, weights[0] + weights[1] + weights[2])
    assert [(report.epoch, report.batch, report.batches) for report in reports] == [
        (epoch, batch, 3) for epoch in (1, 2, 3) for batch in (1, 2, 3)
    ]
    assert [report.loss for report in reports[2::3]] == history["train_loss"]
    assert [report.accuracy for report in reports[2::3]] == history["train_accuracy"]
    np.testing.assert_array_equal(model.flat_parameters, weights[2])


# ---- an objective ----------------------------------------------------------------------------------------------------


class Line(Objective):
    """Least squares: weights w (I,) for x w = y; it also measures the sum of |w|, and which signs are right."""

    measures = ("train_hits", "weight")
    larger_is_better = ("hits",)

    def __init__(self) -> None:
        self.w, self.d = np.zeros(I), np.zeros(I)

    @property
    def flat_parameters(self) -> Any:
        return self.w

    @property
    def flat_gradients(self) -> Any:
        return self.d

    def check(self, x: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Examples:
        return check_examples(False, x, y, lengths, sample_weight)

    def _errors(self, x: Any, y: Any) -> tuple[Any, float, float]:
        out = x @ self.w
        return out - y, float(((out - y) ** 2).mean()), float((np.sign(out) == np.sign(y)).sum())

    def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        errors, loss, hits = self._errors(batch.x, batch.y)
        self.d[...] = 2 * batch.x.T @ errors / len(errors)
        return loss, {"weight": float(np.abs(self.w).sum()) * batch.n_steps, "train_hits": hits}

    def evaluate(
        self, examples: Examples, batch_size: int, at_a_time: int | None = None, window: int | None = None
    ) -> tuple[float, dict[str, float]]:
        _, loss, hits = self._errors(examples.x, examples.y)
        return loss, {"hits": hits / len(examples.x)}


ROWS = X[:, 0]
TARGETS = ROWS @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.3 * RNG.normal(size=N)
COLUMNS = [
    "epoch", "train_loss", "train_hits", "weight", "validation_loss", "validation_hits", "learning_rate", "seconds",
]  # fmt: skip
SET = (ROWS[::2] + 0.1, TARGETS[::2])


def test_an_objective_fills_the_history_with_what_it_measures(tmp_path):
    objective = Line()
    history = Trainer(objective, None, SGD(0.05)).fit(ROWS, TARGETS, epochs=4, batch_size=N, validation=SET)
    assert list(history) == COLUMNS
    w = np.zeros(I)
    for epoch in range(4):
        out = ROWS @ w
        assert history["train_loss"][epoch] == pytest.approx(((out - TARGETS) ** 2).mean())
        assert history["weight"][epoch] == pytest.approx(np.abs(w).sum())
        assert history["train_hits"][epoch] == pytest.approx((np.sign(out) == np.sign(TARGETS)).mean())
        w = w - 0.05 * 2 * ROWS.T @ (out - TARGETS) / N
        out = SET[0] @ w
        assert history["validation_loss"][epoch] == pytest.approx(((out - SET[1]) ** 2).mean())
        assert history["validation_hits"][epoch] == pytest.approx((np.sign(out) == np.sign(SET[1])).mean())
    history.write_csv(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.parametrize("monitor", ["train_loss", "train_hits", "weight", "validation_loss", "validation_hits"])
def test_an_objective_has_columns_that_can_be_monitored(monitor):
    weights = []
    objective = Line()
    trainer = Trainer(
        objective, None, SGD(0.4), monitor=monitor, callbacks=[lambda *_: weights.append(objective.w.copy())]
    )
    history = trainer.fit(ROWS, TARGETS, epochs=6, batch_size=7, validation=SET)
    best = (np.argmax if monitor.endswith("hits") else np.argmin)(history[monitor])
    assert history.best_epoch == best + 1
    np.testing.assert_array_equal(objective.w, weights[best])
    with pytest.raises(ValueError, match="monitor is 'hits', expected one of None, 'train_loss', 'train_hits', 'wei"):
        Trainer(Line(), None, monitor="hits")


def test_an_objective_goes_on_with_the_same_columns(tmp_path):
    def trainer() -> Trainer:
        return Trainer(Line(), None, SGD(0.05, 0.9), monitor="validation_hits", patience=50)

    first, whole = trainer(), trainer()
    first.fit(ROWS, TARGETS, epochs=2, batch_size=7, validation=SET)
    storage.write(tmp_path / "state.h5", first.state())
    again = trainer()
    again.restore(storage.read(tmp_path / "state.h5"))
    assert list(again.history) == COLUMNS  # the file has them sorted by name
    for one in (again, whole):
        one.fit(ROWS, TARGETS, epochs=5, batch_size=7, validation=SET)
    for name in COLUMNS[:-1]:
        assert again.history[name] == whole.history[name]
    np.testing.assert_array_equal(again.model.w, whole.model.w)


def test_an_objective_measures_the_same_in_each_epoch():
    class Fickle(Line):
        def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
            loss, sums = super().gradient(batch, rng)
            return loss, sums if self.w.any() else {}

    with pytest.raises(ValueError, match="an epoch measures other columns than the epochs before: train_hits, weight"):
        Trainer(Fickle(), None, SGD(0.1)).fit(ROWS, TARGETS, epochs=2, batch_size=N)
