"""The result of an autoencoder: metrics.json, figures, and a short table."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from fastrnn import plots
from fastrnn._typing import Array
from fastrnn.cli.run.folder import RunFolder
from fastrnn.cli.run.report import print_results, write_metrics
from fastrnn.data import ImageScaler
from fastrnn.data.lazy_array import LazyArray, as_lazy
from fastrnn.training.autoencoder import psnr

PATCHES, PAIRS = 200, 24  # numbers of examples to draw


class Rows(NamedTuple):
    """Rows (N, F) for the autoencoder, with the images and the scaler that made them; both are None for a matrix."""

    X: Array | LazyArray
    images: Array | LazyArray | None = None
    scaler: ImageScaler | None = None


def evaluate(autoencoder: Any, X: LazyArray) -> dict[str, Any]:
    """Return the cost and its terms, the mean activation of each hidden unit and of all, and the PSNR for range 1."""
    cost, parts, mean_activation = autoencoder.evaluate(X)
    return {
        "cost": cost,
        **parts,
        "activation": float(mean_activation.mean()),
        "mean_activation": mean_activation.tolist(),
        "psnr": psnr(parts["reconstruction"], X.shape[1]),
    }


def report(autoencoder: Any, dataset: Rows, folder: RunFolder, console: Console, parameters: Mapping[str, Any]) -> None:
    """Evaluate the fitted autoencoder; write metrics and figures, and print a table."""
    held_out = autoencoder.validation_rows_
    X = as_lazy(dataset.X)
    parts = {"train": X.take(np.delete(np.arange(len(X)), held_out))}
    if len(held_out):
        parts["validation"] = X.take(held_out)
    results = {name: evaluate(autoencoder, X) for name, X in parts.items()}
    draw(autoencoder, dataset, folder)
    write_metrics("autoencoder", autoencoder, len(parts["train"]), folder, results)
    shown = ("cost", "reconstruction", "l2", "sparsity", "activation", "psnr")
    rows = {
        name: (*(f"{result[measure]:.4f}" for measure in shown[:-1]), f"{result['psnr']:.2f} dB")
        for name, result in results.items()
    }
    print_results(console, shown, rows, autoencoder, folder)


def draw(autoencoder: Any, dataset: Rows, folder: RunFolder) -> None:
    """Draw the figures of a run."""
    X, images, scaler = dataset
    shape = None if scaler is None else scaler.shape
    chosen = np.sort(np.random.default_rng(0).permutation(len(X))[:PATCHES])
    some = as_lazy(X).take(chosen).load()
    if images is not None:
        folder.save_figure(plots.patches(as_lazy(images).take(chosen).load(), some), "patches")
    folder.save_figure(plots.features(autoencoder.components_.T, shape), "features")
    few = some[:PAIRS]
    reconstructed = autoencoder.inverse_transform(autoencoder.transform(few))
    folder.save_figure(plots.reconstructions(few, reconstructed, shape), "reconstructions")
    history = autoencoder.history_
    if history.n_epochs:
        costs = dict(history) | {"cost": history["train_loss"]}
        best = autoencoder.best_epoch_ if "validation_loss" in history else None  # else it is the last one
        folder.save_figure(plots.cost_by_epoch(costs, best), "cost")


def draw_sweep(runs: list[Any], folder: RunFolder) -> None:
    """Draw the features of all runs of a sweep in one figure."""
    import fastrnn

    autoencoders = [fastrnn.load(run.folder.model) for run in runs]
    shapes = {None if one.scaler_ is None else one.scaler_.shape for one in autoencoders}
    if len(shapes) == 1:  # runs on images of different sizes are not compared
        weights = [one.weights_.W1 for one in autoencoders]
        figure = plots.feature_grids(weights, [run.swept for run in runs], shapes.pop())
        folder.save_figure(figure, "features")
