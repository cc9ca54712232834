"""The gated recurrent unit with the reset after the product (Cho et al. 2014; as in cuDNN), gates r z n."""

from fastrnn.cells._cell import Cell, Values
from fastrnn.cells._pointwise import one, sigmoid, tanh


def step(ax: Values, ah: Values, s: Values) -> tuple[Values, Values]:
    r = sigmoid(ax[0] + ah[0])
    z = sigmoid(ax[1] + ah[1])
    n = tanh(ax[2] + r * ah[2])
    return (n + z * (s[0] - n),), (r, z, n, ah[2])


def step_vjp(kept: Values, s: Values, new: Values, d: Values) -> tuple[Values, Values, Values]:
    r, z, n, ah_n = kept
    dn = d[0] * (one(z) - z) * (one(n) - n * n)
    dz = d[0] * (s[0] - n) * z * (one(z) - z)
    dr = dn * ah_n * r * (one(r) - r)
    return (dr, dz, dn), (dr, dz, dn * r), (d[0] * z,)


GRU = Cell("gru", "rzn", "h", step, step_vjp)
