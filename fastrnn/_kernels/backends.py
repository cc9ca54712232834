"""Which backend runs: the native kernels of the best instruction set, Numba, or the reference.

A backend is a module with `instruction_set`, `pack`, `forward` and `backward`, as `reference.py` shows them.
"""

import importlib
import os
import warnings
from functools import cache
from types import ModuleType

from fastrnn._kernels import reference
from fastrnn.cells import Cell

BACKENDS = ("native", "numba", "reference")
_warned = False


@cache
def native() -> ModuleType | None:
    """Return the native backend, or None where no kernel was built."""
    module = importlib.import_module("fastrnn._kernels.native")
    return module if module.instruction_set else None


def _jit() -> ModuleType:
    """Return the Numba backend; Numba takes half a second to load and does so on first use."""
    return importlib.import_module("fastrnn._kernels.jit")


def choose(backend: str | None, cell: Cell) -> ModuleType:
    """Return the module of the backend asked for, or of the best one for this cell."""
    global _warned
    if backend not in (None, *BACKENDS):
        raise ValueError(f"backend {backend!r} is unknown; expected None or one of {', '.join(map(repr, BACKENDS))}")
    if backend == "reference":
        return reference
    if backend == "numba":
        return _jit()
    compiled = native()
    has_kernel = compiled is not None and cell in compiled.CELLS
    if backend == "native":
        if compiled is None:
            raise ValueError("backend 'native' is not available: no kernel was compiled when fastrnn was installed")
        if not has_kernel:
            raise ValueError(f"backend 'native' has no kernel for cell {cell.name!r}; use 'numba' or None")
        return compiled
    if compiled is not None and has_kernel:
        return compiled
    if compiled is None and not _warned:
        _warned = True
        warnings.warn(
            "fastrnn was installed without its native kernels (no C compiler?) and runs on Numba, 1.1 to 3.5 times "
            "slower after some seconds of compiling; install a C compiler and fastrnn again to have them",
            UserWarning,
            stacklevel=4,
        )
    return _jit()


def plain(backend: str | None) -> ModuleType:
    """Return the backend for what needs no cell: native, else the reference, for NumPy has the loops."""
    if backend not in (None, "native", "reference"):
        raise ValueError(f"backend {backend!r} is unknown here; expected None, 'native' or 'reference'")
    compiled = native()
    if backend == "native" and compiled is None:
        raise ValueError("backend 'native' is not available: no kernel was compiled when fastrnn was installed")
    return reference if compiled is None or backend == "reference" else compiled


def openmp_threads() -> int:
    """Return what OpenMP would take: OMP_NUM_THREADS, threadpoolctl and joblib; without it the first of these."""
    compiled = native()
    if compiled is not None and compiled.has_openmp():
        return compiled.max_threads()
    value = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(value) if value.isdigit() and int(value) > 0 else os.cpu_count() or 1
