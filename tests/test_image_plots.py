"""plots of images, features and costs: every tile shows what it was given, in its place."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from fastrnn import plots

RNG = np.random.default_rng(21)


def picture(figure: Figure, panel: int = 0) -> np.ndarray:
    return np.asarray(figure.axes[panel].images[0].get_array())


def tile(sheet: np.ndarray, place: tuple[int, int], size: tuple[int, int], gap: tuple[int, int] = (1, 1)) -> np.ndarray:
    """Return what a sheet shows in a place (row, column) of its grid."""
    top, left = (i * (side + space) for i, side, space in zip(place, size, gap, strict=True))
    return sheet[top : top + size[0], left : left + size[1]]


def stretched(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


def test_patches_and_the_same_preprocessed() -> None:
    images = RNG.integers(0, 256, (200, 4, 5, 3)).astype(np.uint8)
    rows = RNG.uniform(0.1, 0.9, (200, 20))
    figure = plots.patches(images, rows)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Patches", "Preprocessed"]
    assert picture(figure).shape == picture(figure, 1).shape == (20 * 5 - 1, 10 * 6 - 1, 3)
    grey = stretched(rows).reshape(200, 4, 5, 1).repeat(3, axis=3)
    for i in (0, 9, 10, 83, 199):
        np.testing.assert_allclose(tile(picture(figure), divmod(i, 10), (4, 5)), images[i] / 255)
        np.testing.assert_allclose(tile(picture(figure, 1), divmod(i, 10), (4, 5)), grey[i])
    assert (picture(figure)[4::5] == 1).all()
    assert (picture(figure, 1)[:, 5::6] == 1).all()
    for other in (images / 255, rows.reshape(200, 4, 5)):
        same = plots.patches(other if other.ndim == 4 else images, other if other.ndim == 3 else rows)
        np.testing.assert_allclose(picture(same), picture(figure))
        np.testing.assert_allclose(picture(same, 1), picture(figure, 1))


def test_patches_refuse_what_does_not_belong_together() -> None:
    with pytest.raises(ValueError, match=r"^images has shape \(2, 4, 4, 4\), expected \(N, h, w, 3\) or \(N, h, w\)$"):
        plots.patches(np.ones((2, 4, 4, 4)), np.ones((2, 16)))
    with pytest.raises(ValueError, match=r"^preprocessed has shape \(3, 16\), expected \(2, 4, 4\) like images$"):
        plots.patches(np.ones((2, 4, 4)), np.ones((3, 16)))


@pytest.mark.parametrize(("units", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (10, 4, 3), (20, 5, 4), (64, 8, 8)])
def test_features_are_near_square_grids(units: int, columns: int, rows: int) -> None:
    sheet = picture(plots.features(RNG.normal(size=(16, units))))
    assert sheet.shape == (5 * rows - 1, 5 * columns - 1, 3)
    assert (tile(sheet, (rows - 1, columns - 1), (4, 4)) == 1).all() == (units < rows * columns)


@pytest.mark.parametrize("shape", [None, (4, 4), (2, 8)])
def test_each_feature_has_its_own_range(shape: tuple[int, int] | None) -> None:
    weights = RNG.normal(size=(16, 6)) * 10.0 ** np.arange(6)
    weights[:, 4] = 3.0
    figure = plots.features(weights, shape, title="$W_1")
    size = shape or (4, 4)
    columns = 3 if size == (4, 4) else 2
    for unit in range(6):
        expected = np.full(16, 0.5) if unit == 4 else stretched(weights[:, unit])
        found = tile(picture(figure), divmod(unit, columns), size)
        np.testing.assert_allclose(found, expected.reshape(*size, 1).repeat(3, axis=2))
    assert figure.axes[0].get_title(loc="left") == "$W_1"


def test_features_that_are_no_images_are_rows() -> None:
    weights = RNG.normal(size=(15, 6))
    axes = plots.features(weights).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [stretched(unit) for unit in weights.T])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("input", "hidden unit")


def test_features_refuse_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"^weights has shape \(16, 6\), expected 3 x 5 pixels on axis 0$"):
        plots.features(np.ones((16, 6)), (3, 5))
    with pytest.raises(ValueError, match=r"^weights has shape \(16,\), expected a matrix$"):
        plots.features(np.ones(16))


def test_reconstructions_are_beside_their_originals() -> None:
    originals = RNG.uniform(0.1, 0.9, (7, 25))
    reconstructed = originals + 0.1
    reconstructed[3] = originals[3] - 0.01
    reconstructed[4] = originals[4]
    figure = plots.reconstructions(originals, reconstructed)
    axes, sheet = figure.axes[0], picture(figure)
    scaled = (np.stack([originals, reconstructed]) - originals.min()) / np.ptp(originals)
    pairs = np.clip(scaled, 0, 1).reshape(2, 7, 5, 5)
    for i, text in enumerate(axes.texts):
        row, column = divmod(i, 3)
        pair = tile(sheet, (row, column), (5, 11), (2, 3))[..., 0]
        np.testing.assert_allclose(pair[:, :5], pairs[0, i])
        np.testing.assert_allclose(pair[:, 6:], pairs[1, i])
        x, y = text.get_position()
        assert (round(x - 5), round(y - 5.5)) == (14 * column, 7 * row)  # centred below the pair
    assert [text.get_text() for text in axes.texts] == [*["20.0 dB"] * 3, "40.0 dB", "∞ dB", *["20.0 dB"] * 2]
    error = (5 * 0.01 + 0.0001) / 7
    assert axes.get_title(loc="left").endswith(f", PSNR {-10 * np.log10(error):.1f} dB")
    doubled = plots.reconstructions(originals, reconstructed, (5, 5), peak=10, title="Both")
    assert doubled.axes[0].texts[0].get_text() == "40.0 dB"
    assert doubled.axes[0].get_title(loc="left") == f"Both, PSNR {20 - 10 * np.log10(error):.1f} dB"


def test_reconstructions_that_are_no_images_are_rows() -> None:
    originals = RNG.random((4, 7))
    figure = plots.reconstructions(originals, originals[::-1])
    np.testing.assert_allclose(picture(figure), stretched(originals))
    np.testing.assert_allclose(picture(figure, 1), stretched(originals)[::-1])
    assert "PSNR" in figure.get_suptitle()
    with pytest.raises(ValueError, match=r"^reconstructed has shape \(3, 7\), expected \(4, 7\) like originals$"):
        plots.reconstructions(originals, originals[:3])
    with pytest.raises(ValueError, match=r"^originals has shape \(4, 7\), expected 3 x 3 pixels on axis 1$"):
        plots.reconstructions(originals, originals, (3, 3))


def shown(figure: Figure) -> list[np.ndarray | None]:
    return [np.asarray(axes.images[0].get_array()) if axes.images else None for axes in figure.axes]


def test_two_parameters_make_a_table() -> None:
    parameters = [{"hidden_size": h, "l2": l2} for h in (4, 9) for l2 in (1e-5, 5e-4, 1e-3)][:-1]
    weights = [RNG.normal(size=(16, p["hidden_size"])) for p in parameters]
    figure = plots.feature_grids(weights, parameters, title="All")
    pictures = shown(figure)  # 3 rows of 2 columns
    for place, net in {0: 0, 2: 1, 4: 2, 1: 3, 3: 4}.items():
        np.testing.assert_array_equal(pictures[place], picture(plots.features(weights[net])))
    assert pictures[5] is None
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["hidden_size = 4", "hidden_size = 9", "", "", "", ""]
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["l2 = 1e-5", "", "l2 = 5e-4", "", "l2 = 1e-3", ""]
    assert figure.get_suptitle() == "All"


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b", "$c"]])
@pytest.mark.parametrize("n", [1, 4, 7])
def test_other_numbers_of_parameters_make_titles(names: list[str], n: int) -> None:
    weights = [RNG.normal(size=(16, 3 + i)) for i in range(n)]
    figure = plots.feature_grids(weights, [dict.fromkeys(names, i) for i in range(n)])
    for i, (found, axes) in enumerate(zip(shown(figure)[:n], figure.axes, strict=False)):
        np.testing.assert_array_equal(found, picture(plots.features(weights[i])))
        assert axes.get_title(loc="left") == "\n".join(f"{name} = {i}" for name in names)
    assert all(found is None for found in shown(figure)[n:])
    assert len(figure.axes) == {1: 1, 4: 4, 7: 9}[n]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.05, "0.05"), (1e-3, "1e-3"), (2.5e-10, "2.5e-10"), (3e6, "3e6"), (10, "10"), ("64x32", "64x32")],
)
def test_values_of_parameters(value: Any, text: str) -> None:
    figure = plots.feature_grids([np.eye(4)], [{"x": value}])
    assert figure.axes[0].get_title(loc="left") == f"x = {text}"


def test_feature_grids_refuse_what_does_not_belong_together() -> None:
    nets = [np.eye(4), np.eye(4)]
    with pytest.raises(ValueError, match=r"^there are 2 weights and 1 parameters, expected equally many, at least 1$"):
        plots.feature_grids(nets, [{"a": 1}])
    with pytest.raises(ValueError, match=r"^there are 0 weights and 0 parameters"):
        plots.feature_grids([], [])
    with pytest.raises(
        ValueError, match=r"^parameters\[1\] has the names \['b'\], expected \['a'\] as in parameters\[0\]$"
    ):
        plots.feature_grids(nets, [{"a": 1}, {"b": 1}])
    with pytest.raises(ValueError, match=r"^parameters has a = 1, b = 2 twice, expected each pair once$"):
        plots.feature_grids(nets, [{"a": 1, "b": 2}, {"a": 1, "b": 2}])
    with pytest.raises(ValueError, match=r"^weights\[1\] has shape \(4,\), expected a matrix$"):
        plots.feature_grids([np.eye(4), np.ones(4)], [{"a": 1}, {"a": 2}])


COSTS = {
    "epoch": [2, 3, 4],
    "cost": [9.0, 3.0, 1.5],
    "reconstruction": [2.0, 1.5, 1.0],
    "l2": [0.0, 0.0, 0.0],
    "sparsity": [7.0, 1.5, 0.5],
    "seconds": [1.0, 1.0, 1.0],
}


def test_cost_by_epoch_draws_the_history() -> None:
    figure = plots.cost_by_epoch(COSTS, best_epoch=4)
    axes = figure.axes[0]
    lines = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in axes.lines}
    expected = {name: COSTS[name] for name in ("cost", "reconstruction", "sparsity")}
    assert lines == {**expected, "best epoch (4)": [0, 1]}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(lines)
    assert all(np.asarray(line.get_xdata()).tolist() == COSTS["epoch"] for line in axes.lines[:3])
    assert axes.get_yscale() == "log"
    assert np.asarray(plots.cost_by_epoch({"l2": [1.0, 2.0]}).axes[0].lines[0].get_xdata()).tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"^history has \['l2'\], expected a cost or a part above 0$"):
        plots.cost_by_epoch({"l2": [0.0]})


def tick_labels(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    return [tick.label1.get_text() for tick in axes.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]


@pytest.mark.parametrize(
    ("costs", "labels"),
    [
        ([9.0, 0.3], ["0.5", "1", "2", "5", "10"]),
        ([200.0, 0.01], ["0.01", "0.1", "1", "10", "100"]),
        ([3.0] * 9 + [0.2], ["0.2", "0.5", "1", "2"]),
    ],
)
def test_logarithmic_ticks(costs: list[float], labels: list[str]) -> None:
    assert tick_labels(plots.cost_by_epoch({"cost": costs})) == labels


def test_close_costs_are_on_a_linear_scale() -> None:
    figure = plots.cost_by_epoch({"cost": [1.3, 1.2]})
    assert figure.axes[0].get_yscale() == "linear"
    assert len(tick_labels(figure)) > 2


def test_a_dip_does_not_press_the_curves_together() -> None:
    sparsity = [0.5, 0.1, 1e-9, 0.1, 0.1]
    low, high = plots.cost_by_epoch({"cost": [2.0] * 5, "sparsity": sparsity}).axes[0].get_ylim()
    assert 0.005 < low < 0.01
    assert 2 < high < 3


FIGURES = {
    "patches": lambda: plots.patches(RNG.random((30, 8, 8, 3)), RNG.random((30, 64))),
    "features": lambda: plots.features(RNG.normal(size=(64, 10))),
    "reconstructions": lambda: plots.reconstructions(RNG.random((12, 64)), RNG.random((12, 64))),
    "one": lambda: plots.reconstructions(RNG.random((1, 64)), RNG.random((1, 64))),
    "cost": lambda: plots.cost_by_epoch(COSTS, best_epoch=3),
    "table": lambda: plots.feature_grids(
        [RNG.normal(size=(64, 9))] * 6, [{"hidden_size": i, "l2": j / 1e4} for i in range(2) for j in range(3)]
    ),
    "titles": lambda: plots.feature_grids([RNG.normal(size=(64, 9))] * 5, [{"hidden_size": i} for i in range(5)]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_texts_stay_inside_and_apart(name: str) -> None:
    figure = FIGURES[name]()
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in (*axes.texts, axes._left_title, axes.yaxis.label)]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert boxes
    for i, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:i])
    for axes in figure.axes:
        for image in axes.images:
            extent = image.get_window_extent()
            assert extent.width > 0.5 * axes.get_subplotspec().get_position(figure).width * figure.bbox.width
            assert not any(extent.overlaps(axes_text.get_window_extent()) for axes_text in (axes._left_title,))
