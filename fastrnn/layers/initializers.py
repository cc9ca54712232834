"""Initial weights, drawn in float64 whatever the dtype of the model."""

from dataclasses import dataclass

import numpy as np

from fastrnn._checks import check_choice, check_number
from fastrnn._typing import Array

INITIALIZERS = ("xavier", "orthogonal", "gaussian")


@dataclass(frozen=True)
class Gaussian:
    """
    Normal weights with mean 0.

    Parameters
    ----------
    deviation : float
        Standard deviation, above 0.

    Raises
    ------
    TypeError, ValueError
        If `deviation` is not a number above 0.
    """

    deviation: float = 0.01

    def __post_init__(self) -> None:
        check_number("deviation", self.deviation, "(0, inf)")


Initializer = str | Gaussian


def check_initializer(initializer: Initializer) -> None:
    """
    Refuse an initializer that `draw` does not know.

    Parameters
    ----------
    initializer : str or Gaussian
        The initializer.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if not isinstance(initializer, Gaussian):
        check_choice("initializer", initializer, INITIALIZERS)


def draw(
    initializer: Initializer, rng: np.random.Generator, shape: tuple[int, ...], *, recurrent: bool = False
) -> Array:
    """
    Draw a weight array.

    Parameters
    ----------
    initializer : {"xavier", "orthogonal", "gaussian"} or Gaussian
        ``"xavier"`` is uniform in +-sqrt(6 / (L_in + L_out)) (Glorot and Bengio 2010). L_in is the size of the first
        axis and L_out of the last: each gate is a matrix of its own. ``"orthogonal"`` makes each gate of recurrent
        weights an orthogonal matrix (Saxe et al. 2014), and is Xavier for all others. ``"gaussian"`` is
        ``Gaussian(0.01)``.
    rng : numpy.random.Generator
        Random numbers.
    shape : tuple of int
        (inputs, outputs) or (inputs, gates, outputs).
    recurrent : bool
        Are these recurrent weights, (H, G, H)?

    Returns
    -------
    ndarray
        float64 weights of this shape.
    """
    if initializer == "gaussian":
        initializer = Gaussian()
    if isinstance(initializer, Gaussian):
        return rng.normal(0.0, initializer.deviation, shape)
    if initializer == "orthogonal" and recurrent:
        H, G, _ = shape
        q, r = np.linalg.qr(rng.normal(size=(G, H, H)))
        q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]  # makes the distribution uniform (Mezzadri 2007)
        return q.swapaxes(0, 1)
    limit = np.sqrt(6 / (shape[0] + shape[-1]))
    return rng.uniform(-limit, limit, shape)
