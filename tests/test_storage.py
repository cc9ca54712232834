"""storage: exact round trips, equal bytes, and files that are damaged, crafted or cannot be written."""

import errno
import hashlib
import io
import os
import random
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from golden.make_files import MODELS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastrnn
from fastrnn import storage
from fastrnn.storage import StorageError

TREE = {
    "name": "gru",
    "weights": {"0.Wx": np.arange(12, dtype="f4").reshape(4, 3), "0.bh": None},
    "classes": np.array(["läuft", "sitzt"]),
    "history": {"epoch": [1, 2, 3], "train_loss": [1.5, 0.25, float("nan")]},
    "layers": [{"kind": "dense", "units": 7}, {"kind": "dropout", "rate": 0.5}],
    "shape": (None, 3),
    "empty": np.empty((0, 2)),
}

# What the files `golden/tree-*.h5` of the releases hold: everything that can be stored. It never changes.
RELEASED = {
    "scalars": [0, -(2**63), 2**200, True, -0.0, 0.1, float("inf"), 1 - 2j, None, "", "a\0b", "ä€𝄞"],
    "numpy scalars": {"f4": np.float32(0.1), "i8": np.int64(-3), "?": np.bool_(True), "U": np.str_("gru")},
    "sequences": ([1, 2, 3], (0.5, float("nan")), ["x", "yy"], (), [], [[1], (2, None)], [True, False]),
    "arrays": {
        "f4": np.linspace(-1, 1, 12, dtype="f4").reshape(3, 4),
        "f8": np.array([1e-300, -0.0, np.inf]),
        "f2": np.array([0.5], "f2"),
        "c8": np.array([[1 + 2j, -3j]], "c8"),
        "u1": np.arange(5, dtype="u1"),
        "i8": np.array(7),
        "?": np.array([True, False]),
        "S": np.array([b"", b"abc"]),
        "U": np.array(["läuft", "", "sitzt"]),
        "big endian": np.array([1.5, 2.5], ">f8"),
        "empty": np.empty((2, 0, 3), "f4"),
    },
    "keys": {"": 1, ".": 2, "a/b": 3, "%": 4, "ü": {"nested": {"deeper": ()}}},
}
GOLDEN = Path(__file__).parent / "golden"


def same(a: Any, b: Any) -> bool:
    """Tell whether two trees agree in every type, shape and bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype.str == b.dtype.str and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float | complex):
        return np.array(a).tobytes() == np.array(b).tobytes()
    return a == b


def round_trip(tree: dict[str, Any], folder: Path) -> dict[str, Any]:
    storage.write(folder / "tree.h5", tree)
    return storage.read(folder / "tree.h5")


def sealed(image: bytes) -> bytes:
    """Return a file that holds an HDF5 image behind a right block, whose layout is written out once more here."""
    block = struct.pack("<8sI4xQ32s", b"\x89FRNN\r\n\n", 1, len(image), hashlib.sha256(image).digest())
    return block.ljust(512, b"\0") + image


# Round trips ----------------------------------------------------------------------------------------------------------

dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | hnp.complex_number_dtypes(endianness="?", sizes=(64, 128))
    | hnp.byte_string_dtypes(max_len=5)
    | hnp.unicode_string_dtypes(endianness="?", max_len=5)
)
arrays = dtypes.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=3)))
texts = st.text(st.characters(exclude_categories=()), max_size=6)
numbers = [st.booleans(), st.integers(), st.floats(), st.complex_numbers()]
leaves = st.one_of(st.none(), texts, arrays, arrays.map(lambda array: array.ravel()[0] if array.size else 0), *numbers)
sequences = st.one_of(*(st.lists(leaf, max_size=4) for leaf in [texts, *numbers]))
nodes = st.recursive(
    leaves | sequences | sequences.map(tuple),
    lambda node: st.lists(node, max_size=4) | st.tuples(node, node) | st.dictionaries(texts, node, max_size=4),
)


@given(tree=st.dictionaries(texts, nodes, max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(tree: dict[str, Any], tmp_path: Path) -> None:
    assert same(round_trip(tree, tmp_path), tree)


@pytest.mark.parametrize(
    "value",
    [
        *(0, 0.0, -0.0, False, None, 2**63 - 1, -(2**63), 2**63, -(2**200), float("nan"), float("inf"), 1j),
        *("", "\0", "a\0", "\0a\0\0", "ä€𝄞", "\ud800", "none", "line\r\nline"),
        *([], (), {}, [[]], [()], [{}], [None], [1, True], [1, 1.0], [1, 2**64], ["", "\0"], [True, False]),
        *(np.float64(0.1), np.float32(0.1), np.int64(3), np.bool_(True), np.str_("gru"), np.bytes_(b"gru")),
        *(np.array(3), np.array("a", "<U9"), np.array([""]), np.array([b"", b"a"], "S3"), np.empty((0, 3), "<U4")),
        *(np.array(["a", "bc"], ">U3"), np.array([1.5], ">f8"), np.empty((2, 0, 3), "c8")),
        np.array([0x7FC00001, 0xFF800001], "u4").view("f4"),
    ],
    ids=repr,
)
def test_round_trip_of_corner_cases(value: Any, tmp_path: Path) -> None:
    assert same(round_trip({"value": value}, tmp_path)["value"], value)


def test_keys_that_hdf5_does_not_allow(tmp_path: Path) -> None:
    tree = {key: i for i, key in enumerate(["", ".", "..", "/", "a/b", "/a", "%", "%002F", "\0", " ", "0.1.Wx", "ä"])}
    assert round_trip(tree, tmp_path) == tree


def test_array_of_any_memory_order(tmp_path: Path) -> None:
    array = np.arange(60.0).reshape(3, 4, 5)
    for view in (array.T, array[::2, :, ::-1], np.asfortranarray(array)):
        assert same(round_trip({"a": view}, tmp_path)["a"], np.ascontiguousarray(view))


def test_memory_map_becomes_an_array(tmp_path: Path) -> None:
    array = np.arange(6, dtype="i2").reshape(2, 3)
    np.save(tmp_path / "array.npy", array)
    assert same(round_trip({"a": np.load(tmp_path / "array.npy", mmap_mode="r")}, tmp_path)["a"], array)


def test_keys_come_back_sorted(tmp_path: Path) -> None:
    assert list(round_trip({"b": 1, "a/": 2, "a": 3, "é": 4, "Z": 5}, tmp_path)) == ["Z", "a", "a/", "b", "é"]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("tree-*.h5")), ids=lambda path: path.stem)
def test_files_of_all_releases_are_read(path: Path, tmp_path: Path) -> None:
    assert same(storage.read(path), RELEASED)
    assert same(round_trip(RELEASED, tmp_path), RELEASED)


def test_this_release_has_left_its_files() -> None:
    assert {path.name for path in GOLDEN.glob(f"*-{fastrnn.__version__}.*")} == {
        f"{name}-{fastrnn.__version__}.{suffix}"
        for name, suffix in [
            *((name, "h5") for name in ("tree", *MODELS)), ("files", "npz"),
        ]
    }  # fmt: skip


# The file -------------------------------------------------------------------------------------------------------------


def test_equal_trees_give_equal_bytes(tmp_path: Path) -> None:
    storage.write(tmp_path / "a.h5", TREE)
    time.sleep(1.1)  # HDF5 counts time in seconds
    storage.write(tmp_path / "b.h5", dict(reversed(TREE.items())))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_any_hdf5_viewer_opens_the_file(tmp_path: Path) -> None:
    storage.write(tmp_path / "tree.h5", TREE)
    with h5py.File(tmp_path / "tree.h5") as file:
        assert file.userblock_size == 512
        np.testing.assert_array_equal(file["weights/0.Wx"], TREE["weights"]["0.Wx"])
        assert file["classes"].asstr()[()].tolist() == ["läuft", "sitzt"]
        assert file["history/train_loss"][:2].tolist() == [1.5, 0.25]
        assert file["layers/1/rate"][()] == 0.5


def test_block_says_what_follows(tmp_path: Path) -> None:
    storage.write(tmp_path / "tree.h5", TREE)
    data = (tmp_path / "tree.h5").read_bytes()
    assert data == sealed(data[512:])


def test_write_replaces_the_target_of_a_link_and_obeys_the_umask(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.h5"
    link.symlink_to(tmp_path / "folder" / "tree.h5")
    old = os.umask(0o027)
    try:
        storage.write(link, TREE)
    finally:
        os.umask(old)
    assert link.is_symlink()
    assert (tmp_path / "folder" / "tree.h5").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failing_write_leaves_the_old_file(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tree.h5"
    storage.write(path, {"old": 1})

    def fail(*_: Any) -> None:
        assert len(list(tmp_path.iterdir())) == 2, "the new file is made beside the old one"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageError, match=r"tree\.h5: cannot be written: No space left on device$"):
        storage.write(path, TREE)
    assert list(tmp_path.iterdir()) == [path]
    assert storage.read(path) == {"old": 1}


def test_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tree.h5"
    storage.write(path, {"old": 1})

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        storage.write(path, TREE)
    assert list(tmp_path.iterdir()) == [path]
    assert storage.read(path) == {"old": 1}


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"tree\.h5: cannot be written: No such file or directory$"):
        storage.write(tmp_path / "missing" / "tree.h5", TREE)
    with pytest.raises(StorageError, match=r"cannot be written: it is not a regular file$"):
        storage.write(tmp_path, TREE)
    with pytest.raises(StorageError, match=r"cannot be written: it is not a regular file$"):
        storage.write(os.devnull, TREE)
    assert not Path(os.devnull).is_file()
    assert list(tmp_path.iterdir()) == []


class Sub(int):
    """A number that would not come back as what it was."""


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([1], "a tree must be a dict, not list"),
        ({"a": {"b": [1, object()]}}, "a/b/1: cannot store an object of type builtins.object"),
        ({"a": OrderedDict()}, "a: cannot store an object of type collections.OrderedDict"),
        ({"a": [{"b": Sub(3)}]}, "a/0/b: cannot store an object of type .*Sub"),
        ({"a": b"bytes"}, "a: cannot store an object of type builtins.bytes"),
        ({"a": {"b": np.array([None, 1])}}, "a/b: cannot store an array of dtype object"),
        ({"a": np.array(["2020"], "M8[Y]")}, r"a: cannot store an array of dtype datetime64\[Y\]"),
        ({"a": np.zeros(2, "i4,f4")}, "a: cannot store an array of dtype "),
        ({"a": np.ma.array([1, 2], mask=[0, 1])}, "a: cannot store an object of type numpy.ma.MaskedArray"),
        ({"a": {3: 1}}, "a: keys must be strings, not 3"),
        ({None: 1}, "tree: keys must be strings, not None"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_stored(tree: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=f"^{message}"):
        storage.write(tmp_path / "tree.h5", tree)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(np.dtype("g").itemsize == 8, reason="long double is float64 on this machine")
def test_long_double_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"a: cannot store an array of dtype (longdouble|float)"):
        storage.write(tmp_path / "tree.h5", {"a": np.zeros(2, "g")})


# Damage ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"", "was not written by fastrnn"),
        (lambda data: b"\x89HDF\r\n\x1a\n" + data[8:], "was not written by fastrnn"),
        (lambda data: data[:100], "is cut short: 100 bytes"),
        (lambda data: data[:8] + b"\x02" + data[9:], "has version 2 of the format, but this fastrnn reads 1"),
        (lambda data: data[:-1], "is damaged: it has .* bytes instead of"),
        (lambda data: data + b"\0", "is damaged: it has .* bytes instead of"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "is damaged: its SHA-256"),
        (lambda data: sealed(data[512:1500]), "holds no valid tree"),
        (lambda data: sealed(b""), "holds no valid tree"),
    ],
)
def test_damage_is_named(spoil: Callable[[bytes], bytes], message: str, tmp_path: Path) -> None:
    path = tmp_path / "tree.h5"
    storage.write(path, TREE)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(StorageError, match=message) as caught:
        storage.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"tree\.h5: cannot be read: No such file or directory$"):
        storage.read(tmp_path / "tree.h5")
    with pytest.raises(StorageError, match=r"is not a regular file$"):
        storage.read(tmp_path)


def damaged(data: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        i = rng.randrange(len(spoiled))
        width = rng.choice([1, 1, 4, 8])
        spoiled[i : i + width] = rng.choice([rng.randbytes(width), bytes(width), b"\xff" * width])
    return bytes(spoiled[: rng.randrange(len(spoiled))] if rng.random() < 0.2 else spoiled)


CASES = [200, pytest.param(2000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("cases", CASES)
def test_damage_never_passes_the_checksum(cases: int, tmp_path: Path) -> None:
    path = tmp_path / "tree.h5"
    storage.write(path, TREE)
    data = path.read_bytes()
    rng = random.Random(cases)
    for _ in range(cases):
        path.write_bytes(damaged(data, rng))
        with suppress(StorageError):
            assert same(storage.read(path), TREE)  # only the zeros that fill the block were hit


@pytest.mark.parametrize("cases", CASES)
@pytest.mark.parametrize("libver", ["v110", "earliest"])  # the earliest format has no checksums of its own
def test_damage_under_a_right_checksum_never_crashes(
    libver: str, cases: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tree.h5"
    original = h5py.File
    with monkeypatch.context() as patch:
        patch.setattr(h5py, "File", lambda *args, **options: original(*args, **{**options, "libver": libver}))
        storage.write(path, TREE)
    image = path.read_bytes()[512:]
    rng = random.Random(cases + 1)
    for _ in range(cases):
        path.write_bytes(sealed(damaged(image, rng)))
        with suppress(StorageError):
            tree = storage.read(path)
            assert same(round_trip(tree, tmp_path), tree)


def chunked(file: h5py.File) -> None:
    file.create_dataset("bomb", (10**6,), "f8", chunks=(1000,), compression="gzip")


def looped(file: h5py.File) -> None:
    file.create_group("a")["b"] = file["/"]


def twice(file: h5py.File) -> None:
    file["a"] = np.zeros(3)
    file["b"] = file["a"]


def marked(value: Any, **attributes: Any) -> Callable[[h5py.File], None]:
    def build(file: h5py.File) -> None:
        if value is dict:
            file.create_group("a")["x"] = 1
        else:
            file["a"] = value
        file["a"].attrs.update(attributes)

    return build


def boolean(file: h5py.File) -> None:
    node = file.create_dataset("a", (2,), bool)
    node.id.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 2], "u1"), mtype=node.id.get_type())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda file: file.update(a=h5py.SoftLink("/b")), "'a' in '/' is a soft or an external link"),
        (lambda file: file.update(a=h5py.ExternalLink("b.h5", "/")), "'a' in '/' is a soft or an external link"),
        (lambda file: file.update(a=np.dtype("f4")), "'/a' is neither a group nor a dataset"),
        (lambda file: file.update(a="text"), "'/a' has dtype object"),
        (lambda file: file.create_dataset("a", (2,), h5py.vlen_dtype("i4")), "'/a' has dtype object"),
        (lambda file: file.create_dataset("a", (2,), h5py.ref_dtype), "'/a' has dtype object"),
        (lambda file: file.update(a=np.zeros(2, "i4,f4")), "'/a' has dtype "),
        (lambda file: file.update(a=h5py.Empty("f4")), "'/a' has dtype float32 and shape None"),
        (lambda file: file.create_dataset("a", (2**40,), "f8"), "'/a' claims 8796093022208 bytes"),
        (lambda file: file.create_dataset("a", (2**62, 2**62), "f8"), ""),
        (chunked, "'/bomb' is chunked"),
        (lambda file: file.create_dataset("a", (9,), "i1", external="b"), "'/a' is chunked, virtual or stored in"),
        (looped, "has two names"),
        (twice, "'/b' has two names"),
        (boolean, "'/a' is Boolean but holds other values"),
        (marked(1, kind=np.bytes_("scalary")), "and of kind 'scalary'"),
        (marked([1, 2], kind=np.bytes_("int")), "'/a' is a dataset of shape (2,) and of kind 'int'"),
        (marked([1, 2], kind=np.bytes_("list[float]")), "dtype int64 cannot hold values of type float"),
        (marked(dict, kind=np.bytes_("list")), "'/a' is a group of kind 'list' with members"),
        (marked(1, kind="list"), "the attribute 'kind' of '/a' is not a short text"),
        (marked(1, kind=[1.0, 2.0]), "the attribute 'kind' of '/a' is not a short text"),
        (marked(np.bytes_("abc"), dtype=np.bytes_("<U99999999")), "cannot become '<U99999999'"),
        (marked(np.bytes_("abc"), dtype=np.bytes_("O")), "cannot become 'O'"),
    ],
)
def test_crafted_files_are_refused(build: Callable[[h5py.File], Any], message: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        build(file)
    path = tmp_path / "tree.h5"
    path.write_bytes(sealed(buffer.getvalue()))
    with pytest.raises(StorageError, match="holds no valid tree: ") as caught:
        storage.read(path)
    assert message in str(caught.value)
