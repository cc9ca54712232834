"""Make the golden vectors: outputs and all gradients of PyTorch's own RNN, LSTM and GRU in float64, the cost of the
sparse autoencoder with the gradients of PyTorch's autograd, and steps of SparseAdam.

python tests/golden/make_golden.py        (needs torch; the tests need only the .npz that it writes)
"""

from pathlib import Path

import numpy as np
import torch

B, T, I, H = 3, 5, 4, 7
MODULES = {
    "rnn_tanh": lambda: torch.nn.RNN(I, H, nonlinearity="tanh", batch_first=True),
    "rnn_relu": lambda: torch.nn.RNN(I, H, nonlinearity="relu", batch_first=True),
    "lstm": lambda: torch.nn.LSTM(I, H, batch_first=True),
    "gru": lambda: torch.nn.GRU(I, H, batch_first=True),
}
PARAMETERS = {"Wx": "weight_ih_l0", "Wh": "weight_hh_l0", "bx": "bias_ih_l0", "bh": "bias_hh_l0"}


def golden(name: str) -> dict[str, np.ndarray]:
    """Run one module forward and backward; return its inputs, weights, outputs and gradients."""
    rng = np.random.default_rng(sum(map(ord, name)))
    torch.manual_seed(0)
    module = MODULES[name]().double()  # weights and biases uniform in +-1/sqrt(H)
    G = module.weight_ih_l0.shape[0] // H
    states = ("h", "c")[: 2 if name == "lstm" else 1]
    x = torch.tensor(rng.normal(size=(B, T, I)), requires_grad=True)
    state = [torch.tensor(rng.normal(size=(1, B, H)), requires_grad=True) for _ in states]
    dy = torch.tensor(rng.normal(size=(B, T, H)))
    dstate = [torch.tensor(rng.normal(size=(1, B, H))) for _ in states]

    y, final = module(x, tuple(state) if len(state) > 1 else state[0])
    final = final if isinstance(final, tuple) else (final,)
    ((y * dy).sum() + sum((s * d).sum() for s, d in zip(final, dstate, strict=True))).backward()

    def ours(w: torch.Tensor) -> np.ndarray:  # (G * H, K) or (G * H,) to (K, G, H) or (G, H)
        return w.detach().numpy().T.reshape(*w.shape[1:], G, H).copy()

    out = {"x": x.detach().numpy(), "dy": dy.numpy(), "y": y.detach().numpy(), "dx": x.grad.numpy()}
    for ours_name, theirs in PARAMETERS.items():
        w = getattr(module, theirs)
        out[ours_name], out["d" + ours_name] = ours(w), ours(w.grad)
    for s, initial, last, d in zip(states, state, final, dstate, strict=True):
        out[f"initial_{s}"], out[f"dinitial_{s}"] = initial.detach().numpy()[0], initial.grad.numpy()[0]
        out[f"final_{s}"], out[f"dfinal_{s}"] = last.detach().numpy()[0], d.numpy()[0]
    return out


def autoencoder() -> dict[str, np.ndarray]:
    """Write the cost down as the lecture notes do, with free and with tied weights; return it and its gradients."""
    rng = np.random.default_rng(0)
    N, F, H = 6, 5, 3
    l2, sparsity, sparsity_weight = 0.02, 0.1, 0.7
    x = torch.tensor(rng.uniform(0.1, 0.9, (N, F)))
    shapes = {"W1": (F, H), "b1": (H,), "W2": (H, F), "b2": (F,)}
    values = {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}
    out = {"x": x.numpy(), "options": np.array([l2, sparsity, sparsity_weight]), **values}
    for kind in ("free", "tied"):
        weights = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
        W1, b1, W2, b2 = weights.values()
        h = torch.sigmoid(x @ W1 + b1)
        x_hat = torch.sigmoid(h @ (W2 if kind == "free" else W1.T) + b2)
        rho = h.mean(0)
        divergence = sparsity * torch.log(sparsity / rho) + (1 - sparsity) * torch.log((1 - sparsity) / (1 - rho))
        squares = (W1**2).sum() + ((W2**2).sum() if kind == "free" else 0)
        parts = {
            "reconstruction": ((x_hat - x) ** 2).sum() / (2 * N),
            "l2": l2 / 2 * squares,
            "sparsity": sparsity_weight * divergence.sum(),
        }
        sum(parts.values()).backward()
        out |= {f"{kind}_{name}": part.detach().numpy() for name, part in parts.items()}
        out |= {f"{kind}_d{name}": w.grad.numpy() for name, w in weights.items() if w.grad is not None}
    return out


def sparse_adam() -> dict[str, np.ndarray]:
    """Train a table by batches that hold few of its rows, one of them none; return it after each batch."""
    rng = np.random.default_rng(0)
    V, D, batches, n = 9, 3, 7, 6
    symbols, dy = rng.integers(0, V - 1, (batches, n)), rng.normal(size=(batches, n, D))
    lengths = np.array([n, 4, n, 0, 5, n, 3])
    table = torch.nn.Embedding(V, D, sparse=True, dtype=torch.float64)
    options = {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-30}  # it adds eps elsewhere: here it is nothing
    optimizer = torch.optim.SparseAdam(table.parameters(), **options)
    tables = [table.weight.detach().numpy().copy()]
    for x, d, length in zip(symbols, dy, lengths, strict=True):
        optimizer.zero_grad()
        (table(torch.tensor(x[:length])) * torch.tensor(d[:length])).sum().backward()
        optimizer.step()
        tables.append(table.weight.detach().numpy().copy())
    constants = np.array([options["lr"], *options["betas"], options["eps"]])
    return {"symbols": symbols, "dy": dy, "lengths": lengths, "tables": np.array(tables), "options": constants}


if __name__ == "__main__":
    np.savez(Path(__file__).with_name("sparse_adam.npz"), **sparse_adam())
    np.savez(Path(__file__).with_name("autoencoder.npz"), **autoencoder())
    for name in MODULES:
        np.savez(Path(__file__).with_name(f"{name}.npz"), **golden(name))
