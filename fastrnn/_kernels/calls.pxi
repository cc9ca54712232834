# Arrays in and out, allocation, OpenMP. Arguments were checked at the door; `native.py` makes these calls.
import numpy as np
from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from cython.parallel cimport prange

from fastrnn._kernels.steps import chunk_bounds, row_shares, segment_bounds

cdef extern from "cpu.h" nogil:
    int cpu_has_avx512()
    int cpu_has_avx2()
    int omp_get_max_threads()
    enum: HAS_OPENMP

DTYPE = np.dtype(np.float32 if sizeof(real) == 4 else np.float64)


def config():
    """Describe this variant: lanes of a vector, tile, OpenMP, and which instruction sets the CPU could run."""
    return {"lanes": LANES, "tile": (TILE_ROWS, TILE_COLS), "openmp": bool(HAS_OPENMP),
            "avx512": bool(cpu_has_avx512()), "avx2": bool(cpu_has_avx2())}


def max_threads():
    """Return what OpenMP would take now."""
    return omp_get_max_threads()


# ---- arrays ---------------------------------------------------------------------------------------------------------

cdef void* data(array) except? NULL:
    """The address of an array's first element, which the caller keeps alive; NULL for None."""
    cdef Py_buffer view
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
    PyBuffer_Release(&view)
    return view.buf


cdef padded(tuple shape, bint zero=False):
    """Return vectors of shape `shape` as an aligned array of numbers, the last axis LANES times as long."""
    cdef Py_ssize_t size = LANES
    for n in shape:
        size *= n
    raw = (np.zeros if zero else np.empty)(size + LANES, DTYPE)
    cdef size_t over = <size_t> data(raw) % VECTOR_BYTES
    cdef Py_ssize_t start = (VECTOR_BYTES - over) % VECTOR_BYTES // sizeof(real)
    return raw[start:start + size].reshape(shape[:-1] + (shape[-1] * LANES,))


cdef padded_rows(rows, Py_ssize_t ld):
    """Return a copy of (B, H) rows as vectors, zero in the padding."""
    H = rows.shape[1]
    out = padded((rows.shape[0], ld), H != ld * LANES)
    out[:, :H] = rows
    return out


cdef strided(array, Py_ssize_t* row, Py_ssize_t* time):
    """Return a (B, T, K) array whose last axis is contiguous, and its other strides in numbers."""
    if array.strides[2] != array.itemsize and array.shape[2] > 1 or not array.flags.aligned:
        array = np.ascontiguousarray(array)
    row[0] = array.strides[0] // <Py_ssize_t> sizeof(real)
    time[0] = array.strides[1] // <Py_ssize_t> sizeof(real)
    return array


# ---- the tape -------------------------------------------------------------------------------------------------------

cdef class Saved:
    """The tape: what forward leaves for backward, all steps of h, c, h * mask and a; or, where there are `segments`
    (their bounds), only h and c with which each begins, and backward computes the rest once more."""
    cdef object x, mask, h, c, hm, a, segments, h_marks, c_marks


cdef set_inputs(Net* n, Saved s, run):
    """Point the net to what a run reads."""
    n.B = run.x.shape[0]; n.T = len(run.active)
    n.active = <const int32_t*> data(run.active)
    if s.x is None:
        s.x = np.ascontiguousarray(run.x, np.int32) if run.symbols else strided(run.x, &n.x_row, &n.x_time)
        s.mask = None if run.mask is None else padded_rows(run.mask, n.ld)
    if run.symbols:
        n.symbols = <const int32_t*> data(s.x); n.x = NULL
    else:
        strided(s.x, &n.x_row, &n.x_time)
        n.symbols = NULL; n.x = <const real*> data(s.x)
    n.mask = <vec*> data(s.mask)


cdef set_tape(Net* n, Saved s, int first, bint all_h, bint all_c):
    """Point the net to the arrays of a tape that begins with step `first`; all steps of h, and of the rest?"""
    n.first = first
    n.h = <vec*> data(s.h); n.c = <vec*> data(s.c); n.hm = <vec*> data(s.hm); n.a = <vec*> data(s.a)
    n.all_steps = all_h
    n.c_time = n.hm_time = n.B * n.ld if all_c else 0


cdef allocate(const Net* n, Saved s, Py_ssize_t steps, bint all_h, bint all_c):
    """Make the arrays of a tape of so many steps."""
    s.h = padded((steps + 1 if all_h else 2, n.B, n.ld))
    s.c = padded((steps + 1 if all_c else 1, n.B, n.ld)) if n.cell.states > 1 else None
    s.a = padded((steps, n.groups, n.B, PANEL)) if all_c and n.cell.taped else None
    s.hm = padded((steps if all_c else 1, n.B, n.ld)) if n.mask else None


# ---- weights, and the two calls on them ------------------------------------------------------------------------------

cdef class Packed:
    """Weights in panels: a snapshot that any number of calls may use, also at once."""
    cdef Net net                         # the cell, sizes, and the panels; each call fills in the rest
    cdef readonly int I, K, H
    cdef object wx, wh, bias, wx_t, wh_t

    def __init__(self, str name, Wx, Wh, bx, bh):
        cdef Net* n = &self.net
        cdef int blocks
        cells = {"lstm": 0, "gru": 1, "rnn_linear": 2 + LINEAR, "rnn_tanh": 2 + TANH, "rnn_relu": 2 + RELU,
                 "rnn_sigmoid": 2 + SIGMOID}
        cdef int which = cells[name]
        n.cell = LSTM if which == 0 else GRU if which == 1 else elman(which - 2)
        self.I = n.I = Wx.shape[0]; self.K = n.K = Wh.shape[0]; self.H = n.H = Wx.shape[2]
        blocks = (n.H + LANES - 1) // LANES
        n.groups = (blocks + n.cell.blocks - 1) // n.cell.blocks
        n.blocks = (blocks + n.groups - 1) // n.groups             # shared out evenly: no partial groups
        n.cols = n.cell.gates * n.blocks
        n.ld = n.groups * n.blocks
        n.x_ld = (n.I + LANES - 1) // LANES
        n.x_width = min(<int> PANEL, max(1, n.x_ld)); n.h_width = min(<int> PANEL, n.ld)
        full = n.H == n.ld * LANES
        self.wx = padded((n.groups, n.I, n.cols), not full)
        self.wh = padded((n.groups, n.K, n.cols), not full)
        self.bias = padded((n.groups, PANEL), True)
        Wx, Wh, bx, bh = (None if w is None else np.ascontiguousarray(w) for w in (Wx, Wh, bx, bh))
        n.wx = <vec*> data(self.wx); n.wh = <vec*> data(self.wh); n.bias = <vec*> data(self.bias)
        pack(n, n.cell.x_gates, <real*> data(Wx), n.I, <vec*> n.wx)
        pack(n, n.cell.h_gates, <real*> data(Wh), n.K, <vec*> n.wh)
        add_bias(n, n.cell.x_gates, 0, <real*> data(bx), <vec*> n.bias)
        if bh is not None:
            add_bias(n, n.cell.h_gates, n.cell.h_column, <real*> data(bh), <vec*> n.bias)

    @property
    def layout(self):
        """Numbers that a row takes: of a state, of a step's tape, of a step's deltas, of dx."""
        cdef Net* n = &self.net
        deltas = n.groups * PANEL * LANES
        return n.ld * LANES, deltas if n.cell.taped else 0, deltas, n.x_ld * LANES

    cdef transpose_for(self, bint need_dx):
        """Make the transposed panels that backward reads, at its first call."""
        cdef Net* n = &self.net
        if self.wh_t is None:
            wh_t = padded(((n.ld + n.h_width - 1) // n.h_width, n.groups, n.cols * LANES, n.h_width), True)
            transpose(n, n.wh, n.K, n.h_width, <vec*> data(wh_t))
            self.wh_t = wh_t
        if need_dx and self.wx_t is None:
            wx_t = padded(((n.x_ld + n.x_width - 1) // n.x_width, n.groups, n.cols * LANES, n.x_width), True)
            transpose(n, n.wx, n.I, n.x_width, <vec*> data(wx_t))
            self.wx_t = wx_t

    def forward(self, run, state):
        """Return h of all steps as (T + 1, B, H) where it was kept, the final states, and the tape."""
        cdef Net n = self.net
        cdef Saved s = Saved()
        cdef int p, n_threads, n_segments = 0
        cdef const int32_t* bounds
        cdef const int32_t* segments = NULL
        cdef vec* h_marks = NULL
        cdef vec* c_marks = NULL
        keep = run.keep_tape and not run.checkpoint_every
        all_h = keep or run.sequences
        set_inputs(&n, s, run)
        allocate(&n, s, n.T, all_h, keep)
        set_tape(&n, s, 0, all_h, keep)
        s.h[0] = padded_rows(state[0], n.ld)
        if n.cell.states > 1:
            s.c[0] = padded_rows(state[1], n.ld)
        if run.keep_tape and not keep:
            s.segments = segment_bounds(run.active, run.checkpoint_every)
            n_segments = len(s.segments) - 1
            s.h_marks = padded((n_segments, n.B, n.ld))
            s.c_marks = padded((n_segments, n.B, n.ld)) if n.cell.states > 1 else None
            segments = <const int32_t*> data(s.segments)
            h_marks = <vec*> data(s.h_marks); c_marks = <vec*> data(s.c_marks)
        n_threads = max(1, min(run.n_threads, n.B))
        shares = row_shares(run.lengths, n_threads)
        bounds = <const int32_t*> data(shares)
        for p in prange(n_threads, nogil=True, num_threads=n_threads, schedule="static", chunksize=1):
            if segments:
                forward_segments(&n, segments, n_segments, h_marks, c_marks, bounds[p], bounds[p + 1])
            else:
                forward_rows(&n, 0, n.T, bounds[p], bounds[p + 1])
        last = run.lengths if all_h else run.lengths & 1
        rows = np.arange(n.B)
        final = [s.h[last, rows, :n.H]]
        if n.cell.states > 1:
            final.append(s.c[last if keep else 0, rows, :n.H])
        h = s.h[:, :, :n.H]
        if not keep:
            s.h = s.c = s.hm = None
        return h, tuple(final), s if run.keep_tape else None

    def backward(self, run, Saved s, dy, dstate, bint need_dx):
        """Return dx (B, T, I) or None, (dWx, dWh, dbx, dbh), and the gradients of the initial states."""
        cdef Net n
        cdef Saved tape = s
        cdef int p, q, i, items, row_threads, all_threads, n_chunks, t0, t1, segment = 0
        cdef const int32_t* shares
        cdef const int32_t* chunks
        self.transpose_for(need_dx)
        n = self.net
        set_inputs(&n, s, run)
        n.wh_t = <vec*> data(self.wh_t)
        if dy is not None:
            dy = strided(dy, &n.dy_row, &n.dy_time)
        n.dy = <const real*> data(dy)
        dx = None
        if need_dx:
            n.wx_t = <vec*> data(self.wx_t)
            dx = padded((n.B, n.T, n.x_ld), True)
            n.dx = <vec*> data(dx)
        dh = padded_rows(dstate[0], n.ld)
        n.dh = <vec*> data(dh)
        dc = padded_rows(dstate[1], n.ld) if n.cell.states > 1 else None
        n.dc = <vec*> data(dc)
        dm = padded((n.B, n.ld)) if n.mask else None
        n.dm = <vec*> data(dm)
        cuts = chunk_bounds(run.active)
        chunks = <const int32_t*> data(cuts)
        n_chunks = len(cuts) - 1
        longest = int((cuts[:-1] - cuts[1:]).max()) if n_chunks else 0
        d = padded((longest, n.groups, n.B, PANEL))
        n.d = <vec*> data(d)
        keys = np.empty(longest * n.B, np.uint64) if run.symbols else None
        n.keys = <uint64_t*> data(keys)
        dwx = padded((n.groups, n.I + 1, n.cols), True)
        dwh = padded((n.groups, n.K + 1, n.cols), True)
        n.dwx = <vec*> data(dwx); n.dwh = <vec*> data(dwh)
        items = work_items(&n)
        all_threads = run.n_threads
        row_threads = max(1, min(all_threads, n.B))
        bounds = row_shares(run.lengths, row_threads)
        shares = <const int32_t*> data(bounds)
        if s.segments is None:
            set_tape(&n, s, 0, True, True)
        else:
            tape = Saved()
            segment = len(s.segments) - 1
            allocate(&n, tape, int(np.diff(s.segments).max(initial=0)), True, True)
            n.first = n.T
        for i in range(n_chunks):
            t1 = chunks[i]; t0 = chunks[i + 1]
            if t1 == n.first:                                     # all that was computed once more is used up
                segment -= 1
                set_tape(&n, tape, s.segments[segment], True, True)
                tape.h[0] = s.h_marks[segment]
                if n.cell.states > 1:
                    tape.c[0] = s.c_marks[segment]
                for p in prange(row_threads, nogil=True, num_threads=row_threads, schedule="static", chunksize=1):
                    forward_rows(&n, n.first, t1, shares[p], shares[p + 1])
            with nogil:
                if n.symbols:
                    collect_symbols(&n, t0, t1)
                for p in prange(row_threads, num_threads=row_threads, schedule="static", chunksize=1):
                    backward_rows(&n, t0, t1, shares[p], shares[p + 1])
                for q in prange(items, num_threads=all_threads, schedule="dynamic", chunksize=1):
                    weight_gradient(&n, t0, t1, q)
        dWx = np.empty((n.I + 1, n.cell.gates, n.H), DTYPE)
        dWh = np.empty((n.K + 1, n.cell.gates, n.H), DTYPE)
        unpack(&n, n.cell.x_gates, n.dwx, n.I + 1, n.I + 1, <real*> data(dWx))
        unpack(&n, n.cell.h_gates, n.dwh, n.K + 1, n.K + 1, <real*> data(dWh))
        dbx = dWx[n.I]
        dbh = dWh[n.K] if n.cell.h_column else dbx.copy()
        initial = [dh[:, :n.H].copy()] + ([dc[:, :n.H].copy()] if dc is not None else [])
        return dx[:, :, :n.I] if need_dx else None, (dWx[:n.I], dWh[:n.K], dbx, dbh), tuple(initial)


def apply(str name, values):
    """Return exp, sigmoid or tanh of (N,) values: for the tests of their error."""
    count = len(values) // LANES + 1
    y = padded((count,), True)
    y[:len(values)] = values
    cdef vec* v = <vec*> data(y)
    cdef Py_ssize_t i
    for i in range(count):
        v[i] = vexp(v[i]) if name == "exp" else vsigmoid(v[i]) if name == "sigmoid" else vtanh(v[i])
    return y[:len(values)]
