# Arrays in and out, allocation, threads. Arguments were checked at the door; `native.py` makes these calls.
import sys

import numpy as np

cimport cython
cimport numpy as cnp

from fastrnn._kernels.pool import SMALL as _SMALL
from fastrnn._kernels.pool import empty, give, take
from fastrnn._kernels.ragged import chunk_bounds, row_shares, segment_bounds

cdef extern from *:
    """
    #undef I  /* complex.h, which comes with NumPy's header, has taken it */
    """

cdef extern from "cpu.h" nogil:
    int cpu_has_avx512()
    int cpu_has_avx2()
    int omp_get_max_threads()
    enum: HAS_OPENMP

ctypedef cnp.float64_t float64

cnp.import_array()
DTYPE = np.dtype(np.float32 if sizeof(real) == 4 else np.float64)
cdef int REAL_NUMBER = cnp.NPY_FLOAT32 if sizeof(real) == 4 else cnp.NPY_FLOAT64
cdef Py_ssize_t SMALL = _SMALL


def config():
    """Describe this variant: lanes of a vector, tile, OpenMP, and which instruction sets the CPU could run."""
    return {"lanes": LANES, "tile": (TILE_ROWS, TILE_COLS), "openmp": bool(HAS_OPENMP),
            "avx512": bool(cpu_has_avx512()), "avx2": bool(cpu_has_avx2())}


def max_threads():
    """Return what OpenMP would take now."""
    return omp_get_max_threads()


# ---- arrays ---------------------------------------------------------------------------------------------------------

cdef inline void* data(array):
    """The address of an array's first element, which the caller keeps alive; NULL for None."""
    return NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray?> array)


# Held by C: what the module names is gone when the last arrays of a process are.
cdef object is_finalizing = sys.is_finalizing


@cython.no_gc                            # it refers to memory alone, and gives it back whole
cdef class Memory:
    """One piece of memory, dealt out in aligned vectors; whoever keeps their address keeps this, too."""
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
        if self.lent and not is_finalizing():                      # modules are emptied then, the pool among them
            give(self.raw)

    cdef vec* take(self, Py_ssize_t vectors) noexcept:
        cdef vec* taken = self.next
        self.next += vectors
        return taken

    cdef view(self, tuple shape):
        """Return the first numbers as an array, which keeps this."""
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
    """Return an array whose numbers lie side by side, at addresses that are multiples of their size."""
    return array if cnp.PyArray_ISCARRAY_RO(array) else np.require(array, requirements=["C", "A"])


cdef copy_in(const Net* n, rows, vec* to):
    """(B, H) rows to vectors, zero in the padding."""
    rows = contiguous(rows)
    cdef const real* source = <const real*> data(rows)
    cdef int b
    if n.H != n.ld * LANES:
        memset(to, 0, n.B * n.ld * VECTOR_BYTES)
    for b in range(n.B):
        memcpy(to + b * n.ld, source + <Py_ssize_t> b * n.H, n.H * sizeof(real))


cdef copy_out(const Net* n, const vec* states, Py_ssize_t time, const int32_t* steps, bint turn):
    """Return (B, H): each row after so many steps of its own, 0 where `steps` is NULL, in states with this stride of
    time; with `turn`, two steps are kept in turn."""
    cdef cnp.npy_intp[2] shape = [n.B, n.H]
    out = cnp.PyArray_EMPTY(2, shape, REAL_NUMBER, 0)
    cdef real* to = <real*> data(out)
    cdef int b, t = 0
    for b in range(n.B):
        if steps:
            t = steps[b] & 1 if turn else steps[b]
        memcpy(to + <Py_ssize_t> b * n.H, states + t * time + b * n.ld, n.H * sizeof(real))
    return out


cdef strided(cnp.ndarray array, Py_ssize_t* row, Py_ssize_t* time):
    """Return a (B, T, K) array whose last axis is contiguous, and its other strides in numbers."""
    cdef Py_ssize_t size = sizeof(real)
    if cnp.PyArray_STRIDE(array, 2) != size and cnp.PyArray_DIM(array, 2) > 1 or not cnp.PyArray_ISALIGNED(array):
        array = np.require(array, requirements=["C", "A"])
    row[0] = cnp.PyArray_STRIDE(array, 0) // size
    time[0] = cnp.PyArray_STRIDE(array, 1) // size
    return array


# ---- the tape -------------------------------------------------------------------------------------------------------

cdef class Saved:
    """The tape: what forward leaves for backward, all steps of h, c, h * mask and a; or, where there are `segments`
    (their bounds), only h and c with which each begins, and backward computes the rest once more."""
    cdef object x, mask, segments
    cdef Memory outputs, rest, marks     # h has a memory of its own: y lives on when the tape is gone
    cdef vec* h
    cdef vec* c
    cdef vec* hm
    cdef vec* a
    cdef vec* h_marks
    cdef vec* c_marks

    cdef allocate(self, const Net* n, Py_ssize_t steps, bint all_h, bint all_c):
        """Make a tape of so many steps; with all steps of h, and of the rest?"""
        cdef Py_ssize_t step = n.B * n.ld, tape = n.groups * <Py_ssize_t> n.B * PANEL * steps
        cdef bint c = n.cell.states > 1, a = all_c and n.cell.taped
        self.outputs = Memory((steps + 1 if all_h else 2) * step)
        self.h = self.outputs.take(0)
        self.rest = Memory(((steps + 1 if all_c else 1) * c + (steps if all_c else 1) * (n.mask != NULL)) * step
                           + tape * a)
        self.c = self.rest.take((steps + 1 if all_c else 1) * step) if c else NULL
        self.hm = self.rest.take((steps if all_c else 1) * step) if n.mask else NULL
        self.a = self.rest.take(tape) if a else NULL

    cdef allocate_marks(self, const Net* n, int segments):
        """Make room for the states with which so many segments begin."""
        cdef Py_ssize_t size = <Py_ssize_t> segments * n.B * n.ld
        self.marks = Memory(size * n.cell.states)
        self.h_marks = self.marks.take(size)
        self.c_marks = self.marks.take(size) if n.cell.states > 1 else NULL

    cdef void place(self, Net* n, int first, bint all_h, bint all_c):
        """Point the net to this tape, which begins with step `first`."""
        n.first = first
        n.h = self.h; n.c = self.c; n.hm = self.hm; n.a = self.a
        n.all_steps = all_h
        n.c_time = n.hm_time = n.B * n.ld if all_c else 0


cdef set_inputs(Net* n, Saved s, run):
    """Point the net to what a run reads."""
    n.B = run.x.shape[0]; n.T = len(run.active)
    n.active = <const int32_t*> data(run.active)
    if s.x is None:
        s.x = contiguous(run.x.astype(np.int32, copy=False)) if run.symbols else strided(run.x, &n.x_row, &n.x_time)
    if run.symbols:
        n.symbols = <const int32_t*> data(s.x); n.x = NULL
    else:
        strided(s.x, &n.x_row, &n.x_time)
        n.symbols = NULL; n.x = <const real*> data(s.x)
    if run.mask is None:
        n.mask = NULL
        return
    if s.mask is None:
        s.mask = Memory(n.B * n.ld)
        copy_in(n, run.mask, (<Memory> s.mask).take(0))
    n.mask = (<Memory> s.mask).take(0)


cdef cut(Plan* plan, const Net* n, int shares, lengths, Saved s, bounds=np.zeros(1, np.int32)):
    """Plan a call over shares of the rows and, for backward, chunks of the steps; return what the plan points to."""
    cdef Py_ssize_t counters = sizeof(Progress) // sizeof(int)
    rows = row_shares(lengths, shares)
    plan.net = n
    plan.shares = shares
    plan.rows = <const int32_t*> data(rows)
    plan.segments = 0 if s.segments is None else len(s.segments) - 1
    plan.segment_bounds = <const int32_t*> data(s.segments)
    plan.h_marks = s.h_marks; plan.c_marks = s.c_marks
    plan.chunks = len(bounds) - 1
    plan.bounds = <const int32_t*> data(bounds)
    counts = np.zeros(plan.chunks * counters + max(1, plan.chunks) * (shares + 1), np.intc)
    plan.progress = <Progress*> data(counts)
    plan.begun = <int*> (plan.progress + plan.chunks)
    return rows, bounds, counts


# ---- weights, and the two calls on them ------------------------------------------------------------------------------

ELMAN_KINDS = {"rnn_linear": LINEAR, "rnn_tanh": TANH, "rnn_relu": RELU, "rnn_sigmoid": SIGMOID}


cdef class Packed:
    """Weights in panels: a snapshot that any number of calls may use, also at once."""
    cdef Net net                         # the cell, sizes, and the panels; each call fills in the rest
    cdef Memory panels, wx_t, wh_t

    def __init__(self, str name, Wx, Wh, bx, bh):
        Wx = contiguous(Wx); Wh = contiguous(Wh); bx = contiguous(bx); bh = None if bh is None else contiguous(bh)
        self.lay_out(name, Wx.shape[0], Wh.shape[0], Wx.shape[2], <real*> data(Wx), <real*> data(Wh),
                     <real*> data(bx), <real*> data(bh))

    cdef lay_out(self, str name, int I, int K, int H, const real* Wx, const real* Wh, const real* bx, const real* bh):
        cdef Net* n = &self.net
        cdef int blocks = (H + LANES - 1) // LANES
        cdef vec* wx
        cdef vec* wh
        cdef vec* bias
        n.cell = LSTM if name == "lstm" else GRU if name == "gru" else elman(ELMAN_KINDS[name])
        n.I = I; n.K = K; n.H = H
        n.groups = (blocks + n.cell.blocks - 1) // n.cell.blocks
        n.blocks = (blocks + n.groups - 1) // n.groups             # shared out evenly: no partial groups
        n.cols = n.cell.gates * n.blocks
        n.ld = n.groups * n.blocks
        n.x_ld = (I + LANES - 1) // LANES
        n.x_width = min(<int> PANEL, max(1, n.x_ld)); n.h_width = min(<int> PANEL, n.ld)
        self.panels = Memory(n.groups * (PANEL + <Py_ssize_t> (I + K) * n.cols))
        wx = self.panels.take(n.groups * I * <Py_ssize_t> n.cols)
        wh = self.panels.take(n.groups * K * <Py_ssize_t> n.cols)
        bias = self.panels.take(n.groups * PANEL)
        memset(bias, 0, n.groups * PANEL * VECTOR_BYTES)
        pack(n, n.cell.x_gates, Wx, I, wx)
        pack(n, n.cell.h_gates, Wh, K, wh)
        add_bias(n, n.cell.x_gates, 0, bx, bias)
        if bh:
            add_bias(n, n.cell.h_gates, n.cell.h_column, bh, bias)
        n.wx = wx; n.wh = wh; n.bias = bias

    @property
    def layout(self):
        """Numbers that a row takes: of a state, of a step's tape, of a step's deltas, of dx."""
        cdef Net* n = &self.net
        deltas = n.groups * PANEL * LANES
        return n.ld * LANES, deltas if n.cell.taped else 0, deltas, n.x_ld * LANES

    cdef Memory transposed(self, const vec* w, int K, Py_ssize_t ld, int width):
        """Return packed weights once more, as backward reads them."""
        cdef Net* n = &self.net
        cdef Memory panels = Memory(transposed_size(n, ld, width))
        transpose(n, w, K, width, panels.take(0))
        return panels

    def forward(self, run, state):
        """Return h of all steps as (T + 1, B, H) where it was kept, the final states, and the tape."""
        cdef Net n = self.net
        cdef Saved s = Saved()
        cdef Plan plan
        cdef int n_threads
        cdef const int32_t* lengths = <const int32_t*> data(run.lengths)
        keep = run.keep_tape and not run.checkpoint_every
        all_h = keep or run.sequences
        set_inputs(&n, s, run)
        s.allocate(&n, n.T, all_h, keep)
        s.place(&n, 0, all_h, keep)
        copy_in(&n, state[0], n.h)
        if n.c:
            copy_in(&n, state[1], n.c)
        if run.keep_tape and not keep:
            s.segments = segment_bounds(run.active, run.checkpoint_every)
            s.allocate_marks(&n, len(s.segments) - 1)
        n_threads = max(1, min(run.n_threads, n.B))
        held = cut(&plan, &n, n_threads, run.lengths, s)
        with nogil:
            run_on_threads(n_threads, forward_thread, &plan)
        final = [copy_out(&n, n.h, n.B * n.ld, lengths, not all_h)]
        if n.c:
            final.append(copy_out(&n, n.c, n.c_time, lengths, False))
        h = s.outputs.view((n.T + 1, n.B, n.ld * LANES))[:, :, :n.H] if run.sequences else None
        if not keep:
            s.outputs = s.rest = None
        return h, tuple(final), s if run.keep_tape else None

    def backward(self, run, Saved s, dy, dstate, bint need_dx):
        """Return dx (B, T, I) or None, (dWx, dWh, dbx, dbh), and the gradients of the initial states."""
        cdef Net n
        cdef Saved tape = s
        cdef Memory scratch, dx = None
        cdef Py_ssize_t step, dwx_size, dwh_size, d_size
        cdef Plan plan
        cdef int i, n_threads, longest = 0
        cdef Memory wh_t = self.wh_t, wx_t = self.wx_t             # held by this call, whatever another thread does
        if wh_t is None:
            wh_t = self.wh_t = self.transposed(self.net.wh, self.net.K, self.net.ld, self.net.h_width)
        if need_dx and wx_t is None:
            wx_t = self.wx_t = self.transposed(self.net.wx, self.net.I, self.net.x_ld, self.net.x_width)
        n = self.net
        set_inputs(&n, s, run)
        n.wh_t = wh_t.take(0)
        if dy is not None:
            dy = strided(dy, &n.dy_row, &n.dy_time)
        n.dy = <const real*> data(dy)
        if need_dx:
            n.wx_t = wx_t.take(0)
            dx = Memory(<Py_ssize_t> n.B * n.T * n.x_ld, True)
            n.dx = dx.take(0)
        n_threads = run.n_threads
        held = cut(&plan, &n, max(1, min(n_threads, n.B)), run.lengths, s, chunk_bounds(run.active))
        for i in range(plan.chunks):
            longest = max(longest, plan.bounds[i] - plan.bounds[i + 1])
        step = n.B * n.ld
        d_size = longest * n.groups * <Py_ssize_t> n.B * PANEL
        dwx_size = n.groups * <Py_ssize_t> (n.I + 1) * n.cols; dwh_size = n.groups * <Py_ssize_t> (n.K + 1) * n.cols
        scratch = Memory(dwx_size + dwh_size + d_size + step * (n.cell.states + (n.mask != NULL)))
        n.dwx = scratch.take(dwx_size); n.dwh = scratch.take(dwh_size)
        memset(n.dwx, 0, (dwx_size + dwh_size) * VECTOR_BYTES)
        n.d = scratch.take(d_size)
        n.dh = scratch.take(step)
        copy_in(&n, dstate[0], n.dh)
        n.dc = scratch.take(step) if n.cell.states > 1 else NULL
        if n.dc:
            copy_in(&n, dstate[1], n.dc)
        n.dm = scratch.take(step) if n.mask else NULL
        keys = empty((<Py_ssize_t> longest * n.B,), np.uint64) if run.symbols else None
        n.keys = <uint64_t*> data(keys)
        if plan.segments:
            tape = Saved()
            tape.allocate(&n, int(np.diff(s.segments).max(initial=0)), True, True)
        tape.place(&n, n.T if plan.segments else 0, True, True)
        with nogil:
            run_on_threads(n_threads, backward_thread, &plan)
        dWx = new_array((n.I + 1, n.cell.gates, n.H))
        dWh = new_array((n.K + 1, n.cell.gates, n.H))
        unpack(&n, n.cell.x_gates, n.dwx, n.I + 1, <real*> data(dWx))
        unpack(&n, n.cell.h_gates, n.dwh, n.K + 1, <real*> data(dWh))
        dbx = dWx[n.I]
        dbh = dWh[n.K] if n.cell.h_column else dbx.copy()
        initial = [copy_out(&n, n.dh, 0, NULL, False)]
        if n.dc:
            initial.append(copy_out(&n, n.dc, 0, NULL, False))
        dx_rows = dx.view((n.B, n.T, n.x_ld * LANES))[:, :, :n.I] if need_dx else None
        return dx_rows, (dWx[:n.I], dWh[:n.K], dbx, dbh), tuple(initial)


def apply(str name, values):
    """Return exp, sigmoid or tanh of (N,) values: for the tests of their error."""
    cdef Py_ssize_t i, count = len(values) // LANES + 1
    cdef Memory y = Memory(count, True)
    cdef vec* v = y.take(0)
    array = y.view((count * LANES,))
    array[:len(values)] = values
    for i in range(count):
        v[i] = vexp(v[i]) if name == "exp" else vsigmoid(v[i]) if name == "sigmoid" else vtanh(v[i])
    return array[:len(values)]
