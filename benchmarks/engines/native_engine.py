"""fastrnn's compiled kernels, where they were built."""

from benchmarks.engines.fastrnn_engine import FastrnnEngine
from fastrnn._kernels import backends

if backends.native() is None:
    raise ImportError("fastrnn was installed without its native kernels")


class Native(FastrnnEngine):
    """The compiled kernels."""

    backend = "native"
