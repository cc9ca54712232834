"""plots of words: bars are the probabilities, neighbours on the map are neighbours by their embeddings."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from fastrnn import plots

CONTEXTS = [["in", "the", "$"], "a_b of", "x"]
WORDS = [["middle", "$x$", "."], ["a", "b", "c"], [".", "d", "then"]]
PROBABILITIES = np.array([[0.5, 0.25, 0.0004], [0.1, 0.1, 0.05], [0.9996, 0.0, 0.0]])


def bars(axes: Axes) -> dict[str, float]:
    """Return the length of each bar by its label, from the top."""
    assert axes.yaxis_inverted()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    places = axes.get_yticks().tolist()
    rectangles = axes.containers[0].patches
    assert [bar.get_y() + bar.get_height() / 2 for bar in rectangles] == pytest.approx(places)
    return dict(zip(labels, (bar.get_width() for bar in rectangles), strict=True))


def test_bars_are_the_probabilities_of_the_next_words() -> None:
    figure = plots.next_words(CONTEXTS, WORDS, PROBABILITIES)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["in the $ …", "a_b of …", "x …"]
    assert [bars(axes) for axes in figure.axes] == [
        {"middle": 0.5, "$x$": 0.25, "“.”": 0.0004},
        {"a": 0.1, "b": 0.1, "c": 0.05},
        {"“.”": 0.9996, "d": 0.0, "then": 0.0},
    ]
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [
        ["50.0%", "25.0%", "<0.1%"],
        ["10.0%", "10.0%", "5.0%"],
        ["100.0%", "0.0%", "0.0%"],
    ]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", ""]
    assert len({to_rgb(bar.get_facecolor()[:3]) for axes in figure.axes for bar in axes.patches}) == 1
    figure.draw_without_rendering()
    assert len({axes.get_xlim() for axes in figure.axes}) == 1  # bars can be compared
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$" in text.get_text())


def test_the_true_word_is_marked_where_it_is_known() -> None:
    figure = plots.next_words(CONTEXTS, WORDS, PROBABILITIES, ["$x$", "zebra", "."])
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "actual next word: “$x$”",
        "actual next word: “zebra”",
        "actual next word: “.”",
    ]
    marked = to_rgb(figure.axes[0].xaxis.label.get_color())
    for axes, true in zip(figure.axes, [1, None, 0], strict=True):
        colours = [to_rgb(bar.get_facecolor()[:3]) for bar in axes.containers[0].patches]
        labels = axes.get_yticklabels()
        assert [i for i, colour in enumerate(colours) if colour == marked] == ([] if true is None else [true])
        assert [label.get_fontweight() == "bold" for label in labels] == [i == true for i in range(3)]


def text_boxes(figure: Figure) -> list[tuple[str, np.ndarray]]:
    """Return each text that is drawn, and the left, lower, right and upper end of it."""
    figure.draw_without_rendering()
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    return [(text.get_text(), text.get_window_extent().extents) for text in shown]


def overlapping(boxes: list[tuple[str, np.ndarray]]) -> list[tuple[str, str]]:
    return [
        (one, other)
        for i, (one, a) in enumerate(boxes)
        for other, b in boxes[:i]
        if min(a[2], b[2]) - max(a[0], b[0]) > 0 and min(a[3], b[3]) - max(a[1], b[1]) > 0
    ]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("context", ["in the middle", "words before " * 9])
def test_panels_can_be_read(n: int, context: str) -> None:
    words = [[f"{'internationally' if i == 3 else 'w'}{i}{panel}" for i in range(10)] for panel in range(n)]
    shares = np.tile(np.linspace(0.4, 0.001, 10), (n, 1))
    figure = plots.next_words([context] * n, words, shares, ["more-than-internationally"] * n)
    assert len(figure.axes) == n
    boxes = text_boxes(figure)
    assert len(boxes) == n * (1 + 10 + 10 + 1) + 1
    assert overlapping(boxes) == []
    for _, (left, low, right, high) in boxes:
        assert 0 <= left < right <= figure.bbox.x1
        assert 0 <= low < high <= figure.bbox.y1
    assert min(axes.get_window_extent().width for axes in figure.axes) > 1.2 * figure.dpi


@pytest.mark.parametrize(
    ("contexts", "words", "shape", "message"),
    [
        ([], [], (0, 0), r"probabilities has shape \(0, 0\) and words rows of \[\], expected \(0, k\) for 0 contexts"),
        (
            ["a"],
            [["b", "c"]],
            (1, 3),
            r"probabilities has shape \(1, 3\) and words rows of \[2\], expected \(1, k\) for 1 contexts",
        ),
        (["a"], [["b"], ["c"]], (2, 1), r"words rows of \[1, 1\], expected \(1, k\) for 1 contexts"),
        (["a", "b"], [["b", "c"], ["d"]], (2, 2), r"words rows of \[2, 1\], expected \(2, k\)"),
        (["a"], [["b", "c"]], (2,), r"probabilities has shape \(2,\) and words"),
    ],
)
def test_next_words_refuse_what_does_not_belong_together(
    contexts: list[str], words: list[list[str]], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plots.next_words(contexts, words, np.ones(shape))


def test_next_words_refuse_another_number_of_truths() -> None:
    with pytest.raises(ValueError, match="there are 2 truths for 3 contexts, expected one for each"):
        plots.next_words(CONTEXTS, WORDS, PROBABILITIES, ["a", "b"])


def places(figure: Figure) -> dict[str, tuple[float, float]]:
    return {text.get_text(): text.get_position() for text in figure.axes[0].texts}


def groups(n: int, members: int, dimension: int) -> tuple[np.ndarray, list[str]]:
    """Return vectors that point to n directions, of any length, and words that name their direction."""
    rng = np.random.default_rng(7)
    directions = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0][:n]
    vectors = np.repeat(directions, members, axis=0) + rng.normal(0, 0.05, (n * members, dimension))
    return vectors * rng.uniform(0.1, 10, (n * members, 1)), [f"{i}:{j}" for i in range(n) for j in range(members)]


def test_neighbours_on_the_map_point_the_same_way() -> None:
    figure = plots.embedding_map(*groups(5, 12, 6))
    xy = np.array(list(places(figure).values()))
    distances = np.linalg.norm(xy[:, np.newaxis] - xy, axis=2)
    nearest = np.argsort(distances, axis=1)[:, 1:6] // 12
    assert (nearest == np.arange(60)[:, np.newaxis] // 12).mean() > 0.97


def test_equal_seeds_give_equal_maps(tmp_path: Path) -> None:
    vectors, words = groups(3, 8, 5)
    files = []
    for i, seed in enumerate((0, 0, 1)):
        plots.save(plots.embedding_map(vectors, words, seed=seed), tmp_path / f"{i}.png")
        files.append((tmp_path / f"{i}.png").read_bytes())
    assert files[0] == files[1] != files[2]


def test_the_most_frequent_words_of_many_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(8).normal(size=(320, 4))
    words = [f"w{i}" for i in range(320)]
    counts = np.arange(320, dtype=np.uint16) % 310  # the last ten are rare, and so are the first
    drawn = places(plots.embedding_map(vectors, words, counts))
    assert set(drawn) == set(words[10:310])
    monkeypatch.setattr("fastrnn.plots.words._MOST", 20)  # which is quicker
    assert set(places(plots.embedding_map(vectors, words, counts[::-1]))) == set(words[10:30])
    assert set(places(plots.embedding_map(vectors, words))) == set(words[:20])


def test_words_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(9)
    vectors = rng.normal(size=(300, 8))
    vectors[100:] = vectors[100] + 1e-3 * rng.normal(size=(200, 8))  # most of them in one place
    words = [f"{i:x<12}" for i in range(298)] + [".", "$y$"]
    figure = plots.embedding_map(vectors, words, title="$Map$")
    boxes = text_boxes(figure)
    assert [text for text, _ in boxes if "x" not in text] == ["“.”", "$y$", "$Map$"]
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$" in text.get_text())
    assert overlapping(boxes) == []
    for _, (left, low, right, high) in boxes:
        assert 0 <= left < right <= figure.bbox.x1
        assert 0 <= low < high <= figure.bbox.y1


@pytest.mark.parametrize(("n", "dimension"), [(1, 3), (2, 1), (2, 4), (3, 2), (40, 1), (40, 2)])
def test_small_vocabularies_and_embeddings(n: int, dimension: int) -> None:
    rng = np.random.default_rng(10)
    for vectors in (rng.normal(size=(n, dimension)), np.ones((n, dimension)), np.zeros((n, dimension))):
        figure = plots.embedding_map(vectors.astype(np.float32), [f"w{i}" for i in range(n)])
        xy = np.array(list(places(figure).values()))
        assert len(xy) == n
        assert np.isfinite(xy).all()
        assert overlapping(text_boxes(figure)) == []


def test_map_refuses_what_does_not_belong_together() -> None:
    vectors, words = groups(2, 3, 4)
    with pytest.raises(ValueError, match=r"vectors has shape \(6, 4\), expected \(5, D\) for 5 words"):
        plots.embedding_map(vectors, words[:5])
    with pytest.raises(ValueError, match=r"vectors has shape \(6,\), expected \(6, D\)"):
        plots.embedding_map(vectors[:, 0], words)
    with pytest.raises(ValueError, match=r"vectors has shape \(0, 4\), expected \(0, D\)"):
        plots.embedding_map(vectors[:0], [])
    with pytest.raises(ValueError, match=r"counts has shape \(5,\), expected \(6,\) for 6 words"):
        plots.embedding_map(vectors, words, np.ones(5))
    vectors[4, 2] = np.nan
    with pytest.raises(ValueError, match="vectors is not finite in row 4, '1:1', expected finite numbers"):
        plots.embedding_map(vectors, words)
