"""The cells of the NumPy baseline: a step of the forward pass, a step of the backward pass, and the derivatives."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from benchmarks.engines.numpy_net import Net, Stretch, Views
from fastrnn import Weights
from fastrnn._typing import Array

add, matmul, multiply, subtract, tanh = np.add, np.matmul, np.multiply, np.subtract, np.tanh
add_blocks = np.add.reduce


class RNN(Net):
    """One block, whose place on the tape is h of the same step."""

    x_gates: ClassVar = [0]
    h_gates: ClassVar = [0]
    blocks: ClassVar = 1

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.training = self.inferring = self.stretches(self.h[1:, None], self.size[1] + 1)
        self.product = self.product[0]

    def views(self, t: int, now: int, after: int) -> Views:
        return self.h[t], self.h[t + 1]

    def forward(self, stretches: Iterable[Stretch]) -> None:
        product, Wh = self.product, self.Wh[0]
        for x, out, steps in stretches:
            matmul(x, self.Wx, out)
            for h, h_new in steps:
                matmul(h, Wh, product)
                add(h_new, product, h_new)
                tanh(h_new, h_new)

    def backward(self) -> None:
        dh, Wh_transposed = self.dh, self.Wh_transposed[0]
        dh[:] = self.final_dh
        for cut in reversed(list(self.cuts())):
            deltas, h = self.deltas[0, cut], self.h[1:][cut]
            multiply(h, h, deltas)
            subtract(1, deltas, deltas)
            for delta in deltas[::-1]:
                multiply(delta, dh, delta)
                matmul(delta, Wh_transposed, dh)


class LSTM(Net):
    """The blocks are o i f g and c of the previous step, so that [i f] * [g c] are the two terms of the new c."""

    x_gates: ClassVar = [3, 0, 1, 2]
    h_gates: ClassVar = x_gates
    sigmoids: ClassVar = [0, 1, 3]
    blocks: ClassVar = 4

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        B, T, H = self.size
        self.tape, self.tanh_c = self.array(T + 1, 5, B, H), self.array(T + 1, B, H)
        self.inferring = self.stretches(self.tape, self.stretch)
        self.training = self.stretches(self.tape, T + 1)
        self.terms = self.array(2, B, H)
        self.stretch_terms = self.array(self.stretch, 2, B, H)
        self.c_factor, self.dc = self.array(self.stretch, B, H), self.array(B, H)
        self.factor_views = [(factor[0], c, factor[1:]) for factor, c in zip(self.factors, self.c_factor, strict=True)]
        self.delta_views = [
            (self.deltas[0, t], self.deltas[1:, t], self.deltas[:, t], self.tape[t, 2]) for t in range(T)
        ]

    def views(self, t: int, now: int, after: int) -> Views:
        step, tanh_c, c_new = self.tape[now], self.tanh_c[now], self.tape[after, 4]
        return step[:4], step[:3], step[1:3], step[3:], step[0], tanh_c, c_new, self.h[t], self.h[t + 1]

    def forward(self, stretches: Iterable[Stretch]) -> None:
        half, product, terms, Wh = self.half, self.product, self.terms, self.Wh
        from_g, from_c = terms
        self.tape[0, 4] = 0
        for x, out, steps in stretches:
            matmul(x, self.Wx, out)
            for gates, sigmoids, i_f, g_c, o, tanh_c, c_new, h, h_new in steps:
                matmul(h, Wh, product)
                add(gates, product, gates)
                tanh(gates, gates)
                multiply(sigmoids, half, sigmoids)
                add(sigmoids, half, sigmoids)
                multiply(i_f, g_c, terms)
                add(from_g, from_c, c_new)
                tanh(c_new, tanh_c)
                multiply(o, tanh_c, h_new)

    def backward(self) -> None:
        dh, dc, product, scratch, Wh_transposed = self.dh, self.dc, self.product, self.scratch, self.Wh_transposed
        dh[:], dc[:] = self.final_dh, 0
        for cut in reversed(list(self.cuts())):
            n_steps = cut.stop - cut.start
            self._derivatives(cut, n_steps)
            steps = zip(self.factor_views[n_steps - 1 :: -1], self.delta_views[cut][::-1], strict=True)
            for (o_factor, c_factor, ifg_factors), (delta_o, deltas_ifg, deltas, f) in steps:
                multiply(o_factor, dh, delta_o)
                multiply(c_factor, dh, scratch)
                add(dc, scratch, dc)
                multiply(ifg_factors, dc, deltas_ifg)
                multiply(dc, f, dc)
                matmul(deltas, Wh_transposed, product)
                add_blocks(product, axis=0, out=dh)

    def _derivatives(self, cut: slice, n_steps: int) -> None:
        """Fill the derivatives of h with respect to a_o and c, and of c with respect to a_i, a_f and a_g.

        The equations are h = o tanh_c, c = i g + f c.
        """
        tape, h, terms = self.tape[cut], self.h[1:][cut], self.stretch_terms[:n_steps]
        factors, c_factor = self.factors[:n_steps], self.c_factor[:n_steps]
        o, i, i_f, g, g_c = tape[:, 0], tape[:, 1], tape[:, 1:3], tape[:, 3], tape[:, 3:]
        o_factor, if_factors, g_factor = factors[:, 0], factors[:, 1:3], factors[:, 3]
        multiply(h, self.tanh_c[cut], c_factor)  # o - h tanh_c
        subtract(o, c_factor, c_factor)
        multiply(h, o, o_factor)  # h - h o
        subtract(h, o_factor, o_factor)
        multiply(i_f, g_c, terms)  # i g - i g i, f c - f c f
        multiply(terms, i_f, if_factors)
        subtract(terms, if_factors, if_factors)
        multiply(terms[:, 0], g, g_factor)  # i - i g g
        subtract(i, g_factor, g_factor)


class GRU(Net):
    """The blocks are ax_n (then n), r, z, ah_n: x has products in the first three, h in the last three."""

    x_gates: ClassVar = [2, 0, 1]
    h_gates: ClassVar = [0, 1, 2]
    sigmoids: ClassVar = [0, 1]
    blocks: ClassVar = 4

    def __init__(self, x: Array, weights: Weights, dh: Array) -> None:
        super().__init__(x, weights, dh)
        B, T, H = self.size
        self.tape = self.array(T + 1, 4, B, H)
        self.inferring = self.stretches(self.tape, self.stretch)
        self.training = self.stretches(self.tape, T + 1)
        self.bias_ah_n = self.array(B, H)
        self.bias_ah_n[:] = weights.bh[2]
        self.ones = np.ones(B * T, x.dtype)
        self.dbias_ah_n = self.array(H)
        self.one_minus_z = self.array(self.stretch, B, H)
        self.dh_terms = self.array(4, B, H)
        self.delta_views = [(self.deltas[:, t], self.deltas[1:, t], self.tape[t, 2]) for t in range(T)]

    @staticmethod
    def bias(weights: Weights) -> Array:
        bias = weights.bx + weights.bh
        bias[2] = weights.bx[2]
        return bias

    def dbh(self, dbx: Array) -> Array:
        return np.stack((*dbx[:2], self.dbias_ah_n))

    def views(self, t: int, now: int, after: int) -> Views:
        n, r, z, ah_n = step = self.tape[now]
        return step[1:3], n, r, z, ah_n, self.h[t], self.h[t + 1]

    def forward(self, stretches: Iterable[Stretch]) -> None:
        half, product, scratch, bias, Wh = self.half, self.product, self.scratch, self.bias_ah_n, self.Wh
        product_rz, product_n = product[:2], product[2]
        for x, out, steps in stretches:
            matmul(x, self.Wx, out)
            for sigmoids, n, r, z, ah_n, h, h_new in steps:
                matmul(h, Wh, product)
                add(sigmoids, product_rz, sigmoids)
                tanh(sigmoids, sigmoids)
                multiply(sigmoids, half, sigmoids)
                add(sigmoids, half, sigmoids)
                add(product_n, bias, ah_n)
                multiply(r, ah_n, scratch)
                add(n, scratch, n)
                tanh(n, n)
                subtract(h, n, h_new)
                multiply(h_new, z, h_new)
                add(h_new, n, h_new)

    def backward(self) -> None:
        dh, terms, Wh_transposed = self.dh, self.dh_terms, self.Wh_transposed
        through_z, through_products = terms[0], terms[1:]
        dh[:] = self.final_dh
        for cut in reversed(list(self.cuts())):
            n_steps = cut.stop - cut.start
            self._derivatives(cut, n_steps)
            for factors, (deltas, deltas_h, z) in zip(
                self.factors[n_steps - 1 :: -1], self.delta_views[cut][::-1], strict=True
            ):
                multiply(factors, dh, deltas)
                multiply(dh, z, through_z)
                matmul(deltas_h, Wh_transposed, through_products)
                add_blocks(terms, axis=0, out=dh)

    def _derivatives(self, cut: slice, n_steps: int) -> None:
        """Fill the derivatives of h with respect to ax_n, a_r, a_z and ah_n.

        The equations are h = n + z (h - n), n = tanh(ax_n + r ah_n).
        """
        n, r, z, ah_n = self.tape[cut].swapaxes(0, 1)
        n_factor, r_factor, z_factor, ah_factor = self.factors[:n_steps].swapaxes(0, 1)
        one_minus_z = self.one_minus_z[:n_steps]
        subtract(1, z, one_minus_z)
        multiply(n, n, n_factor)  # (1 - z) (1 - n n)
        multiply(n_factor, one_minus_z, n_factor)
        subtract(one_minus_z, n_factor, n_factor)
        multiply(n_factor, r, ah_factor)
        multiply(ah_factor, ah_n, r_factor)  # the same times ah_n (1 - r)
        multiply(r_factor, r, z_factor)
        subtract(r_factor, z_factor, r_factor)
        subtract(self.h[cut], n, z_factor)  # (h - n) z (1 - z)
        multiply(z_factor, z, z_factor)
        multiply(z_factor, one_minus_z, z_factor)

    def train(self) -> tuple[Array, Array]:
        gradients = super().train()
        np.dot(self.ones, self.deltas[3].reshape(len(self.ones), -1), out=self.dbias_ah_n)
        return gradients


NETS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
