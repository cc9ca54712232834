# The work of an optimizer on a vector of parameters: the sum of squares of the gradient, and the update, in one pass
# each.
#
# Design
# 1. Each number is read and written once. The arrays are used in place: loads and stores need no alignment, and the
#    last vector of a block may be partial.
# 2. Threads take blocks. Squares are summed in float64, first within each block, and then over the blocks in their
#    order: the same bits for any number of threads.

cdef enum:
    UPDATE_BLOCK = 4096                  # numbers
    PLAIN, CLASSICAL, NESTEROV, AVERAGED  # forms of momentum; PLAIN is no momentum

cdef struct Update:                      # one call; all threads share it
    Py_ssize_t size
    real* w                              # the parameters
    const real* g                        # their gradient
    real* v                              # the velocity, or Adam's mean of the gradient
    real* square                         # Adam's mean of the squared gradient
    real rate                            # learning rate; Adam divides it by the sum of the weights in the mean
    real decay, keep                     # SGD adds decay * w to the gradient; Adam first multiplies w by keep
    real memory, square_memory           # weights of the old values in the means
    real fresh, square_fresh             # weights of the new values in the means
    real over_sum                        # 1 / sum of the weights in the mean of the square
    real epsilon
    int form
    float64* squares                     # (blocks,)
    int blocks, next


cdef inline Py_ssize_t block_end(const Update* u, int block) noexcept nogil:
    return min(<Py_ssize_t> (block + 1) * UPDATE_BLOCK, u.size)


cdef void squares_thread(void* job, int thread) noexcept nogil:
    """What each thread does: sum the squares of blocks."""
    cdef Update* u = <Update*> job
    cdef Py_ssize_t first
    cdef int i = take_number(&u.next)
    while i < u.blocks:
        first = <Py_ssize_t> i * UPDATE_BLOCK
        u.squares[i] = sum_of_squares(u.g + first, block_end(u, i) - first)
        i = take_number(&u.next)


cdef void sgd_thread(void* job, int thread) noexcept nogil:
    """What each thread does: update blocks by gradient descent with momentum."""
    cdef Update u = (<Update*> job)[0]   # a copy: the compiler need not read it again after each store
    cdef Py_ssize_t k, end, left
    cdef vec w, g, v
    cdef int i = take_number(&(<Update*> job).next)
    cdef uint64_t mode = flush_denormals()
    while i < u.blocks:
        k = <Py_ssize_t> i * UPDATE_BLOCK
        end = block_end(&u, i)
        while k < end:
            left = end - k
            w = vload(u.w + k, left)
            g = vload(u.g + k, left) + u.decay * w
            if u.form != PLAIN:
                v = u.memory * vload(u.v + k, left) + u.fresh * g
                vstore(u.v + k, v, left)
                g = g + u.memory * v if u.form == NESTEROV else v
            vstore(u.w + k, w - u.rate * g, left)
            k += LANES
        i = take_number(&(<Update*> job).next)
    restore_denormals(mode)


cdef void adam_thread(void* job, int thread) noexcept nogil:
    """What each thread does: update blocks by Adam."""
    cdef Update u = (<Update*> job)[0]
    cdef Py_ssize_t k, end, left
    cdef vec w, g, v, square
    cdef int i = take_number(&(<Update*> job).next)
    cdef uint64_t mode = flush_denormals()
    while i < u.blocks:
        k = <Py_ssize_t> i * UPDATE_BLOCK
        end = block_end(&u, i)
        while k < end:
            left = end - k
            g = vload(u.g + k, left)
            v = u.memory * vload(u.v + k, left) + u.fresh * g
            square = u.square_memory * vload(u.square + k, left) + u.square_fresh * (g * g)
            w = u.keep * vload(u.w + k, left) - vset(u.rate) * v / (vsqrt(square * u.over_sum) + vset(u.epsilon))
            vstore(u.v + k, v, left)
            vstore(u.square + k, square, left)
            vstore(u.w + k, w, left)
            k += LANES
        i = take_number(&(<Update*> job).next)
    restore_denormals(mode)


cdef inline Update update_of(parameters, gradients):
    """Return a call on contiguous vectors."""
    cdef Update u
    memset(&u, 0, sizeof(Update))
    u.size = gradients.size
    u.w = <real*> data(parameters); u.g = <const real*> data(gradients)
    u.blocks = <int> ((u.size + UPDATE_BLOCK - 1) // UPDATE_BLOCK)
    return u


def squares(gradients, int n_threads):
    """Return the sum of the squares of a contiguous vector."""
    cdef Update u = update_of(None, gradients)
    cdef int i
    cdef float64 total = 0
    sums = np.empty(u.blocks)
    u.squares = <float64*> data(sums)
    with nogil:
        run_on_threads(max(1, min(n_threads, u.blocks)), squares_thread, &u)
    for i in range(u.blocks):
        total += u.squares[i]
    return total


def sgd(parameters, gradients, velocity, str form, double rate, double momentum, double decay, int n_threads):
    """Update contiguous vectors by gradient descent. `velocity` is None without momentum."""
    cdef Update u = update_of(parameters, gradients)
    forms = {"classical": CLASSICAL, "nesterov": NESTEROV, "averaged": AVERAGED}
    u.form = PLAIN if velocity is None else forms[form]
    u.v = <real*> data(velocity)
    u.rate = <real> rate; u.decay = <real> decay; u.memory = <real> momentum
    u.fresh = <real> (1 - momentum if u.form == AVERAGED else 1)
    with nogil:
        run_on_threads(max(1, min(n_threads, u.blocks)), sgd_thread, &u)


def adam(parameters, gradients, mean, square, double rate, double keep, double beta1, double beta2, double epsilon,
         double sum2, int n_threads):
    """Update contiguous vectors by Adam."""
    cdef Update u = update_of(parameters, gradients)
    u.v = <real*> data(mean); u.square = <real*> data(square)
    u.rate = <real> rate; u.keep = <real> keep; u.epsilon = <real> epsilon; u.over_sum = <real> (1 / sum2)
    u.memory = <real> beta1; u.fresh = <real> (1 - beta1)
    u.square_memory = <real> beta2; u.square_fresh = <real> (1 - beta2)
    with nogil:
        run_on_threads(max(1, min(n_threads, u.blocks)), adam_thread, &u)
