# Copy weights (K, G, H) into panels, as the tile reads them, and copy gradients back.

cdef struct Columns:                     # the columns of a group, in a row (G, H) of weights
    Py_ssize_t[PANEL] at                 # where each column begins
    int[PANEL] left                      # how many numbers are left from there to the end of H


cdef inline Columns columns(const Net* n, const int* gates, int j) noexcept nogil:
    cdef Columns found
    cdef int c, first
    for c in range(n.cols):
        first = unit(n, j, c)
        found.at[c] = <Py_ssize_t> gates[c % n.cell.gates] * n.H + first
        found.left[c] = n.H - first
    return found


cdef void pack(const Net* n, const int* gates, const real* w, int K, vec* out) noexcept nogil:
    """Copy (K, G, H) to (groups, K, cols)."""
    cdef int k, j, c, cols = n.cols
    cdef Py_ssize_t row = <Py_ssize_t> n.cell.gates * n.H
    cdef Columns column
    for j in range(n.groups):
        column = columns(n, gates, j)
        for k in range(K):
            for c in range(cols):
                out[c] = vload(w + k * row + column.at[c], column.left[c])
            out += cols


cdef void add_bias(const Net* n, const int* gates, int first, const real* b, vec* out) noexcept nogil:
    """Add (G, H) to (groups, PANEL), from column `first` on. Where both biases have the same columns, they add up."""
    cdef int j, c
    cdef Columns column
    for j in range(n.groups):
        column = columns(n, gates, j)
        for c in range(n.cols):
            out[j * PANEL + first + c] += vload(b + column.at[c], column.left[c])


cdef void unpack(const Net* n, const int* gates, const vec* w, int K, real* out) noexcept nogil:
    """Copy (groups, K, cols) to (K, G, H)."""
    cdef int k, j, c, cols = n.cols
    cdef Py_ssize_t row = <Py_ssize_t> n.cell.gates * n.H
    cdef Columns column
    for j in range(n.groups):
        column = columns(n, gates, j)
        for k in range(K):
            for c in range(cols):
                vstore(out + k * row + column.at[c], w[c], column.left[c])
            w += cols


cdef Py_ssize_t transposed_size(const Net* n, Py_ssize_t ld, int width) noexcept nogil:
    """Return the number of vectors of transposed weights whose features fill `ld` vectors."""
    return (ld + width - 1) // width * n.groups * n.cols * LANES * width


cdef void transpose(const Net* n, const vec* w, int K, int width, vec* out) noexcept nogil:
    """Copy (groups, K, cols) to (panels of `width` vectors of K, groups, cols * LANES, width), zero beyond K."""
    cdef int k, j, c, i, at
    cdef Py_ssize_t rows = <Py_ssize_t> n.groups * n.cols * LANES
    cdef vec[LANES] square
    cdef vec* to
    for j in range(n.groups):
        for c in range(n.cols):
            for at in range((K + LANES - 1) // LANES):
                k = at * LANES
                for i in range(LANES):
                    square[i] = w[(<Py_ssize_t> j * K + k + i) * n.cols + c] if k + i < K else vset(0)
                transpose_square(square)
                to = out + ((at // width) * rows + <Py_ssize_t> (j * n.cols + c) * LANES) * width + at % width
                for i in range(LANES):
                    to[i * width] = square[i]
