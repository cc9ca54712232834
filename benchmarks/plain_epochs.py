"""The same epochs in float64, written as plainly as possible: the results that every engine should reach."""

from typing import Any

import numpy as np

from benchmarks.epochs import PADDING, EpochProblem, NGramProblem, SumsProblem, TextProblem, lstm_named, lstm_of
from fastrnn import recurrent_backward, recurrent_forward
from fastrnn._typing import Array

Epoch = tuple[float, dict[str, Array]]


def plain_epoch(problem: EpochProblem) -> dict[str, Array]:
    """Return the mean loss of an epoch, and the weights after the epoch."""
    epochs: dict[type[EpochProblem], Any] = {NGramProblem: _ngram, TextProblem: _text, SumsProblem: _sums}
    adam = Adam(problem)
    loss = epochs[type(problem)](problem, adam)
    return {"loss": np.array(loss), **adam.weights}


class Adam:
    """The weights of a problem, which Adam (Kingma and Ba 2015) updates after clipping the norm of the gradients."""

    def __init__(self, problem: EpochProblem) -> None:
        self.problem = problem
        self.weights = {name: array.astype(float) for name, array in problem.weights.items()}
        self.means, self.squares = ({name: np.zeros_like(W) for name, W in self.weights.items()} for _ in range(2))
        self.step = 0

    def update(self, gradients: dict[str, Array]) -> None:
        """Make one update."""
        rate, beta1, beta2, epsilon = self.problem.adam.values()
        limit = self.problem.clip_norm
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
        scale = 1 if limit is None else min(1, limit / norm)
        self.step += 1
        for name in self.weights:
            gradient = gradients[name] * scale
            self.means[name] = beta1 * self.means[name] + (1 - beta1) * gradient
            self.squares[name] = beta2 * self.squares[name] + (1 - beta2) * gradient**2
            root = np.sqrt(self.squares[name] / (1 - beta2**self.step)) + epsilon
            self.weights[name] = self.weights[name] - rate * self.means[name] / (1 - beta1**self.step) / root


def _cross_entropy(logits: Array, y: Array) -> tuple[float, Array]:
    """Return the mean loss over all y except padding, and the gradient of the logits."""
    real = y != PADDING
    p = np.exp(logits)
    p /= p.sum(axis=-1, keepdims=True)
    chosen = np.take_along_axis(p, np.where(real, y, 0)[..., None], axis=-1)[..., 0]
    d = (p - np.eye(p.shape[-1])[np.where(real, y, 0)]) * real[..., None] / real.sum()
    return -np.log(chosen[real]).mean(), d


def _ngram(problem: NGramProblem, adam: Adam) -> float:
    losses = []
    for rows in problem.order:
        E, W1, b1, W2, b2 = adam.weights.values()
        x, y = problem.x[rows], problem.y[rows]
        e = E[x].reshape(len(rows), -1)
        h = 1 / (1 + np.exp(-(e @ W1 + b1)))
        loss, d2 = _cross_entropy(h @ W2 + b2, y)
        losses.append(loss)
        d1 = d2 @ W2.T * h * (1 - h)
        dE = np.zeros_like(E)
        np.add.at(dE, x, (d1 @ W1.T).reshape(*x.shape, -1))
        adam.update({"E": dE, "W1": e.T @ d1, "b1": d1.sum(0), "W2": h.T @ d2, "b2": d2.sum(0)})
    return np.mean(losses)


def _text(problem: TextProblem, adam: Adam) -> float:
    losses, states = [], dict.fromkeys(problem.inputs)
    for first in range(0, problem.x.shape[1], problem.case.T):
        window = np.s_[:, first : first + problem.case.T]
        h, tapes = problem.x[window], {}
        for name in problem.inputs:
            h, states[name], tapes[name] = _forward(adam, name, h, states[name])
        loss, gradients, dh = _softmax(adam, h, problem.y[window])
        losses.append(loss)
        for name in reversed(problem.inputs):
            dh, own, _ = _backward(tapes[name], name, dh)
            gradients |= own
        adam.update(gradients)
    return np.mean(losses)


def _sums(problem: SumsProblem, adam: Adam) -> float:
    losses, written = [], []
    for rows in problem.order:
        _, state, encoder = _forward(adam, "encoder", problem.x[rows], lengths=problem.lengths[rows])
        h, _, decoder = _forward(adam, "decoder", problem.before[rows], state)
        y = problem.y[rows]
        loss, gradients, dh = _softmax(adam, h, y)
        losses.append(loss)
        written.append((y != PADDING).sum())
        _, own, dstate = _backward(decoder, "decoder", dh)
        _, others, _ = _backward(encoder, "encoder", None, dstate)
        adam.update(gradients | own | others)
    return np.average(losses, weights=written)


def _forward(adam: Adam, name: str, x: Array, state: Any = None, lengths: Array | None = None) -> Any:
    return recurrent_forward("lstm", x, lstm_of(adam.weights, name), state, lengths=lengths, backend="reference")


def _backward(tape: Any, name: str, dy: Array | None, dstate: Any = None) -> tuple[Any, dict[str, Array], Any]:
    dx, dweights, dstate = recurrent_backward(tape, dy, dstate)
    return dx, lstm_named(name, dweights), dstate


def _softmax(adam: Adam, h: Array, y: Array) -> tuple[float, dict[str, Array], Array]:
    """Return the loss after the last layer, the gradients of its weights, and the gradient of h."""
    W, b = adam.weights["W"], adam.weights["b"]
    loss, d = _cross_entropy(h @ W + b, y)
    return loss, {"W": np.einsum("bth,btv->hv", h, d), "b": d.sum((0, 1))}, d @ W.T
