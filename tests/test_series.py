"""Series from files: what is read from CSV and arrays, and what is refused in one sentence."""

import numpy as np
import pytest

from fastrnn.data import DataError, load_series, sample_series


def text(path, lines, **options):
    path.write_text("\n".join(lines) + "\n", **{"encoding": "utf-8"} | options)
    return path


def refused(message, path, **options):
    with pytest.raises(DataError) as error:
        load_series(path, **options)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_with_a_time(tmp_path, separator):
    rows = (
        ["Date", " load ", "size"],
        ["2024-01-01", "1.5", "3"],
        ["2024-01-02", " 2 ", "-4e1"],
        ["2024-02-01", "3", "5"],
    )
    path = text(tmp_path / "a.csv", [separator.join(row) for row in rows], encoding="utf-8-sig")
    series = load_series(path)
    assert (series.names, series.columns) == (["a"], ["load", "size"])
    (values,) = series.values
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, [[1.5, 3], [2, -40], [3, 5]])
    chosen = load_series(path, columns=["size", "load"])
    np.testing.assert_array_equal(chosen.values[0], values[:, ::-1])
    assert chosen.columns == ["size", "load"]


def test_csv_in_quotes_with_empty_lines_and_no_time(tmp_path):
    path = text(tmp_path / "a.csv", ['"x, in m",y', "1,2", "", '"3",4', ","[:0], "5,6"])
    series = load_series(path)
    assert series.columns == ["x, in m", "y"]
    np.testing.assert_array_equal(series.values[0], [[1, 2], [3, 4], [5, 6]])


def test_several_series_in_a_column(tmp_path):
    path = text(tmp_path / "a.csv", ["t,city,x", "1,Rom,10", "1,Oslo,20", "2,Rom,11", "3,Rom,12", "2,Oslo,21"])
    series = load_series(path, time_column="t", series_column="city")
    assert (series.names, series.columns) == (["Rom", "Oslo"], ["x"])
    assert [one.ravel().tolist() for one in series.values] == [[10, 11, 12], [20, 21]]
    refused("line 3, column 't' is '1' after '1'; expected times that increase", path, time_column="t", columns=["x"])


@pytest.mark.parametrize(
    ("times", "refusal"),
    [
        (["1", "2", "2"], "line 4, column 'time' is '2' after '2'"),
        (["2024-01-02", "2024-01-01", "2024-01-03"], "line 3, column 'time' is '2024-01-01' after '2024-01-02'"),
        (["9", "10", "11"], None),  # numbers, not texts
        (["2024-01-01T10:00", "2024-01-01T10:00:01", "2024-01-02"], None),
        (["2024-01-01T10:00Z", "2024-01-01T10:00", "2023-01-02"], None),  # no order can be told
        (["Monday", "Friday", "Friday"], None),
    ],
)
def test_times_must_increase_where_they_can_be_read(tmp_path, times, refusal):
    path = text(tmp_path / "a.csv", ["time,x", *(f"{time},{row}" for row, time in enumerate(times))])
    if refusal:
        refused(refusal, path)
    else:
        assert load_series(path).values[0].ravel().tolist() == [0, 1, 2]


def test_date_and_time_of_day_are_two_columns(tmp_path):
    path = text(tmp_path / "a.csv", ["Date,Time,x", "2024-01-01,23:00,1", "2024-01-02,00:00,2", "2024-01-02,01:00,3"])
    assert load_series(path).columns == ["x"]


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["x,y", "1,2", "3,"], {}, "line 3, column 'y' is empty; expected a finite number"),
        (["x,y", "", "1,2", "a,b"], {}, "line 4, column 'x' is 'a'; expected a finite number"),
        (["x", "1", "nan"], {}, "line 3, column 'x' is 'nan'"),
        (["x", "-inf", "1"], {}, "line 2, column 'x' is '-inf'"),
        (["x,y", "1,2", "3"], {}, "line 3 has 1 values; expected 2, one for each column"),
        (["1,2", "3,4"], {}, "line 1 holds numbers; expected the names of the columns"),
        (["x,x", "3,4"], {}, "two columns are called 'x'; expected every name once"),
        (["x,y"], {}, "has 1 line with values; expected"),
        ([""], {}, "has no line with values; expected"),
        (["time", "3"], {}, "has only the columns 'time'; expected at least one column of values"),
        (["x,y", "1,2"], {"columns": ["z"]}, "has no column 'z'; it has 'x', 'y'"),
        (["x,y", "1,2"], {"time_column": "z"}, "has no column 'z'; it has 'x', 'y'"),
        (["x,y", "1,2"], {"series_column": "z"}, "has no column 'z'; it has 'x', 'y'"),
        (["x,y", "1,2"], {"key": "x"}, "is a CSV file, which has no array 'x'; leave out the key"),
        (['x,"y', "1,2"], {}, "cannot be read: unexpected end of data"),
    ],
)
def test_csv_that_is_refused(tmp_path, lines, options, message):
    refused(message, text(tmp_path / "a.csv", lines), **options)


def test_files_that_are_none(tmp_path):
    refused("there is no such file", tmp_path / "a.csv")
    refused("there is no such file", tmp_path / "a.npz")
    (tmp_path / "b.csv").write_bytes(b"x\n\xff\n")
    refused("cannot be read", tmp_path / "b.csv")
    (tmp_path / "c.xls").touch()
    refused("unknown file type '.xls'; expected .h5, .hdf5, .npz or .npy", tmp_path / "c.xls")


def test_arrays(write, tmp_path):
    whole = np.arange(24, dtype=np.int16).reshape(2, 4, 3)
    one = load_series(write(speed=whole[0, :, 0]))
    assert (one.names, one.columns) == (["data"], ["value"])
    np.testing.assert_array_equal(one.values[0], whole[0, :, :1])
    assert one.values[0].dtype == np.float64
    two = load_series(write(speed=whole[0]), columns=["2", "0"])
    assert two.columns == ["2", "0"]
    np.testing.assert_array_equal(two.values[0], whole[0][:, [2, 0]])
    many = load_series(write(speed=whole))
    assert (many.names, many.columns) == (["speed[0]", "speed[1]"], ["0", "1", "2"])
    np.testing.assert_array_equal(many.values, whole)
    named = load_series(write(north=whole[0], south=whole[1, :2]))
    assert named.names == ["north", "south"]
    np.testing.assert_array_equal(named.values[1], whole[1, :2])
    keyed = load_series(write(north=whole, label=np.array(["a", "b"])), key="north")
    np.testing.assert_array_equal(keyed.values, whole)
    np.save(tmp_path / "a.npy", whole[0])
    np.testing.assert_array_equal(load_series(tmp_path / "a.npy").values[0], whole[0])


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"x": np.zeros((3, 2)), "y": np.zeros((3, 1))}, {}, "'y' has 1 channels, but 'x' has 2; expected the same"),
        (
            {"x": np.zeros((3, 2)), "y": np.zeros((2, 3, 2))},
            {},
            "'y' has shape (2, 3, 2); expected (steps,), (steps, c",
        ),
        (
            {"x": np.zeros((3, 2, 2, 2))},
            {},
            "'x' has shape (3, 2, 2, 2); expected (steps,), (steps, channels), (series",
        ),
        ({"x": np.zeros((3, 0))}, {}, "'x' has shape (3, 0)"),
        ({"x": np.array(["a"])}, {}, "'x' has dtype <U1; expected real numbers, or a key"),
        ({"x": np.array([1j])}, {"key": "x"}, "'x' has dtype complex128; expected real numbers"),
        ({"x": np.zeros(3)}, {"key": "y"}, "has no 'y'; it has 'x'"),
        ({"x": np.zeros(3)}, {"columns": ["0"]}, "has no column '0'; it has 'value'"),
        ({"x": np.zeros(3)}, {"time_column": "t"}, "has no column 't', because columns of arrays have no names"),
        ({"x": np.zeros(3)}, {"series_column": "t"}, "has no column 't', because columns of arrays have no names"),
        ({"x": np.array([[1, 2], [3, np.nan]])}, {}, "holds nan at step 1, channel '1'; expected finite numbers"),
        ({"x": np.array([[[1.0], [2.0]], [[np.inf], [3.0]]])}, {}, "'x[1]' holds inf at step 0, channel 'value'"),
    ],
)
def test_arrays_that_are_refused(write, arrays, options, message):
    refused(message, write(**arrays), **options)


def test_a_channel_that_is_not_taken_may_hold_anything(write):
    x = np.array([[1.0, np.nan], [2.0, 3.0]])
    assert load_series(write(x=x), columns=["0"]).values[0].ravel().tolist() == [1, 2]


def test_the_series_made_by_a_formula():
    series = sample_series()
    (values,) = series.values
    assert (values.shape, series.columns, series.names) == ((2016, 1), ["value"], ["sample"])
    np.testing.assert_array_equal(sample_series(seed=0).values[0], values)
    assert np.abs(sample_series(seed=1).values[0] - values).max() > 1
    t = np.arange(2016)
    without = values[:, 0] - 100 - t / 100 - 10 * np.sin(t * np.pi / 12) - 5 * np.sin(t * np.pi / 84)
    assert abs(without.mean()) < 0.2
    assert without.std() == pytest.approx(2, rel=0.05)
