import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from forks import Forks

from fastrnn._kernels import native
from fastrnn.cells import CELLS, Cell
from fastrnn.data._files import Stored


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out tests of a native backend with a cell that has no native kernel; such cells run on Numba."""

    def can_run(item: pytest.Item) -> bool:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        texts = [value for value in values if isinstance(value, str)]
        cells = [value for value in values if isinstance(value, Cell)] + [
            CELLS[text] for text in texts if text in CELLS
        ]
        return all(cell in native.CELLS for cell in cells) or not any(text in native.SUPPORTED for text in texts)

    items[:] = filter(can_run, items)


@pytest.fixture
def use_backend(monkeypatch):
    """Set the backend of a test, an instruction set or Numba; returns the keyword for the calls."""

    def use(name: str) -> dict[str, str]:
        if name in native.SUPPORTED:
            monkeypatch.setattr(native, "instruction_set", name)
            return {"backend": "native"}
        return {"backend": name}

    return use


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data; tests that need it are skipped without it."""
    folder = os.environ.get("FASTRNN_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"needs real data: FASTRNN_DATA is {folder!r}, which is no folder")
    return Path(folder)


@pytest.fixture(params=["h5", "npz"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes arrays, given by name, to a file of either type."""

    def write_arrays(**arrays: Any) -> Path:
        path = tmp_path / f"data.{request.param}"
        if request.param == "npz":
            np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})
        else:
            with h5py.File(path, "w") as file:
                for name, array in arrays.items():
                    array = np.asarray(array)
                    file[name] = array.astype(h5py.string_dtype()) if array.dtype.kind == "U" else array
        return path

    return write_arrays


@pytest.fixture
def reads(monkeypatch):
    """The numbers of rows that are read from HDF5 files at a time."""
    noted, read = [], Stored.__getitem__

    def note(self, rows):
        noted.append(int(rows.stop - rows.start))
        return read(self, rows)

    monkeypatch.setattr(Stored, "__getitem__", note)
    return noted


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    """Commands in forked processes; see `forks.Forks`."""
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked on POSIX alone")
    server = Forks(tmp_path_factory.mktemp("forks"))
    yield server
    server.close()
