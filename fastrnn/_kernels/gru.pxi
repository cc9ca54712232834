# The GRU with the reset after the product. The columns of a group are ax_n r z ah_n: the input product (n r z) has
# columns 0-2, the recurrent product (r z n) columns 1-3, and the two parts of n stay separate.
# The tape keeps n r z ah_n.

from fastrnn.cells.gru import GRU

cdef void gru_forward(int kind, int rows, int blocks, vec* a, Py_ssize_t next, const vec* h, const vec* c,
                      vec* h_new, vec* c_new, Py_ssize_t ld) noexcept nogil:
    cdef int k
    cdef vec r, z, n
    for k in range(rows):
        r = vsigmoid(a[1])
        z = vsigmoid(a[2])
        n = vtanh(a[0] + r * a[3])
        h_new[0] = n + z * (h[0] - n)
        a[0] = n; a[1] = r; a[2] = z
        a += next; h += ld; h_new += ld


cdef void gru_backward(int kind, int rows, int blocks, const vec* a, Py_ssize_t next, const vec* h, const vec* c,
                       const vec* h_new, const vec* c_new, vec* dh, vec* dc, vec* d, Py_ssize_t ld) noexcept nogil:
    cdef int k
    cdef vec n, r, z, dn
    for k in range(rows):
        n = a[0]; r = a[1]; z = a[2]
        dn = dh[0] * (1 - z) * (1 - n * n)
        d[0] = dn
        d[1] = dn * a[3] * r * (1 - r)
        d[2] = dh[0] * (h[0] - n) * z * (1 - z)
        d[3] = dn * r
        dh[0] = dh[0] * z
        a += next; d += next; h += ld; dh += ld


register(GRU, Cell(gates=3, blocks=1, states=1, kind=0, taped=True, x_gates=[2, 0, 1, 0], h_gates=[0, 1, 2, 0],
                   h_column=1, forward=gru_forward, backward=gru_backward))
