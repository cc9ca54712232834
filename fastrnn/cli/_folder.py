"""The folder of a run: what lies in it, and how it is written."""

import json
import time
from pathlib import Path
from shlex import quote
from typing import Any

import tomli_w

from fastrnn import storage
from fastrnn._files import replace_file
from fastrnn.cli._errors import UsageError
from fastrnn.history import History

FILES = ("config.toml", "model.h5", "checkpoint.h5", "history.csv", "metrics.json")


class RunFolder:
    """A folder with the files of one run; every file is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, task: str, out: Path | None, *, overwrite: bool) -> "RunFolder":
        """Make the folder; one that holds such files is refused, or loses them."""
        run = cls(out or Path("runs") / f"{task}-{time.strftime('%Y%m%d-%H%M%S')}")
        if run.path.exists() and not run.path.is_dir():
            raise UsageError(f"{run.path}: is a file, expected a folder for the run")
        held = [run.path / name for name in FILES if (run.path / name).exists()]
        if held and not overwrite:
            again = f", or --resume {quote(str(run.path))}" if run.config in held else ""
            raise UsageError(f"{run.path}: holds {held[0].name} already; give another --out, or --overwrite{again}")
        for file in held:
            file.unlink()
        run.figures.mkdir(parents=True, exist_ok=True)
        return run

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Return the folder of a run that was begun before."""
        run = cls(path)
        if not run.config.is_file():
            raise UsageError(f"{path}: holds no run to resume, expected a config.toml in it")
        run.figures.mkdir(exist_ok=True)
        return run

    @property
    def config(self) -> Path:
        """The parameters, which reproduce the run."""
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
    def is_finished(self) -> bool:
        """Has the run come to its end?"""
        return self.metrics.exists()

    @property
    def metrics(self) -> Path:
        """The result."""
        return self.path / "metrics.json"

    @property
    def _checkpoint(self) -> Path:
        return self.path / "checkpoint.h5"

    def write_config(self, task: str, parameters: dict[str, Any]) -> None:
        """Write what `--config` reads."""
        values = {"task": task} | {name: value for name, value in parameters.items() if value is not None}
        replace_file(self.config, tomli_w.dumps(values).encode())

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Write the state of training, and the history in it."""
        storage.write(self._checkpoint, state)
        History(state["history"]).write_csv(self.path / "history.csv")

    def read_checkpoint(self) -> dict[str, Any] | None:
        """Return the state of training, or None if the run ended before there was one."""
        return storage.read(self._checkpoint) if self._checkpoint.exists() else None

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write the result; it is the last file, and says that the run is finished."""
        replace_file(self.metrics, json.dumps(metrics, indent=2).encode() + b"\n")
