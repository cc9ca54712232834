# The loop over time, forward and backward, for every cell.
#
# Design
# 1. A cell is a struct of a few numbers and two row functions. A row function gets `rows` rows of one *group*. A row of
#    a group is PANEL vectors: the pre-activations of one hidden block (LSTM, GRU) or of several blocks (RNN, dense).
#    Cells differ in nothing else. The loop calls row functions through a pointer, once per block of rows, which costs
#    nothing. A batch of one row gives its groups to the row function as if they were rows, because the chain of
#    operations of a single row is long. `next` and `ld` say how many vectors lie between one row and the next: `next`
#    in the tape and the deltas, `ld` in the states.
# 2. States, tape and deltas are aligned and padded to whole groups, so row functions have no tails. Padded lanes have
#    zero weights and may hold anything (0 times infinity). Products read the padded lanes of the deltas only, and those
#    are cleared. Rows of (B, T) are sorted by length, longest first: at step t the first active[t] rows run, and rows
#    that have ended no longer take part in the tiles.
# 3. Forward: each thread owns some rows and runs them through all of time on its own.
# 4. Backward: steps are cut into chunks of about CHUNK_ROWS rows of deltas. In each chunk the threads own rows for the
#    loop over time, and then columns of the weight gradients while the deltas are still in cache. They meet twice per
#    chunk (`plan.pxi`). The chunks depend only on T, B and lengths, and so every gradient is one sum in one order: the
#    same bits for any number of threads.
# 5. A bias is the weight of a feature that is always 1: a Left operand whose strides are zero.
# 6. The tape serves as scratch memory: pre-activations are summed into it, and the row function replaces them by gates.

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "tile.h" nogil:
    ctypedef float real                  # float or double in C
    ctypedef float vec                   # LANES numbers; to Cython it is one, so equations look like equations
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
    uint64_t flush_denormals()
    void restore_denormals(uint64_t mode)
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
    ROW_BLOCK = 64                       # so few that pre-activations stay in L1 until the row function reads them
    SLAB = 48                            # features in one work item of the weight gradient

ctypedef void (*forward_t)(int kind, int rows, int blocks, vec* a, Py_ssize_t next, const vec* h, const vec* c,
                           vec* h_new, vec* c_new, Py_ssize_t ld) noexcept nogil
ctypedef void (*backward_t)(int kind, int rows, int blocks, const vec* a, Py_ssize_t next, const vec* h, const vec* c,
                            const vec* h_new, const vec* c_new, vec* dh, vec* dc, vec* d, Py_ssize_t ld) noexcept nogil

cdef struct Cell:
    int gates, blocks, states
    int kind                             # passed to the row functions: one may serve several cells
    bint taped                           # does the backward pass need the gates?
    int[4] x_gates, h_gates              # the gate of each column of the input and the recurrent product
    int h_column                         # first column of the recurrent product; the input product begins at 0
    forward_t forward
    backward_t backward


cdef class CompiledCell:
    """A compiled cell in the form of a Python object."""
    cdef Cell cell


CELLS = set()                            # the cells of fastrnn.cells that are compiled; each .pxi registers its own
COMPILED = {}                            # their compiled forms, by name


cdef register(cell, Cell compiled):
    """Register the compiled form of a cell of fastrnn.cells: it stands for this object, not for others of its name."""
    cdef CompiledCell held = CompiledCell()
    held.cell = compiled
    CELLS.add(cell)
    COMPILED[cell.name] = held


cdef struct Net:                         # one call; strides of x, dx and dy are in numbers, all others in vectors
    Cell cell
    int B, T, I, H
    int K                                # recurrent inputs: H, or 0 where there is no recurrent product
    int blocks, groups, cols             # hidden blocks per group; groups; columns of each product per group
    Py_ssize_t ld                        # vectors in a row of a state
    const int32_t* active                # (T,)
    const real* x                        # (B, T, I), or NULL
    Py_ssize_t x_row, x_time
    const int32_t* symbols               # (B, T), or NULL
    int first                            # the first step in h, c, hm and a
    vec* h                               # (steps + 1, B, ld), or (2, B, ld): two steps in turn
    bint all_steps                       # does h have steps + 1?
    vec* c                               # (steps + 1, B, ld), or (B, ld) overwritten at each step, or NULL
    Py_ssize_t c_time
    const vec* mask                      # (B, ld), or NULL
    vec* hm                              # h * mask: (steps, B, ld), or (B, ld) overwritten at each step, or NULL
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
    vec* dm                              # (B, ld), gradient of h * mask; used only with a mask
    vec* dx                              # (B, T, x_ld)
    Py_ssize_t x_ld
    vec* d                               # deltas of a chunk (chunk, groups, B, PANEL)
    uint64_t* keys                       # the sorted symbols of a chunk, and their number
    int n_keys
    vec* dwx                             # (groups, I + 1, cols); the last feature is the bias
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
    """Return the first hidden unit of column c of group j."""
    return (j * n.blocks + c // n.cell.gates) * LANES


cdef inline Left deltas_at(const Net* n, const vec* d) noexcept nogil:
    """Return the deltas from this address on as the left operand of a product: groups are segments."""
    cdef Left deltas
    deltas.p = <const real*> d
    deltas.segment = <Py_ssize_t> n.B * PANEL * LANES; deltas.row = PANEL * LANES; deltas.step = 1
    return deltas


cdef void forward_rows(const Net* n, int t0, int t1, int b0, int b1) noexcept nogil:
    """Run rows b0..b1 through steps t0..t1."""
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
    cdef uint64_t mode = flush_denormals()
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
    """Add deltas times transposed weights, which lie in panels of `width` vectors. ANEW overwrites what is there."""
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
    """Clear the padded lanes of a step's deltas. All of them are in the last group."""
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
    """Run the loop over time of one chunk. Its deltas are left in n.d, and n.dh and n.dc are those at t0."""
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
    cdef uint64_t mode = flush_denormals()
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
            to = n.dh
            if n.mask:
                to = n.dm
                for i in range(row, row + rows * n.ld):
                    to[i] = vset(0)
            add_backward(n, rows, to + row, n.ld, n.ld, deltas_at(n, d + n.cell.h_column), n.wh_t, n.h_width)
            if n.mask:
                for i in range(row, row + rows * n.ld):
                    n.dh[i] += n.dm[i] * n.mask[i]
        if n.wx_t:
            add_backward(n, rows, n.dx + (b0 * <Py_ssize_t> n.T + t) * n.x_ld, n.T * n.x_ld, n.x_ld, deltas_at(n, d),
                         n.wx_t, n.x_width)
    restore_denormals(mode)


cdef real ONE = 1


cdef inline int slabs(int features) noexcept nogil:
    return (features + SLAB - 1) // SLAB


cdef int work_items(const Net* n) noexcept nogil:
    """Return the number of work items: per group the bias, the slabs of x (or its symbols) and the slabs of h."""
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
    """Add features times deltas over the chunk. Steps with the same number of rows make one product."""
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
    """Do one work item, over all deltas of the chunk."""
    cdef int per_group = work_items(n) // n.groups, j = item // per_group, what = item % per_group
    cdef int x_items = 1 if n.symbols else slabs(n.I), first
    cdef vec* dwx = n.dwx + <Py_ssize_t> j * (n.I + 1) * n.cols
    cdef vec* dwh = n.dwh + <Py_ssize_t> j * (n.K + 1) * n.cols
    cdef Left f
    cdef uint64_t mode = flush_denormals()
    if what == 0:
        f.p = &ONE; f.segment = f.row = f.step = 0
        add_products(n, t0, t1, 1, dwx + <Py_ssize_t> n.I * n.cols, f, j, 0)
        if n.cell.h_column:              # else both biases have the same gradient
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
