"""What the tests of data that are read by blocks share: the same run by blocks and in memory, and what is the same."""

import json

import numpy as np
from commands import read_csv

from fastrnn import storage
from fastrnn.cli.options.of_task import options_of
from fastrnn.cli.options.parameters import defaults
from fastrnn.cli.run.training import run


def assert_same(got, expected, where=""):
    """The same bits in two trees, but for the time that it took."""
    if isinstance(expected, dict):
        assert got.keys() == expected.keys(), where
        for name in expected.keys() - {"seconds", "samples_per_second"}:
            assert_same(got[name], expected[name], f"{where}/{name}")
    else:
        np.testing.assert_array_equal(got, expected, err_msg=where)


def both(task, out, capsys, **parameters):
    """Run a task by blocks and in memory; return folders and what was printed."""
    result = []
    for stream in (True, False):
        run(task, defaults(options_of(task)) | parameters | {"stream": stream}, out / f"stream={stream}")
        result.append((out / f"stream={stream}", capsys.readouterr().out))
    return result


def assert_same_runs(folders):
    got, expected = folders
    assert_same(*(storage.read(folder / "model.h5") for folder in folders))
    assert_same(*(json.loads((folder / "metrics.json").read_text()) for folder in folders))
    rows, others = (read_csv(folder / "history.csv") for folder in folders)
    assert [row | {"seconds": ""} for row in rows] == [row | {"seconds": ""} for row in others]
    figures = {path.name for path in (expected / "figures").iterdir()}
    assert {path.name for path in (got / "figures").iterdir()} == figures
    return figures
