"""The sparse autoencoder in PyTorch: the cost in eager mode, as users write it, and autograd."""

from typing import Any

import torch
from torch.nn import functional

from benchmarks.agreement import named
from benchmarks.cases import AutoencoderProblem
from fastrnn._typing import Array


class TorchAutoencoder:
    """Matrices have fastrnn's layout: `addmm` is a little faster here than `linear`, which needs them transposed."""

    def __init__(self, problem: AutoencoderProblem, n_threads: int) -> None:
        torch.set_num_threads(n_threads)
        self.penalties = problem.penalties
        self.x = torch.from_numpy(problem.x)
        self.weights = [torch.from_numpy(W).requires_grad_() for W in problem.weights]

    def cost(self) -> Any:
        x, (W1, b1, W2, b2) = self.x, self.weights
        l2, sparsity, sparsity_weight = self.penalties.values()
        for weight in self.weights:
            weight.grad = None
        h = torch.sigmoid(torch.addmm(b1, x, W1))
        x_hat = torch.sigmoid(torch.addmm(b2, h, W2))
        rho = h.mean(dim=0)
        divergence = sparsity * torch.log(sparsity / rho) + (1 - sparsity) * torch.log((1 - sparsity) / (1 - rho))
        error, squares = functional.mse_loss(x_hat, x, reduction="sum"), W1.square().sum() + W2.square().sum()
        cost = error / (2 * len(x)) + l2 / 2 * squares + sparsity_weight * divergence.sum()
        cost.backward()
        return cost.detach(), [weight.grad for weight in self.weights]

    def results(self, direction: str) -> dict[str, Array]:
        cost, gradients = self.cost()
        return named(cost.numpy(), [gradient.numpy() for gradient in gradients])
