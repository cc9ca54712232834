# How a call is divided, and what each of its threads does.

cdef extern from "threads.h" nogil:
    int take_number(int* next)
    int take_share(int* begun, int shares, int thread)
    void count_up(int* count)
    void wait_until(const int* count, int expected)
    void run_on_threads(int threads, void (*work)(void* job, int thread) noexcept nogil, void* data)


cdef struct Progress:                    # of all threads in one chunk of the backward pass
    int rows                             # shares of the rows that are done; sorting the symbols counts as one
    int n_keys
    int begun, done                      # work items of the weight gradients


cdef struct Plan:                        # how a call is divided; all threads read it
    const Net* net
    int shares
    const int32_t* rows                  # (shares + 1,) bounds
    int* begun                           # (shares,), backward (chunks, shares + 1): has a thread taken it?
    int segments                         # of a tape with checkpoints, computed again when needed; 0: no checkpoints
    const int32_t* segment_bounds        # (segments + 1,)
    vec* h_marks                         # (segments, B, ld)
    vec* c_marks
    # backward
    int chunks
    const int32_t* bounds                # (chunks + 1,) steps, from the last one down
    Progress* progress                   # (chunks,)


cdef void forward_share(const Net* n, const Plan* plan, int b0, int b1) noexcept nogil:
    """Run rows through all of time. With checkpoints, keep the states at the start of each segment."""
    cdef int i, t
    cdef Py_ssize_t row = b0 * n.ld, size = (b1 - b0) * n.ld * VECTOR_BYTES, step = n.B * n.ld
    if plan.segments == 0:
        forward_rows(n, 0, n.T, b0, b1)
    for i in range(plan.segments):
        t = plan.segment_bounds[i]
        memcpy(plan.h_marks + i * step + row, h_at(n, t) + row, size)
        if n.c:
            memcpy(plan.c_marks + i * step + row, c_at(n, t) + row, size)
        forward_rows(n, t, plan.segment_bounds[i + 1], b0, b1)


cdef void forward_thread(void* job, int thread) noexcept nogil:
    """What each thread does: its own share of the rows, and then any share that no other thread has begun."""
    cdef Plan* plan = <Plan*> job
    cdef Net n = plan.net[0]             # a copy: the original may share a cache line with what the first thread writes
    cdef int p = take_share(plan.begun, plan.shares, thread)
    while p >= 0:
        forward_share(&n, plan, plan.rows[p], plan.rows[p + 1])
        p = take_share(plan.begun, plan.shares, thread)


cdef void again(const Net* n, const Plan* plan, int segment, int until, int b0, int b1) noexcept nogil:
    """Compute a segment of the tape again, from the states at its start."""
    cdef Py_ssize_t row = b0 * n.ld, mark = segment * <Py_ssize_t> n.B * n.ld + row
    cdef Py_ssize_t size = (b1 - b0) * n.ld * VECTOR_BYTES
    memcpy(n.h + row, plan.h_marks + mark, size)
    if n.c:
        memcpy(n.c + row, plan.c_marks + mark, size)
    forward_rows(n, n.first, until, b0, b1)


cdef void backward_thread(void* job, int thread) noexcept nogil:
    """What each thread does in every chunk: its own share of the rows, then any share that no other thread has begun,
    then work items of the weight gradients."""
    cdef Plan* plan = <Plan*> job
    cdef Net n = plan.net[0]
    cdef Progress* chunk
    cdef int* begun
    cdef int i, p, t0, t1, item, items = work_items(&n), segment = plan.segments
    cdef int shares = plan.shares + (n.symbols != NULL)
    cdef bint used_up
    for i in range(plan.chunks):
        t1 = plan.bounds[i]; t0 = plan.bounds[i + 1]
        chunk = &plan.progress[i]
        begun = plan.begun + i * (plan.shares + 1)
        used_up = plan.segments and t1 == n.first                 # the segment that was computed again
        if used_up:
            segment -= 1
            n.first = plan.segment_bounds[segment]
        p = take_share(begun, shares, thread)
        while p >= 0:
            if p == plan.shares:
                chunk.n_keys = collect_symbols(&n, t0, t1)
            else:
                if used_up:
                    again(&n, plan, segment, t1, plan.rows[p], plan.rows[p + 1])
                backward_rows(&n, t0, t1, plan.rows[p], plan.rows[p + 1])
            count_up(&chunk.rows)
            p = take_share(begun, shares, thread)
        wait_until(&chunk.rows, shares)
        n.n_keys = chunk.n_keys
        item = take_number(&chunk.begun)
        while item < items:
            weight_gradient(&n, t0, t1, item)
            count_up(&chunk.done)
            item = take_number(&chunk.begun)
        wait_until(&chunk.done, items)
