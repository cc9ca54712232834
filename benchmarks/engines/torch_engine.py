"""PyTorch: the stock modules in eager mode (oneDNN where PyTorch uses it); the weights are copied in beforehand."""

from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.agreement import gradients_by_name
from benchmarks.cases import Problem
from benchmarks.engines import LeftOut
from fastrnn._typing import Array

MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def transposed(weights: Array) -> torch.Tensor:
    """Return the weights of all gates as PyTorch stores them: as one matrix, transposed."""
    return torch.from_numpy(np.ascontiguousarray(weights.reshape(*weights.shape[:-2], -1).T))


class TorchEngine:
    """One layer, batch first; gates have the same order as in fastrnn, matrices are transposed.

    If PyTorch has no module for the cell, this class holds only the parameters, and a subclass defines `forward`. A
    ragged batch runs to the end of its longest row, and the final h of each row is selected from h of all steps.
    """

    def __init__(self, problem: Problem, n_threads: int) -> None:
        torch.set_num_threads(n_threads)
        case = problem.case
        self.problem = problem
        self.shapes = [array.shape for array in problem.weights]
        matrices = [transposed(array) for array in problem.weights]
        self.module: Any
        if problem.cell in MODULES:
            self.module = MODULES[problem.cell](case.I, case.H, batch_first=True, dtype=getattr(torch, problem.dtype))
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            self.parameters = [getattr(self.module, f"{name}_l0") for name in names]
            with torch.no_grad():
                for parameter, matrix in zip(self.parameters, matrices, strict=True):
                    parameter.copy_(matrix)
        else:
            self.module = torch.nn.ParameterList(matrices)
            self.parameters = list(self.module)
        self.x: Any
        self.x, self.dh = torch.from_numpy(problem.x), torch.from_numpy(problem.dh)
        self.last: Any = np.s_[:, -1]
        if problem.lengths is not None:
            self.last = (torch.arange(case.B), torch.from_numpy(problem.lengths) - 1)

    def forward(self) -> Any:
        """Return h of all steps."""
        return self.module(self.x)[0]

    def final(self) -> torch.Tensor:
        """Return the final h of each row."""
        return self.forward()[self.last]

    def infer(self) -> Any:
        with torch.inference_mode():
            return self.forward()

    def train(self) -> list[torch.Tensor]:
        self.module.zero_grad(set_to_none=True)
        (self.final() * self.dh).sum().backward()
        return [parameter.grad for parameter in self.parameters]

    def step(self) -> list[Array]:
        state, outputs = None, []
        with torch.inference_mode():
            for x in self.x.split(1, dim=1):
                y, state = self.module(x, state)
                outputs.append(y[:, 0].numpy())
        return outputs

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "train":
            pairs = zip(self.train(), self.shapes, strict=True)
            return gradients_by_name(d.numpy().T.reshape(shape) for d, shape in pairs)
        if direction == "step":
            return {"y": np.stack(self.step(), axis=1)}
        return {"y": self.problem.masked(self.infer().numpy())}


class PackedTorchEngine(TorchEngine):
    """Ragged batches, packed so that PyTorch computes no padding; sorting and packing are outside of the time."""

    def __init__(self, problem: Problem, n_threads: int) -> None:
        if problem.lengths is None:
            raise LeftOut("only ragged batches are packed")
        super().__init__(problem, n_threads)
        order = torch.from_numpy(np.argsort(-problem.lengths, kind="stable"))
        self.place = torch.argsort(order)
        self.x = pack_padded_sequence(self.x[order], torch.from_numpy(problem.lengths)[order], batch_first=True)
        self.dh = self.dh[order]

    def final(self) -> torch.Tensor:
        state = self.module(self.x)[1]
        return (state[0] if isinstance(state, tuple) else state)[0]

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "train":
            return super().results(direction)
        y, _ = pad_packed_sequence(self.infer(), batch_first=True, total_length=self.problem.case.T)
        return {"y": y[self.place].numpy()}
