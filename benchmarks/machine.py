"""Describe the machine of a run, and refuse an environment that would make the comparison unfair."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import threadpoolctl

from fastrnn._kernels import native
from fastrnn._kernels.config import config

SLOW_BLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
LIBRARIES = ("fastrnn", "numpy", "numba", "llvmlite")
PEERS = ("torch", "jax", "jaxlib", "onnxruntime", "onnx", "keras", "tensorflow")


def refuse_slow_blas() -> None:
    """Raise RuntimeError if environment variables slow down NumPy's BLAS: ratios to NumPy would be wrong."""
    found = [name for name in SLOW_BLAS if name in os.environ]
    if found:
        raise RuntimeError(f"unset {' and '.join(found)} first: NumPy's BLAS may run at half its speed with it")


def describe() -> dict[str, Any]:
    """Return the machine, libraries, BLAS, date and load, ready for JSON."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "instruction_set": native.instruction_set or None,
        "fastrnn": config(),
        "python": platform.python_version(),
        "versions": {name: version for name in LIBRARIES + PEERS if (version := _version(name))},
        "blas": [
            {key: library[key] for key in ("internal_api", "version", "architecture") if key in library}
            for library in threadpoolctl.threadpool_info()
            if library["user_api"] == "blas"
        ],
    }


def _cpu() -> str:
    """Return the name, family and model of the CPU; some virtual machines give all CPUs the same name."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    lines = (line.partition(":") for line in cpuinfo.read_text().split("\n\n")[0].splitlines())
    entries = {key.strip(): value.strip() for key, _, value in lines}
    found = [f"{label} {entries[key]}".strip() for key, label in _CPU_ENTRIES.items() if key in entries]
    return ", ".join(found) or platform.processor()


_CPU_ENTRIES = {"model name": "", "cpu family": "family", "model": "model"}


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
