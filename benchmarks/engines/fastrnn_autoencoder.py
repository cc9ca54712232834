"""fastrnn's sparse autoencoder, called as users call it: the time includes packing and allocation."""

from typing import Any

from benchmarks.agreement import named
from benchmarks.cases import AutoencoderProblem
from fastrnn import set_num_threads, sparse_autoencoder_cost
from fastrnn._typing import Array


class FastrnnAutoencoder:
    """Cost and gradient with one backend."""

    backend: str

    def __init__(self, problem: AutoencoderProblem, n_threads: int) -> None:
        self.problem = problem
        set_num_threads(n_threads)  # an upper limit: small problems use fewer

    def cost(self) -> Any:
        problem = self.problem
        return sparse_autoencoder_cost(problem.weights, problem.x, **problem.penalties, backend=self.backend)

    def results(self, direction: str) -> dict[str, Array]:
        cost, _, gradients = self.cost()
        return named(cost, gradients)


class Numba(FastrnnAutoencoder):
    """Two dense layers of the Numba backend."""

    backend = "numba"


class Native(FastrnnAutoencoder):
    """The compiled kernel."""

    backend = "native"
