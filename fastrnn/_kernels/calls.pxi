# The two calls on a recurrent net, forward and backward. `__init__.py` has checked the arguments; `native.py` calls.

from fastrnn._kernels.ragged import chunk_bounds, row_shares, segment_bounds


# ---- the tape -------------------------------------------------------------------------------------------------------

cdef class Saved:
    """The tape: what the forward pass keeps for the backward pass, which is h, c, h * mask and a of all steps.

    A tape with checkpoints has `segments` (their bounds) and keeps only the h and c at the start of each segment; the
    backward pass computes the rest again.
    """
    cdef object x, mask, segments
    cdef Memory outputs, rest, marks     # h has its own memory: y may outlive the tape
    cdef vec* h
    cdef vec* c
    cdef vec* hm
    cdef vec* a
    cdef vec* h_marks
    cdef vec* c_marks

    cdef allocate(self, const Net* n, Py_ssize_t steps, bint all_h, bint all_c):
        """Make a tape of this many steps. `all_h` keeps all steps of h, `all_c` those of the other arrays."""
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
        """Make room for the states at the start of each segment."""
        cdef Py_ssize_t size = <Py_ssize_t> segments * n.B * n.ld
        self.marks = Memory(size * n.cell.states)
        self.h_marks = self.marks.take(size)
        self.c_marks = self.marks.take(size) if n.cell.states > 1 else NULL

    cdef void place(self, Net* n, int first, bint all_h, bint all_c):
        """Let the net use this tape, whose first step is `first`."""
        n.first = first
        n.h = self.h; n.c = self.c; n.hm = self.hm; n.a = self.a
        n.all_steps = all_h
        n.c_time = n.hm_time = n.B * n.ld if all_c else 0


cdef set_inputs(Net* n, Saved s, call):
    """Let the net read the inputs of a call."""
    n.B = call.x.shape[0]; n.T = len(call.active)
    n.active = <const int32_t*> data(call.active)
    if call.symbols:
        if s.x is None:
            s.x = contiguous(call.x.astype(np.int32, copy=False))
        n.symbols = <const int32_t*> data(s.x); n.x = NULL
    else:
        s.x = sequences_of(call.x if s.x is None else s.x, &n.x_row, &n.x_time)
        n.symbols = NULL; n.x = <const real*> data(s.x)
    if call.mask is None:
        n.mask = NULL
        return
    if s.mask is None:
        s.mask = Memory(n.B * n.ld)
        copy_in(n, call.mask, (<Memory> s.mask).take(0))
    n.mask = (<Memory> s.mask).take(0)


cdef cut(Plan* plan, const Net* n, int shares, lengths, Saved s, bounds=np.zeros(1, np.int32)):
    """Plan a call: shares of the rows and, for backward, chunks of the steps. Return what the plan points to."""
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


# ---- weights, and the two calls that use them ------------------------------------------------------------------------

cdef class Packed:
    """A copy of weights, in panels. Any number of calls may use it, also at the same time."""
    cdef Net net                         # the cell, the sizes and the panels; each call fills in the rest
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
        n.cell = (<CompiledCell> COMPILED[name]).cell
        n.I = I; n.K = K; n.H = H
        n.groups = (blocks + n.cell.blocks - 1) // n.cell.blocks
        n.blocks = (blocks + n.groups - 1) // n.groups             # evenly divided: no partial groups
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
        """How many numbers a row has in a state, and in one step's tape, deltas and dx."""
        cdef Net* n = &self.net
        deltas = n.groups * PANEL * LANES
        return n.ld * LANES, deltas if n.cell.taped else 0, deltas, n.x_ld * LANES

    cdef Memory transposed(self, const vec* w, int K, Py_ssize_t ld, int width):
        """Return packed weights transposed, as the backward pass reads them."""
        cdef Net* n = &self.net
        cdef Memory panels = Memory(transposed_size(n, ld, width))
        transpose(n, w, K, width, panels.take(0))
        return panels

    def forward(self, call, state):
        """Return h of all steps (T + 1, B, H) or None, the final states, and the tape or None."""
        cdef Net n = self.net
        cdef Saved s = Saved()
        cdef Plan plan
        cdef int n_threads
        cdef const int32_t* lengths = <const int32_t*> data(call.lengths)
        keep = call.keep_tape and not call.checkpoint_every
        all_h = keep or call.sequences
        set_inputs(&n, s, call)
        s.allocate(&n, n.T, all_h, keep)
        s.place(&n, 0, all_h, keep)
        copy_in(&n, state[0], n.h)
        if n.c:
            copy_in(&n, state[1], n.c)
        if call.keep_tape and not keep:
            s.segments = segment_bounds(call.active, call.checkpoint_every)
            s.allocate_marks(&n, len(s.segments) - 1)
        n_threads = max(1, min(call.n_threads, n.B))
        held = cut(&plan, &n, n_threads, call.lengths, s)
        with nogil:
            run_on_threads(n_threads, forward_thread, &plan)
        final = [copy_out(&n, n.h, n.B * n.ld, lengths, not all_h)]
        if n.c:
            final.append(copy_out(&n, n.c, n.c_time, lengths, False))
        h = s.outputs.view((n.T + 1, n.B, n.ld * LANES))[:, :, :n.H] if call.sequences else None
        if not keep:
            s.outputs = s.rest = None
        return h, tuple(final), s if call.keep_tape else None

    def backward(self, call, Saved s, dy, dstate, bint need_dx):
        """Return dx (B, T, I) or None, (dWx, dWh, dbx, dbh), and the gradients of the initial states."""
        cdef Net n
        cdef Saved tape = s
        cdef Memory scratch, dx = None
        cdef Py_ssize_t step, dwx_size, dwh_size, d_size
        cdef Plan plan
        cdef int i, n_threads, longest = 0
        cdef Memory wh_t = self.wh_t, wx_t = self.wx_t             # this call keeps them, whatever another thread does
        if wh_t is None:
            wh_t = self.wh_t = self.transposed(self.net.wh, self.net.K, self.net.ld, self.net.h_width)
        if need_dx and wx_t is None:
            wx_t = self.wx_t = self.transposed(self.net.wx, self.net.I, self.net.x_ld, self.net.x_width)
        n = self.net
        set_inputs(&n, s, call)
        n.wh_t = wh_t.take(0)
        if dy is not None:
            dy = sequences_of(dy, &n.dy_row, &n.dy_time)
        n.dy = <const real*> data(dy)
        if need_dx:
            n.wx_t = wx_t.take(0)
            dx = Memory(<Py_ssize_t> n.B * n.T * n.x_ld, True)
            n.dx = dx.take(0)
        n_threads = call.n_threads
        held = cut(&plan, &n, max(1, min(n_threads, n.B)), call.lengths, s, chunk_bounds(call.active))
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
        keys = empty((<Py_ssize_t> longest * n.B,), np.uint64) if call.symbols else None
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
