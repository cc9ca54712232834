# Arrays and the memory behind them: how kernels reach the numbers of NumPy's arrays, and where they put their own.

import sys

import numpy as np

cimport cython
cimport numpy as cnp

from fastrnn._kernels.pool import SMALL as _SMALL
from fastrnn._kernels.pool import empty, give, take

cdef extern from *:
    """
    #undef I  /* NumPy's header includes complex.h, which defines I as a macro */
    """

ctypedef cnp.float64_t float64

cnp.import_array()
DTYPE = np.dtype(np.float32 if sizeof(real) == 4 else np.float64)
cdef int REAL_NUMBER = cnp.NPY_FLOAT32 if sizeof(real) == 4 else cnp.NPY_FLOAT64
cdef Py_ssize_t SMALL = _SMALL


cdef inline void* data(array):
    """Return the address of an array's first element, NULL for None. The caller keeps the array alive."""
    return NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray?> array)


# A C variable keeps this function: the names of the module are gone when the last arrays of a process are freed.
cdef object is_finalizing = sys.is_finalizing


@cython.no_gc                            # it holds one block of memory, no reference that could close a cycle
cdef class Memory:
    """One block of memory, handed out in aligned vectors. Whoever keeps such an address must keep this object."""
    cdef object raw
    cdef bint lent
    cdef vec* first
    cdef vec* next

    def __cinit__(self, Py_ssize_t vectors, bint zero=False):
        cdef cnp.npy_intp size = (vectors + 1) * <Py_ssize_t> VECTOR_BYTES
        self.raw = cnp.PyArray_EMPTY(1, &size, cnp.NPY_UINT8, 0) if size < SMALL else take(size)
        self.lent = size >= SMALL
        cdef size_t at = <size_t> data(self.raw)
        self.first = self.next = <vec*> (at + -at % VECTOR_BYTES)
        if zero:
            memset(self.first, 0, vectors * VECTOR_BYTES)

    def __dealloc__(self):
        if self.lent and not is_finalizing():                      # at exit Python empties modules, also the pool
            give(self.raw)

    cdef vec* take(self, Py_ssize_t vectors) noexcept:
        cdef vec* taken = self.next
        self.next += vectors
        return taken

    cdef view(self, tuple shape):
        """Return the first numbers as an array, which keeps this object alive."""
        cdef cnp.npy_intp[3] sizes
        cdef int i, ndim = len(shape)
        for i in range(ndim):
            sizes[i] = shape[i]
        array = cnp.PyArray_SimpleNewFromData(ndim, sizes, REAL_NUMBER, self.first)
        cnp.set_array_base(array, self)
        return array


cdef new_array(tuple shape):
    """Return an uninitialised array of numbers."""
    cdef Py_ssize_t count = 1
    for size in shape:
        count *= size
    return Memory((count + LANES - 1) // LANES).view(shape)


cdef contiguous(array):
    """Return the array, or a copy of it, whose numbers are side by side and aligned to their size."""
    return array if cnp.PyArray_ISCARRAY_RO(array) else np.require(array, requirements=["C", "A"])


cdef cnp.ndarray last_contiguous(cnp.ndarray array):
    """Return the array, or a copy of it, where the numbers of the last axis are side by side and aligned."""
    cdef int last = cnp.PyArray_NDIM(array) - 1
    if (cnp.PyArray_STRIDE(array, last) == <Py_ssize_t> sizeof(real) or cnp.PyArray_DIM(array, last) <= 1) \
            and cnp.PyArray_ISALIGNED(array):
        return array
    return np.require(array, requirements=["C", "A"])


cdef rows_of(array, Py_ssize_t* row):
    """Return an array (N, K) whose last axis is contiguous, and the stride of its rows in numbers."""
    cdef cnp.ndarray a = last_contiguous(array)
    row[0] = cnp.PyArray_STRIDE(a, 0) // <Py_ssize_t> sizeof(real)
    return a


cdef sequences_of(array, Py_ssize_t* row, Py_ssize_t* time):
    """Return an array (B, T, K) whose last axis is contiguous, and its other strides in numbers."""
    cdef cnp.ndarray a = rows_of(array, row)
    time[0] = cnp.PyArray_STRIDE(a, 1) // <Py_ssize_t> sizeof(real)
    return a


# ---- states ---------------------------------------------------------------------------------------------------------

cdef copy_in(const Net* n, rows, vec* to):
    """Copy rows (B, H) to vectors, with zeros in the padding."""
    rows = contiguous(rows)
    cdef const real* source = <const real*> data(rows)
    cdef int b
    if n.H != n.ld * LANES:
        memset(to, 0, n.B * n.ld * VECTOR_BYTES)
    for b in range(n.B):
        memcpy(to + b * n.ld, source + <Py_ssize_t> b * n.H, n.H * sizeof(real))


cdef copy_out(const Net* n, const vec* states, Py_ssize_t time, const int32_t* steps, bint turn):
    """Return (B, H): the state of row b after steps[b] steps; `steps` may be NULL, which is 0 for all rows.

    `time` is the stride from one step to the next. With `turn` only two steps are kept, in turn.
    """
    cdef cnp.npy_intp[2] shape = [n.B, n.H]
    out = cnp.PyArray_EMPTY(2, shape, REAL_NUMBER, 0)
    cdef real* to = <real*> data(out)
    cdef int b, t = 0
    for b in range(n.B):
        if steps:
            t = steps[b] & 1 if turn else steps[b]
        memcpy(to + <Py_ssize_t> b * n.H, states + t * time + b * n.ld, n.H * sizeof(real))
    return out
