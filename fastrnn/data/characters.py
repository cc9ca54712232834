"""Long sequences of characters or other symbols, cut into parallel streams or into windows."""

import numpy as np

__all__ = ["streams_of", "windows_of"]


def streams_of(symbols: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Cut a long sequence into parallel streams of equal length, each with the next symbol at every step.

    Parameters
    ----------
    symbols : integers (T,)
        The sequence, at least two symbols.
    n : int
        The number of streams. If it is more than T - 1, there are T - 1.

    Returns
    -------
    x : integers (n, L)
        The streams, one after another in the sequence; the last one is padded with zeros.
    y : integers (n, L)
        The symbol that follows each one, -1 at padding.
    """
    steps = len(symbols) - 1
    n = min(n, steps)
    L = -(-steps // n)
    x, y = np.zeros(n * L, symbols.dtype), np.full(n * L, -1, np.result_type(symbols.dtype, np.int8))
    x[:steps], y[:steps] = symbols[:-1], symbols[1:]
    return x.reshape(n, L), y.reshape(n, L)


def windows_of(symbols: np.ndarray, window: int, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """
    Take windows of a long sequence, each with the next symbol.

    Parameters
    ----------
    symbols : integers (T,)
        The sequence, longer than a window.
    window : int
        The number of symbols in a window.
    step : int
        The distance between the starts of neighbouring windows.

    Returns
    -------
    x : integers (N, window)
        The windows, a view.
    y : integers (N,)
        The symbol after each window.
    """
    x = np.lib.stride_tricks.sliding_window_view(symbols[:-1], window)[::step]
    return x, symbols[window::step]
