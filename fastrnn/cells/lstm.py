"""The long short-term memory with a forget gate (Hochreiter and Schmidhuber 1997; Gers et al. 2000), gates i f g o."""

from fastrnn.cells._cell import Cell, Values
from fastrnn.cells._pointwise import one, sigmoid, tanh, zero


def step(ax: Values, ah: Values, s: Values) -> tuple[Values, Values]:
    i = sigmoid(ax[0] + ah[0])
    f = sigmoid(ax[1] + ah[1])
    g = tanh(ax[2] + ah[2])
    o = sigmoid(ax[3] + ah[3])
    c = f * s[1] + i * g
    return (o * tanh(c), c), (i, f, g, o)


def step_vjp(kept: Values, s: Values, new: Values, d: Values) -> tuple[Values, Values, Values]:
    i, f, g, o = kept
    t = tanh(new[1])
    dc = d[1] + d[0] * o * (one(t) - t * t)
    da = (
        dc * g * i * (one(i) - i),
        dc * s[1] * f * (one(f) - f),
        dc * i * (one(g) - g * g),
        d[0] * t * o * (one(o) - o),
    )
    return da, da, (zero(dc), dc * f)


LSTM = Cell("lstm", "ifgo", "hc", step, step_vjp)
