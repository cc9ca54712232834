"""The folder of a run: its files, and how they are written."""

import json
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

import tomli_w

from fastrnn import storage
from fastrnn._atomic import remove_temporary, replace_file
from fastrnn.cli.errors import UsageError

EVENTS = "events.out.tfevents.*"
CONVERGED = "convergence"
FILES = ("config.toml", "model.h5", "checkpoint.h5", "history.csv", "metrics.json")  # of every run
# More files that runs of version 0.1.0 wrote, which had no manifest. These are names, not whole folders: people keep
# their own files there too.
WITHOUT_MANIFEST = (
    "results.csv", "errors.csv", "samples/temperature_[0-9]*.txt",
    *(f"figures/{name}.png" for name in (
        "learning_curves", "confusion_matrix_train", "confusion_matrix_test", "patches", "features", "reconstructions",
        "cost", "next_words", "contexts", "embeddings", "bits_per_character", "wrong_answers", "errors_by_step",
        "forecasts", "forecasts_[0-9]*_*", "test_accuracy", "test_loss", "test_mae", "validation_loss",
    )),
)  # fmt: skip


class RunFolder:
    """
    The folder of one run. A file is replaced as a whole, or a line is appended to it.

    Attributes
    ----------
    path : Path
        The folder.
    changes : dict
        New parameters of a resumed run. They replace those in config.toml once they are checked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changes: dict[str, Any] = {}

    @classmethod
    def create(cls, task: str, out: Path | None, *, overwrite: bool) -> "RunFolder":
        """Make the folder. Refuse one that holds a run; with `overwrite`, remove the files of the run and no others."""
        run = cls(out or Path("runs") / f"{task}-{time.strftime('%Y%m%d-%H%M%S')}")
        if run.path.exists() and not run.path.is_dir():
            raise UsageError(f"{run.path}: is a file, expected a folder for the run")
        held = [run.path / name for name in FILES if (run.path / name).exists()]
        held += run.events.glob(EVENTS)
        if held and not overwrite:
            again = f", or --resume {quote(str(run.path))}" if run.config in held else ""
            raise UsageError(f"{run.path}: already holds {held[0].name}; give another --out, or --overwrite{again}")
        if overwrite:
            held += run._left()
        for file in held:
            file.unlink(missing_ok=True)
        run.figures.mkdir(parents=True, exist_ok=True)
        return run

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of an earlier run."""
        run = cls(path)
        if not run.config.is_file():
            raise UsageError(f"{path}: holds no run to resume: it has no config.toml")
        run.figures.mkdir(exist_ok=True)
        for folder in (run.path, run.figures, run.samples):  # left by a run that was killed
            remove_temporary(folder)
        return run

    @property
    def config(self) -> Path:
        """The parameters, with which the run can be repeated."""
        return self.path / "config.toml"

    @property
    def model(self) -> Path:
        """The fitted estimator, with its best weights."""
        return self.path / "model.h5"

    @property
    def figures(self) -> Path:
        """The folder of figures."""
        return self.path / "figures"

    @property
    def samples(self) -> Path:
        """The folder of texts that a character model writes."""
        return self.path / "samples"

    @property
    def events(self) -> Path:
        """The folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def history(self) -> Path:
        """A row for each epoch."""
        return self.path / "history.csv"

    @property
    def metrics(self) -> Path:
        """The result."""
        return self.path / "metrics.json"

    @property
    def _checkpoint(self) -> Path:
        return self.path / "checkpoint.h5"

    @property
    def _manifest(self) -> Path:
        """The list of files that the task or sweep wrote, one per line; `--overwrite` removes them."""
        return self.path / "manifest.txt"

    # ---- files of the task ------------------------------------------------------------------------------------------

    def write(self, name: str, content: bytes) -> None:
        """Write a file that only some tasks have, such as ``errors.csv``."""
        self._note(name)
        (self.path / name).parent.mkdir(exist_ok=True)
        replace_file(self.path / name, content)

    def save_figure(self, figure: Any, name: str) -> None:
        """Write a figure to the folder of figures, as PNG."""
        from fastrnn import plots

        path = self.figures / f"{name}.png"
        self._note(path.relative_to(self.path).as_posix())
        plots.save(figure, path)

    def _note(self, name: str) -> None:
        """Add a name to the manifest, before the file is written."""
        names = self._noted()
        if name not in names:
            replace_file(self._manifest, "".join(f"{each}\n" for each in (*names, name)).encode())

    def _noted(self) -> list[str]:
        """Return the names in the manifest; none where there is no manifest."""
        try:
            return self._manifest.read_text(encoding="utf-8").splitlines() if self._manifest.exists() else []
        except UnicodeDecodeError as error:
            raise UsageError(f"{self._manifest}: is damaged; remove it to overwrite or resume the run") from error

    def _left(self) -> list[Path]:
        """Return the files that a task or sweep wrote to the folder, and their manifest."""
        if not self._manifest.exists():
            return [file for pattern in WITHOUT_MANIFEST for file in self.path.glob(pattern)]
        inside = [
            self.path / name for name in self._noted() if not Path(name).is_absolute() and ".." not in Path(name).parts
        ]
        return [*(file for file in inside if file.is_file()), self._manifest]

    # ---- files of every run -----------------------------------------------------------------------------------------

    def write_config(self, task: str, parameters: dict[str, Any]) -> None:
        """Write the parameters in the form that `--config` reads."""
        values = {"task": task} | {name: value for name, value in parameters.items() if value is not None}
        replace_file(self.config, tomli_w.dumps(values).encode())

    def write_changes(self) -> None:
        """Write the new parameters of a resumed run to config.toml."""
        if self.changes:
            before = tomllib.loads(self.config.read_text(encoding="utf-8"))
            replace_file(self.config, tomli_w.dumps(before | self.changes).encode())

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Write the state of training."""
        storage.write(self._checkpoint, state)

    def read_checkpoint(self) -> dict[str, Any] | None:
        """Return the state of training, or None if the run ended before there was one."""
        return storage.read(self._checkpoint) if self._checkpoint.exists() else None

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write the result. It is the last file, so its presence means that the run is finished."""
        replace_file(self.metrics, json.dumps(metrics, indent=2).encode() + b"\n")

    def read_metrics(self) -> dict[str, Any]:
        """Return the result; it is empty if there is none."""
        if not self.metrics.exists():
            return {}
        try:
            return json.loads(self.metrics.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{self.metrics}: is damaged; remove it and resume the run") from error

    def is_finished(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether the folder has the final result for these parameters, which may ask for more epochs."""
        result = self.read_metrics()
        if not result or result["ended"] == CONVERGED:
            return bool(result)
        waited, patience = result["epochs"] - result["best_epoch"], parameters["patience"]
        return result["epochs"] >= parameters["epochs"] or bool(patience and waited >= patience)
