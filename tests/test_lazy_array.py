"""Examples that are read as they are taken: in which order, how often, and with which numbers."""

import tracemalloc
from collections import Counter

import h5py
import numpy as np
import pytest

from fastrnn import GRU, SGD, Dense, Sequential, Trainer
from fastrnn._random import generators
from fastrnn.data import DataError, lazy_array, read_by_blocks
from fastrnn.data import blocks as data_blocks
from fastrnn.data.blocks import block_length
from fastrnn.data.fingerprint import fingerprint
from fastrnn.data.lazy_array import LazyArray
from fastrnn.losses import mse
from fastrnn.training import shuffle
from fastrnn.training.shuffle import divided, epoch_order, file_order

F4 = np.dtype("f4")
ROWS, WIDE = 103, 5
ARRAY = np.random.default_rng(0).normal(size=(ROWS, WIDE)).astype("f4")


class Source:
    """An array that is not in memory, and remembers which rows were read."""

    def __init__(self, array=ARRAY, chunk_length=1):
        self.array, self.chunk_length, self.reads = array, chunk_length, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        self.reads.append((int(rows.start), int(rows.stop)))
        return self.array[rows]

    @property
    def times(self):
        """How often each row was read."""
        return Counter(row for start, stop in self.reads for row in range(start, stop))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 8 rows of 5 numbers, which are read 3 rows at a time."""
    monkeypatch.setattr(data_blocks, "BLOCK", 8 * WIDE * 4 + 7)
    monkeypatch.setattr(lazy_array, "PIECE", 3 * WIDE)
    monkeypatch.setattr(lazy_array, "NEAR", 2 * WIDE * 4)


# The order ------------------------------------------------------------------------------------------------------------


def whole_order(rng, shape, dtype):
    return np.concatenate([*epoch_order(rng, shape, dtype)])


@pytest.mark.parametrize("n", [1, 7, 8])
def test_below_one_block_it_is_a_plain_shuffle(n):
    rng, twin = np.random.default_rng(1), np.random.default_rng(1)
    np.testing.assert_array_equal(whole_order(rng, (n, WIDE), F4), twin.permutation(n))
    assert rng.bit_generator.state == twin.bit_generator.state


def test_windows_of_four_blocks_one_after_the_other():
    order = whole_order(np.random.default_rng(1), (ROWS, WIDE), F4)
    assert sorted(order) == list(range(ROWS))
    blocks, first, seen = order // 8, 0, []
    while first < ROWS:  # twelve blocks of 8 and one of 7: windows of 4, 4, 4 and 1
        size = 32 if first < 96 else ROWS - 96
        if 12 in blocks[first : first + size]:
            size -= 1
        window = set(blocks[first : first + size])
        assert len(window) == min(4, 13 - len(seen))
        assert not window & set(seen)
        seen += sorted(window)
        first += size
    assert seen != sorted(seen)
    assert (np.diff(blocks) != 0).mean() > 0.5  # rows of a window are among each other


def test_two_blocks_are_shuffled_as_one():
    starts = {tuple(np.sort(whole_order(np.random.default_rng(seed), (16, WIDE), F4)[:8])) for seed in range(20)}
    assert len(starts) == 20


def test_it_depends_on_the_stream_the_number_and_the_bytes_alone():
    orders = {
        (seed, shape, dtype): tuple(whole_order(np.random.default_rng(seed), shape, np.dtype(dtype)))
        for seed, shape, dtype in [
            (1, (40, 10), "f4"), (1, (40, 5, 2), "f4"), (1, (40, 5), "f8"), (1, (40, 5), "f4"), (2, (40, 10), "f4"),
        ]
    }  # fmt: skip
    a, b, c, d, e = orders.values()
    assert a == b == c
    assert len({a, d, e}) == 3


def test_short_rows_count_as_long_as_their_numbers():
    assert block_length((9, 5), np.dtype("u1")) == block_length((9,), np.dtype("u2")) == block_length((9, 2), F4)
    assert block_length((9, 9), np.dtype("u1")) < block_length((9, 2), F4)


def test_an_order_comes_by_windows():
    parts = [*epoch_order(np.random.default_rng(1), (ROWS, WIDE), F4)]
    assert sorted(map(len, parts)) in ([7, 32, 32, 32], [8, 31, 32, 32])
    assert [*epoch_order(np.random.default_rng(1), (0, WIDE), F4)] == []


@pytest.mark.parametrize("size", [1, 3, 7, 8, 20, 21, 40])
@pytest.mark.parametrize("lengths", [[21], [7, 7, 7], [2, 0, 1, 9, 5, 4], [20, 1]])
def test_an_order_is_divided_whatever_its_parts(size, lengths, monkeypatch):
    order = np.random.default_rng(size).permutation(21)
    batches = [*divided(iter(np.split(order, np.cumsum(lengths)[:-1])), size)]
    assert [len(batch) for batch in batches] == [size] * (21 // size) + [21 % size] * (21 % size > 0)
    np.testing.assert_array_equal(np.concatenate(batches), order)
    monkeypatch.setattr(shuffle, "PART", size)
    np.testing.assert_array_equal(np.concatenate([*divided(file_order(21), 4)]), np.arange(21))


def test_of_an_order_one_window_is_in_memory(monkeypatch):
    """Of short rows the order is larger than they are, and so never there as a whole; not even two windows are."""
    monkeypatch.setattr(data_blocks, "BLOCK", 8 * 2**12)
    tracemalloc.start()
    total = sum(len(batch) for batch in divided(epoch_order(np.random.default_rng(0), (200_000, 3), np.dtype("u1")), 7))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 200_000
    assert peak < 1.5 * 4 * 2**12 * 8


def test_rows_longer_than_a_block_are_blocks_of_one():
    assert block_length((9, 10**4), F4) == 1
    assert sorted(whole_order(np.random.default_rng(0), (9, 10**4), F4)) == list(range(9))
    assert block_length((9, 0), F4) > 1


def test_an_epoch_of_the_trainer_takes_this_order():
    seen = []

    def loss(y, target, mask=None, sample_weight=None):
        seen.append(target)
        return mse(y, target[:, np.newaxis], mask, sample_weight)

    model = Sequential([Dense(1)]).build((WIDE,))
    Trainer(model, loss, SGD(1e-9), seed=3).fit(ARRAY, np.arange(ROWS), epochs=2, batch_size=9)
    stream = generators(3).order
    expected = [whole_order(stream, ARRAY.shape, F4) for _ in range(2)]
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate(expected))


@pytest.mark.parametrize("symbols", [False, True])
def test_a_trainer_takes_it_as_it_takes_an_array(symbols, tmp_path):
    """Numbers, and integers that stand for one-hot rows; a part is held out by the trainer, or given."""
    X = np.random.default_rng(0).integers(0, 6, ARRAY.shape) if symbols else ARRAY[:, :, np.newaxis]
    y, shape = X.reshape(ROWS, -1).argmax(1) % 2, (None, 6 if symbols else 1)
    with h5py.File(tmp_path / "array.h5", "w") as file:
        stored = read_by_blocks(file.create_dataset("X", data=X, chunks=(2, *X.shape[1:])))
        results = []
        for x in (X, stored):
            for validation in (0.3, (x, y)):
                model = Sequential([GRU(3), Dense(2)]).build(shape)
                trainer = Trainer(model, "cross_entropy", seed=1)
                history = trainer.fit(x, y, epochs=2, batch_size=9, validation=validation)
                losses = [*history["train_loss"], *history["validation_loss"], *trainer.evaluate(x, y, batch_size=10)]
                results.append((model.flat_parameters, losses, model.predict(x, batch_size=7)))
    for got, expected in zip(results[2:], results[:2], strict=True):
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a, b)


# What is taken --------------------------------------------------------------------------------------------------------


def sources(tmp_path):
    """The same numbers in memory, mapped, and in HDF5 files of several layouts."""
    yield ARRAY
    mapped = np.memmap(tmp_path / "array", "f4", "w+", shape=ARRAY.shape)
    mapped[:] = ARRAY
    yield mapped
    yield Source(chunk_length=2)
    with h5py.File(tmp_path / "array.h5", "w") as file:
        file["whole"] = ARRAY
        file["big"] = ARRAY.astype(">f4")
        file.create_dataset("chunks", data=ARRAY, chunks=(7, 2), compression="gzip", shuffle=True)
    file = h5py.File(tmp_path / "array.h5")
    for name in file:
        yield read_by_blocks(file[name])._source


def test_rows_are_those_of_the_array(tmp_path):
    some = np.sort(np.random.default_rng(1).permutation(ROWS)[:61])
    shuffled = np.random.default_rng(2).permutation(61)
    for source in sources(tmp_path):
        whole = LazyArray(source)
        assert (whole.shape, whole.ndim, whole.size, whole.nbytes) == (ARRAY.shape, 2, ARRAY.size, ARRAY.nbytes)
        assert whole.on_disk == (source is not ARRAY)
        assert source[0:2].dtype.isnative
        part, end = whole.take(some), whole.take(slice(90, 200))
        for lazy, expected in ((whole, ARRAY), (part, ARRAY[some]), (end, ARRAY[90:])):
            assert len(lazy) == len(expected)
            np.testing.assert_array_equal(lazy[3:12], expected[3:12])
            np.testing.assert_array_equal(lazy[np.array([5, 2, 11])], expected[[5, 2, 11]])
            np.testing.assert_array_equal(lazy.load(), expected)
            np.testing.assert_array_equal(np.asarray(lazy), expected)
        np.testing.assert_array_equal(part[shuffled], ARRAY[some[shuffled]])
        np.testing.assert_array_equal(part.take(slice(1, 61, 2)).load(), ARRAY[some[1::2]])
        assert whole.load().dtype == F4
        assert whole[:4].dtype.isnative


def test_conversions_know_which_rows_they_convert():
    def conversion(values, numbers):
        return np.stack([values.sum(1), numbers], axis=1).astype("f8")

    some = np.flatnonzero(np.arange(ROWS) % 7 != 2)
    expected = conversion(ARRAY, np.arange(ROWS))[some] * 2
    for source in (ARRAY, Source()):
        lazy = LazyArray(source).map(conversion, (2,), "f8").take(some).map(lambda values, _: 2 * values)
        assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(lazy[np.array([40, 3, 17])], expected[[40, 3, 17]])
        np.testing.assert_array_equal(lazy.load(), expected)
        pieces = list(lazy.pieces())
        assert [first for first, _ in pieces] == list(range(0, len(some), 7))  # of 15 numbers, with 2 a row
        np.testing.assert_array_equal(np.concatenate([piece for _, piece in pieces]), expected)


def test_what_is_ready_is_in_memory_if_its_source_is():
    assert isinstance(LazyArray(ARRAY).ready(), np.ndarray)
    assert LazyArray(Source()).ready().on_disk


# How often it is read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 9, 31, 64, 103])
@pytest.mark.parametrize("held_out", [0, 13])
def test_an_epoch_reads_each_block_once(batch_size, held_out):
    """Batches lie across windows, and take up to all rows; what is kept never exceeds a window, and is let go."""
    source = Source()
    rows = np.sort(np.random.default_rng(0).permutation(ROWS)[held_out:])
    lazy = LazyArray(source).take(rows)
    order = whole_order(np.random.default_rng(4), lazy.shape, lazy.dtype)
    for first in range(0, len(order), batch_size):
        batch = order[first : first + batch_size]
        np.testing.assert_array_equal(lazy[batch], ARRAY[rows[batch]])
        assert len(lazy._kept) <= 4
    assert not lazy._kept
    assert set(source.times.values()) == {1}
    assert set(rows) <= set(source.times)
    assert max(stop - start for start, stop in source.reads) <= 3


def test_targets_are_read_in_the_blocks_of_the_inputs():
    """Their own blocks would be longer, and of these a window has more than are kept."""
    target = Source(np.arange(ROWS))
    y = LazyArray(target).map(lambda values, _: values % 2).take(np.arange(3, ROWS))
    x, seen = ARRAY[3:], []

    def loss(y, target, mask=None, sample_weight=None):
        seen.append(target)
        return mse(y, target[:, np.newaxis], mask, sample_weight)

    model = Sequential([Dense(1)]).build((WIDE,))
    trainer = Trainer(model, loss, SGD(1e-9), seed=3)
    trainer.fit(x, y, epochs=1, batch_size=9, known={"training y": "known"})
    order = whole_order(generators(3).order, x.shape, F4)
    np.testing.assert_array_equal(np.concatenate(seen), (order + 3) % 2)
    assert target.times == Counter(range(3, ROWS))
    assert block_length(y.shape, y.dtype) > block_length(x.shape, F4)


def test_a_fingerprint_is_taken_once():
    source = Source()
    lazy = LazyArray(source)
    known = fingerprint(lazy)
    assert known == fingerprint(ARRAY)
    for same in (lazy, lazy.take(slice(None)), lazy.in_blocks_of(ARRAY[:, :1]), lazy.in_memory()):
        assert fingerprint(same) == known
    assert source.times == dict.fromkeys(range(ROWS), 2)  # to be known, and to be in memory
    for other, expected in (
        (lazy.take(slice(1, None)), ARRAY[1:]),
        (lazy.take(np.arange(5)), ARRAY[:5]),
        (lazy.map(lambda values, _: 2 * values), 2 * ARRAY),
    ):
        assert fingerprint(other) == fingerprint(expected) != known


def test_a_pass_in_order_keeps_one_block_at_a_time():
    source = Source()
    lazy = LazyArray(source)
    for first in range(0, ROWS, 6):
        np.testing.assert_array_equal(lazy[first : first + 6], ARRAY[first : first + 6])
        assert len(lazy._kept) <= 1
    assert set(source.times.values()) == {1}


def test_four_blocks_are_kept_those_used_last():
    source = Source()
    lazy = LazyArray(source)
    for block in (0, 1, 2, 3, 0, 4, 5, 0, 3):  # 1 and 2 make room for 4 and 5
        np.testing.assert_array_equal(lazy[np.array([8 * block])], ARRAY[[8 * block]])
    assert [first for first, _ in source.reads if first % 8 == 0] == [0, 8, 16, 24, 32, 40]
    assert sorted(lazy._kept) == [0, 3, 4, 5]
    lazy[np.array([8])]
    assert sorted(lazy._kept) == [0, 1, 3, 5]


def test_an_epoch_that_begins_within_reads_only_what_is_left():
    source = Source()
    lazy = LazyArray(source)
    order = whole_order(np.random.default_rng(4), lazy.shape, lazy.dtype)
    for first in range(50, ROWS, 5):
        lazy[order[first : first + 5]]
    blocks = set(order[50:] // 8)
    assert set(source.times) == {row for row in range(ROWS) if row // 8 in blocks}
    assert set(source.times.values()) == {1}


def test_chunks_are_read_whole_where_they_can_be():
    source = Source(chunk_length=10)  # more than the 3 rows that are read otherwise
    LazyArray(source)[np.array([9])]
    assert source.reads == [(8, 10), (10, 16)]  # the block of 8 rows that has this one, chunk by chunk


def test_rows_far_apart_are_read_alone(monkeypatch):
    monkeypatch.setattr(lazy_array, "PIECE", 50 * WIDE)
    source, rows = Source(), np.array([3, 5, 8, 48, 50, 51, 90])  # at most two apart are read together
    np.testing.assert_array_equal(LazyArray(source).take(rows).load(), ARRAY[rows])
    assert source.reads == [(3, 6), (8, 9), (48, 49), (50, 52), (90, 91)]  # 50 is in another piece than 48


# What goes wrong ------------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path):
    """A file with 40 rows, and a function that opens its array, of one piece or of chunks."""
    path = tmp_path / "array.h5"
    with h5py.File(path, "w") as file:
        file["whole"] = ARRAY[:40]
        file.create_dataset("chunks", data=ARRAY[:40], chunks=(4, WIDE), compression="gzip")
    return path, lambda name: read_by_blocks(h5py.File(path)[name])


def test_a_file_that_shrinks_is_told(stored):
    """HDF5 itself gives zeros for what lies beyond the end of the file."""
    path, open_array = stored
    lazy = open_array("whole")
    np.testing.assert_array_equal(lazy[:8], ARRAY[:8])
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.truncate(size // 2)
    with pytest.raises(DataError) as caught:
        lazy[8:16]
    assert str(caught.value) == f"{path}: 'whole': the file has shrunk from {size:,} bytes to {size // 2:,}"


def test_damage_is_told_with_the_rows(stored):
    path, open_array = stored
    lazy = open_array("chunks")
    np.testing.assert_array_equal(lazy[:8], ARRAY[:8])
    with h5py.File(path) as file:
        offset = file["chunks"].id.get_chunk_info(4).byte_offset  # rows 16 to 19
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"damage!")
    with pytest.raises(DataError, match=rf"^{path}: 'chunks', rows 16 to 19: cannot be read: [^\n]+$"):
        lazy[16:24]
    np.testing.assert_array_equal(lazy[32:], ARRAY[32:40])


def test_a_file_that_vanishes_stays_readable(stored):
    path, open_array = stored
    lazy = open_array("whole")
    path.unlink()
    np.testing.assert_array_equal(lazy.load(), ARRAY[:40])
