"""Pure NumPy, as fast as possible: `numpy_net.py` explains how."""

import threadpoolctl

from benchmarks.agreement import gradients_by_name
from benchmarks.cases import Problem
from benchmarks.engines import LeftOut
from benchmarks.engines.numpy_cells import NETS
from fastrnn._typing import Array


class NumpyEngine:
    """A net of the cell; NumPy's BLAS is limited to the number of threads."""

    def __init__(self, problem: Problem, n_threads: int) -> None:
        if problem.lengths is not None:
            raise LeftOut("all rows must have the same length")
        threadpoolctl.threadpool_limits(n_threads, user_api="blas")
        self.net = NETS[problem.cell](problem.x, problem.weights, problem.dh)
        self.infer, self.train = self.net.infer, self.net.train

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "train":
            return gradients_by_name(self.net.gradients())
        return {"y": self.infer().swapaxes(0, 1).copy()}
