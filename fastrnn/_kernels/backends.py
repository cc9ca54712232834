"""Which backend runs: the native kernels of the best instruction set, Numba, or the reference.

A backend is a module with `instruction_set`, `pack`, `layout`, `forward` and `backward`, like `reference.py`.
"""

import importlib
import os
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType

from fastrnn._kernels import reference
from fastrnn.cells import Cell

BACKENDS = ("native", "numba", "reference")
KERNELS = Path(__file__).parent
_warned = False


@cache
def native() -> ModuleType | None:
    """Return the native backend, or None if no kernel was built."""
    module = importlib.import_module("fastrnn._kernels.native")
    return module if module.instruction_set else None


def _jit() -> ModuleType:
    """Return the Numba backend. It is imported at first use, because importing Numba takes half a second."""
    return importlib.import_module("fastrnn._kernels.jit")


def source_folder() -> Path | None:
    """Return the source folder of fastrnn if the package runs from there, or None if it is installed."""
    folder = KERNELS.parents[1]
    return folder if (folder / "setup.py").is_file() and any(KERNELS.glob("*.pyx")) else None


def why_not_native() -> str:
    """Say why there are no native kernels."""
    folder = source_folder()
    if folder is None:
        return "no kernel was compiled when fastrnn was installed"
    return f"fastrnn is imported from its source folder {folder}, where no kernels are built"


def _warn() -> None:
    """Warn once that native kernels are missing, and say how to get them."""
    global _warned
    if _warned:
        return
    _warned = True
    slower = "runs on Numba, 1.1 to 3.5 times slower after some seconds of compiling"
    folder = source_folder()
    if folder is None:
        message = (
            f"fastrnn was installed without its native kernels (no C compiler?) and {slower}; "
            "to get them, install a C compiler and then fastrnn again"
        )
    else:
        message = (
            f"fastrnn is imported from its source folder {folder}, where no native kernels are built, and {slower}; "
            f"build them with `pip install --editable {folder}`, which needs a C compiler, or start Python from "
            "another folder to import the installed fastrnn"
        )
    warnings.warn(message, UserWarning, stacklevel=5)


def choose(backend: str | None, cell: Cell) -> ModuleType:
    """Return the module of the named backend, or of the best one for this cell."""
    if backend not in (None, *BACKENDS):
        raise ValueError(f"backend {backend!r} is unknown; expected None or one of {', '.join(map(repr, BACKENDS))}")
    if backend == "reference":
        return reference
    if backend == "numba":
        return _jit()
    compiled = native()
    if compiled is not None and cell in compiled.CELLS:
        return compiled
    if backend == "native":
        if compiled is None:
            raise ValueError(f"backend 'native' is not available: {why_not_native()}")
        raise ValueError(f"cell {cell.name!r} has no native kernel; use backend='numba' or None")
    if compiled is None:
        _warn()
    return _jit()


def plain(backend: str | None) -> ModuleType:
    """Return the backend of calls without a cell: native, or else the reference, because NumPy has these loops."""
    if backend not in (None, "native", "reference"):
        raise ValueError(f"backend {backend!r} is unknown here; expected None, 'native' or 'reference'")
    compiled = native()
    if backend == "native" and compiled is None:
        raise ValueError(f"backend 'native' is not available: {why_not_native()}")
    return reference if compiled is None or backend == "reference" else compiled


def openmp_threads() -> int:
    """Return the number of threads of OpenMP, which OMP_NUM_THREADS, threadpoolctl and joblib set.

    Without OpenMP only OMP_NUM_THREADS counts.
    """
    compiled = native()
    if compiled is not None and compiled.has_openmp():
        return compiled.max_threads()
    value = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(value) if value.isdigit() and int(value) > 0 else os.cpu_count() or 1
