"""Equal bits: results of a row depend only on that row, and no result depends on the number of threads."""

import numpy as np
import pytest
from kernels import BACKENDS, INSTRUCTION_SETS, Problem, assert_same_bits, row_results

from fastrnn import recurrent_backward, recurrent_forward
from fastrnn._kernels import native
from fastrnn.cells import CELLS

SIZE = (13, 40, 5, 33)  # more than one tile of rows, more than one chunk of steps, no multiple of anything


@pytest.fixture(params=BACKENDS)
def backend(request, use_backend):
    return use_backend(request.param)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"ragged": True, "reverse": True, "masked": True}], ids=["plain", "ragged"])
@pytest.mark.parametrize("cell", CELLS)
def test_any_number_of_threads(backend, cell, options, dtype):
    problem = Problem(cell, SIZE, dtype)
    expected = problem.run(n_threads=1, **options, **backend)
    for n_threads in (1, 2, 3, 5):
        for a, b in zip(problem.run(n_threads=n_threads, **options, **backend), expected, strict=True):
            assert_same_bits(a, b)


def test_any_number_of_threads_for_symbols(backend):
    problem = Problem("lstm", SIZE, "float32", symbols=True)
    expected = problem.run(n_threads=1, ragged=True, **backend)
    for a, b in zip(problem.run(n_threads=3, ragged=True, **backend), expected, strict=True):
        assert_same_bits(a, b)


@pytest.mark.parametrize("options", [{}, {"ragged": True, "masked": True}], ids=["plain", "ragged"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_batch_is_its_rows(backend, cell, options):
    problem = Problem(cell, SIZE, "float32")
    whole = row_results(problem.run(**options, **backend))
    for b in range(SIZE[0]):
        row = row_results(problem.rows([b]).run(**options, **backend))
        assert_same_bits(row, {name: value[[b]] for name, value in whole.items()})


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_a_row_alone_with_more_groups_than_a_block_of_rows(name, cell, use_backend):
    """A single row treats groups as rows, and takes pairs of groups and of panels; two rows do not."""
    backend = use_backend(name)
    problem = Problem(cell, (2, 3, 5, 64 * native.variant(np.dtype("float32")).config()["lanes"] + 20), "float32")
    whole = row_results(problem.run(**backend))
    alone = row_results(problem.rows([1]).run(**backend))
    assert_same_bits(alone, {name: value[[1]] for name, value in whole.items()})


def test_a_permuted_batch_is_permuted(backend):
    problem = Problem("gru", SIZE, "float32")
    order = np.random.default_rng(0).permutation(SIZE[0])
    whole = problem.run(ragged=True, **backend)
    permuted = problem.rows(order).run(ragged=True, **backend)
    assert_same_bits(row_results(permuted), {name: v[order] for name, v in row_results(whole).items()})
    np.testing.assert_allclose(permuted[1]["dWh"], whole[1]["dWh"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_cut_in_time_with_the_state_carried(backend, cell):
    p = Problem(cell, SIZE, "float32")
    y, final, _ = recurrent_forward(cell, p.x, p.weights, p.state, **backend)
    state, parts = p.state, []
    for cut in (slice(0, 1), slice(1, 17), slice(17, 40)):
        part, state, _ = recurrent_forward(cell, p.x[:, cut], p.weights, state, keep_tape=False, **backend)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), y)
    for a, b in zip(state, final, strict=True):
        np.testing.assert_array_equal(a, b)


def test_with_and_without_tape_and_sequences(backend):
    p = Problem("lstm", SIZE, "float32")
    y, final, _ = recurrent_forward("lstm", p.x, p.weights, p.state, lengths=p.lengths, **backend)
    for sequences in (True, False):
        other, state, _ = recurrent_forward(
            "lstm", p.x, p.weights, p.state, lengths=p.lengths, keep_tape=False, sequences=sequences, **backend
        )
        if sequences:
            np.testing.assert_array_equal(other, y)
        for a, b in zip(state, final, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("options", [{}, {"ragged": True, "reverse": True, "masked": True}], ids=["plain", "ragged"])
@pytest.mark.parametrize("size", [SIZE, (300, 3, 5, 17), (1, 600, 3, 9), (2, 0, 3, 4)], ids=str)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_relu"])
def test_any_checkpoints(backend, cell, size, options):
    """With a tape of few steps all results, also weight gradients, are those with the whole tape."""
    problem = Problem(cell, size, "float32")
    expected = problem.run(**options, **backend)
    for checkpoint_every in (1, 50, 10**6):
        for a, b in zip(problem.run(checkpoint_every=checkpoint_every, **options, **backend), expected, strict=True):
            assert_same_bits(a, b)


def test_a_tape_of_checkpoints_may_be_used_again(backend):
    p = Problem("lstm", SIZE, "float32", symbols=True)
    _, _, tape = recurrent_forward("lstm", p.x, p.weights, p.state, sequences=False, checkpoint_every=20, **backend)
    first, second = (recurrent_backward(tape, p.dy, p.dstate) for _ in range(2))
    for a, b in zip((*first[1], *first[2]), (*second[1], *second[2]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_lengths_of_T_are_no_lengths(backend):
    problem = Problem("gru", SIZE, "float32")
    expected = problem.run(**backend)
    problem.lengths[:] = SIZE[1]
    for a, b in zip(problem.run(ragged=True, **backend), expected, strict=True):
        assert_same_bits(a, b)


def test_reverse_is_a_flip(backend):
    """A ragged row run backward is the row cut to its length, flipped, and run forward."""
    p = Problem("lstm", SIZE, "float32")
    y, final, _ = recurrent_forward("lstm", p.x, p.weights, p.state, lengths=p.lengths, reverse=True, **backend)
    for b, length in enumerate(p.lengths):
        x = p.x[[b], :length][:, ::-1]
        y_row, final_row, _ = recurrent_forward("lstm", x, p.weights, tuple(s[[b]] for s in p.state), **backend)
        np.testing.assert_array_equal(y[b, :length], y_row[0, ::-1])
        np.testing.assert_array_equal(final[1][b], final_row[1][0])


def test_a_tape_may_be_used_again(backend):
    p = Problem("lstm", SIZE, "float32")
    _, _, tape = recurrent_forward("lstm", p.x, p.weights, p.state, **backend)
    first, second = (recurrent_backward(tape, p.dy, p.dstate) for _ in range(2))
    for a, b in zip((first[0], *first[1], *first[2]), (second[0], *second[1], *second[2]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cell", CELLS)
def test_weight_gradients_of_a_split_batch_add_up(backend, cell):
    p = Problem(cell, SIZE, "float64")
    whole = p.run(**backend)[1]
    parts = [p.rows(rows).run(**backend)[1] for rows in (slice(0, 4), slice(4, 13))]
    for name in ("dWx", "dWh", "dbx", "dbh"):
        np.testing.assert_allclose(sum(part[name] for part in parts), whole[name], rtol=0, atol=1e-11)
