import json
import os
import signal

import pytest
import threadpoolctl

from benchmarks import process, publish, report
from benchmarks.agreement import disagreement, truth
from benchmarks.cases import CASES as SIZES
from benchmarks.cases import CELLS, DIRECTIONS, DTYPES, RECURRENT, SEQUENTIAL, AutoencoderCase, Case, Problem, pairs
from benchmarks.engines import (
    ENGINES,
    OTHERS,
    PEERS,
    LeftOut,
    installed,
    load,
    missing,
    numpy_autoencoder,
    numpy_cells,
    numpy_net,
)
from benchmarks.epochs import NGramCase, SumsCase, TextCase
from benchmarks.machine import describe
from benchmarks.measurement import Measurement, measure
from benchmarks.process import EngineProcess
from benchmarks.timing import pinned

CASES = {
    "equal": Case("seeds", 3, 5, 4, 7, cells=SEQUENTIAL),  # the name of the one size that Keras takes
    "ragged": Case("tiny", 3, 5, 4, 7, shortest=2),
    "step": Case("tiny", 2, 5, 4, 7, directions=("step",)),
    "examples": AutoencoderCase("patches", 12, 6, 5),
    "words": NGramCase("words", 60, 3, 9, 4, 7, 10),
    "characters": TextCase("characters", 3 * 4 * 5 + 1, 9, 7, 3, 4),
    "questions": SumsCase("questions", 60, 7, 10),
}
PROBLEMS = [pytest.param(cell, case, id=f"{cell}-{name}") for name, case in CASES.items() for cell in case.cells]


@pytest.fixture(autouse=True)
def blas_threads_as_before():
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


@pytest.mark.parametrize("engine", [name for name in ENGINES if name not in PEERS])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cell", "case"), PROBLEMS)
def test_engines_agree_with_the_reference(cell, dtype, case, engine):
    if engine not in installed():
        pytest.skip(f"needs {' and '.join(missing(engine))}")
    problem = case.problem(cell, dtype)
    try:
        job = load(engine, cell)(problem, 1)
    except LeftOut as reason:
        pytest.skip(f"{engine}: {reason}")
    for direction in case.directions:
        if not hasattr(job, direction):
            pytest.skip(f"{engine} does not {direction}")
        assert disagreement(job.results(direction), truth(problem)[direction], problem) is None


@pytest.mark.slow  # a process each, and what a peer takes to be imported and to compile
@pytest.mark.parametrize("engine", PEERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cell", "case"), PROBLEMS)
def test_peers_agree_with_the_reference(cell, dtype, case, engine):
    if lacking := missing(engine):
        pytest.skip(f"needs {' and '.join(lacking)}")
    problem = case.problem(cell, dtype)
    with pinned(1):
        job = EngineProcess(engine, problem, 1)
    try:
        for direction in case.directions:
            assert disagreement(job.results(direction), truth(problem)[direction], problem) is None
            assert job.time(direction) > 0
    except LeftOut as reason:
        if ":" in str(reason):  # an exception of the library
            raise
        pytest.skip(f"{engine}: {reason}")
    finally:
        job.close()


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize("cell", RECURRENT)
def test_numpy_engine_in_any_stretches(cell, steps, monkeypatch):
    problem = Problem(cell, CASES["equal"], "float64")
    blocks = numpy_cells.NETS[cell].blocks
    monkeypatch.setattr(numpy_net, "CACHE", steps * blocks * 3 * 7 * 8)
    engine = load("numpy", cell)(problem, 1)
    assert engine.net.stretch == steps
    expected = truth(problem)
    for _ in range(2):  # the buffers are used again
        for direction in CASES["equal"].directions:
            assert disagreement(engine.results(direction), expected[direction], problem) is None


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize(("rows", "groups"), [(1, 1), (3, 1), (3, 3), (4, 2), (12, 1)])
def test_numpy_autoencoder_in_any_blocks_and_threads(rows, groups, n_threads, monkeypatch):
    N, F, H = 12, 6, 5
    problem = CASES["examples"].problem("autoencoder", "float64")
    monkeypatch.setattr(numpy_autoencoder, "SMALL", rows * F * H)
    monkeypatch.setattr(numpy_autoencoder, "CACHE", groups * rows * F * 8)
    engine = load("numpy", "autoencoder")(problem, n_threads)
    assert [share.y.shape[1:] for share in engine.shares] == [(rows, F)] * n_threads
    assert sum(len(share.y) for share in engine.shares) == N // rows
    for _ in range(2):  # the buffers are used again
        assert disagreement(engine.results("cost"), truth(problem)["cost"], problem) is None


def test_different_outputs_are_found():
    problem = Problem("gru", CASES["equal"], "float32")
    expected = truth(problem)["train"]
    expected["dWh"] = expected["dWh"] + 1e-3
    assert "dWh differs" in disagreement(load("numpy", "gru")(problem, 1).results("train"), expected, problem)


@pytest.mark.parametrize("name", ["cost", "dW1", "db1", "dW2", "db2"])
def test_a_different_cost_or_gradient_is_found(name):
    problem = CASES["examples"].problem("autoencoder", "float32")
    expected = truth(problem)["cost"]
    assert list(expected) == ["cost", "dW1", "db1", "dW2", "db2"]
    expected[name] = expected[name] + 1e-3
    found = load("numpy", "autoencoder")(problem, 1).results("cost")
    assert f"{name} differs" in disagreement(found, expected, problem)


def test_cells_have_the_cases_and_directions_of_their_kind():
    assert {cell for cell, _ in pairs()} == set(CELLS)
    assert pairs(directions=["cost"]) == [("autoencoder", "patches"), ("autoencoder", "minibatch")]
    assert pairs(directions=["epoch"]) == [("ngram", "words"), ("text", "characters"), ("arithmetic", "questions")]
    assert pairs(["lstm"], ["seeds", "patches", "step-16"], ["infer", "cost"]) == [("lstm", "seeds")]
    assert DIRECTIONS["cost"](SIZES["minibatch"].problem("autoencoder", "float32")) == 10 * 128 * 256 * 64
    operations = {cell: DIRECTIONS["epoch"](CASES[case].problem(cell, "float32")) for cell, case in EPOCHS}
    lengths = CASES["questions"].problem("arithmetic", "float32").lengths.sum()
    written = (CASES["questions"].problem("arithmetic", "float32").y >= 0).sum()
    assert operations == {
        "ngram": 6 * 60 * 7 * (12 + 9),
        "text": 6 * 60 * (3 * 4 * 7 * 7 + 7 * 9),
        "arithmetic": 6 * ((lengths + written) * 4 * 7 * 7 + written * 7 * 12),
    }


EPOCHS = [("ngram", "words"), ("text", "characters"), ("arithmetic", "questions")]


@pytest.mark.parametrize(("cell", "case"), EPOCHS)
def test_another_loss_or_other_weights_after_an_epoch_are_found(cell, case):
    problem = CASES[case].problem(cell, "float32")
    expected = truth(problem)["epoch"]
    assert list(expected) == ["loss", *problem.weights]
    results = load("native", cell)(problem, 1).results("epoch")
    for name, value in expected.items():
        assert f"{name} differs" in disagreement(results, expected | {name: value + 1e-3}, problem)


@pytest.mark.parametrize(("cell", "case"), EPOCHS)
def test_gradients_are_clipped_in_an_epoch(cell, case):
    problem = CASES[case].problem(cell, "float64")
    free = truth(problem)["epoch"]
    problem.clip_norm = 0.1  # which acts
    expected, results = truth(problem)["epoch"], load("native", cell)(problem, 1).results("epoch")
    assert disagreement(results, expected, problem) is None
    assert disagreement(results, free, problem) is not None


@pytest.mark.parametrize(("cell", "case"), EPOCHS)
def test_an_epoch_begins_anew_each_time(cell, case):
    problem = CASES[case].problem(cell, "float64")
    job = load("native", cell)(problem, 1)
    first, second = (job.results("epoch") for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)
    assert not any((first[name] == value).all() for name, value in problem.weights.items())


@pytest.mark.parametrize(("cell", "case"), [("ngram", "words"), ("arithmetic", "questions")])
def test_an_epoch_takes_every_example_once(cell, case):
    order = CASES[case].problem(cell, "float64").order
    assert order.shape == (6, 10)
    assert sorted(order.ravel()) == list(range(60))


def test_a_text_has_whole_windows():
    with pytest.raises(ValueError, match="streams have 21 characters, expected a multiple of the window, 4"):
        TextCase("characters", 3 * 21 + 1, 9, 7, 3, 4).problem("text", "float32")


def test_who_has_no_other_net_is_left_out():
    for cell, kind in (("autoencoder", "the autoencoder problems"), ("mgu", "custom cells")):
        with pytest.raises(LeftOut, match=f"is not timed with {kind}"):
            load("keras", cell)
    for engines in OTHERS.values():
        assert set(engines) < set(ENGINES)


def test_cells_of_ones_own_are_compared_with_the_first_that_runs_them():
    assert pairs(["mgu"], ["seeds", "tiny"]) == [("mgu", "seeds")]
    problem = Problem("coupled", CASES["equal"], "float32")
    names = [name for name in ("native", "numba") if name in installed()]
    (train,) = measure(problem, names, ["train"], 1, 0)
    assert list(train.times) == ["numba"]
    assert train.operations == 3 / 4 * DIRECTIONS["train"](Problem("lstm", CASES["equal"], "float32"))
    with pytest.raises(RuntimeError, match=r"numpy, train, coupled, .*no engine to compare with"):
        measure(problem, ["numpy"], ["train"], 1, 0)


def test_lengths_are_drawn_once_and_count():
    case = CASES["ragged"]
    ragged, equal = Problem("rnn", case, "float32"), Problem("rnn", CASES["equal"], "float32")
    assert (ragged.lengths == Problem("lstm", case, "float64").lengths).all()
    assert set(ragged.lengths) <= set(range(2, 6))
    for direction in ("infer", "train", "step"):
        operations = DIRECTIONS[direction]
        assert operations(ragged) * 15 == operations(equal) * ragged.lengths.sum()


def test_an_engine_answers_from_its_own_process(monkeypatch):
    problem = Problem("rnn", CASES["equal"], "float32")
    with pinned(1):
        job = EngineProcess("numpy", problem, 1)
    try:
        assert disagreement(job.results("infer"), truth(problem)["infer"], problem) is None
        assert job.time("train") > 0
        with pytest.raises(LeftOut, match="does not step"):
            job.time("step")
        monkeypatch.setattr(process, "PATIENCE", 0)
        os.kill(job._process.pid, signal.SIGSTOP)  # or it might answer in no time
        for _ in range(2):
            with pytest.raises(LeftOut, match="no answer within 0 s"):
                job.results("train")
    finally:
        job.close()


def test_who_cannot_is_left_out_and_the_first_must_not_be():
    problem = Problem("rnn", CASES["ragged"], "float32")
    infer, train = measure(problem, [installed()[0], "numpy"], ["infer", "train", "step"], 1, 0)
    assert list(infer.times) == list(train.times) == installed()[:1]
    assert infer.left_out == {"numpy": "all rows must have the same length"}
    with pytest.raises(RuntimeError, match=r"numpy, infer, rnn, tiny .*same length; no engine to compare with"):
        measure(problem, ["numpy"], ["infer"], 1, 0)


@pytest.fixture
def rows():
    """Measurements of two problems of a recurrent net and one of each other kind; in the second JAX is left out."""
    times = {"native": [1.0, 1.0], "numpy": [1.5, 1.5], "torch": [4.0, 4.0], "jax": [2.0, 2.0]}
    without_jax = {name: seconds for name, seconds in times.items() if name != "jax"}
    return [
        Measurement(CASES[case].problem(cell, "float32"), direction, 1, seconds, left_out, [1.0, 1.0], 1).to_json()
        for cell, case, direction, seconds, left_out in (
            ("rnn", "equal", "infer", times, {}),
            ("rnn", "ragged", "infer", without_jax, {"jax": "no answer within 60 s"}),
            ("autoencoder", "examples", "cost", times, {}),
            ("ngram", "words", "epoch", times, {}),
        )
    ]


def test_the_best_peer_of_each_row_and_its_mean(rows):
    best = [(row["best_peer"], row["best_peer_ratio"]) for row in rows]
    assert best == [("jax", 2), ("torch", 4), ("jax", 2), ("jax", 2)]
    cell, everything = report.means(rows[:2])
    assert (cell["cell"], everything["cell"]) == ("rnn", "all")
    assert cell["best_peer_ratio"] == pytest.approx(8**0.5)
    assert cell["engines"] == pytest.approx({"numpy": 1.5, "torch": 4, "jax": 2})


def test_each_has_a_table_of_its_own_whom_others_are_compared_with(rows):
    times = {"numba": [1.0, 1.0], "torch": [5.0, 5.0]}
    own = Measurement(Problem("mgu", CASES["equal"], "float32"), "infer", 1, times, {}, [1.0, 1.0], 1).to_json()
    titles = [text.title for text in report.tables([*rows[:2], own])]
    assert titles == [f"infer, float32, 1 thread: time divided by the time of {base}" for base in ("native", "numba")]
    assert [
        (mean["base"], mean["cell"], round(mean["best_peer_ratio"], 9)) for mean in report.means([*rows[:2], own])[2:]
    ] == [
        ("numba", "mgu", 5),
        ("numba", "all", 5),
    ]


@pytest.fixture
def page(rows, tmp_path):
    """The page of three runs: the second has another CPU, and the third measures two problems of the first again."""
    ragged = [row | {"n_threads": 2} for row in rows[1:2]]
    runs = {"01": (rows, "slow"), "02": (ragged, "fast"), "03": (rows[2:], "fast")}
    for day, (measured, cpu) in runs.items():
        date, config = f"2000-01-{day}T00:00:00+00:00", {"fastrnn": "1.2.3", "backend": f"native for {cpu}"}
        machine = describe() | {"date": date, "cpu": cpu, "load": [int(day), 0.5, 0.25], "fastrnn": config}
        report.write_json(tmp_path, machine, measured)
    return publish.markdown(*publish.collect(list(tmp_path.glob("*.json"))))


def cells_of(page):
    """Return the cells of all lines of tables, without the lines below the headings."""
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]
    return [line for line in lines if not line[0].startswith("---")]


def test_the_page_begins_with_a_table_of_runs(page):
    begin, _, rest = page.partition("![")
    headings, first, second, third = (dict(zip(cells_of(begin)[0], line, strict=True)) for line in cells_of(begin))
    machine = describe()
    assert list(headings)[:5] == ["run", "threads", "results", "date", "load (1, 5, 15 min)"]
    assert [line["run"] for line in (first, second, third)] == ["A", "B", "C"]
    assert [line["threads"] for line in (first, second, third)] == ["1", "2", "1"]
    assert [line["results"] for line in (first, second, third)] == ["2", "1", "2"]
    assert second["date"] == "2000-01-02 00:00:00 UTC"
    assert third["load (1, 5, 15 min)"] == "3.00 0.50 0.25"
    assert [line["CPU"] for line in (first, second, third)] == ["slow", "fast", '"']
    assert [line["fastrnn, backend, instruction set"] for line in (first, second, third)] == [
        "1.2.3, native for slow",
        "1.2.3, native for fast",
        '"',
    ]
    assert first["CPUs"] == str(machine["cpus"])
    assert all(library["version"] in first["BLAS"] for library in machine["blas"])
    assert first["libraries"].startswith(f"Python {machine['python']}, numpy {machine['versions']['numpy']}")
    assert second["BLAS"] == second["libraries"] == second["CPUs"] == '"'
    assert "CPU" not in [line[0] for line in cells_of(rest)]


def test_each_result_names_its_run(page):
    lines = cells_of(page.partition("![")[2])
    runs = [(line[0], line[1].partition(" ")[0], line[-1]) for line in lines if line[0] != "cell" and line[2]]
    assert runs == [
        ("autoencoder", "patches", "C"),
        ("ngram", "words", "C"),
        ("rnn", "seeds", "A"),
        ("rnn", "tiny", "A"),
        ("rnn", "tiny", "B"),
    ]
    assert [line[-1] for line in lines if line[0] == "cell"] == ["run"] * 4


def test_runs_have_letters():
    names = publish.run_names()
    assert [next(names) for _ in range(28)] == [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "AA", "AB"]


def test_results_of_all_kinds_are_published(rows, tmp_path, capsys):
    machine = describe() | {"date": "2000-01-01T00:00:00+00:00"}
    old = [row | {"best_peer_ratio": 77.0} for row in rows[1:]]
    report.write_json(tmp_path, machine, old)
    report.write_json(tmp_path, machine | {"date": "2000-01-02T00:00:00+00:00"}, rows)
    publish.main(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "| rnn | tiny (3, 2..5, 4, 7) | 1e+03 |" in page
    assert "| cell | case (B, T, I, H) | native ms |" in page
    assert "| cell | case (N, F, H) | native ms |" in page
    assert "| autoencoder | patches (12, 6, 5) | 1e+03 |" in page
    assert "| cell | case (N, T, V, D, H, B) | native ms |" in page
    assert "| ngram | words (60, 3, 9, 4, 7, 10) | 1e+03 |" in page
    assert "jax: no answer within 60 s (infer rnn tiny float32)" in page
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")
    assert "77.00" not in page  # measured again
    assert json.loads(max(tmp_path.glob("*.json")).read_text())["measurements"] == rows
