# Weights (K, G, H) to panels, as the tile reads them, and gradients back.

cdef inline Py_ssize_t gate_at(const Net* n, const int* gates, int k, int j, int c) noexcept nogil:
    """Where that column's weights of feature k begin in (K, G, H)."""
    return (<Py_ssize_t> k * n.cell.gates + gates[c % n.cell.gates]) * n.H + unit(n, j, c)


cdef void pack(const Net* n, const int* gates, const real* w, int K, vec* out) noexcept nogil:
    """(K, G, H) to (groups, K, cols)"""
    cdef int k, j, c, i
    cdef real* to
    cdef const real* source
    for j in range(n.groups):
        for k in range(K):
            for c in range(n.cols):
                to = <real*> (out + (<Py_ssize_t> j * K + k) * n.cols + c)
                source = w + gate_at(n, gates, k, j, c)
                for i in range(min(<int> LANES, n.H - unit(n, j, c))):
                    to[i] = source[i]


cdef void add_bias(const Net* n, const int* gates, int column, const real* b, vec* out) noexcept nogil:
    """(G, H) to (groups, PANEL), from this column on; both biases meet where the columns do"""
    cdef int j, c, i
    cdef real* to
    cdef const real* source
    for j in range(n.groups):
        for c in range(n.cols):
            to = <real*> (out + j * PANEL + column + c)
            source = b + gate_at(n, gates, 0, j, c)
            for i in range(min(<int> LANES, n.H - unit(n, j, c))):
                to[i] += source[i]


cdef void unpack(const Net* n, const int* gates, const vec* w, int K, real* out) noexcept nogil:
    """(groups, K, cols) to (K, G, H)"""
    cdef int k, j, c, i
    cdef const real* source
    cdef real* to
    for j in range(n.groups):
        for k in range(K):
            for c in range(n.cols):
                source = <const real*> (w + (<Py_ssize_t> j * K + k) * n.cols + c)
                to = out + gate_at(n, gates, k, j, c)
                for i in range(min(<int> LANES, n.H - unit(n, j, c))):
                    to[i] = source[i]


cdef void transpose(const Net* n, const vec* w, int K, int width, vec* out) noexcept nogil:
    """(groups, K, cols) to (panels of width vectors of K, groups, cols * LANES, width)"""
    cdef int k, j, c, i
    cdef Py_ssize_t rows = <Py_ssize_t> n.groups * n.cols * LANES, wide = width * LANES
    cdef const real* source
    cdef real* to
    for j in range(n.groups):
        for k in range(K):
            for c in range(n.cols):
                source = <const real*> (w + (<Py_ssize_t> j * K + k) * n.cols + c)
                to = <real*> out + (k // wide) * rows * wide + <Py_ssize_t> (j * n.cols + c) * LANES * wide + k % wide
                for i in range(LANES):
                    to[i * wide] = source[i]
