"""``fastrnn-train autoencoder``: learn sparse features of images or rows of numbers."""

from pathlib import Path
from typing import Any

from fastrnn.cli.errors import UsageError
from fastrnn.cli.options.data import KEY, STREAM
from fastrnn.cli.options.estimator import make_estimator
from fastrnn.cli.options.option import DATA, Option
from fastrnn.cli.tasks.task import Prepared, Task

PATCHES = ("patch_size", "n_patches")


def prepare(parameters: dict[str, Any]) -> Prepared:
    """Return the autoencoder and its data; nothing is written yet."""
    from fastrnn._checks import check_dtype

    check_dtype(parameters["dtype"])
    autoencoder = make_estimator(AUTOENCODER, parameters)
    rows = load(parameters)
    fitting = autoencoder.prepare(rows.X)
    autoencoder.scaler_ = rows.scaler
    return Prepared(autoencoder, rows, fitting, describe(rows, parameters, len(autoencoder.validation_rows_)))


def load(parameters: dict[str, Any]) -> Any:
    """Return rows for the autoencoder, with the images that they were made from, if any."""
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
    scaler = data.ImageScaler.of(images, "last")  # load_images puts channels last, whatever the file has
    return Rows(scaler.transform(images, dtype, "last"), images, scaler)


def read_by_blocks(images: Any, parameters: dict[str, Any]) -> bool:
    """Return whether to read the data in blocks; refuse it for a solver that takes all examples at once."""
    from fastrnn.cli.run.block_reading import has_to_stream

    stream, solver = parameters["stream"], parameters["solver"]
    needed = memory_needed(images, parameters)
    chosen = has_to_stream(needed) if stream is None else bool(stream)
    if chosen and solver == "lbfgs":
        why = "--stream is given" if stream else f"{parameters['data']} would take {needed / 1e9:.2f} GB of memory"
        raise UsageError(
            f"{why}, but the solver lbfgs takes all examples at once; use --solver adam or sgd, or --in-memory"
        )
    return chosen


def memory_needed(images: Any, parameters: dict[str, Any]) -> int:
    """Return the bytes of images or rows in memory, plus those of rows in the dtype of the weights."""
    import numpy as np

    numbers = images.size if images.ndim < 4 else images.size // images.shape[3]
    return int(images.nbytes + numbers * np.dtype(parameters["dtype"]).itemsize)


def describe(rows: Any, parameters: dict[str, Any], held_out: int) -> str:
    """Describe the model and its data in one line."""
    from fastrnn.cli.run import block_reading

    source = parameters["data"] or "patches of the two photographs in scikit-learn"
    n, features = rows.X.shape
    if rows.images is None:
        what = f"rows of {features} numbers"
    else:
        height, width = rows.scaler.shape
        what = f"{'colour' if rows.images.ndim == 4 else 'grey'} images of {height} x {width} pixels"
    sets = f"{n - held_out} for training and {held_out} for validation" if held_out else "all for training"
    given = rows.X if rows.images is None else rows.images
    how = block_reading.describe(memory_needed(given, parameters)) if getattr(given, "on_disk", False) else ""
    return f"{source}: {n} {what}, {sets}, {parameters['hidden_size']} hidden units, {parameters['solver']}{how}"


def draw_sweep(runs: list[Any], folder: Any) -> None:
    """Draw the features of all runs of a sweep."""
    from fastrnn.cli.tasks.autoencoder.report import draw_sweep

    draw_sweep(runs, folder)


AUTOENCODER = Task(
    name="autoencoder",
    help="Train a sparse autoencoder and show the features that it learns.",
    estimator="fastrnn.estimators.autoencoder.SparseAutoencoder",
    prepare=prepare,
    report="fastrnn.cli.tasks.autoencoder.report",
    predict="fastrnn.cli.tasks.autoencoder.predict",
    data="HDF5, npz or npy file with images, or with a matrix of numbers from 0 to 1; or a folder of photographs: "
    "patches are cut from them. Without DATA, patches of the two photographs of scikit-learn.",
    options=(
        STREAM,
        KEY,
        Option("patch_size", int, "Width and height of the patches, in pixels.", 16, panel=DATA),
        Option("n_patches", int, "Number of patches.", 10000, flags=("--patches",), panel=DATA),
    ),
    measures=tuple(f"train.{name}" for name in ("cost", "psnr", "activation", "reconstruction", "sparsity", "l2")),
    best=None,
    draw=draw_sweep,
)
