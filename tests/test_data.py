"""data: sequences and labels out of HDF5 and npz files, and one clear sentence for whatever is wrong with them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fastrnn.data import DataError, Dataset, digits, load_inputs, load_sequences

RNG = np.random.default_rng(5)
X, X_TEST = RNG.normal(size=(6, 4, 3)).astype("f4"), RNG.normal(size=(2, 5, 3)).astype("f4")
LABELS, LABELS_TEST = np.array([2, 0, 1, 1, 2, 0]), np.array([1, 2])
NAMES = ["walk", "run", "jump"]
Writer = Callable[..., Path]


def check(dataset: Dataset, *, test: bool = True) -> None:
    np.testing.assert_array_equal(dataset.X_train, X)
    np.testing.assert_array_equal(dataset.y_train, LABELS)
    assert dataset.y_train.dtype == np.intp
    if test:
        np.testing.assert_array_equal(dataset.X_test, X_TEST)
        np.testing.assert_array_equal(dataset.y_test, LABELS_TEST)
        assert dataset.y_test is not None
        assert dataset.y_test.dtype == np.intp
    else:
        assert dataset.X_test is None
        assert dataset.y_test is None


# What is found --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("trX", "trY", "tstX", "tstY"),
        ("X_train", "y_train", "X_test", "y_test"),
        ("x_train", "y_train", "x_test", "y_test"),
        ("X", "y", "X_test", "y_test"),
    ],
)
def test_names(names: tuple[str, ...], write: Writer) -> None:
    arrays = dict(zip(names, (X, LABELS, X_TEST, LABELS_TEST), strict=True))
    check(load_sequences(write(**arrays)))
    training = dict(list(arrays.items())[:2])
    check(load_sequences(write(**training)), test=False)


def test_names_of_one_convention_are_not_mixed(write: Writer) -> None:
    check(
        load_sequences(write(trX=X, trY=LABELS, tstX=X_TEST, tstY=LABELS_TEST, X=X + 1, y=LABELS, y_train=LABELS + 1))
    )
    check(load_sequences(write(trX=X + 1, X_train=X, y_train=LABELS, tstX=X)), test=False)


def test_keys_override_some_names(write: Writer) -> None:
    path = write(signals=X, y=LABELS, X=X + 1, held=X_TEST, held_labels=LABELS_TEST)
    check(load_sequences(path, keys={"X_train": "signals"}), test=False)
    check(load_sequences(path, keys={"X_train": "signals", "X_test": "held", "y_test": "held_labels"}))


def test_keys_in_groups(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.hdf5", "w") as file:
        file["raw/train"], file["raw/labels"] = X, LABELS
    check(load_sequences(tmp_path / "data.hdf5", keys={"X_train": "raw/train", "y_train": "raw/labels"}), test=False)


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", ">i2", "f2", "f4", ">f8"])
def test_any_real_dtype_stays_in_native_order(dtype: str, write: Writer) -> None:
    x = (X > 0).astype(dtype)
    loaded = load_sequences(write(X=x, y=LABELS)).X_train
    assert loaded.dtype == x.dtype.newbyteorder("=")
    np.testing.assert_array_equal(loaded, x)


def test_one_channel(write: Writer) -> None:
    assert load_sequences(write(X=X[:, :, 0], y=LABELS)).X_train.shape == (6, 4)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda y: y.astype("u1"), id="integers"),
        pytest.param(lambda y: y.astype("f8"), id="floats"),
        pytest.param(lambda y: y[:, np.newaxis], id="column"),
        pytest.param(lambda y: np.eye(3, dtype="f4")[y], id="one-hot"),
        pytest.param(lambda y: np.eye(3, dtype=bool)[y], id="one-hot-boolean"),
        pytest.param(lambda y: np.array(NAMES)[y], id="texts"),
        pytest.param(lambda y: np.array(NAMES, "S")[y], id="bytes"),
        pytest.param(lambda y: np.array(NAMES)[y][:, np.newaxis], id="column-of-texts"),
    ],
)
def test_forms_of_labels_with_class_names(form: Callable[[np.ndarray], np.ndarray], write: Writer) -> None:
    path = write(trX=X, trY=form(LABELS), tstX=X_TEST, tstY=form(LABELS_TEST), classes=NAMES)
    dataset = load_sequences(path)
    check(dataset)
    assert dataset.classes == NAMES


def test_texts_name_the_classes(write: Writer) -> None:
    dataset = load_sequences(write(X=X, y=np.array(["b", "é", "a", "a", "b", "é"])))
    assert dataset.classes == ["a", "b", "é"]
    assert dataset.y_train.tolist() == [1, 2, 0, 0, 1, 2]


def test_labels_without_names_stay_what_they_are(write: Writer) -> None:
    dataset = load_sequences(write(X=X, y=LABELS - 7))
    assert dataset.y_train.tolist() == (LABELS - 7).tolist()
    assert dataset.classes is None
    assert load_sequences(write(X=X, y=np.eye(3)[LABELS])).classes is None


@pytest.mark.parametrize("place", ["/", "trY"])
@pytest.mark.parametrize("names", [NAMES, np.array(NAMES, "S"), np.array([3, 4, 5])], ids=["str", "bytes", "numbers"])
def test_class_names_in_an_attribute(place: str, names: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["trX"], file["trY"] = X, LABELS
        file[place].attrs["classes"] = names
    expected = ["3", "4", "5"] if names is not NAMES and names.dtype.kind == "i" else NAMES
    assert load_sequences(tmp_path / "data.h5").classes == expected


def test_inputs_to_predict_on(write: Writer) -> None:
    everything = {"trX": X, "tstX": X_TEST, "X": X + 1, "other": X + 2}
    path = write(**everything)
    np.testing.assert_array_equal(load_inputs(path), X + 1)
    np.testing.assert_array_equal(load_inputs(path, "other"), X + 2)
    del everything["X"]
    np.testing.assert_array_equal(load_inputs(write(**everything)), X_TEST)


def test_digits() -> None:
    dataset = digits()
    assert dataset.X_train.shape == (1797, 8, 8)
    assert dataset.X_train.dtype == np.float32
    assert dataset.X_train[0, :2].tolist() == [
        [0, 0, 5, 13, 9, 1, 0, 0],
        [0, 0, 13, 15, 10, 15, 5, 0],
    ]  # a 0, from the top
    assert dataset.y_train[:11].tolist() == [*range(10), 0]
    assert dataset.classes == [str(digit) for digit in range(10)]
    assert dataset.X_test is None


def test_human_activity(data_folder: Path) -> None:
    path = data_folder / "data3.h5"
    dataset = load_sequences(path)
    assert dataset.X_train.shape == (3000, 150, 3)
    assert dataset.classes == ["walking", "upstairs", "downstairs", "sitting", "standing", "laying"]
    assert dataset.X_test is not None
    with h5py.File(path) as file:
        np.testing.assert_array_equal(np.eye(6)[dataset.y_train], file["trY"])
        np.testing.assert_array_equal(np.eye(6)[dataset.y_test], file["tstY"])
    np.testing.assert_array_equal(load_inputs(path), dataset.X_test)


# What is refused ------------------------------------------------------------------------------------------------------


def changed(array: np.ndarray, index: Any, value: Any) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


ONE_HOT = np.eye(3)[LABELS]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"trX": changed(X, (3, 2, 1), np.nan)},
            "'trX' holds nan in row 3, step 2, channel 1; expected finite numbers",
        ),
        (
            {"tstX": changed(X_TEST, (1, 4, 0), -np.inf)},
            "'tstX' holds -inf in row 1, step 4, channel 0; expected finite",
        ),
        (
            {"trX": changed(X[:, :, 0], (5, 3), np.inf), "tstX": X_TEST[:, :, 0]},
            "'trX' holds inf in row 5, step 3; expected finite numbers",
        ),
        ({"trX": X.astype("c8")}, "'trX' has dtype complex64; expected real numbers"),
        (
            {"trX": X[..., np.newaxis]},
            "'trX' has shape (6, 4, 3, 1); expected (examples, steps) or (examples, steps, cha",
        ),
        ({"trX": X[:, :0]}, "'trX' has shape (6, 0, 3); expected (examples, steps) or"),
        ({"trX": X[:5]}, "'trY' has 6 rows; expected 5, one for each of 'trX'"),
        ({"tstY": LABELS_TEST[:1]}, "'tstY' has 1 rows; expected 2, one for each of 'tstX'"),
        (
            {"tstX": X_TEST[:, :, :2]},
            "'tstX' has shape (2, 5, 2); expected the channels of 'trX', which has shape (6, 4, 3)",
        ),
        (
            {"tstX": X_TEST[:, :, 0]},
            "'tstX' has shape (2, 5); expected the channels of 'trX', which has shape (6, 4, 3)",
        ),
        ({"trY": changed(LABELS / 1.0, 4, 1.5)}, "'trY' is 1.5 in row 4; expected integers"),
        ({"trY": changed(LABELS / 1.0, 4, np.nan)}, "'trY' is nan in row 4; expected integers"),
        (
            {"trY": changed(LABELS, 4, 3), "classes": NAMES},
            "'trY' is 3 in row 4; expected integers from 0 to 2, as there",
        ),
        (
            {"tstY": changed(LABELS_TEST, 1, -1), "classes": NAMES},
            "'tstY' is -1 in row 1; expected integers from 0 to 2",
        ),
        (
            {"trY": changed(ONE_HOT, (2, 0), 1), "tstY": np.eye(3)[LABELS_TEST]},
            "'trY' is not one-hot in row 2: 1.0, 1.0, 0.0; expected one 1 and zeros",
        ),
        (
            {"trY": changed(ONE_HOT, (5, 0), 0), "tstY": ONE_HOT[:2]},
            "'trY' is not one-hot in row 5: 0.0, 0.0, 0.0; exp",
        ),
        (
            {"trY": changed(ONE_HOT, (5, 1), np.nan), "tstY": ONE_HOT[:2]},
            "'trY' is not one-hot in row 5: 1.0, nan, 0.0",
        ),
        ({"trY": changed(ONE_HOT, (1, 0), 0.9), "tstY": ONE_HOT[:2]}, "'trY' is not one-hot in row 1: 0.9, 0.0, 0.0"),
        ({"trY": ONE_HOT, "classes": NAMES[:2]}, "'trY' has 3 columns; expected one for each of the 2 classes"),
        (
            {"trY": ONE_HOT, "tstY": np.eye(4)[:2]},
            "'tstY' has shape (2, 4) and dtype float64; expected labels like 'trY'",
        ),
        ({"trY": np.array(NAMES)[LABELS]}, "'tstY' has shape (2,) and dtype int64; expected labels like 'trY'"),
        (
            {"trY": np.array(NAMES)[LABELS], "tstY": np.array(["run", "fly"])},
            "'tstY' is 'fly' in row 1; expected one of 'jump', 'run', 'walk'",
        ),
        ({"trY": np.zeros((6, 3, 2))}, "'trY' has shape (6, 3, 2); expected labels (examples,) or one-hot rows"),
        ({"trY": LABELS * 1j}, "'trY' has dtype complex128 and shape (6,); expected integers, texts or one-hot rows"),
        ({"trY": LABELS, "classes": ["a", "b", "a"]}, "'classes' is ['a', 'b', 'a']; expected every name once"),
        ({"tstY": None}, "has 'tstX' but no 'tstY'; expected both or neither"),
        ({"trY": None, "tstY": None, "tstX": None}, "has no 'trX' with 'trY' or 'X_train' with 'y_train' or"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_data_that_cannot_be_used(changes: dict[str, Any], message: str, write: Writer) -> None:
    arrays = {"trX": X, "trY": LABELS, "tstX": X_TEST, "tstY": LABELS_TEST, **changes}
    path = write(**{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(DataError) as caught:
        load_sequences(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_keys_that_are_not_there(write: Writer) -> None:
    path = write(X=X, y=LABELS)
    with pytest.raises(DataError, match=r"data\.\w+: has no 'tests'; it has 'X', 'y'$"):
        load_sequences(path, keys={"X_test": "tests"})
    with pytest.raises(
        ValueError, match="keys has 'X_trian', expected some of 'X_train', 'y_train', 'X_test', 'y_test'"
    ):
        load_sequences(path, keys={"X_trian": "X"})
    with pytest.raises(DataError, match=r"has no 'tests'; it has 'X', 'y'$"):
        load_inputs(path, "tests")
    with pytest.raises(DataError, match=r"has no 'X' or 'tstX' or 'X_test' or 'x_test'; it has 'trX'$"):
        load_inputs(write(trX=X))
    with pytest.raises(DataError, match="'X' holds nan in row 0, step 0, channel 2"):
        load_inputs(write(X=changed(X, (0, 0, 2), np.nan)))


def test_long_lists_are_cut(write: Writer) -> None:
    with pytest.raises(DataError, match=r"; it has 'a00', 'a01', .*'a09' and 4 more$"):
        load_sequences(write(**{f"a{i:02d}": X for i in range(14)}))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, message in [
        ("data.csv", "unknown file type '.csv'; expected .h5, .hdf5 or .npz"),
        ("data", "unknown file type ''; expected"),
        ("data.h5", "there is no such file"),
        (".", "unknown file type"),
    ]:
        with pytest.raises(DataError) as caught:
            load_sequences(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: {message}")
    for name in ("data.h5", "data.npz"):
        (tmp_path / name).write_bytes(b"neither of these")
        with pytest.raises(DataError, match=rf"{name}: cannot be read: "):
            load_sequences(tmp_path / name)


def test_damage(write: Writer) -> None:
    path = write(X=np.ones((50, 20, 10)), y=np.arange(50))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="cannot be read: "):
        load_sequences(path)


def test_array_too_large_for_memory(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset("X", (2**20, 2**20, 2**10), "f8", chunks=(1, 1, 2**10))
        file["y"] = LABELS
    with pytest.raises(DataError, match=r"data\.h5: 'X': cannot be read: Unable to allocate"):
        load_sequences(tmp_path / "data.h5")


def test_pickles_are_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=X, y=np.array([{}] * 6, dtype=object))
    with pytest.raises(DataError, match=r"data\.npz: 'y': cannot be read: Object arrays cannot be loaded"):
        load_sequences(tmp_path / "data.npz")


def test_texts_that_are_not_utf8(write: Writer) -> None:
    with pytest.raises(DataError, match="'y': cannot be read: "):
        load_sequences(write(X=X, y=np.array([b"\xe9"] * 6)))


def test_import_is_light() -> None:
    heavy = "{'h5py', 'matplotlib', 'numba', 'pandas', 'PIL', 'scipy', 'sklearn'}"
    code = f"import sys, fastrnn.data.lazy_array; print({heavy} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"
