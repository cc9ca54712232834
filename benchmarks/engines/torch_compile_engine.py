"""PyTorch's compiler: several steps in one compiled function.

*Design.* Compiling `nn.LSTM`, `nn.GRU` or `nn.RNN` changes nothing: the stock kernels run as before. The compiler
unrolls a loop over all of T, and 150 steps take longer to compile than users wait; it refuses its own `scan` with
gradients of the weights. So the loop is cut into stretches of ten steps. Stretches of one step took 1.2 times as long;
stretches of twenty-five took the same time, and twice as long to compile. One product of x for all steps comes before
the loop.
"""

from typing import Any

import torch
from torch._inductor import config

from benchmarks.cases import Problem, equations
from benchmarks.engines.torch_engine import TorchEngine
from benchmarks.engines.torch_loop_engine import STEPS as OWN_STEPS
from benchmarks.engines.torch_loop_engine import Step

STRETCH = 10  # steps in one compiled function


def rnn(ax: torch.Tensor, ah: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor]:
    return (torch.tanh(ax + ah),)


def lstm(ax: torch.Tensor, ah: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    i, f, g, o = (ax + ah).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru(ax: torch.Tensor, ah: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor]:
    (ax_r, ax_z, ax_n), (ah_r, ah_z, ah_n) = ax.chunk(3, dim=1), ah.chunk(3, dim=1)
    n = torch.tanh(ax_n + torch.sigmoid(ax_r + ah_r) * ah_n)
    return (n + torch.sigmoid(ax_z + ah_z) * (h - n),)


STEPS: dict[str, Step] = {"rnn": rnn, "lstm": lstm, "gru": gru, **OWN_STEPS}


class CompiledTorchEngine(TorchEngine):
    """Compiled stretches of steps."""

    step: Any = None  # one call for each step would need another function

    def __init__(self, problem: Problem, n_threads: int) -> None:
        super().__init__(problem, n_threads)
        config.compile_threads = 1  # no pool of processes beside the engines
        self.n_states = equations(problem.cell).n_states
        step = STEPS[problem.cell]

        def stretch(ax: torch.Tensor, Wh: torch.Tensor, bh: torch.Tensor, *state: torch.Tensor) -> list[torch.Tensor]:
            outputs = []
            for step_ax in ax.unbind():
                state = step(step_ax, torch.addmm(bh, state[0], Wh.t()), *state)
                outputs.append(state[0])
            return [torch.stack(outputs), *state]

        self.stretch = torch.compile(stretch, dynamic=False)

    def forward(self) -> torch.Tensor:
        Wx, Wh, bx, bh = self.parameters
        ax = torch.nn.functional.linear(self.x.transpose(0, 1), Wx, bx)
        state = [ax.new_zeros(*self.dh.shape)] * self.n_states
        outputs = []
        for part in ax.split(STRETCH):
            y, *state = self.stretch(part, Wh, bh, *state)
            outputs.append(y)
        return torch.cat(outputs).transpose(0, 1)
