# Softmax cross-entropy: for rows of logits the losses, the gradient, and the number of correct classes.
#
# Design
# 1. A row is read three times, and stays in L1 meanwhile: to find the largest logit; to compute the exponentials, which
#    are stored where the gradient will be, and their sum; and to divide by the sum.
# 2. Exponentials below the normal range are 0. They are summed in lanes, then in float64. What is computed from the sum
#    is float64: the logarithm, the loss, and the gradient at the target.
# 3. Threads take blocks of rows. Losses are summed within each block, and then over the blocks in their order: the same
#    bits for any number of threads.

from libc.math cimport INFINITY, log

cdef enum: SOFTMAX_ROWS = 64             # per block

cdef struct Softmax:                     # one call; all threads share it
    Py_ssize_t rows, C
    const real* y                        # (rows, C)
    Py_ssize_t y_row
    Numbers classes                      # (rows,)
    const float64* weights               # (rows,), or NULL: all weights are 1
    float64 scale
    real* dy                             # (rows, C), or NULL
    float64* losses                      # (blocks,)
    int64_t* right                       # (blocks,)
    int blocks, next


cdef inline bint is_first(const real* y, Py_ssize_t k) noexcept nogil:
    """Does no number before y[k] have the same value?"""
    cdef Py_ssize_t i
    for i in range(k):
        if y[i] == y[k]:
            return False
    return True


cdef inline bint has_nan(const real* y, Py_ssize_t C) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(C):
        if y[i] != y[i]:
            return True
    return False


cdef float64 softmax_row(const real* y, Py_ssize_t C, Py_ssize_t target, float64 weight, real* dy,
                         int64_t* right) noexcept nogil:
    """Return the loss of a row without its weight; count the row if its target is correct; write its gradient."""
    cdef Py_ssize_t vectors = (C + LANES - 1) // LANES, i, k
    cdef vec e, sums = vset(0), most = vset(-INFINITY)
    cdef real largest
    cdef float64 total, own, slope
    for i in range(vectors):
        most = vmax(vload_or(y + i * LANES, C - i * LANES, -INFINITY), most)       # skips NaN
    largest = vlargest(most)
    for i in range(vectors):
        e = vexp_or_0(vload_or(y + i * LANES, C - i * LANES, -INFINITY) - largest)
        sums += e
        if dy:
            vstore(dy + i * LANES, e, C - i * LANES)
    total = vsum(sums)                                      # NaN if a logit is NaN, or if the largest is infinite
    own = <float64> y[target] - largest
    right[0] += y[target] == largest and is_first(y, target) and (total == total or not has_nan(y, C))
    if dy:
        slope = (dy[target] / total - 1) * weight
        for i in range(vectors):
            k = i * LANES
            vstore(dy + k, vload(dy + k, C - k) * <real> (weight / total), C - k)
        dy[target] = <real> slope
    return log(total) - own


cdef void softmax_thread(void* job, int thread) noexcept nogil:
    """What each thread does: take blocks of rows."""
    cdef Softmax* s = <Softmax*> job
    cdef Py_ssize_t r
    cdef float64 weight
    cdef real* dy = NULL
    cdef int i = take_number(&s.next)
    cdef uint64_t mode = flush_denormals()
    while i < s.blocks:
        s.losses[i] = 0
        s.right[i] = 0
        for r in range(<Py_ssize_t> i * SOFTMAX_ROWS, min(<Py_ssize_t> (i + 1) * SOFTMAX_ROWS, s.rows)):
            if s.dy:
                dy = s.dy + r * s.C
            if s.classes.valid == NULL or s.classes.valid[r]:
                weight = s.weights[r] if s.weights else 1
                s.losses[i] += weight * softmax_row(s.y + r * s.y_row, s.C, s.classes.p[r], weight * s.scale, dy,
                                                    &s.right[i])
            elif dy:
                memset(dy, 0, s.C * sizeof(real))
        i = take_number(&s.next)
    restore_denormals(mode)


def cross_entropy(y, classes, valid, weights, float64 scale, bint gradient, int n_threads):
    """Return the sum of the losses of y (N, C), weighted and scaled, the number of correct rows, and dy (N, C) or None.

    A class that is not in 0..C-1 raises IndexError with the position of that class.
    """
    cdef Softmax s
    cdef int i
    cdef float64 loss = 0
    cdef int64_t right = 0
    y = rows_of(y, &s.y_row)
    s.rows, s.C = y.shape
    s.classes = numbers_of(classes, valid, s.C)
    dy = new_array((s.rows, s.C)) if gradient else None
    s.blocks = <int> ((s.rows + SOFTMAX_ROWS - 1) // SOFTMAX_ROWS)
    losses, counts = np.empty(s.blocks), np.empty(s.blocks, np.int64)
    s.y = <const real*> data(y); s.dy = <real*> data(dy)
    s.weights = <const float64*> data(weights); s.scale = scale
    s.losses = <float64*> data(losses); s.right = <int64_t*> data(counts)
    s.next = 0
    with nogil:
        run_on_threads(max(1, min(n_threads, s.blocks)), softmax_thread, &s)
    for i in range(s.blocks):
        loss += s.losses[i]
        right += s.right[i]
    return loss * scale, right, dy
