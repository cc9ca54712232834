"""What this installation of fastrnn runs on."""

import platform
from typing import Any

import numpy as np

from fastrnn._kernels import backends
from fastrnn._kernels.threads import available_threads


def config() -> dict[str, str]:
    """Return the labels and values that `show_config` prints."""
    import fastrnn

    native = backends.native()
    if native is None:
        backend = f"numba (1.1 to 3.5 times slower: {backends.why_not_native()})"
        openmp = "no"
    else:
        available = ", ".join(native.SUPPORTED)
        backend = f"native, {native.instruction_set} (this CPU and installation run: {available})"
        openmp = "yes" if native.has_openmp() else "no (only OMP_NUM_THREADS limits the threads)"
    return {
        "fastrnn": fastrnn.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "backend": backend,
        "threads": str(available_threads()),
        "OpenMP": openmp,
        "NumPy": f"{np.__version__} with {_blas()}",
    }


def _blas() -> str:
    """Name the BLAS that NumPy was built with; fastrnn itself uses no BLAS."""
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown BLAS')} {blas.get('version', '')}".strip()


def show_config() -> None:
    """Print version, backend, instruction set, threads, OpenMP and BLAS."""
    entries = config()
    width = max(map(len, entries)) + 1
    for label, value in entries.items():
        print(f"{label + ':':<{width}} {value}")
