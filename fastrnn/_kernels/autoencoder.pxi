# The sparse autoencoder: two dense layers, which are nets of one step, and the work between them.
#
# Design
# 1. There are two passes over chunks of examples. The bounds of the chunks depend only on the number of examples. The
#    first pass computes the activations of the hidden layer, because the penalty needs their means. The second computes
#    the output, the error, the deltas of both layers and the weight gradients of a chunk while all of them are in
#    cache. Of the arrays that are as large as the examples only the activations are stored.
# 2. Chunks are grouped into shards; their number depends on the number of examples. Each shard has its own gradients,
#    and at the end these are added in the order of the shards. Threads take whole shards and never wait, and still
#    every gradient is one sum in one order: the same bits for any number of threads.

cdef enum:
    CHUNK = 96                           # examples, at most: the deltas of one of their groups stay in L1
    SHARDS = 16                          # at most
    PARTS = 8                            # per chunk: with each, a part of the next chunk is prefetched

cdef extern from *:
    """
    #define prefetch(p) __builtin_prefetch(p, 0, 2)
    """
    void prefetch(const void* p) nogil


cdef struct Passes:                      # one call; all threads share it
    int N, F, rows, chunks, shards       # rows: examples in a chunk; the last one may have fewer
    const real* x                        # (N, F)
    const Net* hidden
    const Net* output
    vec* h                               # (N, ld of the hidden layer)
    vec* sums                            # (chunks, ld of the hidden layer) of h
    const vec* slope                     # (ld of the hidden layer,) where the dh of each example starts
    float64* errors                      # (chunks,) squared errors
    vec* scratch                         # (threads, scratch_size)
    vec* gradients                       # (shards, gradients_size)
    Py_ssize_t scratch_size, gradients_size
    int next                             # the next chunk or shard


cdef void fetch_ahead(const Passes* p, Py_ssize_t r0, int part, int parts) noexcept nogil:
    """Prefetch a part of the chunk that begins at row r0: it comes from memory while products run."""
    cdef Py_ssize_t size = min(<Py_ssize_t> p.rows, p.N - r0) * p.F
    cdef Py_ssize_t i = size * part // parts, end = size * (part + 1) // parts
    while i < end:
        prefetch(p.x + r0 * p.F + i)
        i += 64 // sizeof(real)


cdef void hidden_thread(void* job, int thread) noexcept nogil:
    """What each thread of the first pass does: compute chunks of the hidden layer, and sum their activations."""
    cdef Passes* p = <Passes*> job
    cdef Py_ssize_t ld = p.hidden.ld, r0
    cdef int r, k, i = take_number(&p.next)
    cdef int32_t rows
    cdef vec* h
    cdef vec* sums
    cdef Net n
    while i < p.chunks:
        r0 = <Py_ssize_t> i * p.rows
        rows = <int32_t> min(p.rows, p.N - r0)
        h = p.h + r0 * ld
        n = one_step(p.hidden, &rows, p.x + r0 * p.F, p.F, h)
        for k in range(PARTS):
            fetch_ahead(p, r0 + p.rows, k, PARTS)
            forward_rows(&n, 0, 1, rows * k // PARTS, rows * (k + 1) // PARTS)
        sums = p.sums + i * ld
        for k in range(ld):
            sums[k] = h[k]
        for r in range(1, rows):
            for k in range(ld):
                sums[k] += h[r * ld + k]
        i = take_number(&p.next)


cdef float64 output_deltas(const Net* n, int rows, const vec* x_hat, const real* x, real scale, vec* d) noexcept nogil:
    """Write the deltas of the output, with zeros in the padding; return the sum of the squares of x_hat - x."""
    cdef float64 total = 0
    cdef vec error, squares
    cdef Py_ssize_t group = <Py_ssize_t> rows * PANEL
    cdef int r, j, k, at, left
    for r in range(rows):
        squares = vset(0)
        at = 0
        for j in range(n.groups):
            for k in range(n.blocks):
                left = n.H - at * LANES
                error = vfirst(x_hat[at] - vload(x + at * LANES, left), left)
                squares += error * error
                d[j * group + k] = error * vset(scale) * (x_hat[at] * (1 - x_hat[at]))
                at += 1
        for k in range(LANES):
            total += (<real*> &squares)[k]
        x_hat += n.ld; d += PANEL; x += n.H
    return total


cdef inline int first_chunk(const Passes* p, int shard) noexcept nogil:
    return <int> (<Py_ssize_t> p.chunks * shard // p.shards)


cdef void shard_thread(void* job, int thread) noexcept nogil:
    """What each thread of the second pass does: take whole shards, chunk by chunk."""
    cdef Passes* p = <Passes*> job
    cdef const Net* hidden = p.hidden
    cdef const Net* output = p.output
    cdef Py_ssize_t r0
    cdef vec* x_hat = p.scratch + thread * p.scratch_size
    cdef vec* d_output = x_hat + p.rows * output.ld
    cdef vec* dh = d_output + output.groups * <Py_ssize_t> p.rows * PANEL
    cdef vec* d_hidden = dh + p.rows * hidden.ld
    cdef vec* h
    cdef vec* gradients
    cdef int i, k, r, item, items, s = take_number(&p.next)
    cdef int32_t rows
    cdef Net first, second
    cdef uint64_t mode
    while s < p.shards:
        gradients = p.gradients + s * p.gradients_size
        memset(gradients, 0, p.gradients_size * VECTOR_BYTES)
        for i in range(first_chunk(p, s), first_chunk(p, s + 1)):
            r0 = <Py_ssize_t> i * p.rows
            rows = <int32_t> min(p.rows, p.N - r0)
            h = p.h + r0 * hidden.ld
            second = one_step(output, &rows, <const real*> h, hidden.ld * LANES, x_hat)
            second.d = d_output; second.dwx = gradients
            first = one_step(hidden, &rows, p.x + r0 * p.F, p.F, h)
            first.dh = dh; first.d = d_hidden; first.wx_t = NULL
            first.dwx = gradients + output.groups * <Py_ssize_t> (output.I + 1) * output.cols
            forward_rows(&second, 0, 1, 0, rows)
            mode = flush_denormals()
            p.errors[i] = output_deltas(&second, rows, x_hat, first.x, <real> 1 / p.N, d_output)
            for r in range(rows):
                for k in range(hidden.ld):
                    dh[r * hidden.ld + k] = p.slope[k]
            add_backward(&second, rows, dh, hidden.ld, hidden.ld, deltas_at(&second, d_output), second.wx_t,
                         second.x_width)
            restore_denormals(mode)
            backward_rows(&first, 0, 1, 0, rows)
            items = work_items(&first)
            for item in range(items):
                fetch_ahead(p, r0 + p.rows, item, items)
                weight_gradient(&first, 0, 1, item)
            for item in range(work_items(&second)):
                weight_gradient(&second, 0, 1, item)
        s = take_number(&p.next)


cdef class TwoPasses:
    """The two passes: making this object does the first, `finish` does the second. Call `finish` once."""
    cdef Packed hidden, output
    cdef Memory h, wx_t
    cdef object x
    cdef readonly object means
    cdef int n_threads
    cdef Passes p

    def __init__(self, W1, b1, W2, b2, x, int n_threads):
        cdef Passes* p = &self.p
        cdef Net* n
        self.hidden, self.output = (
            Packed("rnn_sigmoid", W[:, None], np.zeros((0, 1, len(b)), DTYPE), b[None], None)
            for W, b in ((W1, b1), (W2, b2))
        )
        self.x = contiguous(x)
        self.n_threads = n_threads
        p.hidden = n = &self.hidden.net
        p.x = <const real*> data(self.x)
        p.N = len(x); p.F = n.I
        p.chunks = (p.N + CHUNK - 1) // CHUNK
        p.rows = (p.N + p.chunks - 1) // p.chunks
        p.chunks = (p.N + p.rows - 1) // p.rows
        p.shards = max(1, min(<int> SHARDS, p.chunks, p.N // n.H))  # so that all gradients are no larger than x
        self.h = Memory(p.N * n.ld)
        p.h = self.h.take(0)
        cdef Memory sums = Memory(p.chunks * n.ld)
        p.sums = sums.take(0)
        p.next = 0
        with nogil:
            run_on_threads(min(n_threads, p.chunks), hidden_thread, p)
        self.means = sums.view((p.chunks, n.ld * LANES))[:, :n.H].sum(axis=0, dtype=np.float64) / p.N
        n = &self.output.net
        p.output = n
        self.wx_t = self.output.transposed(n.wx, n.I, n.x_ld, n.x_width)
        n.wx_t = self.wx_t.take(0)

    def finish(self, slope):
        """Return the squared error, and the gradients of W1, b1, W2 and b2."""
        cdef Passes* p = &self.p
        cdef const Net* hidden = p.hidden
        cdef const Net* output = p.output
        cdef int n_threads = min(self.n_threads, p.shards), s
        cdef Py_ssize_t k, size = output.groups * <Py_ssize_t> (output.I + 1) * output.cols
        cdef vec* total
        cdef const vec* more
        p.gradients_size = size + hidden.groups * <Py_ssize_t> (hidden.I + 1) * hidden.cols
        p.scratch_size = p.rows * (output.ld + output.groups * PANEL + hidden.ld + hidden.groups * PANEL)
        cdef Memory memory = Memory(n_threads * p.scratch_size + p.shards * p.gradients_size + hidden.ld)
        p.scratch = memory.take(n_threads * p.scratch_size)
        p.gradients = memory.take(p.shards * p.gradients_size)
        total = memory.take(hidden.ld)
        memset(total, 0, hidden.ld * VECTOR_BYTES)
        slope = contiguous(slope)
        memcpy(total, data(slope), hidden.H * sizeof(real))
        p.slope = total
        errors = np.empty(p.chunks)
        p.errors = <float64*> data(errors)
        p.next = 0
        with nogil:
            run_on_threads(n_threads, shard_thread, p)
        total = p.gradients
        for s in range(1, p.shards):
            more = p.gradients + s * p.gradients_size
            for k in range(p.gradients_size):
                total[k] += more[k]
        dW2 = new_array((output.I + 1, 1, output.H))
        dW1 = new_array((hidden.I + 1, 1, hidden.H))
        unpack(output, output.cell.x_gates, total, output.I + 1, <real*> data(dW2))
        unpack(hidden, hidden.cell.x_gates, total + size, hidden.I + 1, <real*> data(dW1))
        return errors.sum(), (dW1[:-1, 0], dW1[-1, 0], dW2[:-1, 0], dW2[-1, 0])


def autoencoder(W1, b1, W2, b2, x, int n_threads):
    """Return the mean activations (H,), and the function that computes the squared error and the gradients."""
    passes = TwoPasses(W1, b1, W2, b2, x, n_threads)
    return passes.means, passes.finish
