import os
from pathlib import Path

import pytest
from forks import Forks

from fastrnn._kernels import native


@pytest.fixture
def use_backend(monkeypatch):
    """A function that makes an instruction set, or Numba, the backend of a test; returns the keyword for the calls."""

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


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    """Commands in forked processes; see `forks.Forks`."""
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked on POSIX alone")
    server = Forks(tmp_path_factory.mktemp("forks"))
    yield server
    server.close()
