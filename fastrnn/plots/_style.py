"""The style that all figures share, and how they are saved."""

import io
import os
from typing import Any

from matplotlib.figure import Figure

from fastrnn._atomic import replace_file

INK, MUTED, GRID = "#262626", "#737373", "#e5e5e5"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so figures are the same everywhere
    "font.size": 9,
    "text.color": INK,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.08,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
}


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """
    Save a figure as PNG with 150 dots per inch. Equal figures give equal files.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : path-like
        The file. It is replaced only when the new one is complete. Its folder must exist.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=150, metadata={"Software": None})
    replace_file(path, image.getbuffer())
