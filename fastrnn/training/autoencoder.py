"""The sparse autoencoder as the trainer sees it: its weights in one flat vector, and their cost."""

from typing import Any

import numpy as np

from fastrnn._kernels import AutoencoderWeights, sparse_autoencoder_cost
from fastrnn._kernels.autoencoder import terms_of
from fastrnn._kernels.dense import dense_forward
from fastrnn._typing import Array
from fastrnn.data.lazy_array import Rows, as_rows
from fastrnn.training.batches import Examples
from fastrnn.training.objectives import Objective

AT_A_TIME = 2**20  # how many numbers of the examples are evaluated together


class AutoencoderObjective(Objective):
    """The cost of `sparse_autoencoder_cost`; the mean activations of a batch stand for those of all examples."""

    measures = ("reconstruction", "l2", "sparsity")
    scale = "the range 0..1"

    def __init__(
        self, weights: AutoencoderWeights, *, l2: float, sparsity: float, sparsity_weight: float, n_threads: int | None
    ) -> None:
        self._parameters = np.concatenate([W.ravel() for W in weights if W is not None])
        self._gradients = np.zeros_like(self._parameters)
        self.weights = _views(weights, self._parameters)
        self.gradients = _views(weights, self._gradients)
        self.n_threads = n_threads
        self.options: dict[str, Any] = {
            "l2": l2,
            "sparsity": sparsity,
            "sparsity_weight": sparsity_weight,
            "n_threads": n_threads,
        }

    @property
    def flat_parameters(self) -> Array:
        return self._parameters

    @property
    def flat_gradients(self) -> Array:
        return self._gradients

    def settings(self) -> dict[str, Any]:
        penalties = {name: value for name, value in self.options.items() if name != "n_threads"}
        W1, tied = self.weights.W1, self.weights.W2 is None
        return {"features": W1.shape[0], "hidden_size": W1.shape[1], "tied": tied, "dtype": W1.dtype.name} | penalties

    def check(self, x: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> Examples:
        for name, value in (("y", y), ("lengths", lengths), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(f"{name} is given, but an autoencoder learns from x alone; pass None")
        return Examples(as_rows(x), None)

    def gradient(self, batch: Examples, rng: np.random.Generator) -> tuple[float, dict[str, float]]:
        cost, parts, gradients = sparse_autoencoder_cost(self.weights, batch.x, **self.options)
        for view, gradient in zip(self.gradients, gradients, strict=True):
            if view is not None:
                view[...] = gradient
        return cost, {name: part * batch.n_steps for name, part in parts.items()}

    def evaluate(
        self, examples: Examples, batch_size: int, at_a_time: int | None = None, window: int | None = None
    ) -> tuple[float, dict[str, float]]:
        return evaluate(self.weights, examples.x, **self.options)[0], {}  # all together: rho is a mean of all


def encode(weights: AutoencoderWeights, x: Array, n_threads: int | None) -> Array:
    """Return the activations (N, H) of the hidden units."""
    return dense_forward(x, weights.W1, weights.b1, "sigmoid", keep_tape=False, n_threads=n_threads)[0]


def decode(weights: AutoencoderWeights, h: Array, n_threads: int | None) -> Array:
    """Return the inputs (N, F) that the decoder makes of activations."""
    W2 = weights.W1.T if weights.W2 is None else weights.W2
    return dense_forward(h, W2, weights.b2, "sigmoid", keep_tape=False, n_threads=n_threads)[0]


def evaluate(
    weights: AutoencoderWeights, x: Rows, *, l2: float, sparsity: float, sparsity_weight: float, n_threads: int | None
) -> tuple[float, dict[str, float], Array]:
    """Return the cost of all examples together, its terms, and the mean activations (H,), without a gradient."""
    error, activations = 0.0, np.zeros(len(weights.b1))
    at_a_time = max(1, AT_A_TIME // x.shape[1])
    for first in range(0, len(x), at_a_time):
        some = x[first : first + at_a_time]
        h = encode(weights, some, n_threads)
        error += float(np.square(decode(weights, h, n_threads) - some, dtype=np.float64).sum())
        activations += h.sum(axis=0, dtype=np.float64)
    activations /= len(x)
    parts = terms_of(weights, activations, error / len(x), l2, sparsity, sparsity_weight)
    return float(sum(parts.values())), {name: float(part) for name, part in parts.items()}, activations


def psnr(reconstruction: float, n_features: int, data_range: float = 1.0) -> float:
    """Return the peak signal-to-noise ratio in decibels that this term of the cost stands for."""
    mean_squared_error = 2 * reconstruction / n_features
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(data_range**2 / np.float64(mean_squared_error)))


def _views(weights: AutoencoderWeights, vector: Array) -> AutoencoderWeights:
    """Return views of consecutive pieces of a vector, in the shapes of these weights."""
    views: list[Array | None] = []
    start = 0
    for W in weights:
        views.append(None if W is None else vector[start : start + W.size].reshape(W.shape))
        start += 0 if W is None else W.size
    return AutoencoderWeights(*views)  # type: ignore[arg-type]
