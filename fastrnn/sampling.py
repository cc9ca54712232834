"""Draw symbols from the probabilities of a model."""

from dataclasses import dataclass

import numpy as np

from fastrnn._checks import check_integer, check_number
from fastrnn._kernels.softmax import log_softmax
from fastrnn._typing import Array


@dataclass(frozen=True)
class Sampler:
    """
    Draws a symbol from logits: ``symbol = sampler(logits, rng)``.

    Parameters
    ----------
    temperature : float
        Logits are divided by this. Below 1, likely symbols become even more likely; above 1, they become less likely.
        At 0, the most likely symbol is always taken.
    top_k : int, optional
        Sample only from the k most likely symbols.
    top_p : float, optional
        Nucleus sampling (Holtzman et al. 2020): sample only from the most likely symbols, as few as have at least this
        probability together.

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
        Return the probability of drawing each symbol.

        Parameters
        ----------
        logits : ndarray (V,)
            The logits of all symbols.

        Returns
        -------
        ndarray (V,)
            The probabilities, float64; their sum is 1.
        """
        order = np.argsort(-logits, kind="stable")
        if self.temperature == 0:
            order, scaled = order[:1], np.zeros(1)
        else:
            # Without the shift, small temperatures overflow.
            shifted = logits[order].astype(np.float64) - float(logits[order[0]])
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
            The logits of all symbols.
        rng : numpy.random.Generator
            The source of random numbers; each symbol takes one.

        Returns
        -------
        int
            The symbol.
        """
        sums = np.cumsum(self.probabilities(logits))
        return int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
