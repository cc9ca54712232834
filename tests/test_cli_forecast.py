"""``fastrnn-train forecast`` as a person runs it: what it leaves, what it says, what it refuses, how it goes on."""

import csv
import json
import subprocess
import tomllib

import numpy as np
import pytest
from commands import assert_nothing_survives, command, read_csv, refused, run, waves

import fastrnn
from fastrnn import data, forecasting, storage

TINY = ["--hidden", "7", "--head", "5", "--epochs", "3"]
SHORT = ["--window", "16", "--horizon", "4"]
T, STOP, LEARNED, SEASON = 160, 128, 115, 8  # 20 % to test, 10 % of the rest to validate


def values(seed=0):
    """Two channels with a season of 8 steps, a trend and noise."""
    t = np.arange(T)
    rng = np.random.default_rng(seed)
    load = 50 + t / 10 + 5 * np.sin(2 * np.pi * t / SEASON) + 0.5 * rng.normal(size=T)
    return np.stack([load, 400 + 90 * np.cos(2 * np.pi * t / SEASON) + 20 * rng.normal(size=T)], axis=1)


def write(path, columns, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def loads(path, end=T):
    return write(path, ["time", "load", "power"], [[t, *row] for t, row in enumerate(values()[:end].tolist())])


def same(a, b):
    """Are the stored models equal to the bit?"""
    assert (a / "model.h5").read_bytes() == (b / "model.h5").read_bytes()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on two channels: (folder, data file, what was printed)."""
    folder = tmp_path_factory.mktemp("finished")
    file = loads(folder / "loads.csv")
    done = run("train", "forecast", "loads.csv", *TINY, *SHORT, "--out", "run", cwd=folder)
    return folder / "run", file, done.stdout


def test_a_run_leaves_everything(finished):
    folder, file, printed = finished
    assert {p.name for p in folder.iterdir()} == {
        "config.toml", "model.h5", "checkpoint.h5", "history.csv", "errors.csv", "metrics.json", "manifest.txt",
        "figures",
    }  # fmt: skip
    assert {p.name for p in (folder / "figures").iterdir()} == {
        "learning_curves.png", "forecasts_0_load.png", "forecasts_1_power.png", "errors_by_step.png",
    }  # fmt: skip
    lines = printed.splitlines()
    assert lines[0] == lines[-1] == "run: run"
    assert lines[1] == (
        f"{file}: 1 series of 160 steps, 2 channels, the last 20% for testing; window 16, horizon 4, season 8 (found)"
    )
    assert [row["epoch"] for row in read_csv(folder / "history.csv")] == ["1", "2", "3"]
    config = tomllib.loads((folder / "config.toml").read_text())
    assert (config["task"], config["season"], config["learning_rate"], config["targets"]) == ("forecast", 8, 0.002, [])


def test_nothing_survives_overwriting(finished, tmp_path):
    assert_nothing_survives(finished[0], tmp_path / "copy")


def by_hand(forecast, lo, hi):
    """The measures of a forecast from every origin whose horizon is in steps lo to hi - 1, in loops."""
    X = values()
    scale = [np.mean([abs(X[t, c] - X[t - SEASON, c]) for t in range(SEASON, LEARNED)]) for c in range(2)]
    errors = np.array(
        [
            [[forecast(t)[h, c] - X[t + 1 + h, c] for c in range(2)] for h in range(4)]
            for t in range(16 - 1, T)
            if t + 1 >= lo and t + 4 < hi
        ]
    )
    return errors, {
        "mae": np.abs(errors).mean(),
        "rmse": np.sqrt((errors**2).mean()),
        "mase": (np.abs(errors) / scale).mean(),
    }


def test_metrics_are_those_of_the_stored_model(finished):
    folder, _, printed = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["task"], metrics["epochs"]) == ("forecast", 3)
    assert (metrics["window"], metrics["horizon"], metrics["season"]) == (16, 4, SEASON)
    model, X = fastrnn.load(folder / "model.h5"), values()
    forecasts = model.backtest(X, np.arange(15, T))
    for name, span in (("train", (0, LEARNED)), ("validation", (LEARNED, STOP)), ("test", (STOP, T))):
        errors, expected = by_hand(lambda t: forecasts[t - 15], *span)
        assert {key: metrics[name][key] for key in expected} == pytest.approx(expected)
        scaled = errors.reshape(len(errors), -1) / model.targets_.scale
        assert metrics[name]["loss"] == pytest.approx((scaled**2).mean())
        numbers = next(line for line in printed.splitlines() if line.startswith(name)).split()[1:]
        assert numbers == [str(len(errors)), *(f"{expected[key]:#.4g}".rstrip(".") for key in expected)]
    best = min(float(row["validation_loss"]) for row in read_csv(folder / "history.csv"))
    assert metrics["validation"]["loss"] == pytest.approx(best, rel=1e-5)


def test_naive_forecasts_stand_beside_it(finished):
    folder, _, printed = finished
    metrics, X = json.loads((folder / "metrics.json").read_text()), values()
    naive, expected = by_hand(lambda t: np.tile(X[t], (4, 1)), STOP, T)
    assert metrics["test"]["naive"] == pytest.approx(expected)
    assert f"  naive                      {len(naive)}" in printed
    seasonal, expected = by_hand(lambda t: np.stack([X[t + 1 + h - SEASON] for h in range(4)]), STOP, T)
    assert metrics["test"]["seasonal_naive"] == pytest.approx(expected)
    assert f"  seasonal naive (8)         {len(seasonal)}" in printed
    assert set(metrics["test"]["targets"]) == {"load", "power"}
    model = fastrnn.load(folder / "model.h5")
    net, _ = by_hand(lambda t: model.backtest(X, [t])[0], STOP, T)
    assert metrics["test"]["targets"]["power"]["mae"] == pytest.approx(np.abs(net[:, :, 1]).mean())
    rows = {(row["model"], row["target"], row["step"]): row for row in read_csv(folder / "errors.csv")}
    assert len(rows) == 3 * 2 * 4
    for name, errors in (("net", net), ("naive", naive), ("seasonal_naive", seasonal)):
        for c, target in enumerate(("load", "power")):
            for h in range(4):
                row = rows[name, target, str(h + 1)]
                assert float(row["mae"]) == pytest.approx(np.abs(errors[:, h, c]).mean(), rel=1e-5)
                assert float(row["rmse"]) == pytest.approx(np.sqrt((errors[:, h, c] ** 2).mean()), rel=1e-5)


def test_what_follows_on_a_series(finished, tmp_path):
    folder, file, _ = finished
    done = run("predict", folder, file, "--out", "p.csv", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "p.csv: 4 steps after the end of 1 series"
    rows = read_csv(tmp_path / "p.csv")
    assert list(rows[0]) == ["row", "series", "step", "load", "power"]
    assert [(row["row"], row["series"], row["step"]) for row in rows] == [
        (str(h), "loads", str(h + 1)) for h in range(4)
    ]
    expected = fastrnn.load(folder / "model.h5").predict(values())
    np.testing.assert_allclose([[float(row["load"]), float(row["power"])] for row in rows], expected, rtol=1e-8)
    # Columns are known by their names; arrays have none:
    swapped = [[row[1], "x", row[0]] for row in values().tolist()]
    write(tmp_path / "swapped.csv", ["power", "note", "load"], swapped)
    run("predict", folder, "swapped.csv", "--out", "q.csv", cwd=tmp_path)
    np.savez(tmp_path / "a.npz", loads=values())
    run("predict", folder, "a.npz", "--out", "r.csv", cwd=tmp_path)
    numbers = [[row["load"] for row in read_csv(tmp_path / name)] for name in ("p.csv", "q.csv", "r.csv")]
    assert numbers[0] == numbers[1] == numbers[2]


def test_predict_refuses(finished, tmp_path):
    folder, *_ = finished
    loads(tmp_path / "short.csv", end=9)
    write(tmp_path / "other.csv", ["load"], [[t] for t in range(20)])
    np.savez(tmp_path / "one.npz", values()[:, 0])
    before = sorted(tmp_path.rglob("*"))
    for file, message in (
        ("short.csv", "short.csv: X has 9 steps, expected at least 16, the window"),
        ("other.csv", "other.csv: has no column 'power'; it has 'load'"),
        ("one.npz", "one.npz: X has 1 channels, expected 2, as it was fitted with"),
    ):
        assert message in refused("predict", folder, file, cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_some_targets_of_several_series(tmp_path):
    """A column tells the series apart, also when it is predicted; the lengths differ."""
    rows = [[t, name, *values(seed)[t]] for t in range(T) for seed, name in enumerate(("a", "b")) if t < T - 20 * seed]
    file = write(tmp_path / "long.csv", ["t", "where", "load", "power"], rows)
    arguments = [file, "--time", "t", "--series", "where", "--targets", "power", "--many-to-many", *TINY, *SHORT]
    printed = run("train", "forecast", *arguments, "--out", tmp_path / "run").stdout
    assert "2 series of 140 to 160 steps, 2 channels (power to forecast)" in printed
    model = fastrnn.load(tmp_path / "run" / "model.h5")
    assert model.return_sequences
    assert {p.name for p in (tmp_path / "run" / "figures").iterdir()} == {
        "learning_curves.png", "forecasts.png", "errors_by_step.png",
    }  # fmt: skip
    both = [values(0), values(1)[:140]]
    errors = []
    for one, stop in zip(both, (128, 112), strict=True):
        origins = forecasting.origins_of(stop, len(one), 16, 4)
        errors.append(model.backtest(one, origins) - forecasting.futures(one[:, 1:], origins, 4))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["mae"] == pytest.approx(np.abs(np.concatenate(errors)).mean())
    run("predict", tmp_path / "run", file, "--out", tmp_path / "p.csv")
    rows = read_csv(tmp_path / "p.csv")
    assert [(row["series"], row["step"]) for row in rows] == [(name, str(h)) for name in "ab" for h in range(1, 5)]
    np.testing.assert_allclose([float(row["power"]) for row in rows], model.predict(both).ravel(), rtol=1e-8)


def test_the_embedded_default_beats_both_naive_forecasts(tmp_path):
    printed = run("train", "forecast", "--epochs", "10", cwd=tmp_path).stdout
    folder = tmp_path / printed.splitlines()[0].removeprefix("run: ")
    assert folder.parent == tmp_path / "runs"
    assert "a series made by a formula: 1 series of 2016 steps" in printed
    assert "window 48, horizon 12, season 24 (found)" in printed
    test = json.loads((folder / "metrics.json").read_text())["test"]
    assert test["mae"] < 0.8 * test["seasonal_naive"]["mae"] < test["naive"]["mae"]
    assert "On the test set" not in printed
    assert read_csv(folder / "errors.csv")[0]["target"] == "value"
    learned = data.sample_series().values[0][:1452]
    assert fastrnn.load(folder / "model.h5").origin_ == pytest.approx(learned.mean(axis=0))  # of the training part


def test_it_says_where_a_naive_forecast_is_better(tmp_path):
    walk = np.cumsum(np.random.default_rng(0).normal(size=200))
    np.savez(tmp_path / "walk.npz", walk)
    arguments = ["--epochs", "1", "--learning-rate", "0.3", "--validation", "0", "--season", "1", "--out", "run"]
    printed = run("train", "forecast", "walk.npz", *arguments, cwd=tmp_path).stdout
    assert "On the test set, the naive forecast has the same MAE as the net, or a lower one" in printed
    assert "no season\n" in printed
    assert "seasonal" not in printed
    assert "validation" not in json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_scaled_errors_of_a_series_that_repeats_itself_are_not_defined(tmp_path):
    np.savez(tmp_path / "a.npz", np.arange(120) % 6)
    printed = run("train", "forecast", "a.npz", *TINY, "--horizon", "3", "--out", "run", cwd=tmp_path).stdout
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["season"] == 6
    assert metrics["test"]["mase"] is None
    assert metrics["test"]["seasonal_naive"]["mae"] == 0
    assert next(line for line in printed.splitlines() if line.startswith("test")).split()[-1] == "-"
    assert {row["mase"] for row in read_csv(tmp_path / "run" / "errors.csv")} == {""}


def test_options_reach_the_estimator_and_a_run_is_reproduced_by_its_configuration(finished, tmp_path):
    _, file, _ = finished
    arguments = [
        "--level", "--cell", "lstm", "--layers", "2", "--columns", "power,load", "--optimizer", "sgd",
        "--momentum", "0.9", "--dtype", "float64", "--validation", "0.2", "--test", "0.25", "--raw",
    ]  # fmt: skip
    run("train", "forecast", file, *TINY, *SHORT, *arguments, "--out", tmp_path / "run")
    model = fastrnn.load(tmp_path / "run" / "model.h5")
    assert list(model.feature_names_in_) == ["power", "load"]
    assert (model.difference, model.cell, model.layers, model.standardize) == (False, "lstm", 2, False)
    assert model.optimizer == fastrnn.SGD(0.1, momentum=0.9)
    np.testing.assert_allclose(model.origin_, values()[:96, ::-1].mean(axis=0))
    run("train", "forecast", "--config", tmp_path / "run" / "config.toml", "--out", tmp_path / "again")
    same(tmp_path / "again", tmp_path / "run")


@pytest.mark.parametrize("more", [[], ["--many-to-many"]])
def test_a_resumed_run_has_the_same_bits(finished, tmp_path, more):
    _, file, _ = finished
    arguments = [file, *TINY, *SHORT, *more, "--epochs"]
    run("train", "forecast", *arguments, "4", "--out", "whole", cwd=tmp_path)
    run("train", "forecast", *arguments, "2", "--out", "part", cwd=tmp_path)
    printed = run("train", "forecast", "--resume", "part", "--epochs", "4", cwd=tmp_path).stdout
    assert "continuing from epoch 3" in printed
    same(tmp_path / "part", tmp_path / "whole")
    assert (tmp_path / "part" / "errors.csv").read_text() == (tmp_path / "whole" / "errors.csv").read_text()
    assert storage.read(tmp_path / "part" / "checkpoint.h5")["history"]["epoch"] == [1, 2, 3, 4]
    assert "finished" in run("train", "forecast", "--resume", "part", cwd=tmp_path).stdout
    message = refused("train", "forecast", "--resume", "part", "--window", "17", cwd=tmp_path)
    assert "window of the run is 16, but 17 is given" in message
    loads(tmp_path / "other.csv", end=150)
    config = tmp_path / "part" / "config.toml"
    config.write_text(config.read_text().replace(str(file), str(tmp_path / "other.csv")))
    assert "cannot resume" in refused("train", "forecast", "--resume", "part", "--epochs", "5", cwd=tmp_path)


def test_a_sweep_takes_the_least_scaled_error(finished, tmp_path):
    _, file, _ = finished
    arguments = [file, *TINY, *SHORT, "--sweep", "learning-rate=1e-9,0.02", "--sweep", "difference=true,false"]
    printed = run("train", "forecast", *arguments, "--out", "sweep", cwd=tmp_path).stdout
    rows = read_csv(tmp_path / "sweep" / "results.csv")
    assert [(row["learning_rate"], row["difference"]) for row in rows] == [
        ("1e-09", "true"), ("1e-09", "false"), ("0.02", "true"), ("0.02", "false")
    ]  # fmt: skip
    for row in rows:
        metrics = json.loads((tmp_path / "sweep" / row["folder"] / "metrics.json").read_text())
        assert float(row["validation.mase"]) == metrics["validation"]["mase"]
        assert float(row["test.naive.mae"]) == metrics["test"]["naive"]["mae"]
    best = min(rows, key=lambda row: float(row["validation.mase"]))
    line = next(line for line in printed.splitlines() if line.rstrip().endswith("best"))
    assert line.split()[:2] == [best["learning_rate"], best["difference"]]
    assert best["learning_rate"] == "0.02"
    assert (tmp_path / "sweep" / "figures" / "test_mae.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "none.csv: there is no such file"),
        (["waves.h5"], "waves.h5: 'trX' has shape"),
        (["gap.csv"], "gap.csv: line 31, column 'load' is empty; expected a finite number"),
        (["a.csv", "--targets", "size"], "targets has 'size', expected names of columns: load, power"),
        (["a.csv", "--columns", "size"], "a.csv: has no column 'size'; it has 'time', 'load', 'power'"),
        (
            ["a.csv", "--columns", "load", "--targets", "power"],
            "targets has 'power', expected names of columns: load",
        ),
        (["a.csv", "--time", "hour"], "a.csv: has no column 'hour'"),
        (["a.csv", "--horizon", "33"], "of which the last 32 are for testing; expected at least 33, the horizon"),
        (["a.csv", "--horizon", "14"], "validation_fraction 0.1 of X is 13 steps, expected at least 14, as horizon"),
        (["a.csv", "--window", "112"], "X has 115 steps to train with, expected at least 124, as window is 112"),
        (["a.csv", "--season", "115"], "season is 115, but the shortest series has 115 training steps; use less"),
        (["a.csv", "--test", "1"], "test_fraction is 1.0, expected a number in (0, 1)"),
        (["a.csv", "--validation", "1"], "validation_fraction is 1.0, expected a number in [0, 1)"),
        (["a.csv", "--window", "0"], "Invalid value for '--window'"),
        (["a.csv", "--bidirectional", "--many-to-many"], "bidirectional reads what return_sequences is to forecast"),
        (["a.csv", "--cell", "gro"], "gro"),
        (["a.csv", "--momentum", "0.5"], "momentum is 0.5, but the optimizer adam does not use it"),
        (["--targets", "value"], "targets is for a file, but DATA is missing; give both or neither"),
        (["a.csv", "--sweep", "targets=load"], "targets cannot be swept"),
        (["a.csv", "--sweep", "window=8,200"], "X has 115 steps to train with"),
        (["a.csv", "--config", "bad.toml"], "bad.toml: horizon is 'far', expected int"),
        (["a.csv", "--config", "zero.toml"], "season is 0, expected at least 1"),
    ],
)
def test_refuses_in_one_line_and_leaves_nothing(tmp_path, arguments, message):
    loads(tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    (tmp_path / "gap.csv").write_text("\n".join([*lines[:30], "29,,5", *lines[31:]]))
    waves(tmp_path / "waves.h5")
    (tmp_path / "bad.toml").write_text('horizon = "far"\n')
    (tmp_path / "zero.toml").write_text("season = 0\n")
    before = sorted(tmp_path.rglob("*"))
    assert message in refused("train", "forecast", *arguments, cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_help_is_quick():
    code = (
        "import sys; sys.argv = ['fastrnn-train', 'forecast', '--help']\n"
        "from fastrnn.cli import train\n"
        "try: train()\n"
        "except SystemExit: pass\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & {'numpy', 'h5py', 'sklearn', 'matplotlib', 'numba'}))"
    )
    done = subprocess.run([*command("train")[:1], "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == ""  # none of them was imported


def test_accelerations_of_people(data_folder, tmp_path):
    """Windows of the real file as short series: better than the last value, which is hard to beat for one step."""
    arguments = [data_folder / "data3.h5", "--key", "tstX", "--horizon", "10", "--epochs", "3", "--hidden", "16"]
    printed = run("train", "forecast", *arguments, "--level", "--batch-size", "128", "--out", tmp_path / "run").stdout
    assert "600 series of 150 steps, 3 channels" in printed
    test = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    assert test["mae"] < 0.75 * test["naive"]["mae"]
