"""PyTorch: its stock modules in eager mode (oneDNN where it has a path), weights already its own."""

import numpy as np
import torch

from benchmarks.cases import Problem
from fastrnn._kernels.types import Array

MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


class TorchEngine:
    """One layer, batch first; its gate orders are fastrnn's, its matrices are transposed."""

    def __init__(self, problem: Problem, n_threads: int) -> None:
        torch.set_num_threads(n_threads)
        case = problem.case
        self.module = MODULES[problem.cell](case.I, case.H, batch_first=True, dtype=getattr(torch, problem.dtype))
        self.parameters = [
            getattr(self.module, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        self.shapes = [array.shape for array in problem.weights]
        with torch.no_grad():
            for parameter, array in zip(self.parameters, problem.weights, strict=True):
                matrix = array.reshape(-1, parameter.shape[0]).T.reshape(parameter.shape)
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(matrix)))
        self.x, self.dh = torch.from_numpy(problem.x), torch.from_numpy(problem.dh)

    def infer(self) -> torch.Tensor:
        with torch.inference_mode():
            return self.module(self.x)[0]

    def train(self) -> list[torch.Tensor]:
        self.module.zero_grad(set_to_none=True)
        y, _ = self.module(self.x)
        (y[:, -1] * self.dh).sum().backward()
        return [parameter.grad for parameter in self.parameters]

    def results(self) -> dict[str, Array]:
        gradients = zip(("dWx", "dWh", "dbx", "dbh"), self.train(), self.shapes, strict=True)
        return {"y": self.infer().numpy()} | {name: d.numpy().T.reshape(shape) for name, d, shape in gradients}
