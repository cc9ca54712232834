"""Check that a cell is right, for the tests and for users who write custom cells."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastrnn._kernels import Weights, backends, recurrent_backward, recurrent_forward, reference
from fastrnn._kernels.ragged import RaggedBatch
from fastrnn._kernels.types import KernelCall
from fastrnn._typing import Array
from fastrnn.cells import Cell, get_cell

SIZES = (3, 5, 4, 7)  # B, T, I, H: all distinct and above 1
# Allowed difference from the reference, as max |a - b| / max(1, max |b|): (forward, gradients) by dtype.
TOLERANCES = {"float32": (2e-6, 1e-5), "float64": (1e-12, 1e-12)}


def relative_error(a: Array, b: Array) -> float:
    """
    Return ``max |a - b| / max(1, max |b|)``.

    Parameters
    ----------
    a, b : ndarray
        Arrays of one shape.

    Returns
    -------
    float
        The error. It is 0 for empty arrays, and NaN if an array has a NaN.
    """
    if a.shape != b.shape:
        raise AssertionError(f"shapes {a.shape} and {b.shape} differ")
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max())) if a.size else 0.0


def random_weights(cell: str | Cell, I: int, H: int, rng: np.random.Generator, dtype: str = "float64") -> Weights:
    """
    Draw weights and biases uniformly in +-1/sqrt(H). Larger ones make a net chaotic, and then no two programs agree.

    Parameters
    ----------
    cell : str or Cell
        The cell.
    I, H : int
        Number of inputs and of hidden units.
    rng : numpy.random.Generator
        The generator of the random numbers.
    dtype : str
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    Weights
        Wx (I, G, H), Wh (H, G, H), bx (G, H), bh (G, H).
    """
    G, bound = get_cell(cell).n_gates, 1 / np.sqrt(H)
    shapes = ((I, G, H), (H, G, H), (G, H), (G, H))
    return Weights(*(rng.uniform(-bound, bound, shape).astype(dtype) for shape in shapes))


def check_cell(cell: str | Cell, *, seed: int = 0) -> None:
    """
    Check a cell: its gradients, its precision when compiled, and that every backend agrees with the reference.

    The gradients of a random function of all outputs and final states, with respect to every input, initial state,
    weight and bias, are compared with the complex-step derivative (Squire and Trapp 1998), which is exact to rounding.
    Then every backend that can run the cell is compared with the reference, in both precisions, on a ragged batch.

    Parameters
    ----------
    cell : str or Cell
        A cell, or its name.
    seed : int
        Seed of the random numbers.

    Raises
    ------
    AssertionError
        If a gradient or a backend is wrong. The message says for which argument, and by how much.
    TypeError
        If Numba cannot compile the cell.

    Examples
    --------
    >>> import fastrnn
    >>> fastrnn.testing.check_cell("gru")
    """
    cell = get_cell(cell)
    rng = np.random.default_rng(seed)
    _check_gradients(cell, rng)
    _check_precision(cell)
    for backend in _backends(cell):
        for dtype in TOLERANCES:
            _check_backend(cell, backend, dtype, rng)


def _backends(cell: Cell) -> Iterator[str]:
    yield "numba"
    if backends.choose(None, cell).__name__.endswith(".native"):
        yield "native"


def _problem(cell: Cell, rng: np.random.Generator, dtype: str) -> tuple[Any, ...]:
    """Return x, weights, state, dy, dstate. Weights are those of `random_weights`, all others unit normal."""
    B, T, I, H = SIZES
    weights = random_weights(cell, I, H, rng, dtype)
    x, dy = rng.normal(size=(B, T, I)).astype(dtype), rng.normal(size=(B, T, H)).astype(dtype)
    state, dstate = (tuple(rng.normal(size=(cell.n_states, B, H)).astype(dtype)) for _ in range(2))
    return x, weights, state, dy, dstate


def _check_gradients(cell: Cell, rng: np.random.Generator) -> None:
    x, weights, state, dy, dstate = _problem(cell, rng, "float64")
    names = ["x", "Wx", "Wh", "bx", "bh", *(f"state {name}" for name in cell.states)]
    arguments = [x, *weights, *state]

    def value(arguments: list[Array]) -> Any:
        x, weights, state = arguments[0], Weights(*arguments[1:5]), tuple(arguments[5:])
        batch = RaggedBatch(x.shape[0], x.shape[1], None, False)
        call = KernelCall(x, batch.active, batch.lengths, None, 1, True, False)
        h, final, _ = reference.forward(cell, weights, call, state)
        return (h[1:].swapaxes(0, 1) * dy).sum() + sum((s * d).sum() for s, d in zip(final, dstate, strict=True))

    _, _, tape = recurrent_forward(cell, x, weights, state, backend="reference")
    assert tape is not None
    dx, dweights, dinitial = recurrent_backward(tape, dy, dstate)
    step = 1e-30
    for name, argument, gradient in zip(names, arguments, (dx, *dweights, *dinitial), strict=True):
        expected = np.empty_like(argument)
        shifted = [a.astype(complex) for a in arguments]
        target = next(s for s, a in zip(shifted, arguments, strict=True) if a is argument)
        for index in np.ndindex(argument.shape):
            target[index] += step * 1j
            expected[index] = value(shifted).imag / step
            target[index] -= step * 1j
        assert gradient is not None
        error = relative_error(gradient, expected)
        if not error < 1e-12:
            raise AssertionError(
                f"cell {cell.name!r}: the gradient of {name} from step_vjp differs from the complex-step derivative of "
                f"step by {error:.1e} relative to its largest entry, expected less than 1e-12"
            )


def _check_precision(cell: Cell) -> None:
    from fastrnn._kernels import loops

    double = loops.double_results(cell)
    if double:
        raise AssertionError(
            f"cell {cell.name!r}: compiled for float32, {', '.join(double)} become float64; write numbers as "
            "one(x), zero(x) or constant(x, number)"
        )


def _check_backend(cell: Cell, backend: str, dtype: str, rng: np.random.Generator) -> None:
    B, T = SIZES[:2]
    problem = _problem(cell, rng, dtype)
    lengths = np.array([T, 0, *rng.integers(1, T, B - 2)])
    results = {}
    for name in (backend, "reference"):
        x, weights, state, dy, dstate = problem
        y, final, tape = recurrent_forward(cell, x, weights, state, lengths=lengths, backend=name)
        assert tape is not None
        assert y is not None
        dx, dweights, dinitial = recurrent_backward(tape, dy, dstate)
        assert dx is not None
        forward = {"y": y} | {f"final {s}": v for s, v in zip(cell.states, final, strict=True)}
        gradients = {"dx": dx} | {f"d{f}": getattr(dweights, f) for f in Weights._fields}
        gradients |= {f"gradient of state {s}": v for s, v in zip(cell.states, dinitial, strict=True)}
        results[name] = (forward, gradients)
    for kind, tolerance in zip((0, 1), TOLERANCES[dtype], strict=True):
        for name, expected in results["reference"][kind].items():
            error = relative_error(results[backend][kind][name], expected)
            if not error <= tolerance:
                raise AssertionError(
                    f"cell {cell.name!r}: {name} of backend {backend!r} in {dtype} differs from the reference by "
                    f"{error:.1e}, expected at most {tolerance:.0e}"
                )
