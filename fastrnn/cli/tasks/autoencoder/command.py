"""``fastrnn-train autoencoder``: images or rows of numbers in, sparse features out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fastrnn.cli.errors import UsageError, one_line_errors
from fastrnn.cli.options import options
from fastrnn.cli.options.parameters import WATCHED
from fastrnn.cli.start import start
from fastrnn.cli.tasks.task import Task

TASK = "autoencoder"
PATCHES = ("patch_size", "n_patches")

# Parameters by the names of the estimator, as in config.toml; a type stands for one that is not set.
DEFAULTS: dict[str, Any] = {
    "data": str,
    "key": str,
    "stream": bool,
    "patch_size": 16,
    "n_patches": 10000,
    "hidden_size": 64,
    "l2": 5e-4,
    "sparsity": 0.05,
    "sparsity_weight": 0.5,
    "tied": False,
    "solver": "lbfgs",
    "learning_rate": float,
    "momentum": 0.9,
    "epochs": 400,
    "batch_size": 128,
    "validation_fraction": 0.0,
    "patience": 0,
    "dtype": "float32",
    "n_threads": int,
    "random_state": 0,
    **WATCHED,
}
MEASURES = tuple(f"train.{name}" for name in ("cost", "psnr", "activation", "reconstruction", "sparsity", "l2"))


@options.takes(
    options.OF_RUN,
    hidden_size="64", epochs="400", batch_size="128", momentum="0.9", validation_fraction="0", patience="0",
)  # fmt: skip
def autoencoder(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="HDF5, npz or npy file with images, or with a matrix of numbers from 0 to 1; or a folder of "
            "photographs, of which patches are cut; without it, patches of the two photographs inside scikit-learn.",
            show_default=False,
        ),
    ] = None,
    hidden_size: options.Hidden = None,
    l2: options.L2 = None,
    sparsity: options.Sparsity = None,
    sparsity_weight: options.SparsityWeight = None,
    tied: options.Tied = None,
    dtype: options.Dtype = None,
    solver: options.Solver = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    momentum: options.Momentum = None,
    validation_fraction: options.Validation = None,
    patience: options.Patience = None,
    stream: options.Stream = None,
    key: options.Key = None,
    patch_size: options.PatchSize = None,
    n_patches: options.Patches = None,
    **shared: Any,
) -> None:
    """Train a sparse autoencoder, and look at the features that it has learned."""
    given = locals() | shared
    with one_line_errors():
        given["data"] = None if data is None else str(data.resolve())
        start(Task(TASK, DEFAULTS, prepare, run, MEASURES, best=None, draw=draw), given)


def prepare(parameters: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the estimator, its data, and what the one has made of the other; nothing is written yet."""
    from fastrnn import SparseAutoencoder
    from fastrnn._checks import check_dtype, check_integer

    left_out = ("data", "key", "stream", *PATCHES, *WATCHED)
    values = {name: value for name, value in parameters.items() if name not in left_out}
    for name in ("validation_fraction", "patience"):
        values[name] = values[name] or None
    try:
        check_integer("random_state", parameters["random_state"], 0)
        check_dtype(parameters["dtype"])
        estimator = SparseAutoencoder(**values)
        rows = load(parameters)
        fitting = estimator.prepare(rows.X)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    estimator.scaler_ = rows.scaler
    return estimator, rows, fitting


def load(parameters: dict[str, Any]) -> Any:
    """Return rows for the autoencoder, with the images that they were made of where there are such."""
    from fastrnn import data
    from fastrnn.cli.run.block_reading import can_stream
    from fastrnn.cli.tasks.autoencoder.report import Rows

    path, key, dtype = parameters["data"], parameters["key"], parameters["dtype"]
    cut = (*(parameters[name] for name in PATCHES), parameters["random_state"])
    possible = can_stream(path, parameters["stream"])
    images: Any
    if path is None:
        images = data.sample_patches(*cut)
    elif Path(path).is_dir():
        images = data.random_patches(path, *cut)
    else:
        images = data.load_images(path, key, stream=possible)
    if possible and not read_by_blocks(images, parameters):
        images = images.load()
    if images.ndim == 2:
        return Rows(images)
    scaler = data.ImageScaler.of(images, "last")  # as they are now, whatever the file had
    return Rows(scaler.transform(images, dtype, "last"), images, scaler)


def read_by_blocks(images: Any, parameters: dict[str, Any]) -> bool:
    """Are these to be read by blocks? Refuse it for a solver that takes all examples at once."""
    from fastrnn.cli.run.block_reading import has_to_stream

    stream, solver = parameters["stream"], parameters["solver"]
    needed = memory_needed(images, parameters)
    chosen = has_to_stream(needed) if stream is None else bool(stream)
    if chosen and solver == "lbfgs":
        why = "--stream is given" if stream else f"{parameters['data']} would take {needed / 1e9:.2f} GB of memory"
        raise UsageError(
            f"{why}, but the solver lbfgs takes all examples at once; expected --solver adam or sgd, or --in-memory"
        )
    return chosen


def memory_needed(images: Any, parameters: dict[str, Any]) -> int:
    """Return the bytes that images or rows would take in memory, and as rows in the dtype of the weights."""
    import numpy as np

    numbers = images.size if images.ndim < 4 else images.size // images.shape[3]
    return int(images.nbytes + numbers * np.dtype(parameters["dtype"]).itemsize)


def run(parameters: dict[str, Any], out: Path | None, *, overwrite: bool = False, folder: Any = None) -> None:
    """Load, train, evaluate, and leave everything in the folder of the run: a new one, or the one given."""
    from fastrnn.cli.run import training
    from fastrnn.cli.tasks.autoencoder.report import report

    prepared = prepare(parameters)
    description = describe(prepared[1], parameters, len(prepared[0].validation_rows_))
    training.run(TASK, parameters, prepared, description, report, out, overwrite=overwrite, folder=folder)


def draw(runs: list[Any], figures: Path) -> None:
    """Draw the features of all runs of a sweep."""
    from fastrnn.cli.tasks.autoencoder.report import draw_sweep

    draw_sweep(runs, figures)


def describe(rows: Any, parameters: dict[str, Any], held_out: int) -> str:
    """Say in a line what is trained on what."""
    from fastrnn.cli.run import block_reading

    source = parameters["data"] or "patches of the two photographs inside scikit-learn"
    n, features = rows.X.shape
    if rows.images is None:
        what = f"rows of {features} numbers"
    else:
        height, width = rows.scaler.shape
        what = f"{'colour' if rows.images.ndim == 4 else 'grey'} images of {height} x {width} pixels"
    sets = f"{n - held_out} to train and {held_out} to validate" if held_out else "all to train"
    given = rows.X if rows.images is None else rows.images
    how = block_reading.describe(memory_needed(given, parameters)) if getattr(given, "on_disk", False) else ""
    return f"{source}: {n} {what}, {sets}, {parameters['hidden_size']} hidden units, {parameters['solver']}{how}"
