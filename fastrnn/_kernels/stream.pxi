# One step at a time: a chain of nets with their states, and what an estimator does before and after the nets.
#
# Design
# 1. With B = 1 a step takes about as long as a few Python calls, so it makes none: `step` reads the fields of the
#    arrays that it gets, and uses their memory in place. Arrays that do not fit go to `convert` and `check_out`.
# 2. The nets are those of `forward` without a tape. Two steps of h are kept in turn, and c is overwritten. `phase` is
#    the step, 0 or 1, so x and `active` need one step only. A net reads the h of the net before it in place.
# 3. All errors are raised before the first net runs, so after an error the states are unchanged.
# 4. Before and after the nets come the operations of the estimators, in the same order, in float64, with every product
#    rounded before it is added. So these bits are the same, too.
# 5. Each thread owns some rows and runs them through all nets on its own. Small steps keep the GIL: beside a busy
#    Python thread it can take five milliseconds to get it back, which is too long for a live signal.

from libc.math cimport exp
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

cdef extern from *:
    """
    /* Hide a number from the compiler, so that it cannot fuse a product with the sum that follows. */
    static inline double apart(double x) { volatile double y = x; return y; }
    """
    double apart(double x) noexcept nogil

cdef enum:
    READ = cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED
    WRITE = READ | cnp.NPY_ARRAY_WRITEABLE


cdef inline bint fits(a, int dtype, int ndim, Py_ssize_t rows, Py_ssize_t columns, int flags):
    """Is `a` an array (no subclass) of this dtype (NumPy's type number) and shape, with all of these flags?"""
    if type(a) is not cnp.ndarray:
        return False
    cdef cnp.ndarray array = <cnp.ndarray> a
    return (cnp.PyArray_NDIM(array) == ndim and cnp.PyArray_DIMS(array)[0] == rows
            and (ndim == 1 or cnp.PyArray_DIMS(array)[1] == columns)
            and cnp.PyArray_FLAGS(array) & flags == flags
            and cnp.PyArray_TYPE(array) == dtype and cnp.PyArray_ISNOTSWAPPED(array))


cdef void softmax_rows(double* y, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Replace each row by exp(y) / sum exp(y)."""
    cdef Py_ssize_t b, k
    cdef double top, total
    for b in range(rows):
        top = y[0]
        for k in range(1, columns):
            top = y[k] if y[k] > top else top
        total = 0
        for k in range(columns):
            y[k] = exp(y[k] - top)
            total += y[k]
        for k in range(columns):
            y[k] /= total
        y += columns


def softmax(y):
    """Replace each row of a contiguous float64 array (N, C) by its softmax."""
    softmax_rows(<double*> data(y), y.shape[0], y.shape[1])


cdef void run_nets(const Net* nets, int count, int phase, int b0, int b1) noexcept nogil:
    cdef int i
    for i in range(count):
        forward_rows(&nets[i], phase, phase + 1, b0, b1)


cdef struct Step:                        # one step of a stream; all threads share it
    const Net* nets
    int count, phase, B, shares, next


cdef void step_thread(void* job, int thread) noexcept nogil:
    """What each thread does: take shares of the rows, and run all nets on them."""
    cdef Step* s = <Step*> job
    cdef int p = take_number(&s.next)
    while p < s.shares:
        run_nets(s.nets, s.count, s.phase, s.B * p // s.shares, s.B * (p + 1) // s.shares)
        p = take_number(&s.next)


cdef class Chain:
    """A chain of nets and their states. `fastrnn._kernels.chain` explains the arguments."""
    cdef Net* nets
    cdef int count, B, I, U, phase
    cdef int32_t[2] active
    cdef int32_t* symbols                # (B + 1,): the symbols of a step begin at index `phase`
    cdef real* x                         # (B, I) standardised, or NULL
    cdef const double* x_mean            # (I,), or NULL
    cdef const double* x_scale
    cdef const double* y_mean            # (U,), or NULL
    cdef const double* y_scale
    cdef bint finite, wide, softmax, takes_symbols, busy
    cdef int y_ndim, x_type, y_type
    cdef cnp.npy_intp[2] y_shape
    cdef object kept, convert, check_out, threads
    cdef list h, c

    def __cinit__(self, payloads, *arguments):
        self.nets = <Net*> calloc(len(payloads), sizeof(Net))
        if not self.nets:
            raise MemoryError

    def __dealloc__(self):
        free(self.nets)

    def __init__(self, payloads, int batch_size, frame, tuple y_shape, bint takes_symbols, convert, check_out, threads):
        cdef int i
        cdef Net* n
        cdef Memory h, c
        self.count = len(payloads)
        self.B = batch_size
        self.active[0] = self.active[1] = batch_size
        self.h, self.c = [], []
        for i in range(self.count):
            n = &self.nets[i]
            n[0] = (<Packed?> payloads[i]).net
            n.B = batch_size; n.T = 1
            n.active = self.active
            h = Memory(2 * n.B * n.ld, True)
            n.h = h.take(0)
            self.h.append(h.view((2, n.B, n.ld * LANES)))
            c = Memory(n.B * n.ld, True) if n.cell.states > 1 else None
            n.c = NULL if c is None else c.take(0)
            self.c.append(None if c is None else c.view((n.B, n.ld * LANES)))
            n.x_row = n.I if i == 0 else self.nets[i - 1].ld * LANES
        self.I = self.nets[0].I; self.U = self.nets[self.count - 1].H
        self.finite = frame.finite; self.wide = frame.wide; self.softmax = frame.softmax
        symbols = np.zeros(self.B + 1, np.int32)
        x = np.empty((self.B, self.I), DTYPE)
        scales = [None if a is None else np.array(a, np.float64) for a in (*(frame.inputs or (None, None)),
                                                                           *(frame.outputs or (None, None)))]
        self.x_mean, self.x_scale = <const double*> data(scales[0]), <const double*> data(scales[1])
        self.y_mean, self.y_scale = <const double*> data(scales[2]), <const double*> data(scales[3])
        self.symbols = <int32_t*> data(symbols); self.x = <real*> data(x)
        self.takes_symbols = takes_symbols
        self.kept = payloads, symbols, x, scales
        self.x_type = DTYPE.num
        self.y_type = cnp.NPY_FLOAT64 if self.wide else self.x_type
        self.y_ndim = len(y_shape)
        for i in range(self.y_ndim):
            self.y_shape[i] = y_shape[i]
        self.convert = convert; self.check_out = check_out; self.threads = threads

    cdef standardize(self, const real* x):
        """Write (x - mean) / scale to self.x; raise ValueError for numbers that are not finite."""
        cdef Py_ssize_t b, i
        cdef real value
        for b in range(self.B):
            for i in range(self.I):
                value = x[b * self.I + i]
                if self.finite and value - value != 0:
                    what = "NaN" if value != value else "infinity (or a value too large for its dtype)"
                    raise ValueError(f"x contains {what} at row {b}, channel {i}; expected finite numbers")
                if self.x_mean:
                    self.x[b * self.I + i] = <real> ((value - self.x_mean[i]) / self.x_scale[i])

    cdef take_symbols(self, const int64_t* symbols):
        cdef Py_ssize_t b
        for b in range(self.B):
            if not 0 <= symbols[b] < self.I:
                raise ValueError(f"x holds the symbol {symbols[b]}, expected whole numbers in 0..{self.I - 1}")
            self.symbols[self.phase + b] = <int32_t> symbols[b]

    cdef void write(self, void* out) noexcept nogil:
        """Write the outputs, which are the h of the last net, to `out`."""
        cdef const Net* n = &self.nets[self.count - 1]
        cdef const real* h = <const real*> h_at(n, self.phase + 1)
        cdef double* y = <double*> out
        cdef Py_ssize_t b, k
        for b in range(self.B):
            if not self.wide:
                memcpy(<real*> out + b * self.U, h, self.U * sizeof(real))
            elif self.y_scale:
                for k in range(self.U):
                    y[b * self.U + k] = apart(h[k] * self.y_scale[k]) + self.y_mean[k]
            else:
                for k in range(self.U):
                    y[b * self.U + k] = h[k]
            h += n.ld * LANES
        if self.softmax:
            softmax_rows(y, self.B, self.U)

    def step(self, x, out=None):
        """Run one step on x (B, I), or on symbols (B,). Return the outputs, in `out` if it is given."""
        cdef Step job
        cdef int i, n_threads = 1
        cdef Net* nets = self.nets
        cdef real* numbers
        if not (fits(x, self.x_type, 2, self.B, self.I, READ)
                or self.takes_symbols and fits(x, cnp.NPY_INT64, 1, self.B, 0, READ)):
            x = self.convert(x)
        if out is None:
            out = cnp.PyArray_EMPTY(self.y_ndim, self.y_shape, self.y_type, 0)
        elif not fits(out, self.y_type, self.y_ndim, self.B, self.U, WRITE):
            self.check_out(out)
        if self.threads is not None:
            n_threads = min(<int> self.threads(), self.B)
        self.refuse_a_second()
        nets[0].symbols = NULL
        if cnp.PyArray_NDIM(x) == 1:
            self.take_symbols(<const int64_t*> cnp.PyArray_DATA(x))
            nets[0].symbols = self.symbols
        else:
            numbers = <real*> cnp.PyArray_DATA(x)
            if self.finite or self.x_mean:
                self.standardize(numbers)
            nets[0].x = self.x if self.x_mean else numbers
        for i in range(1, self.count):
            nets[i].x = <const real*> h_at(&nets[i - 1], self.phase + 1)
        if self.threads is None:
            run_nets(nets, self.count, self.phase, 0, self.B)
        else:
            self.busy = True
            job = Step(nets=nets, count=self.count, phase=self.phase, B=self.B, shares=n_threads, next=0)
            with nogil:
                run_on_threads(n_threads, step_thread, &job)
            self.busy = False
        self.write(cnp.PyArray_DATA(out))
        self.phase ^= 1
        return out

    cdef refuse_a_second(self):
        if self.busy:
            raise RuntimeError("this stream is in the middle of a step in another thread; use one thread at a time")

    @property
    def states(self):
        """The states (B, H) of every net, h first. When you set them, None leaves the states of a net as they are."""
        self.refuse_a_second()
        return [tuple(s[:, :self.nets[i].H].copy() for s in (self.h[i][self.phase], self.c[i]) if s is not None)
                for i in range(self.count)]

    @states.setter
    def states(self, states):
        self.refuse_a_second()
        for i, own in enumerate(states):
            if own is not None:
                self.h[i][self.phase, :, :self.nets[i].H] = own[0]
                if self.c[i] is not None:
                    self.c[i][:, :self.nets[i].H] = own[1]
