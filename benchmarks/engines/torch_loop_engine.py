"""PyTorch: a custom cell as users write it, with a loop over time in eager mode, and autograd.

One product of x for all steps comes before the loop. `lerp` does in one call what takes four calls in the equations.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.cases import equations
from benchmarks.engines.torch_engine import TorchEngine

Step = Callable[..., tuple[torch.Tensor, ...]]


def mgu(ax: torch.Tensor, ah: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor]:
    (ax_f, ax_n), (ah_f, ah_n) = ax.chunk(2, dim=1), ah.chunk(2, dim=1)
    f = torch.sigmoid(ax_f + ah_f)
    n = torch.tanh(torch.addcmul(ax_n, f, ah_n))
    return (torch.lerp(h, n, f),)


def coupled(ax: torch.Tensor, ah: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    f, g, o = (ax + ah).chunk(3, dim=1)
    c = torch.lerp(torch.tanh(g), c, torch.sigmoid(f))
    return torch.sigmoid(o) * torch.tanh(c), c


STEPS: dict[str, Step] = {"mgu": mgu, "coupled": coupled}


class LoopTorchEngine(TorchEngine):
    """One call for each step; all rows must have the same length."""

    step: Any = None  # not timed

    def states(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield the states after each step."""
        Wx, Wh, bx, bh = self.parameters
        ax = torch.nn.functional.linear(self.x.transpose(0, 1), Wx, bx)
        step = STEPS[self.problem.cell]
        state: tuple[torch.Tensor, ...] = (ax.new_zeros(*self.dh.shape),) * equations(self.problem.cell).n_states
        for step_ax in ax.unbind():
            state = step(step_ax, torch.addmm(bh, state[0], Wh.t()), *state)
            yield state

    def forward(self) -> torch.Tensor:
        return torch.stack([h for h, *_ in self.states()], dim=1)

    def final(self) -> torch.Tensor:
        *_, (h, *_) = self.states()
        return h
