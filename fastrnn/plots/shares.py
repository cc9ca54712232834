"""Where a model is wrong: the share of wrong answers in each group of questions."""

from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fastrnn.plots._style import INK, MUTED, STYLE

__all__ = ["wrong_shares"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # colour-blind readers can tell them apart
_FEW = 50  # with fewer answers, the share of wrong ones says little


@rc_context(STYLE)
def wrong_shares(counts: Mapping[str, Mapping[str, Mapping[str, Sequence[int]]]]) -> Figure:
    """
    Draw the share of wrong answers in each group of questions.

    Groups of fewer than 50 answers are pale, because a single answer changes their share. A note below says so.

    Parameters
    ----------
    counts : mapping of str to mapping
        The number of wrong answers and of all answers: by kind of question (a row of panels), by the criterion of the
        groups (a panel), and by group. Such as ``{"sums": {"carries": {"0": (1, 250), "1": (4, 200)}}}``.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each criterion, with a bar and its counts for each group.

    Raises
    ------
    ValueError
        When there is nothing to draw.
    """
    if not counts or not all(counts.values()):
        raise ValueError(f"counts is {counts!r}, expected groups of answers for each kind of question")
    every = [group for panels in counts.values() for groups in panels.values() for group in groups.values()]
    top = max(map(_share, every))
    columns = max(map(len, counts.values()))
    figure = Figure(figsize=(3.9 * columns, 2.6 * len(counts)), layout="constrained")
    grid = figure.subplots(len(counts), columns, squeeze=False, sharey=True)
    for row, colour, (kind, panels) in zip(grid, _COLOURS, counts.items(), strict=False):
        for axes in row[len(panels) :]:
            axes.set_visible(False)
        for axes, (key, groups) in zip(row, panels.items(), strict=False):
            colours = [_pale(colour) if group[1] < _FEW else colour for group in groups.values()]
            bars = axes.bar(list(groups), list(map(_share, groups.values())), width=0.6, color=colours)
            labels = [f"{wrong} of {everything}" for wrong, everything in groups.values()]
            axes.bar_label(bars, labels, padding=2, fontsize=8, color=INK)
            axes.set_xlabel(key)
            axes.margins(x=0.08)
            axes.grid(axis="y")
        row[0].set_title(f"Wrong answers: {kind}")
        row[0].yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
        row[0].yaxis.set_major_locator(MaxNLocator(5, min_n_ticks=2))
    if any(group[1] < _FEW for group in every):
        figure.supxlabel(f"pale bars: fewer than {_FEW} answers", x=0.99, ha="right", fontsize=8, color=MUTED)
    grid[0, 0].set_ylim(0, 1.2 * top or 0.01)  # room for the counts; 0.01 if nothing is wrong
    return figure


def _pale(colour: str) -> tuple[float, ...]:
    return tuple(1 - 0.35 * (1 - part) for part in to_rgb(colour))


def _share(group: Sequence[int]) -> float:
    wrong, everything = group
    return wrong / max(everything, 1)
