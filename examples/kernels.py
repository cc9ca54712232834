"""Use the kernels without layers: forward and backward pass of an LSTM, and gradient descent written by hand."""

import numpy as np

import fastrnn

B, T, I, H = 32, 100, 3, 64
rng = np.random.default_rng(0)
x = rng.normal(size=(B, T, I)).astype("float32")
target = x[:, :, 0].sum(axis=1, keepdims=True) / 30  # within the range of an LSTM, -1 to 1
shapes = {"Wx": (I, 4, H), "Wh": (H, 4, H), "bx": (4, H), "bh": (4, H)}
weights = fastrnn.Weights(*(rng.uniform(-(H**-0.5), H**-0.5, shape).astype("float32") for shape in shapes.values()))

for step in range(200):
    _, (h, c), tape = fastrnn.recurrent_forward("lstm", x, weights, sequences=False)
    error = h[:, :1] - target  # the first hidden unit learns the sum
    dh = np.zeros_like(h)
    dh[:, :1] = 2 * error / B
    _, gradients, _ = fastrnn.recurrent_backward(tape, dstate=(dh, None), need_dx=False)
    for w, dw in zip(weights, gradients, strict=True):
        w -= np.float32(0.5) * dw
    if step % 50 == 0 or step == 199:
        print(f"step {step:3d}: mean squared error {np.mean(error**2):.4f}")
