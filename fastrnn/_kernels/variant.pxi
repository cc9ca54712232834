# What this variant is, and what the CPU and OpenMP offer.

cdef extern from "cpu.h" nogil:
    int cpu_has_avx512()
    int cpu_has_avx2()
    int omp_get_max_threads()
    enum: HAS_OPENMP


def config():
    """Describe this variant: lanes of a vector, tile, OpenMP, and the instruction sets that this CPU can run."""
    return {"lanes": LANES, "tile": (TILE_ROWS, TILE_COLS), "openmp": bool(HAS_OPENMP),
            "avx512": bool(cpu_has_avx512()), "avx2": bool(cpu_has_avx2())}


def max_threads():
    """Return the number of threads that OpenMP would use now."""
    return omp_get_max_threads()


def apply(str name, values):
    """Return exp, sigmoid or tanh of (N,) values; the tests measure their errors with it."""
    cdef Py_ssize_t i, count = len(values) // LANES + 1
    cdef Memory y = Memory(count, True)
    cdef vec* v = y.take(0)
    array = y.view((count * LANES,))
    array[:len(values)] = values
    for i in range(count):
        v[i] = vexp(v[i]) if name == "exp" else vsigmoid(v[i]) if name == "sigmoid" else vtanh(v[i])
    return array[:len(values)]
