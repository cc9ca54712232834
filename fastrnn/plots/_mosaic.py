"""Grids of small images. A grid is drawn as one image, because hundreds of axes would take seconds."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fastrnn.plots._style import STYLE

TITLE = 0.36  # inches for a title and its margins
MARGIN = 0.16  # inches left and right of a grid
BOLD = {"fontsize": STYLE["axes.titlesize"], "fontweight": STYLE["axes.titleweight"]}


def draw(axes: Axes, picture: np.ndarray) -> None:
    """Draw a mosaic (h, w, 3), or a matrix from 0 (black) to 1 (white) with numbered axes."""
    if picture.ndim == 3:
        axes.imshow(picture)
        axes.set_anchor("N")
        strip(axes)
    else:
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, aspect="auto")
        axes.spines[:].set_visible(False)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True))


def strip(axes: Axes) -> None:
    """Remove ticks and frame, but keep the room for labels."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def image_shape(name: str, matrix: np.ndarray, axis: int, shape: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the height and width of the images along an axis of a matrix; None if it is not known."""
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"{name} has shape {matrix.shape}, expected a matrix")
    pixels = matrix.shape[axis]
    side = math.isqrt(pixels)
    if shape is None:
        return (side, side) if side**2 == pixels else None
    if shape[0] * shape[1] != pixels:
        raise ValueError(f"{name} has shape {matrix.shape}, expected {shape[0]} x {shape[1]} pixels on axis {axis}")
    return shape


def stretch(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Map the minimum of `scale` to 0 and its maximum to 1; if they are equal, all values become 0.5."""
    low, high = float(scale.min()), float(scale.max())
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.full(values.shape, 0.5)


def choose_columns(n: int, ratio: float = 1.0) -> int:
    """Return the number of columns for n tiles, about `ratio` per row; up to 20% more if that fills the grid."""
    least = min(n, math.ceil(math.sqrt(n * ratio)))
    return next((columns for columns in range(least, int(1.2 * least) + 1) if n % columns == 0), least)


def gap_of(width: int) -> int:
    return max(1, round(0.06 * width))


def mosaic(tiles: np.ndarray, columns: int, gap: tuple[int, int] | None = None) -> np.ndarray:
    """Return tiles (N, h, w) or (N, h, w, 3) as one image (H, W, 3): in rows from the top left, with white gaps."""
    n, height, width = tiles.shape[:3]
    down, across = gap or (gap_of(width), gap_of(width))
    rows = math.ceil(n / columns)
    sheet = np.ones((rows, height + down, columns, width + across, 3))
    for i, tile in enumerate(tiles):
        row, column = divmod(i, columns)
        sheet[row, :height, column, :width] = tile if tile.ndim == 3 else tile[..., np.newaxis]
    return sheet.reshape(rows * (height + down), columns * (width + across), 3)[:-down, :-across]


def size_in_inches(picture: np.ndarray, width: float, panels: int = 1) -> tuple[float, float]:
    """Return the size in inches of a figure with `panels` pictures of this width side by side, below a title."""
    return panels * (width + MARGIN), width * picture.shape[0] / picture.shape[1] + TITLE
