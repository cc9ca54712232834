# Copy rows of a table by their numbers, and add to such rows. A number that is no row of the table raises IndexError
# with the position of that number, before anything is written.

from libc.stdint cimport int64_t, uint8_t


cdef struct Numbers:
    Py_ssize_t count
    const int64_t* p                     # (count,)
    const uint8_t* valid                 # (count,), or NULL: all are valid


cdef Numbers numbers_of(numbers, valid, int64_t stop):
    """Return the numbers; raise IndexError if a valid one is not in 0..stop-1."""
    cdef Numbers n
    cdef Py_ssize_t i, wrong = -1
    n.count = numbers.size
    n.p = <const int64_t*> data(numbers); n.valid = <const uint8_t*> data(valid)
    with nogil:
        for i in range(n.count):
            if not 0 <= n.p[i] < stop and (n.valid == NULL or n.valid[i]):
                wrong = i
                break
    if wrong >= 0:
        raise IndexError(wrong)
    return n


def take_rows(table, numbers, valid):
    """Return rows (N, D) of a contiguous table (V, D), zeros in place of rows that are not valid."""
    cdef Numbers n = numbers_of(numbers, valid, table.shape[0])
    cdef Py_ssize_t i, D = table.shape[1]
    out = new_array((n.count, D))
    cdef const real* source = <const real*> data(table)
    cdef real* to = <real*> data(out)
    with nogil:
        for i in range(n.count):
            if n.valid == NULL or n.valid[i]:
                memcpy(to + i * D, source + n.p[i] * D, D * sizeof(real))
            else:
                memset(to + i * D, 0, D * sizeof(real))
    return out


def add_rows(table, numbers, values, valid):
    """Add the valid rows of values (N, D) to rows of a contiguous table (V, D), one after the other."""
    cdef Numbers n = numbers_of(numbers, valid, table.shape[0])
    cdef Py_ssize_t i, k, D = table.shape[1], stride
    cdef uint64_t mode
    values = rows_of(values, &stride)
    cdef const real* source = <const real*> data(values)
    cdef real* first = <real*> data(table)
    cdef real* to
    with nogil:
        mode = flush_denormals()
        for i in range(n.count):
            if n.valid == NULL or n.valid[i]:
                to = first + n.p[i] * D
                k = 0
                while k < D:
                    add_to_row(to + k, vload(source + i * stride + k, D - k), D - k)
                    k += LANES
        restore_denormals(mode)
