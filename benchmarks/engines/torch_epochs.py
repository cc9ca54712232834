"""Whole models in PyTorch, in eager mode, as users write them: fused Adam, and batches by index."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch._inductor import config
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from benchmarks.engines.torch_engine import transposed
from benchmarks.epochs import PADDING, EpochProblem, NGramProblem, SumsProblem, TextProblem, lstm_named, lstm_of
from fastrnn import Weights
from fastrnn._typing import Array


class TorchEpoch(ABC):
    """An epoch that starts from the initial weights.

    `initial` holds the initial values of `parameters`, in the same order. Each of `losses` gives one update.
    """

    initial: list[torch.Tensor]
    parameters: list[torch.Tensor]

    def __init__(self, problem: EpochProblem, n_threads: int) -> None:
        torch.set_num_threads(n_threads)
        self.problem: Any = problem
        self.x, self.y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)

    @abstractmethod
    def losses(self) -> Iterator[tuple[torch.Tensor, int | torch.Tensor]]:
        """Yield the loss of each batch, and its weight in the mean loss."""

    def epoch(self) -> torch.Tensor:
        with torch.no_grad():
            for weight, initial in zip(self.parameters, self.initial, strict=True):
                weight.copy_(initial)
        rate, beta1, beta2, epsilon = self.problem.adam.values()
        optimizer = torch.optim.Adam(self.parameters, rate, (beta1, beta2), epsilon, fused=True)
        total = torch.zeros((), dtype=torch.float64)
        weight_sum: Any = 0
        for loss, weight in self.losses():
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if self.problem.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.parameters, self.problem.clip_norm)
            optimizer.step()
            total += loss.detach() * weight
            weight_sum += weight
        return total / weight_sum

    def results(self, direction: str) -> dict[str, Array]:
        return {"loss": self.epoch().numpy()} | self.weights()

    @abstractmethod
    def weights(self) -> dict[str, Array]:
        """Return the weights in fastrnn's layout."""


class TorchNGram(TorchEpoch):
    """The next-word model.

    Matrices have fastrnn's layout: `addmm` is a little faster here than `linear`, which needs them transposed.
    """

    def __init__(self, problem: NGramProblem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        self.order = torch.from_numpy(problem.order)
        self.initial = [torch.from_numpy(W) for W in problem.weights.values()]
        self.parameters = [torch.empty_like(W, requires_grad=True) for W in self.initial]

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        E, W1, b1, W2, b2 = self.parameters
        e = functional.embedding(x, E).flatten(1)
        h = torch.sigmoid(torch.addmm(b1, e, W1))
        return functional.cross_entropy(torch.addmm(b2, h, W2), y)

    def losses(self) -> Iterator[tuple[torch.Tensor, int]]:
        for rows in self.order:
            yield self.loss(self.x[rows], self.y[rows]), 1

    def weights(self) -> dict[str, Array]:
        weights = zip(self.problem.weights, self.parameters, strict=True)
        return {name: weight.detach().numpy().copy() for name, weight in weights}


class CompiledTorchNGram(TorchNGram):
    """The same with a compiled loss and gradient; to compile the step of Adam with them made nothing faster."""

    def __init__(self, problem: NGramProblem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        config.compile_threads = 1  # no pool of processes beside the engines
        self.loss: Any = torch.compile(super().loss, dynamic=False)


class TorchLSTMs(TorchEpoch):
    """One or more LSTMs and a linear layer, all stock modules. Symbols become one-hot rows, as these modules need."""

    def __init__(self, problem: TextProblem | SumsProblem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        dtype = getattr(torch, problem.dtype)
        H, V = problem.weights["W"].shape
        self.eyes = {name: torch.eye(I, dtype=dtype) for name, I in problem.inputs.items()}
        self.lstms = self.modules(dtype)
        self.linear = torch.nn.Linear(H, V, dtype=dtype)
        self.parameters = [weight for module in (*self.lstms, self.linear) for weight in module.parameters()]
        gates = [transposed(array) for name in problem.inputs for array in lstm_of(problem.weights, name)]
        W, b = np.ascontiguousarray(problem.weights["W"].T), problem.weights["b"]
        self.initial = [*gates, torch.from_numpy(W), torch.from_numpy(b)]

    @abstractmethod
    def modules(self, dtype: torch.dtype) -> list[torch.nn.LSTM]:
        """Return the modules; their parameters are those of the LSTMs, in the same order."""

    def weights(self) -> dict[str, Array]:
        arrays = iter([parameter.detach().numpy() for parameter in self.parameters])
        found: dict[str, Array] = {}
        for name in self.problem.inputs:
            initial = lstm_of(self.problem.weights, name)
            found |= lstm_named(name, Weights(*(next(arrays).T.reshape(array.shape) for array in initial)))
        return found | {"W": next(arrays).T.copy(), "b": next(arrays).copy()}


class TorchText(TorchLSTMs):
    """The character model; the state is detached at the end of each window."""

    def modules(self, dtype: torch.dtype) -> list[torch.nn.LSTM]:
        V, H = self.problem.case.V, self.problem.case.H
        return [torch.nn.LSTM(V, H, 2, batch_first=True, dtype=dtype)]

    def losses(self) -> Iterator[tuple[torch.Tensor, int]]:
        (lstm,), state, eye = self.lstms, None, self.eyes["lower"]
        for x, y in zip(self.x.split(self.problem.case.T, 1), self.y.split(self.problem.case.T, 1), strict=True):
            h, (last_h, last_c) = lstm(eye[x], state)
            state = last_h.detach(), last_c.detach()
            yield functional.cross_entropy(self.linear(h).flatten(0, 1), y.flatten()), 1


class TorchSums(TorchLSTMs):
    """The encoder-decoder; questions are packed, so that the state of each row is the one after its last symbol."""

    def __init__(self, problem: SumsProblem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        self.order, self.lengths, self.before = map(torch.from_numpy, (problem.order, problem.lengths, problem.before))

    def modules(self, dtype: torch.dtype) -> list[torch.nn.LSTM]:
        H = self.problem.case.H
        return [torch.nn.LSTM(I, H, batch_first=True, dtype=dtype) for I in self.problem.inputs.values()]

    def losses(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        encoder, decoder = self.lstms
        read, written = self.eyes.values()
        for rows in self.order:
            x = pack_padded_sequence(read[self.x[rows]], self.lengths[rows], batch_first=True, enforce_sorted=False)
            h, _ = decoder(written[self.before[rows]], encoder(x)[1])
            y = self.y[rows].flatten()
            loss = functional.cross_entropy(self.linear(h).flatten(0, 1), y, ignore_index=PADDING)
            yield loss, (y != PADDING).sum()
