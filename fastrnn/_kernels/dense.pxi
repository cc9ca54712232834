# Dense layers, f(x W + b), which are nets of one step.
#
# Design
# 1. A dense layer is one step of an Elman cell without a recurrent product. The backward pass needs nothing of the
#    forward pass but its outputs, and there are no states to copy in or out.
# 2. The backward pass takes the examples in chunks, whose bounds depend only on the number of examples. In each chunk
#    the threads own rows for the deltas and dx, and then columns of the weight gradients while the deltas are still in
#    cache. They meet twice per chunk, as in the loop over time (`sequence.pxi`) and for the same reason: the bits do
#    not depend on the number of threads.
# 3. The weight gradients of one work item stay in L1 until they are added to the caller's arrays.

from fastrnn._kernels.ragged import CHUNK_ROWS as _CHUNK_ROWS

cdef int CHUNK_ROWS = _CHUNK_ROWS

cdef struct DenseCall:                   # one call; all threads share it
    const Net* net                       # its one step has all examples
    int shares                           # of the rows: forward of all rows, backward of the rows of each chunk
    int next
    # backward
    int chunks
    Progress* progress                   # (chunks,)
    int* begun                           # (chunks, shares)
    real* dW                             # (I, U)
    real* db                             # (U,)


cdef inline Net one_step(const Net* layer, const int32_t* rows, const real* x, Py_ssize_t x_row, vec* h) noexcept nogil:
    """Return a layer with these examples as a net of one step, whose outputs are `h`."""
    cdef Net n = layer[0]
    n.B = rows[0]; n.T = 1; n.active = rows
    n.x = x; n.x_row = x_row; n.x_time = 0
    n.h = h; n.first = 1; n.all_steps = True                      # there is no h before this step
    n.symbols = NULL; n.c = NULL; n.mask = NULL; n.hm = NULL; n.a = NULL
    n.dy = NULL; n.dc = NULL; n.dx = NULL
    return n


cdef inline int bound(int rows, int share, int shares) noexcept nogil:
    """Return the first row of a share."""
    return <int> (<Py_ssize_t> rows * share // shares)


cdef void dense_forward_thread(void* job, int thread) noexcept nogil:
    """What each thread does: take shares of the rows."""
    cdef DenseCall* call = <DenseCall*> job
    cdef const Net* n = call.net
    cdef int s = take_number(&call.next)
    while s < call.shares:
        forward_rows(n, 0, 1, bound(n.B, s, call.shares), bound(n.B, s + 1, call.shares))
        s = take_number(&call.next)


cdef void dense_deltas(const Net* n, int b0, int b1) noexcept nogil:
    """Write the deltas of some rows, with zeros in the padding, and their dx if it is needed."""
    cdef int b, j, k, left, rows = b1 - b0, kind = n.cell.kind, blocks = n.blocks, groups = n.groups, H = n.H
    cdef Py_ssize_t group = <Py_ssize_t> n.B * PANEL
    cdef const vec* h
    cdef vec* d
    cdef const real* dy
    cdef uint64_t mode = flush_denormals()
    for b in range(b0, b1):
        h = n.h + b * n.ld
        dy = n.dy + b * n.dy_row
        d = n.d + b * <Py_ssize_t> PANEL
        left = H
        for j in range(groups):
            for k in range(blocks):
                d[k] = vload(dy, left) * derivative(kind, h[k])
                if left < LANES:
                    d[k] = vfirst(d[k], left)                     # padded lanes of h may be NaN, and 0 times NaN is NaN
                dy += LANES; left -= LANES
            h += blocks; d += group
    if n.dx:
        add_backward(n, rows, n.dx + b0 * n.x_ld, n.x_ld, n.x_ld, deltas_at(n, n.d + b0 * <Py_ssize_t> PANEL), n.wx_t,
                     n.x_width, ANEW)
    restore_denormals(mode)


cdef void dense_gradient(const Net* n, int item, real* dW, real* db) noexcept nogil:
    """Do one work item, over all deltas of the chunk. The items of a group are the slabs of x, then the bias."""
    cdef int per_group = work_items(n) // n.groups, j = item // per_group, what = item % per_group, cols = n.cols
    cdef int first = what * SLAB, features = min(<int> SLAB, n.I - first), f, c, left = n.H - j * cols * <int> LANES
    cdef vec[SLAB * PANEL] sums
    cdef real* to = dW + <Py_ssize_t> first * n.H
    cdef Left a
    cdef Right d
    cdef uint64_t mode = flush_denormals()
    a.p = n.x + first; a.segment = 0; a.row = 1; a.step = n.x_row
    if what == per_group - 1:
        a.p = &ONE; a.row = a.step = 0
        features = 1
        to = db
    d.p = n.d + j * <Py_ssize_t> n.B * PANEL; d.segment = 0; d.step = PANEL
    product(features, cols, sums, cols, a, d, 1, n.B, APART | ANEW)
    to += j * cols * <int> LANES
    for f in range(features):
        for c in range(cols):
            add_to_row(to + c * <int> LANES, sums[f * cols + c], left - c * <int> LANES)
        to += n.H
    restore_denormals(mode)


cdef void dense_backward_thread(void* job, int thread) noexcept nogil:
    """What each thread does in every chunk: take shares of the rows, then work items of the weight gradients."""
    cdef DenseCall* call = <DenseCall*> job
    cdef const Net* whole = call.net
    cdef Progress* chunk
    cdef Net n
    cdef int i, s, item, items
    cdef int32_t rows
    cdef Py_ssize_t r0
    for i in range(call.chunks):
        chunk = &call.progress[i]
        r0 = <Py_ssize_t> i * CHUNK_ROWS
        rows = <int32_t> min(<Py_ssize_t> CHUNK_ROWS, whole.B - r0)
        n = one_step(whole, &rows, whole.x + r0 * whole.x_row, whole.x_row, whole.h + r0 * whole.ld)
        n.dy = whole.dy + r0 * whole.dy_row
        n.dx = whole.dx + r0 * whole.x_ld if whole.dx else NULL
        s = take_share(call.begun + i * call.shares, call.shares, thread)
        while s >= 0:
            dense_deltas(&n, bound(rows, s, call.shares), bound(rows, s + 1, call.shares))
            count_up(&chunk.rows)
            s = take_share(call.begun + i * call.shares, call.shares, thread)
        wait_until(&chunk.rows, call.shares)
        items = work_items(&n)
        item = take_number(&chunk.begun)
        while item < items:
            dense_gradient(&n, item, call.dW, call.db)
            count_up(&chunk.done)
            item = take_number(&chunk.begun)
        wait_until(&chunk.done, items)


def dense_forward(str name, W, b, x, int n_threads):
    """Return the outputs (N, U) for x (N, I), whose rows are padded in memory, and the packed weights."""
    cdef DenseCall call
    cdef Py_ssize_t x_row
    cdef int32_t N = x.shape[0]
    cdef Packed packed = Packed.__new__(Packed)
    W = contiguous(W); b = contiguous(b); x = rows_of(x, &x_row)
    packed.lay_out(name, W.shape[0], 0, W.shape[1], <real*> data(W), NULL, <real*> data(b), NULL)
    cdef Memory y = Memory(N * packed.net.ld)
    cdef Net n = one_step(&packed.net, &N, <const real*> data(x), x_row, y.take(0))
    call.net = &n
    call.shares = max(1, min(n_threads, N)); call.next = 0
    with nogil:
        run_on_threads(call.shares, dense_forward_thread, &call)
    return y.view((N, n.ld * LANES))[:, :n.H], packed


def dense_backward(Packed packed, x, y, dy, dW, db, bint need_dx, int n_threads):
    """Add the gradients of W and b to contiguous arrays; return dx (N, I) or None."""
    cdef DenseCall call
    cdef Py_ssize_t x_row, dy_row, d_size, wx_t_size
    cdef int32_t N = x.shape[0]
    cdef int most = min(N, CHUNK_ROWS)
    cdef Memory scratch, dx
    x, dy = rows_of(x, &x_row), rows_of(dy, &dy_row)
    cdef Net n = one_step(&packed.net, &N, <const real*> data(x), x_row, <vec*> data(y))
    n.dy = <const real*> data(dy); n.dy_row = dy_row
    d_size = n.groups * <Py_ssize_t> most * PANEL
    wx_t_size = transposed_size(&n, n.x_ld, n.x_width) if need_dx else 0
    scratch = Memory(d_size + wx_t_size)
    n.d = scratch.take(d_size)
    if need_dx:
        n.wx_t = scratch.take(wx_t_size)
        transpose(&n, n.wx, n.I, n.x_width, <vec*> n.wx_t)
        dx = Memory(N * n.x_ld)
        n.dx = dx.take(0)
    call.net = &n
    call.dW = <real*> data(dW); call.db = <real*> data(db)
    call.shares = max(1, min(n_threads, most))
    call.chunks = (N + CHUNK_ROWS - 1) // CHUNK_ROWS
    counts = np.zeros(call.chunks * (sizeof(Progress) // sizeof(int) + call.shares), np.intc)
    call.progress = <Progress*> data(counts)
    call.begun = <int*> (call.progress + call.chunks)
    with nogil:
        run_on_threads(max(1, n_threads), dense_backward_thread, &call)
    return dx.view((N, n.x_ld * LANES))[:, :n.I] if need_dx else None
