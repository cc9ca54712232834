"""The Elman network, h' = f(ax + ah), where f is tanh, relu or sigmoid (Elman 1990).

If f is the identity and there is no recurrent product, it is a linear `Dense` layer.
"""

from fastrnn.cells._cell import Cell, Values
from fastrnn.cells._pointwise import one, positive, relu, sigmoid, tanh, zero


def tanh_step(ax: Values, ah: Values, s: Values) -> tuple[Values, Values]:
    return (tanh(ax[0] + ah[0]),), ()


def tanh_vjp(kept: Values, s: Values, new: Values, d: Values) -> tuple[Values, Values, Values]:
    h = new[0]
    da = d[0] * (one(h) - h * h)
    return (da,), (da,), (zero(da),)


def relu_step(ax: Values, ah: Values, s: Values) -> tuple[Values, Values]:
    return (relu(ax[0] + ah[0]),), ()


def relu_vjp(kept: Values, s: Values, new: Values, d: Values) -> tuple[Values, Values, Values]:
    da = d[0] * positive(new[0])
    return (da,), (da,), (zero(da),)


def sigmoid_step(ax: Values, ah: Values, s: Values) -> tuple[Values, Values]:
    return (sigmoid(ax[0] + ah[0]),), ()


def sigmoid_vjp(kept: Values, s: Values, new: Values, d: Values) -> tuple[Values, Values, Values]:
    h = new[0]
    da = d[0] * h * (one(h) - h)
    return (da,), (da,), (zero(da),)


def linear_step(ax: Values, ah: Values, s: Values) -> tuple[Values, Values]:
    return (ax[0] + ah[0],), ()


def linear_vjp(kept: Values, s: Values, new: Values, d: Values) -> tuple[Values, Values, Values]:
    return (d[0],), (d[0],), (zero(d[0]),)


RNN_TANH = Cell("rnn_tanh", "h", "h", tanh_step, tanh_vjp)
RNN_RELU = Cell("rnn_relu", "h", "h", relu_step, relu_vjp)
RNN_SIGMOID = Cell("rnn_sigmoid", "h", "h", sigmoid_step, sigmoid_vjp)
RNN_LINEAR = Cell("rnn_linear", "h", "h", linear_step, linear_vjp)
