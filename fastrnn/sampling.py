"""Symbols drawn from the probabilities that a model gives them."""

from dataclasses import dataclass

import numpy as np

from fastrnn._checks import check_integer, check_number
from fastrnn._kernels.softmax import log_softmax
from fastrnn._typing import Array


@dataclass(frozen=True)
class Sampler:
    """
    How a symbol is drawn: ``symbol = sampler(logits, rng)``.

    Parameters
    ----------
    temperature : float
        What logits are divided by: below 1 the likely symbols are likelier than the model says, above 1 they are less
        so. At 0 the likeliest is taken.
    top_k : int, optional
        Only the likeliest so many are drawn.
    top_p : float, optional
        Only the likeliest are drawn that together have this probability, as few as it takes (Holtzman et al. 2020).

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.

    References
    ----------
    A. Holtzman, J. Buys, L. Du, M. Forbes and Y. Choi, "The curious case of neural text degeneration", ICLR 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.sampling import Sampler
    >>> Sampler(top_k=1)(np.array([0.5, 2.0, 1.0]), np.random.default_rng())
    1
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, "[0, inf)")
        if self.top_k is not None:
            check_integer("top_k", self.top_k, 1)
        if self.top_p is not None:
            check_number("top_p", self.top_p, "(0, 1]")

    def probabilities(self, logits: Array) -> Array:
        """
        Return with which probability each symbol is drawn.

        Parameters
        ----------
        logits : ndarray (V,)
            Logits.

        Returns
        -------
        ndarray (V,)
            float64; the sum is 1.
        """
        order = np.argsort(-logits, kind="stable")
        if self.temperature == 0:
            order, scaled = order[:1], np.zeros(1)
        else:
            shifted = logits[order].astype(np.float64) - float(logits[order[0]])  # or small temperatures overflow
            with np.errstate(over="ignore"):
                scaled = shifted / self.temperature
        p = np.exp(log_softmax(scaled))
        if self.top_k is not None:
            p[self.top_k :] = 0
        if self.top_p is not None:
            p /= p.sum()
            p[np.cumsum(p) - p >= self.top_p] = 0
        drawn = np.zeros(len(logits))
        drawn[order] = p / p.sum()
        return drawn

    def __call__(self, logits: Array, rng: np.random.Generator) -> int:
        """
        Draw a symbol.

        Parameters
        ----------
        logits : ndarray (V,)
            Logits.
        rng : numpy.random.Generator
            Where random numbers come from: one for each symbol.

        Returns
        -------
        int
            The symbol.
        """
        sums = np.cumsum(self.probabilities(logits))
        return int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
