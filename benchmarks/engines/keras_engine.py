"""Keras on TensorFlow: a Keras layer in a compiled TensorFlow function."""

import os
from typing import Any

import numpy as np

from benchmarks.agreement import gradients_by_name
from benchmarks.cases import Problem
from benchmarks.engines import LeftOut
from fastrnn._typing import Array

# The layer, and the places of its gates in fastrnn's order (Keras: z r n).
LAYERS = {"rnn": ("SimpleRNN", [0]), "lstm": ("LSTM", [0, 1, 2, 3]), "gru": ("GRU", [1, 0, 2])}


class KerasEngine:
    """One layer, compiled with XLA for inference only: XLA is faster there, but slower for gradients."""

    def __init__(self, problem: Problem, n_threads: int) -> None:
        if problem.case.name != "seeds":
            raise LeftOut("is timed at the size `seeds` only")
        # Imported only when needed: importing TensorFlow takes seconds and prints warnings.
        os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(n_threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        kind, self.gates = LAYERS[problem.cell]
        self.weights = problem.weights
        layer = getattr(keras.layers, kind)(problem.case.H, return_sequences=True, dtype=problem.dtype)
        layer.build(problem.x.shape)
        Wx, Wh, bx, bh = (array[..., self.gates, :].reshape(*array.shape[:-2], -1) for array in problem.weights)
        layer.set_weights([Wx, Wh, np.stack((bx, bh)) if problem.cell == "gru" else bx + bh])
        variables = [weight.value for weight in layer.trainable_weights]
        x, dh = tf.constant(problem.x), tf.constant(problem.dh)

        @tf.function(jit_compile=True)
        def infer(x: Any) -> Any:
            return layer(x)

        @tf.function
        def train(x: Any, dh: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(x)[:, -1] * dh)
            return tape.gradient(loss, variables)

        self.infer, self.train = lambda: infer(x), lambda: train(x, dh)

    def results(self, direction: str) -> dict[str, Array]:
        if direction == "infer":
            return {"y": self.infer().numpy()}
        dWx, dWh, db = (gradient.numpy() for gradient in self.train())
        dbx, dbh = db if db.ndim == 2 else (db, db)
        back = np.argsort(self.gates)
        pairs = zip((dWx, dWh, dbx, dbh), self.weights, strict=True)
        return gradients_by_name(d.reshape(*array.shape)[..., back, :] for d, array in pairs)
