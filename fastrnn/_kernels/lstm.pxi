# The LSTM. The columns of a group are the gates i f g o of one hidden block. The tape keeps the gates after activation.

from fastrnn.cells.lstm import LSTM

cdef void lstm_forward(int kind, int rows, int blocks, vec* a, Py_ssize_t next, const vec* h, const vec* c,
                       vec* h_new, vec* c_new, Py_ssize_t ld) noexcept nogil:
    cdef int r
    cdef vec i, f, g, o, s
    for r in range(rows):
        i = vsigmoid(a[0])
        f = vsigmoid(a[1])
        g = vtanh(a[2])
        o = vsigmoid(a[3])
        s = f * c[0] + i * g
        c_new[0] = s
        h_new[0] = o * vtanh(s)
        a[0] = i; a[1] = f; a[2] = g; a[3] = o
        a += next; c += ld; c_new += ld; h_new += ld


cdef void lstm_backward(int kind, int rows, int blocks, const vec* a, Py_ssize_t next, const vec* h, const vec* c,
                        const vec* h_new, const vec* c_new, vec* dh, vec* dc, vec* d, Py_ssize_t ld) noexcept nogil:
    cdef int r
    cdef vec i, f, g, o, s, ds
    for r in range(rows):
        i = a[0]; f = a[1]; g = a[2]; o = a[3]
        s = vtanh(c_new[0])
        ds = dc[0] + dh[0] * o * (1 - s * s)
        d[0] = ds * g * i * (1 - i)
        d[1] = ds * c[0] * f * (1 - f)
        d[2] = ds * i * (1 - g * g)
        d[3] = dh[0] * s * o * (1 - o)
        dc[0] = ds * f
        dh[0] = vset(0)
        a += next; d += next; c += ld; c_new += ld; dh += ld; dc += ld


register(LSTM, Cell(gates=4, blocks=1, states=2, kind=0, taped=True, x_gates=[0, 1, 2, 3], h_gates=[0, 1, 2, 3],
                    h_column=0, forward=lstm_forward, backward=lstm_backward))
