# The time loop, forward and backward, for every cell.
#
# Design
# 1. A cell is a struct of a few numbers and two row functions. It sees `rows` rows of one *group*: PANEL vectors a
#    row, the pre-activations of one hidden block (LSTM, GRU) or of several (RNN, dense). Nothing else differs between
#    cells, and the loop calls them through a pointer, once per block of rows, which costs nothing. Where one row is
#    all there is, its groups are the rows of one call, for one row's chain of operations is long: `next` and `ld` are
#    the vectors from a row to the next one, in tape and deltas and in states.
# 2. States, tape and deltas are padded to whole groups and aligned, so row functions have no tails. Padded lanes have
#    zero weights and may hold anything (0 times infinity); a product reads those of deltas alone, which are cleared.
#    (B, T) are sorted by length, longest first: at step t the first active[t] rows run, the others have left the
#    tiles.
# 3. Forward: threads own rows and run through all of time alone.
# 4. Backward: chunks of steps, some CHUNK_ROWS rows of deltas. In each, threads own rows for the loop over time, then
#    take columns of the weight gradients while the deltas are in cache; they meet twice a chunk (`plan.pxi`). So every
#    gradient is one sum in one order, over chunks that follow from T, B and lengths alone: the same bits for any number
#    of threads.
# 5. A bias is a feature that is always 1: a Left operand with zero strides.
# 6. The tape slot is the scratch: pre-activations are summed into it, the row function overwrites them with the gates.

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "tile.h" nogil:
    ctypedef float real                  # float or double in C
    ctypedef float vec                   # LANES of them; Cython sees a number, and equations read as equations
    enum: LANES, PANEL, TILE_ROWS, TILE_COLS, VECTOR_BYTES, ONWARD, APART, ANEW
    ctypedef struct Left:
        const real* p
        Py_ssize_t segment, row, step
    ctypedef struct Right:
        const vec* p
        Py_ssize_t segment, step
    ctypedef struct Symbols:
        const int32_t* p
        Py_ssize_t row
    unsigned long flush_denormals()
    void restore_denormals(unsigned long mode)
    vec vset(real x)
    vec vfirst(vec x, Py_ssize_t lanes)
    vec vload(const real* row, Py_ssize_t left)
    vec vload_or(const real* row, Py_ssize_t left, real beyond)
    void vstore(real* row, vec x, Py_ssize_t left)
    void add_to_row(real* row, vec x, Py_ssize_t left)
    void transpose_square(vec* rows)
    vec vmax(vec x, vec y)
    vec vsqrt(vec x)
    double vsum(vec x)
    real vlargest(vec x)
    double sum_of_squares(const real* x, Py_ssize_t n)
    vec vexp(vec x)
    vec vexp_or_0(vec x)
    vec vsigmoid(vec x)
    vec vtanh(vec x)
    vec vrelu(vec x)
    vec vpositive(vec x)
    void preactivation(int rows, int groups, int cols, int h_column, vec* a, Py_ssize_t out_group, const vec* bias,
                       Symbols symbols, Left x, Right wx, int I, Left h, Right wh, int K)
    void product(int rows, int cols, vec* out, Py_ssize_t ld, Left A, Right P, int segments, int steps, int how)
    void row_product(vec* out, Left A, Right P, Py_ssize_t panel, int segments, int steps)
    uint64_t symbol_key(int32_t symbol, uint32_t position)
    void sort_keys(uint64_t* keys, Py_ssize_t n)
    void symbol_gradient(const uint64_t* keys, Py_ssize_t n, int cols, vec* out, const vec* deltas)

cdef enum:
    ROW_BLOCK = 64                       # rows whose pre-activations stay in L1 on their way to the row function
    SLAB = 48                            # features that one work item of the weight gradient takes

ctypedef void (*forward_t)(int kind, int rows, int blocks, vec* a, Py_ssize_t next, const vec* h, const vec* c,
                           vec* h_new, vec* c_new, Py_ssize_t ld) noexcept nogil
ctypedef void (*backward_t)(int kind, int rows, int blocks, const vec* a, Py_ssize_t next, const vec* h, const vec* c,
                            const vec* h_new, const vec* c_new, vec* dh, vec* dc, vec* d, Py_ssize_t ld) noexcept nogil

cdef struct Cell:
    int gates, blocks, states
    int kind                             # handed to the row functions, for those that serve several cells
    bint taped                           # does backward need the gates?
    int[4] x_gates, h_gates              # the gate of each column of the input's and the recurrent product
    int h_column                         # where the recurrent product's columns begin; the input's begin at 0
    forward_t forward
    backward_t backward

cdef struct Net:                         # one call; strides: x, dx, dy in scalars, all else in vectors
    Cell cell
    int B, T, I, H
    int K                                # recurrent inputs: H, or 0 where there is no recurrent product
    int blocks, groups, cols             # hidden blocks a group; groups; columns of each product in a group
    Py_ssize_t ld                        # vectors in a row of a state
    const int32_t* active                # (T,)
    const real* x                        # (B, T, I), or NULL
    Py_ssize_t x_row, x_time
    const int32_t* symbols               # (B, T), or NULL
    int first                            # the step with which h, c, hm and a begin
    vec* h                               # (steps + 1, B, ld), or two steps in turn
    bint all_steps                       # is it steps + 1?
    vec* c                               # (steps + 1, B, ld), or (B, ld) overwritten step by step, or NULL
    Py_ssize_t c_time
    const vec* mask                      # (B, ld), or NULL
    vec* hm                              # h * mask: (steps, B, ld), or (B, ld) overwritten step by step, or NULL
    Py_ssize_t hm_time
    vec* a                               # tape (steps, groups, B, PANEL), or NULL
    const vec* bias                      # (groups, PANEL)
    const vec* wx                        # (groups, I, cols)
    const vec* wh                        # (groups, K, cols)
    # backward
    const vec* wx_t                      # (x panels, groups, cols * LANES, x_width), or NULL: no dx
    const vec* wh_t                      # (h panels, groups, cols * LANES, h_width)
    int x_width, h_width                 # vectors in a panel
    const real* dy                       # (B, T, H), or NULL
    Py_ssize_t dy_row, dy_time
    vec* dh                              # (B, ld)
    vec* dc                              # (B, ld), or NULL
    vec* dm                              # (B, ld) scratch where there is a mask: gradient of h * mask
    vec* dx                              # (B, T, x_ld)
    Py_ssize_t x_ld
    vec* d                               # deltas of a chunk (chunk, groups, B, PANEL)
    uint64_t* keys                       # symbols of a chunk, sorted, and their number
    int n_keys
    vec* dwx                             # (groups, I + 1, cols), the last feature is the bias
    vec* dwh                             # (groups, K + 1, cols)


cdef inline vec* h_at(const Net* n, int t) noexcept nogil:
    return n.h + <Py_ssize_t> (t - n.first if n.all_steps else t & 1) * n.B * n.ld


cdef inline vec* c_at(const Net* n, int t) noexcept nogil:
    return n.c + (t - n.first) * n.c_time


cdef inline vec* hm_at(const Net* n, int t) noexcept nogil:
    return n.hm + (t - n.first) * n.hm_time


cdef inline vec* a_at(const Net* n, int t, int j) noexcept nogil:
    return n.a + (<Py_ssize_t> (t - n.first) * n.groups + j) * n.B * PANEL


cdef inline int unit(const Net* n, int j, int c) noexcept nogil:
    """The first hidden unit of column c of group j."""
    return (j * n.blocks + c // n.cell.gates) * LANES


cdef void forward_rows(const Net* n, int t0, int t1, int b0, int b1) noexcept nogil:
    cdef int t, j, g, q, r, rows, end, count
    cdef Py_ssize_t at, i, apart = <Py_ssize_t> n.B * PANEL if n.a else PANEL
    cdef vec[ROW_BLOCK * PANEL] scratch
    cdef vec* a
    cdef vec* h
    cdef vec* h_new
    cdef vec* c = NULL
    cdef vec* c_new = NULL
    cdef vec* hm
    cdef const vec* mask
    cdef Left x, h_rows
    cdef Symbols symbols
    cdef Right wx, wh
    cdef unsigned long mode = flush_denormals()
    x.p = NULL; symbols.p = NULL
    x.segment = h_rows.segment = 0
    wx.segment = <Py_ssize_t> n.I * n.cols; wh.segment = <Py_ssize_t> n.K * n.cols
    x.row = n.x_row; h_rows.row = n.ld * LANES; symbols.row = n.T
    x.step = h_rows.step = 1
    wx.step = wh.step = n.cols
    for t in range(t0, t1):
        end = min(b1, n.active[t])
        for q in range((end - b0 + ROW_BLOCK - 1) // ROW_BLOCK):
            r = b0 + q * ROW_BLOCK
            rows = min(<int> ROW_BLOCK, end - r)
            if n.symbols:
                symbols.p = n.symbols + <Py_ssize_t> r * n.T + t
            else:
                x.p = n.x + r * n.x_row + t * n.x_time
            h = h_at(n, t) + r * n.ld
            h_new = h_at(n, t + 1) + r * n.ld
            h_rows.p = <const real*> h
            if n.mask:
                hm = hm_at(n, t) + r * n.ld
                mask = n.mask + r * n.ld
                for i in range(rows * n.ld):
                    hm[i] = h[i] * mask[i]
                h_rows.p = <const real*> hm
            j = 0
            while j < n.groups:
                count = min(<int> ROW_BLOCK, n.groups - j) if rows == 1 else 1
                a = a_at(n, t, j) + r * PANEL if n.a else scratch
                g = 0
                while g < count:
                    wx.p = n.wx + (j + g) * wx.segment
                    wh.p = n.wh + (j + g) * wh.segment
                    preactivation(rows, min(2, count - g), n.cols, n.cell.h_column, a + g * apart, apart,
                                  n.bias + (j + g) * PANEL, symbols, x, wx, 0 if n.symbols else n.I, h_rows, wh, n.K)
                    g += 2
                at = j * n.blocks
                if n.c:
                    c = c_at(n, t) + r * n.ld + at
                    c_new = c + n.c_time
                if rows == 1:
                    n.cell.forward(n.cell.kind, count, n.blocks, a, apart, h + at, c, h_new + at, c_new, n.blocks)
                else:
                    n.cell.forward(n.cell.kind, rows, n.blocks, a, PANEL, h + at, c, h_new + at, c_new, n.ld)
                j += count
    restore_denormals(mode)


cdef void add_backward(const Net* n, int rows, vec* out, Py_ssize_t ld, Py_ssize_t cols, Left deltas, const vec* panels,
                       int width, int how=ONWARD) noexcept nogil:
    """Add deltas times transposed weights, which lie in panels of `width` vectors; ANEW, overwrite what is there."""
    cdef Py_ssize_t at = 0, panel = <Py_ssize_t> n.groups * n.cols * LANES * width
    cdef int steps = n.cols * LANES
    cdef Right w
    w.segment = steps * <Py_ssize_t> width; w.step = width
    while at < cols:
        w.p = panels + at // width * panel
        if rows == 1 and width == PANEL and at + 2 * width <= cols:
            if how == ANEW:
                memset(out + at, 0, 2 * PANEL * VECTOR_BYTES)
            row_product(out + at, deltas, w, panel, n.groups, steps)
            at += 2 * width
        else:
            product(rows, <int> min(<Py_ssize_t> width, cols - at), out + at, ld, deltas, w, n.groups, steps, how)
            at += width


cdef void clear_padding(const Net* n, vec* d, int rows) noexcept nogil:
    """Clear the lanes of a step's deltas that belong to no hidden unit; all of them are in the last group."""
    cdef int r, column, first
    if n.H == n.ld * LANES:
        return
    d += (n.groups - 1) * <Py_ssize_t> n.B * PANEL
    for column in range(n.cols + n.cell.h_column):
        first = unit(n, n.groups - 1, min(column, n.cols - 1))
        if first + LANES > n.H:
            for r in range(rows):
                d[r * PANEL + column] = vfirst(d[r * PANEL + column], n.H - first)


cdef void backward_rows(const Net* n, int t0, int t1, int b0, int b1) noexcept nogil:
    """The loop over time of one chunk: leaves its deltas in n.d, and dh and dc at t0."""
    cdef int t, j, b, k, rows
    cdef Py_ssize_t at, i, row = b0 * n.ld, apart = <Py_ssize_t> n.B * PANEL
    cdef const vec* a
    cdef real* dh
    cdef const real* dy
    cdef const vec* h
    cdef const vec* h_new
    cdef const vec* c = NULL
    cdef const vec* c_new = NULL
    cdef vec* dc = NULL
    cdef vec* d
    cdef vec* to
    cdef Left deltas
    cdef unsigned long mode = flush_denormals()
    deltas.segment = <Py_ssize_t> n.B * PANEL * LANES; deltas.row = PANEL * LANES; deltas.step = 1
    for t in range(t1 - 1, t0 - 1, -1):
        rows = min(b1, n.active[t]) - b0
        if rows <= 0:
            continue
        if n.dy:
            for b in range(b0, b0 + rows):
                dh = <real*> (n.dh + b * n.ld)
                dy = n.dy + b * n.dy_row + t * n.dy_time
                for k in range(n.H):
                    dh[k] += dy[k]
        d = n.d + (<Py_ssize_t> (t - t0) * n.groups * n.B + b0) * PANEL
        h = h_at(n, t) + row
        h_new = h_at(n, t + 1) + row
        j = 0
        while j < n.groups:
            at = j * n.blocks
            a = a_at(n, t, j) + b0 * PANEL if n.a else NULL
            if n.c:
                c = c_at(n, t) + row + at
                c_new = c + n.c_time
                dc = n.dc + row + at
            if rows == 1:
                n.cell.backward(n.cell.kind, n.groups, n.blocks, a, apart, h, c, h_new, c_new, n.dh + row, dc, d,
                                n.blocks)
                break
            n.cell.backward(n.cell.kind, rows, n.blocks, a, PANEL, h + at, c, h_new + at, c_new, n.dh + row + at, dc,
                            d + j * apart, n.ld)
            j += 1
        clear_padding(n, d, rows)
        if n.K:
            deltas.p = <const real*> (d + n.cell.h_column)
            to = n.dh
            if n.mask:
                to = n.dm
                for i in range(row, row + rows * n.ld):
                    to[i] = vset(0)
            add_backward(n, rows, to + row, n.ld, n.ld, deltas, n.wh_t, n.h_width)
            if n.mask:
                for i in range(row, row + rows * n.ld):
                    n.dh[i] += n.dm[i] * n.mask[i]
        if n.wx_t:
            deltas.p = <const real*> d
            add_backward(n, rows, n.dx + (b0 * <Py_ssize_t> n.T + t) * n.x_ld, n.T * n.x_ld, n.x_ld, deltas, n.wx_t,
                         n.x_width)
    restore_denormals(mode)


cdef real ONE = 1


cdef inline int slabs(int features) noexcept nogil:
    return (features + SLAB - 1) // SLAB


cdef int work_items(const Net* n) noexcept nogil:
    """Work items of the weight gradients: for each group the bias, the slabs of x (or its symbols), those of h."""
    return n.groups * (1 + (1 if n.symbols else slabs(n.I)) + slabs(n.K))


cdef int collect_symbols(const Net* n, int t0, int t1) noexcept nogil:
    """Sort the symbols of a chunk and return their number."""
    cdef int t, b, count = 0
    for t in range(t0, t1):
        for b in range(n.active[t]):
            n.keys[count] = symbol_key(n.symbols[<Py_ssize_t> b * n.T + t],
                                       <uint32_t> (<Py_ssize_t> (t - t0) * n.groups * n.B + b))
            count += 1
    sort_keys(n.keys, count)
    return count


cdef void add_products(const Net* n, int t0, int t1, int features, vec* out, Left f, int j, int column) noexcept nogil:
    """Add features times deltas over the chunk; steps with equally many rows go together."""
    cdef int t, until
    cdef Left a = f
    cdef Right d
    d.segment = <Py_ssize_t> n.groups * n.B * PANEL; d.step = PANEL
    t = t0
    while t < t1:
        until = t + 1
        while until < t1 and n.active[until] == n.active[t]:
            until += 1
        a.p = f.p + (t - t0) * f.segment
        d.p = n.d + (<Py_ssize_t> (t - t0) * n.groups + j) * n.B * PANEL + column
        product(features, n.cols, out, n.cols, a, d, until - t, n.active[t], APART)
        t = until


cdef void weight_gradient(const Net* n, int t0, int t1, int item) noexcept nogil:
    """One work item, over all deltas of the chunk."""
    cdef int per_group = work_items(n) // n.groups, j = item // per_group, what = item % per_group
    cdef int x_items = 1 if n.symbols else slabs(n.I), first
    cdef vec* dwx = n.dwx + <Py_ssize_t> j * (n.I + 1) * n.cols
    cdef vec* dwh = n.dwh + <Py_ssize_t> j * (n.K + 1) * n.cols
    cdef Left f
    cdef unsigned long mode = flush_denormals()
    if what == 0:
        f.p = &ONE; f.segment = f.row = f.step = 0
        add_products(n, t0, t1, 1, dwx + <Py_ssize_t> n.I * n.cols, f, j, 0)
        if n.cell.h_column:              # else both biases have one gradient
            add_products(n, t0, t1, 1, dwh + <Py_ssize_t> n.K * n.cols, f, j, n.cell.h_column)
    elif what <= x_items and n.symbols:
        symbol_gradient(n.keys, n.n_keys, n.cols, dwx, n.d + <Py_ssize_t> j * n.B * PANEL)
    elif what <= x_items:
        first = (what - 1) * SLAB
        f.p = n.x + t0 * n.x_time + first; f.segment = n.x_time; f.row = 1; f.step = n.x_row
        add_products(n, t0, t1, min(<int> SLAB, n.I - first), dwx + <Py_ssize_t> first * n.cols, f, j, 0)
    else:
        first = (what - 1 - x_items) * SLAB
        f.p = <const real*> (hm_at(n, t0) if n.mask else h_at(n, t0)) + first
        f.segment = n.B * n.ld * LANES; f.row = 1; f.step = n.ld * LANES
        add_products(n, t0, t1, min(<int> SLAB, n.K - first), dwh + <Py_ssize_t> first * n.cols, f, j,
                     n.cell.h_column)
    restore_denormals(mode)
