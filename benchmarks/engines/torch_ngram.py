"""The next-word model in PyTorch: eager mode as its users write it, the fused Adam, batches by index."""

from typing import Any

import torch
from torch._inductor import config
from torch.nn import functional

from benchmarks.cases import NGramProblem
from fastrnn._kernels.types import Array


class TorchNGram:
    """Matrices lie as fastrnn's: `addmm` is a little faster here than `linear`, which wants them transposed."""

    def __init__(self, problem: NGramProblem, n_threads: int) -> None:
        torch.set_num_threads(n_threads)
        self.problem = problem
        self.x, self.y, self.order = map(torch.from_numpy, (problem.x, problem.y, problem.order))
        self.initial = [torch.from_numpy(W) for W in problem.weights.values()]
        self.weights = [torch.empty_like(W, requires_grad=True) for W in self.initial]

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        E, W1, b1, W2, b2 = self.weights
        e = functional.embedding(x, E).flatten(1)
        h = torch.sigmoid(torch.addmm(b1, e, W1))
        return functional.cross_entropy(torch.addmm(b2, h, W2), y)

    def epoch(self) -> torch.Tensor:
        with torch.no_grad():
            for weight, initial in zip(self.weights, self.initial, strict=True):
                weight.copy_(initial)
        rate, beta1, beta2, epsilon = self.problem.adam.values()
        optimizer = torch.optim.Adam(self.weights, rate, (beta1, beta2), epsilon, fused=True)
        total = torch.zeros((), dtype=torch.float64)
        for rows in self.order:
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.x[rows], self.y[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total / len(self.order)

    def results(self, direction: str) -> dict[str, Array]:
        loss = self.epoch().numpy()
        weights = zip(self.problem.weights, self.weights, strict=True)
        return {"loss": loss} | {name: weight.detach().numpy().copy() for name, weight in weights}


class CompiledTorchNGram(TorchNGram):
    """The loss, and so its gradient, as compiled functions; compiling Adam's step with them made them no faster."""

    def __init__(self, problem: NGramProblem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        config.compile_threads = 1  # no pool of processes beside the engines
        self.loss: Any = torch.compile(super().loss, dynamic=False)
