"""Every backend and instruction set against the reference, on awkward sizes."""

from itertools import pairwise

import numpy as np
import pytest
from kernels import BACKENDS, INSTRUCTION_SETS, SIZES, Problem

import fastrnn
from fastrnn import Weights, pack, recurrent_backward, recurrent_forward
from fastrnn._kernels.ragged import row_shares
from fastrnn.cells import CELLS
from fastrnn.testing import TOLERANCES, relative_error

OPTIONS = {
    "plain": {},
    "reverse": {"reverse": True},
    "ragged": {"ragged": True},
    "ragged reverse": {"ragged": True, "reverse": True},
    "masked": {"masked": True, "ragged": True},
}


def assert_agrees(problem: Problem, dtype: str, backend: dict[str, str], **options) -> None:
    got = problem.run(**backend, **options)
    expected = problem.as_float64().run(backend="reference", **options)
    for results, truth, tolerance in zip(got, expected, TOLERANCES[dtype], strict=True):
        assert results.keys() == truth.keys()
        for name, value in results.items():
            assert value.dtype == dtype
            assert relative_error(value, truth[name]) <= tolerance, name


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", BACKENDS)
def test_agrees_with_the_reference(name, cell, dtype, use_backend):
    backend = use_backend(name)
    for size in SIZES:
        for options in OPTIONS.values() if size[0] < 20 else [{}, {"ragged": True}]:
            assert_agrees(Problem(cell, size, dtype), dtype, backend, **options)
        assert_agrees(Problem(cell, size, dtype, symbols=True), dtype, backend, ragged=True)


@pytest.mark.parametrize("name", BACKENDS)
def test_symbols_are_one_hot_rows(name, use_backend):
    """Forward is the same to the bit; the gradient of Wx differs by the order of its sum."""
    backend = use_backend(name)
    problem = Problem("gru", (6, 70, 11, 19), "float32", symbols=True)
    dense = problem.rows(slice(None))
    dense.x = np.eye(11, dtype="float32")[problem.x]
    (forward, gradients), (dense_forward, dense_gradients) = problem.run(**backend), dense.run(**backend)
    for key in forward:
        np.testing.assert_array_equal(forward[key], dense_forward[key], err_msg=key)
    assert "dx" not in gradients
    for key in gradients:
        assert relative_error(gradients[key], dense_gradients[key]) < 1e-5, key


@pytest.mark.parametrize("name", [*BACKENDS, "reference"])
class TestMeaning:
    """What arguments and results mean: None, zeros, shapes."""

    def test_state_none_is_zero_also_for_one_entry(self, name, use_backend):
        p = Problem("lstm", (3, 5, 4, 7), "float64")
        options = use_backend(name)
        zero = np.zeros((3, 7))
        y, _, _ = recurrent_forward("lstm", p.x, p.weights, (p.state[0], zero), **options)
        np.testing.assert_array_equal(recurrent_forward("lstm", p.x, p.weights, (p.state[0], None), **options)[0], y)
        y, _, _ = recurrent_forward("lstm", p.x, p.weights, (zero, zero), **options)
        np.testing.assert_array_equal(recurrent_forward("lstm", p.x, p.weights, **options)[0], y)

    def test_bh_none_is_zero_and_has_no_gradient(self, name, use_backend):
        p = Problem("gru", (3, 5, 4, 7), "float64")
        options = use_backend(name)
        without = p.weights._replace(bh=None)
        y, _, tape = recurrent_forward("gru", p.x, without, **options)
        zeros = p.weights._replace(bh=np.zeros((3, 7)))
        np.testing.assert_array_equal(y, recurrent_forward("gru", p.x, zeros, **options)[0])
        assert recurrent_backward(tape, p.dy)[1].bh is None

    def test_sequences_false_gives_the_state_alone(self, name, use_backend):
        p = Problem("lstm", (3, 5, 4, 7), "float64")
        options = use_backend(name) | {"lengths": p.lengths}
        _, final, _ = recurrent_forward("lstm", p.x, p.weights, p.state, **options)
        for keep_tape in (True, False):
            y, alone, tape = recurrent_forward(
                "lstm", p.x, p.weights, p.state, sequences=False, keep_tape=keep_tape, **options
            )
            assert y is None
            assert (tape is not None) == keep_tape
            for a, b in zip(alone, final, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_dy_is_the_gradient_of_every_step_and_dstate_adds_to_it(self, name, use_backend):
        p = Problem("gru", (3, 5, 4, 7), "float64")
        options = use_backend(name) | {"lengths": np.array([5, 2, 3])}
        _, _, tape = recurrent_forward("gru", p.x, p.weights, **options)
        dy = np.zeros_like(p.dy)
        for row, length in enumerate(options["lengths"]):
            dy[row, length - 1] = p.dstate[0][row]
        by_dy, by_dstate = recurrent_backward(tape, dy), recurrent_backward(tape, dstate=p.dstate)
        np.testing.assert_allclose(by_dy[0], by_dstate[0], rtol=0, atol=1e-14)
        np.testing.assert_allclose(by_dy[1].Wh, by_dstate[1].Wh, rtol=0, atol=1e-14)

    def test_beyond_a_length_all_is_zero_and_length_0_returns_the_state(self, name, use_backend):
        p = Problem("lstm", (3, 5, 4, 7), "float64")
        y, final, tape = recurrent_forward(
            "lstm", p.x, p.weights, p.state, lengths=np.array([2, 0, 5]), **use_backend(name)
        )
        dx, _, dinitial = recurrent_backward(tape, p.dy, p.dstate)
        for array in (y, dx):
            assert not array[0, 2:].any()
            assert not array[1].any()
            assert array[0, :2].all()
        for s in range(2):
            np.testing.assert_array_equal(final[s][1], p.state[s][1])
            np.testing.assert_array_equal(dinitial[s][1], p.dstate[s][1])

    def test_padding_is_never_read(self, name, use_backend):
        p = Problem("gru", (4, 6, 5, 9), "float64")
        options = use_backend(name)
        clean = p.run(ragged=True, **options)
        for row, length in enumerate(p.lengths):
            p.x[row, length:] = np.nan
            p.dy[row, length:] = np.nan
        for a, b in zip(clean, p.run(ragged=True, **options), strict=True):
            for key in a:
                np.testing.assert_array_equal(a[key], b[key], err_msg=key)

    def test_padding_of_symbols_may_be_anything(self, name, use_backend):
        x = np.array([[1, 2, -1], [0, -7, 99]])
        p = Problem("gru", (2, 3, 4, 5), "float64")
        y, _, _ = recurrent_forward("gru", x, p.weights, lengths=np.array([2, 1]), **use_backend(name))
        assert np.isfinite(y).all()

    def test_need_dx_false_changes_nothing_else(self, name, use_backend):
        p = Problem("lstm", (3, 5, 4, 7), "float64")
        _, _, tape = recurrent_forward("lstm", p.x, p.weights, p.state, **use_backend(name))
        dx, dweights, dinitial = recurrent_backward(tape, p.dy, p.dstate)
        none, same, same_initial = recurrent_backward(tape, p.dy, p.dstate, need_dx=False)
        assert dx is not None
        assert none is None
        for a, b in zip((*dweights, *dinitial), (*same, *same_initial), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_odd_memory_layouts_just_work(self, name, use_backend):
        p = Problem("lstm", (3, 5, 4, 7), "float64")
        expected = p.run(**use_backend(name))

        def odd(a):
            wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]))
            wide[..., ::2] = a
            view = np.asfortranarray(wide)[..., ::2]
            view.flags.writeable = False
            return view

        p.x, p.dy, p.weights = odd(p.x), odd(p.dy), Weights(*map(odd, p.weights))
        p.state, p.dstate = tuple(map(odd, p.state)), tuple(map(odd, p.dstate))
        for a, b in zip(p.run(**use_backend(name)), expected, strict=True):
            for key in a:
                np.testing.assert_array_equal(a[key], b[key], err_msg=key)

    def test_packed_weights_are_a_snapshot(self, name, use_backend):
        p = Problem("gru", (3, 5, 4, 7), "float64")
        options = use_backend(name)
        expected = recurrent_forward("gru", p.x, p.weights, **options)
        packed = pack("gru", p.weights, **options)
        for w in p.weights:
            w[:] = 0
        y, _, tape = recurrent_forward("gru", p.x, packed)
        np.testing.assert_array_equal(y, expected[0])
        for a, b in zip(recurrent_backward(tape, p.dy)[1], recurrent_backward(expected[2], p.dy)[1], strict=True):
            np.testing.assert_array_equal(a, b)

    def test_the_tape_says_what_ran(self, name, use_backend):
        p = Problem("gru", (3, 5, 4, 7), "float64")
        options = use_backend(name)
        _, _, tape = recurrent_forward("gru", p.x, p.weights, n_threads=2, **options)
        assert tape.backend == options["backend"]
        assert tape.n_threads == 2
        if name in INSTRUCTION_SETS:
            assert tape.instruction_set == name


@pytest.mark.parametrize("name", BACKENDS)
def test_long_weight_gradients_stay_accurate(name, use_backend):
    """They are sums of chunks. One running float32 sum over these 200,000 equal terms would be off by 1e-3 or more."""
    x = np.full((100, 2000, 1), 0.1, "float32")
    weights = Weights(*(np.zeros(shape, "float32") for shape in ((1, 1, 1), (1, 1, 1), (1, 1), (1, 1))))
    _, _, tape = recurrent_forward("rnn_tanh", x, weights, **use_backend(name))
    _, dweights, _ = recurrent_backward(tape, np.full((100, 2000, 1), 0.1, "float32"))
    assert dweights.Wx[0, 0, 0] == pytest.approx(2000, rel=2e-5)
    assert dweights.bx[0, 0] == pytest.approx(20000, rel=2e-5)


@pytest.mark.parametrize("name", [*BACKENDS, "reference"])
@pytest.mark.parametrize("cell", CELLS)
def test_nan_and_infinity_stay_in_their_row(cell, name, use_backend):
    """NaN from its step on, also through relu; other rows and earlier steps are untouched."""
    p = Problem(cell, (5, 6, 4, 9), "float32")
    clean, _, _ = recurrent_forward(cell, p.x, p.weights, p.state, **use_backend(name))
    p.x[2, 3, 1] = np.nan
    p.x[4, 2, 0] = np.inf
    with np.errstate(all="ignore"):
        y, _, _ = recurrent_forward(cell, p.x, p.weights, p.state, **use_backend(name))
    assert np.isnan(y[2, 3:]).all()
    np.testing.assert_array_equal(y[2, :3], clean[2, :3])
    np.testing.assert_array_equal(y[4, :2], clean[4, :2])
    np.testing.assert_array_equal(y[[0, 1, 3]], clean[[0, 1, 3]])


def test_shares_of_rows_have_equal_work():
    lengths = np.sort(np.random.default_rng(0).integers(0, 100, 64))[::-1]
    for shares in (1, 2, 3, 7):
        bounds = row_shares(lengths, shares)
        work = [lengths[a:b].sum() for a, b in pairwise(bounds)]
        assert sum(work) == lengths.sum()
        assert max(work) - min(work) <= 2 * lengths.max()


def test_outputs_that_a_tape_needs_are_read_only():
    p = Problem("lstm", (3, 5, 4, 7), "float32")
    y, _, _ = recurrent_forward("lstm", p.x, p.weights)
    with pytest.raises(ValueError, match="read-only"):
        y[0] = 0
    y, _, _ = recurrent_forward("lstm", p.x, p.weights, keep_tape=False)
    y[0] = 0


def test_public_names():
    for name in fastrnn.__all__:
        assert getattr(fastrnn, name) is not None
    assert set(fastrnn.__all__) <= set(dir(fastrnn))
    with pytest.raises(AttributeError, match="lstmm"):
        _ = fastrnn.lstmm
