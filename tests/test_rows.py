"""Rows of a table by their numbers: copies, sums in order, and what is refused."""

import numpy as np
import pytest
from kernels import INSTRUCTION_SETS

from fastrnn._kernels import add_rows, take_rows
from fastrnn.testing import TOLERANCES

BACKENDS = [*INSTRUCTION_SETS, "reference"]
KINDS = ["u1", "i1", "u2", ">i2", "i4", "u4", "i8", "u8"]


def problem(B, T, V, D, dtype):
    rng = np.random.default_rng(B + D)
    table, values = rng.normal(size=(V, D)).astype(dtype), rng.normal(size=(B, T, D)).astype(dtype)
    return table, rng.integers(0, V, (B, T)), values, rng.random((B, T)) < 0.6


@pytest.mark.parametrize("D", [1, 7, 15, 16, 17, 33])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", BACKENDS)
def test_copies_and_sums_in_order(name, dtype, D, use_backend):
    backend = use_backend(name)
    table, symbols, values, valid = problem(20, 9, 11, D, dtype)
    np.testing.assert_array_equal(take_rows(table, symbols, **backend), table[symbols])
    taken = take_rows(table, symbols, valid, **backend)
    np.testing.assert_array_equal(taken, np.where(valid[..., None], table[symbols], 0))
    assert taken.dtype == dtype
    for chosen in (None, valid):
        got, expected = table.copy(), table.copy()
        add_rows(got, symbols, values, chosen, **backend)
        for symbol, value, counts in zip(symbols.ravel(), values.reshape(-1, D), valid.ravel(), strict=True):
            if chosen is None or counts:
                expected[symbol] += value
        np.testing.assert_array_equal(got, expected)  # to the bit: one after the other


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BACKENDS)
def test_takes_any_integers_and_strides(name, kind, use_backend):
    backend = use_backend(name)
    table, symbols, values, valid = problem(6, 4, 5, 17, "float32")
    expected, got = table.copy(), table.copy()
    add_rows(expected, symbols, values, valid, **backend)
    wide = np.zeros((6, 4, 40), "float32")
    wide[..., 3:20] = values
    strided = np.asfortranarray(symbols.astype(kind))
    add_rows(got, strided, wide[..., 3:20], np.asfortranarray(valid), **backend)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(take_rows(np.asfortranarray(table), strided, **backend), table[symbols])
    assert take_rows(table, symbols[:0].astype(kind), **backend).shape == (0, 4, 17)


@pytest.mark.parametrize("name", BACKENDS)
def test_what_does_not_count_is_never_read(name, use_backend):
    backend = use_backend(name)
    table, symbols, values, valid = problem(6, 4, 5, 7, "float64")
    expected, got = table.copy(), table.copy()
    add_rows(expected, symbols, values, valid, **backend)
    symbols[~valid], values[~valid] = -3, np.nan
    add_rows(got, symbols, values, valid, **backend)
    np.testing.assert_array_equal(got, expected)
    assert not take_rows(table, symbols, valid, **backend)[~valid].any()


TABLE, SYMBOLS, VALUES = np.ones((5, 2), "float32"), np.array([[0, 1, 4], [3, 2, 0]]), np.ones((2, 3, 2), "float32")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda **o: take_rows(TABLE, SYMBOLS + 1, **o), ValueError, r"symbols\[0, 2\] is 5, expected .* 0\.\.4"),
        (lambda **o: take_rows(TABLE, SYMBOLS - 1, name="x", **o), ValueError, r"x\[0, 0\] is -1, expected a symbol"),
        (lambda **o: take_rows(TABLE, SYMBOLS.astype("u8") - 4, **o), ValueError, r"\[0, 0\] is 1844674407370955161\d"),
        (lambda **o: take_rows(TABLE, SYMBOLS * 1.0, **o), TypeError, "symbols has dtype float64"),
        (lambda **o: take_rows(TABLE[0], SYMBOLS, **o), TypeError, r"the table has shape \(2,\) and dtype float32"),
        (lambda **o: take_rows(TABLE, SYMBOLS, SYMBOLS, **o), ValueError, r"valid has shape \(2, 3\) and dtype int64"),
        (lambda **o: add_rows(TABLE, SYMBOLS + 1, VALUES, **o), ValueError, r"symbols\[0, 2\] is 5"),
        (lambda **o: add_rows(TABLE, SYMBOLS, VALUES[:1], **o), ValueError, r"values has shape \(1, 3, 2\), expected"),
        (lambda **o: add_rows(TABLE, SYMBOLS, VALUES.astype(float), **o), TypeError, "values has dtype float64"),
        (lambda **o: add_rows(TABLE.T, SYMBOLS, VALUES, **o), ValueError, "the table is not contiguous"),
    ],
)
@pytest.mark.parametrize("backend", [None, "reference"])
def test_refusals(call, error, message, backend):
    with pytest.raises(error, match=message):
        call(backend=backend)
    np.testing.assert_array_equal(TABLE, 1)  # nothing was written
