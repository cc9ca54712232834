"""Figures of forecasts: what is drawn where."""

import numpy as np
import pytest

from fastrnn import plots

SERIES = np.random.default_rng(0).normal(size=40)
ORIGINS = np.array([19, 24, 29])
H = 5


def models():
    rng = np.random.default_rng(1)
    return {"GRU": rng.normal(size=(3, H)), "naive": rng.normal(size=(3, H))}


def test_forecasts_over_truth_and_residuals_below(tmp_path):
    both = models()
    figure = plots.forecasts(SERIES, ORIGINS, both, "load_1 of $x")
    top, bottom = figure.axes
    assert top.get_title(loc="left") == "load_1 of $x"
    lines = {line.get_label(): line.get_xydata() for line in top.lines}
    np.testing.assert_array_equal(lines["true values"], np.stack([np.arange(10, 35), SERIES[10:35]], axis=1))
    for name, model in both.items():
        drawn = [line.get_xydata() for line in top.lines if len(line.get_xdata()) == H]
        for origin, row in zip(ORIGINS, model, strict=True):
            expected = np.stack([origin + 1 + np.arange(H), row], axis=1)
            assert any(np.array_equal(expected, one) for one in drawn), name
    residuals = [path.vertices[1, 1] for part in bottom.collections for path in part.get_paths()]
    truth = SERIES[ORIGINS[:, None] + 1 + np.arange(H)]
    np.testing.assert_allclose(residuals, (truth - both["GRU"]).ravel())
    others = [line.get_ydata() for line in bottom.lines if len(line.get_ydata()) == H]
    np.testing.assert_allclose(others, truth - both["naive"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["true values", "GRU", "naive"]
    plots.save(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_each_of_several_series_has_panels_of_its_own(tmp_path):
    parts = {name: (SERIES + shift, ORIGINS, models()) for shift, name in enumerate("abc")}
    figure = plots.forecasts_of_several(parts)
    tops, bottoms = figure.axes[::2], figure.axes[1::2]
    assert [axes.get_title(loc="left") for axes in tops] == list("abc")
    assert len(bottoms) == 3
    for shift, top in enumerate(tops):
        (truth,) = [line for line in top.lines if line.get_label() == "true values"]
        np.testing.assert_array_equal(truth.get_ydata(), SERIES[10:35] + shift)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["true values", "GRU", "naive"]
    plots.save(figure, tmp_path / "a.png")
    for wrong in ({}, {"a": (SERIES, ORIGINS, models()), "b": (SERIES, ORIGINS, {"GRU": models()["GRU"]})}):
        with pytest.raises(ValueError, match="expected the same models in every part"):
            plots.forecasts_of_several(wrong)


def test_one_step_ahead_is_seen():
    figure = plots.forecasts(SERIES, [0, 1], {"GRU": [[1.0], [2.0]]})
    points = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    assert [line.get_xydata().tolist() for line in points] == [[[1, 1]], [[2, 2]]]


@pytest.mark.parametrize(
    ("series", "origins", "forecasts", "message"),
    [
        (SERIES, [], {"a": np.zeros((0, 2))}, "n at least 1"),
        (SERIES, [3], {}, "n at least 1"),
        (SERIES, [3], {"a": np.zeros((2, 4))}, r"series has shape \(40,\), origins \(1,\) and models \[\(2, 4\)\]"),
        (SERIES, [3], {"a": np.zeros((1, 4)), "b": np.zeros((1, 5))}, "with n at least 1"),
        (SERIES[:, None], [3], {"a": np.zeros((1, 4))}, r"series has shape \(40, 1\)"),
        (SERIES, [36], {"a": np.zeros((1, 4))}, "origins are 36 to 36, expected 0 to T - H - 1 = 35"),
    ],
)
def test_forecasts_that_cannot_be_drawn(series, origins, forecasts, message):
    with pytest.raises(ValueError, match=message):
        plots.forecasts(series, np.array(origins, int), forecasts)


def test_errors_by_step():
    errors = {"GRU": [1.0, 2.0, 2.5], "naive": [1.5, 3.0, 5.0]}
    figure = plots.errors_by_step(errors, "mean absolute scaled error")
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "Mean absolute scaled error"
    assert {line.get_label(): line.get_xydata().tolist() for line in axes.lines} == {
        "GRU": [[1, 1], [2, 2], [3, 2.5]], "naive": [[1, 1.5], [2, 3], [3, 5]],
    }  # fmt: skip
    assert axes.get_ylim()[0] == 0
    for wrong in ({}, {"a": []}, {"a": [1.0], "b": [1.0, 2.0]}):
        with pytest.raises(ValueError, match="expected the same number for every model"):
            plots.errors_by_step(wrong)
