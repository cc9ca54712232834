# The Elman RNN, and the dense layer, which is an RNN without a recurrent product. There is one gate, so a group has
# `blocks` hidden blocks side by side. There is no tape: the derivative is computed from h.

from fastrnn.cells.rnn import RNN_LINEAR, RNN_RELU, RNN_SIGMOID, RNN_TANH

cdef enum: LINEAR, TANH, RELU, SIGMOID


cdef inline vec activation(int kind, vec a) noexcept nogil:
    return vtanh(a) if kind == TANH else vrelu(a) if kind == RELU else vsigmoid(a) if kind == SIGMOID else a


cdef inline vec derivative(int kind, vec h) noexcept nogil:
    return (1 - h * h if kind == TANH else vpositive(h) if kind == RELU else h * (1 - h) if kind == SIGMOID
            else vset(1))


cdef void rnn_forward(int kind, int rows, int blocks, vec* a, Py_ssize_t next, const vec* h, const vec* c,
                      vec* h_new, vec* c_new, Py_ssize_t ld) noexcept nogil:
    cdef int r, j
    for r in range(rows):
        for j in range(blocks):
            h_new[j] = activation(kind, a[j])
        a += next; h_new += ld


cdef void rnn_backward(int kind, int rows, int blocks, const vec* a, Py_ssize_t next, const vec* h, const vec* c,
                       const vec* h_new, const vec* c_new, vec* dh, vec* dc, vec* d, Py_ssize_t ld) noexcept nogil:
    cdef int r, j
    for r in range(rows):
        for j in range(blocks):
            d[j] = dh[j] * derivative(kind, h_new[j])
            dh[j] = vset(0)
        d += next; h_new += ld; dh += ld


cdef register_rnn(cell, int kind):
    register(cell, Cell(gates=1, blocks=PANEL, states=1, kind=kind, taped=False, x_gates=[0, 0, 0, 0],
                        h_gates=[0, 0, 0, 0], h_column=0, forward=rnn_forward, backward=rnn_backward))


register_rnn(RNN_LINEAR, LINEAR)
register_rnn(RNN_TANH, TANH)
register_rnn(RNN_RELU, RELU)
register_rnn(RNN_SIGMOID, SIGMOID)
