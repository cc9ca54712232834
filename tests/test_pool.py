"""Memory of tapes goes from one training step to the next, and never to two at once."""

import gc
import threading

import numpy as np
import pytest
from kernels import Problem

from fastrnn import recurrent_forward
from fastrnn._kernels import pool
from fastrnn.layers import LSTM, Dense
from fastrnn.models.sequential import Sequential
from fastrnn.training import Trainer

LARGE = (pool.SMALL // 4 + 2,)


@pytest.fixture(autouse=True)
def nothing_waits():
    gc.collect()
    pool.release()
    yield
    pool.release()


def address(array):
    return array.__array_interface__["data"][0]


def test_a_block_comes_back_when_its_last_view_is_gone():
    lent = pool.empty(LARGE, np.float32)
    at, view = address(lent), lent[5:].reshape(-1, 1)[::2]
    del lent
    assert pool.waiting() == 0
    del view
    assert pool.waiting() == 4 * LARGE[0]
    again = pool.empty((LARGE[0] - 1,), np.int32)
    assert address(again) == at
    assert pool.waiting() == 0


def test_a_block_that_is_far_too_large_is_not_lent():
    large = pool.empty((3 * LARGE[0],), np.float32)
    del large
    smaller = pool.empty((2 * LARGE[0],), np.float32)
    assert len(smaller.base.base) == smaller.nbytes
    assert pool.waiting() == 0  # it has made room


def test_of_equal_blocks_the_last_one_returned_is_lent_first():
    arrays = [pool.empty(LARGE, np.float32) for _ in range(3)]
    at = [address(array) for array in arrays]
    del arrays[1], arrays[0], arrays[0]
    again = [pool.empty(LARGE, np.float32) for _ in range(3)]
    assert [address(array) for array in again] == [at[2], at[0], at[1]]


def test_blocks_that_nobody_looks_at_are_taken_and_given():
    block = pool.take(pool.LARGE)
    at = address(block)
    pool.give(block)
    assert pool.waiting() == pool.LARGE
    assert address(pool.take(pool.LARGE - 5)) == at
    small = pool.take(pool.SMALL)
    pool.give(small)
    assert pool.waiting() == pool.SMALL


def test_large_blocks_are_counted_as_soon_as_they_come_back(monkeypatch):
    monkeypatch.setattr(pool, "KEEP", pool.LARGE)
    blocks = [pool.take(pool.LARGE) for _ in range(3)]
    while blocks:
        pool.give(blocks.pop())
    assert sum(size for size, _ in pool._free) == pool.LARGE
    assert not pool._returned


def test_many_small_blocks_are_counted_before_the_next_is_taken(monkeypatch):
    monkeypatch.setattr(pool, "KEEP", 3 * pool.SMALL)
    blocks = [pool.take(pool.SMALL) for _ in range(pool.MANY)]
    while blocks:
        pool.give(blocks.pop())
    assert sum(size for size, _ in pool._free) == 3 * pool.SMALL
    assert not pool._returned


def test_what_waits_makes_room_for_what_is_new():
    blocks = [pool.empty(LARGE, np.float32) for _ in range(4)]
    del blocks
    larger = pool.empty((2 * LARGE[0],), np.float32)
    assert pool.waiting() == 2 * 4 * LARGE[0]
    assert larger.nbytes + pool.waiting() == 4 * 4 * LARGE[0]


def test_two_borrowers_never_share():
    arrays = [pool.empty(LARGE, np.float32) for _ in range(5)]
    for value, array in enumerate(arrays):
        array[:] = value
    assert [float(array.mean()) for array in arrays] == [0, 1, 2, 3, 4]


def test_no_more_is_kept_than_allowed(monkeypatch):
    monkeypatch.setattr(pool, "KEEP", 3 * 4 * LARGE[0])
    arrays = [pool.empty(LARGE, np.float32) for _ in range(5)]
    del arrays
    assert pool.waiting() == 3 * 4 * LARGE[0]
    too_large = pool.empty((4 * LARGE[0],), np.float32)
    del too_large
    assert pool.waiting() == 0


def test_small_arrays_are_not_lent():
    array = pool.empty((10,), np.float64)
    assert array.flags.owndata
    del array
    assert pool.waiting() == 0


def test_threads_that_borrow_and_return():
    wrong = []

    def work(value):
        for _ in range(300):
            array = pool.empty(LARGE, np.float32)
            array[:] = value
            if array.min() != value or array.max() != value:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("backend", ["native", "numba"])
def test_outputs_outlive_the_tape(backend, use_backend):
    problem = Problem("lstm", (16, 50, 4, 40), "float32")
    options = use_backend(backend) if backend != "native" else {}
    y, final, tape = recurrent_forward("lstm", problem.x, problem.weights, **options)
    kept = y.copy()
    del tape
    for _ in range(3):
        problem.run(**options)
    np.testing.assert_array_equal(y, kept)
    np.testing.assert_array_equal(y[:, -1], final[0])


def test_training_gives_up_its_memory():
    model = Sequential([LSTM(40), Dense(2)]).build((50, 4))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 50, 4)).astype("float32"), rng.integers(0, 2, 64)
    borrowed = []
    trainer = Trainer(model, "cross_entropy", batch_callbacks=[lambda _: borrowed.append(pool.waiting())])
    trainer.fit(x, y, epochs=1, batch_size=16)
    assert max(borrowed) > pool.SMALL
    assert pool.waiting() == 0
