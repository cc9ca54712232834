"""plots: what the figures say is what they were given."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from PIL import Image

from fastrnn import plots

HISTORY = {
    "epoch": [3, 4, 5, 6],
    "train_loss": [1.9, 1.5, 1.2, 1.1],
    "validation_loss": [2.0, 1.7, 1.8, 1.9],
    "train_accuracy": [0.3, 0.4, 0.5, 0.6],
    "validation_accuracy": [0.25, 0.45, 0.35, 0.3],
    "seconds": [9.0, 9.0, 9.0, 9.0],
}
COUNTS = np.array([[8, 2, 0], [0, 0, 0], [1, 399, 0]])
CLASSES = ["WALKING_DOWNSTAIRS", "a_$x$_b", "é"]


def curves(figure: Figure) -> dict[str, dict[str, tuple[list[float], list[float]]]]:
    """Return the lines of every panel by title and label."""
    return {
        axes.get_title(loc="left"): {
            str(line.get_label()): (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
            for line in axes.lines
        }
        for axes in figure.axes
    }


def legend_texts(figure: Figure) -> list[list[str]]:
    return [[text.get_text() for text in legend.get_texts()] for legend in figure.findobj(Legend)]


def test_learning_curves_draw_the_history() -> None:
    figure = plots.learning_curves(HISTORY, best_epoch=4)
    epochs = HISTORY["epoch"]
    assert curves(figure) == {
        "Loss": {
            "train": (epochs, HISTORY["train_loss"]),
            "validation": (epochs, HISTORY["validation_loss"]),
            "best epoch (4)": ([4, 4], [0, 1]),
        },
        "Accuracy": {
            "train": (epochs, HISTORY["train_accuracy"]),
            "validation": (epochs, HISTORY["validation_accuracy"]),
            "best epoch (4)": ([4, 4], [0, 1]),
        },
    }
    assert legend_texts(figure) == [["train", "validation", "best epoch (4)"]]


def test_curves_of_one_part_have_one_colour_in_both_panels() -> None:
    loss, accuracy = plots.learning_curves(HISTORY).axes
    assert [line.get_color() for line in loss.lines] == [line.get_color() for line in accuracy.lines]
    assert len({line.get_color() for line in loss.lines}) == 2


def test_columns_may_be_absent() -> None:
    figure = plots.learning_curves({"train_loss": [3.0, 2.0]})
    assert curves(figure) == {"Loss": {"train": ([1, 2], [3.0, 2.0])}}
    assert legend_texts(figure) == [["train"]]
    figure = plots.learning_curves({"validation_accuracy": [0.5], "train_loss": [3.0]})
    assert curves(figure) == {"Loss": {"train": ([1], [3.0])}, "Accuracy": {"validation": ([1], [0.5])}}
    with pytest.raises(ValueError, match=r"^history has \['epoch'\], expected a loss or an accuracy$"):
        plots.learning_curves({"epoch": [1]})


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 50, 1000])
def test_epoch_ticks_are_integers(epochs: int) -> None:
    figure = plots.learning_curves({"train_loss": np.linspace(2, 1, epochs).tolist()})
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    labels = [t.label1.get_text() for t in axes.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
    assert labels
    assert all(0 <= int(label) <= epochs for label in labels)


def test_a_single_epoch_can_be_seen() -> None:
    line = plots.learning_curves({"train_loss": [2.0]}).axes[0].lines[0]
    assert line.get_marker() == "o"


def cells(figure: Figure) -> dict[tuple[int, int], str]:
    """Return the texts of the matrix by row and column."""
    return {(int(y), int(x)): text.get_text() for text in figure.axes[0].texts for x, y in [text.get_position()]}


def test_confusion_matrix_says_counts_and_shares() -> None:
    figure = plots.confusion_matrix(COUNTS, CLASSES, title="Test $x$")
    assert cells(figure) == {
        **{(0, 0): "8\n80%", (0, 1): "2\n20%", (0, 2): "0\n0%"},
        **{(1, 0): "0\n0%", (1, 1): "0\n0%", (1, 2): "0\n0%"},
        **{(2, 0): "1\n<1%", (2, 1): "399\n>99%", (2, 2): "0\n0%"},
    }
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2, 0], [0, 0, 0], [0.0025, 0.9975, 0]])
    assert axes.images[0].get_clim() == (0, 1)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")) == (
        "predicted class",
        "true class",
        "Test $x$",
    )
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == CLASSES
        assert not any(label.get_parse_math() for label in labels)


@pytest.mark.parametrize("n", [1, 2, 12, 13, 25, 26, 40])
def test_cells_lose_their_texts_with_many_classes(n: int) -> None:
    counts = np.random.default_rng(3).integers(20_000, 100_000, (n, n))
    shares = counts / counts.sum(axis=1, keepdims=True)
    figure = plots.confusion_matrix(counts, [f"class_{i}" for i in range(n)])
    expected = {}
    if n <= 25:
        expected = {index: str(count) for index, count in np.ndenumerate(counts)}
    if n <= 12:
        expected = {index: f"{text}\n{round(100 * shares[index])}%" for index, text in expected.items()}
    assert cells(figure) == expected


@pytest.mark.parametrize("n", [2, 6, 12, 25, 40])
@pytest.mark.parametrize("name", ["{}", "WALKING_DOWNSTAIRS_{}"])
def test_nothing_overlaps_or_leaves_the_figure(n: int, name: str) -> None:
    figure = plots.confusion_matrix(np.full((n, n), 12345), [name.format(i) for i in range(n)])
    figure.draw_without_rendering()
    axes, frame = figure.axes[0], figure.bbox
    side = axes.get_window_extent().width / n
    assert side > 0.15 * figure.dpi
    for text in axes.texts:
        assert text.get_window_extent().width < side
        assert text.get_window_extent().height < side
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels(), axes.title, axes.xaxis.label, axes.yaxis.label):
        box = label.get_window_extent()
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
        assert frame.y0 <= box.y0 <= box.y1 <= frame.y1
    if axes.get_xticklabels()[0].get_rotation() == 0:
        assert max(label.get_window_extent().width for label in axes.get_xticklabels()) < side


def luminance(colour: tuple[float, ...]) -> float:
    """Return the relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_texts_can_be_read_on_every_shade() -> None:
    counts = np.array([[k, 100 - k] for k in range(1, 101)])
    for first in range(0, 100, 2):
        figure = plots.confusion_matrix(counts[first : first + 2], ["a", "b"])
        image = figure.axes[0].images[0]
        shares = np.asarray(image.get_array())
        for text in figure.axes[0].texts:
            x, y = text.get_position()
            shades = luminance(image.cmap(image.norm(shares[int(y), int(x)]))), luminance(to_rgb(text.get_color()))
            assert (max(shades) + 0.05) / (min(shades) + 0.05) > 3.7


def test_confusion_matrix_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"counts has shape \(3, 3\), expected \(2, 2\) for 2 classes"):
        plots.confusion_matrix(COUNTS, ["a", "b"])
    with pytest.raises(ValueError, match=r"counts has shape \(3, 2\), expected \(3, 3\)"):
        plots.confusion_matrix(COUNTS[:, :2], CLASSES)


def test_save_writes_a_png_of_150_dots_an_inch(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    figure = plots.learning_curves(HISTORY)
    plots.save(figure, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == tuple(round(150 * inches) for inches in figure.get_size_inches())
        assert image.info.keys() == {"dpi"}
    assert list(tmp_path.iterdir()) == [path]


def test_save_gives_equal_files_for_equal_figures(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        plots.save(plots.confusion_matrix(COUNTS, CLASSES), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_failing_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    figure = plots.confusion_matrix(COUNTS, CLASSES)

    def fail(descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        plots.save(figure, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_neither_pyplot_nor_a_changed_style_is_left_behind() -> None:
    code = (
        "import sys, matplotlib; matplotlib.rcParams['font.size'] = 13; from fastrnn import plots;"
        "plots.learning_curves({'train_loss': [1.0]}); plots.confusion_matrix([[1]], ['a']);"
        "assert 'matplotlib.pyplot' not in sys.modules; assert matplotlib.rcParams['font.size'] == 13"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_sweep_is_drawn_over_its_first_parameter() -> None:
    points = [{"hidden_size": h, "head": head, "l2": "0"} for h in ("16", "8") for head in ("none", "8x4")]
    figure = plots.sweep(points[:3], [0.5, 0.6, 0.7], "test accuracy")  # one run of the grid has failed
    assert curves(figure) == {
        "Test accuracy": {"head = none, l2 = 0": ([0, 1], [0.5, 0.7]), "head = 8x4, l2 = 0": ([0], [0.6])}
    }
    assert legend_texts(figure) == [["head = none, l2 = 0", "head = 8x4, l2 = 0"]]
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["16", "8"]
    assert axes.get_xlabel() == "hidden size"
    assert axes.yaxis.get_major_formatter()(0.5) == "50.0%"
    alone = plots.sweep([{"cell": "gru"}], [0.5], "test loss")
    assert legend_texts(alone) == []
    with pytest.raises(ValueError, match="1 values for 2 points"):
        plots.sweep(points[:2], [0.5], "test loss")


def test_learning_curves_show_the_exact_match() -> None:
    history = {"train_loss": [1.0, 0.5], "train_exact_match": [0.1, 0.3], "validation_exact_match": [0.2, 0.4]}
    panels = curves(plots.learning_curves(history))
    assert list(panels) == ["Loss", "Exact match"]
    assert panels["Exact match"] == {"train": ([1, 2], [0.1, 0.3]), "validation": ([1, 2], [0.2, 0.4])}


WRONG = {
    "sums": {"digits": {"1": (0, 4), "2": (3, 12)}, "carries": {"0": (1, 10), "1": (2, 5), "2": (0, 0)}},
    "differences": {"digits": {"2": (5, 20)}},
}


def test_wrong_shares_are_bars_with_their_counts() -> None:
    figure = plots.wrong_shares(WRONG)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_xlabel() for axes in panels] == ["digits", "carries", "digits"]
    assert [axes.get_title(loc="left") for axes in panels] == ["Wrong answers: sums", "", "Wrong answers: differences"]
    heights = [[bar.get_height() for bar in axes.patches] for axes in panels]
    assert heights == [[0, 0.25], [0.1, 0.4, 0], [0.25]]
    labels = [[text.get_text() for text in axes.texts] for axes in panels]
    assert labels == [["0 of 4", "3 of 12"], ["1 of 10", "2 of 5", "0 of 0"], ["5 of 20"]]


def test_small_groups_are_pale_and_no_bar_is_cut() -> None:
    figure = plots.wrong_shares({"sums": {"carries": {"0": (1, 2), "1": (2, 100), "2": (1, 200), "3": (0, 49)}}})
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.02, 0.005, 0]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert colours[0] == colours[3] != colours[1] == colours[2]
    assert sum(colours[0]) > sum(colours[1])
    assert axes.get_ylim() == (0, pytest.approx(0.6))
    assert axes.texts[0].get_text() == "1 of 2"
    assert figure.get_supxlabel() == "pale bars: fewer than 50 answers"
    assert plots.wrong_shares({"sums": {"digits": {"1": (1, 50)}}}).get_supxlabel() == ""


def test_no_wrong_answers_have_a_scale_too(tmp_path: Path) -> None:
    figure = plots.wrong_shares({"sums": {"carries": {"0": (0, 10), "1": (0, 5)}}})
    assert figure.axes[0].get_ylim() == (0, 0.01)
    plots.save(figure, tmp_path / "figure.png")
    for counts in ({}, {"sums": {}}):
        with pytest.raises(ValueError, match="expected groups of answers"):
            plots.wrong_shares(counts)
