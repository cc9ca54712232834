"""Build the native kernels: one Cython source, compiled once per instruction set and precision.

All metadata are in pyproject.toml. If a variant cannot be built, it is left out and the installation succeeds anyway.
fastrnn then runs on the other variants, or on Numba.
"""

import os
import platform
import tempfile
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("fastrnn/_kernels")
BASELINE: dict[str, list[str]] = {"baseline": []}  # SSE2 or NEON, which every CPU of this architecture has
X86 = {
    "avx512": ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512"],
    "avx2": ["-mavx2", "-mfma"],
}
IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}
INSTRUCTION_SETS = BASELINE | (X86 if IS_X86 else {})
PRECISIONS: dict[str, list[tuple[str, str | None]]] = {"f32": [], "f64": [("REAL_DOUBLE", None)]}
# -ffp-contract=fast: where the CPU has fused multiply-add, every product in a sum uses it, and so the same in every
# tile.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi", "-g0"]


class build_kernels(build_ext):
    """Builds the variants in parallel, with OpenMP if the compiler has it."""

    def build_extensions(self) -> None:
        if self.compiler.compiler_type == "msvc":  # no vector extension
            self.warn("fastrnn: MSVC cannot compile the native kernels; use clang-cl, or run on Numba")
            self.extensions = []
            return
        threads = [flag for flag in ("-fopenmp", "-pthread") if self.compiles([flag])]
        for extension in self.extensions:
            extension.extra_compile_args += threads
            extension.extra_link_args += threads
        self.parallel = self.parallel or os.cpu_count()
        super().build_extensions()

    def build_extension(self, extension: Extension) -> None:
        """Build a variant. If that fails, leave it out and say why."""
        try:
            super().build_extension(extension)
        except Exception as error:  # the compiler failed or is missing; setuptools releases differ in its class
            self.warn(f"{extension.name} is left out: {error}")

    def compiles(self, flags: list[str]) -> bool:
        """Say whether the compiler can compile and link a program with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text("int main(void) { return 0; }\n")
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=flags)
                self.compiler.link_executable(objects, "probe", output_dir=folder, extra_postargs=flags)
            except Exception:  # any error of the compiler, or because there is none
                return False
        return True


extensions = [
    Extension(
        f"fastrnn._kernels.native_{name}_{precision}",
        [str(KERNELS / f"native_{name}_{precision}.pyx")],
        define_macros=[*macros, ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        include_dirs=[str(KERNELS), numpy.get_include()],
        depends=[str(path) for path in sorted(KERNELS.glob("*.h"))],
        extra_compile_args=FLAGS + flags,
        optional=True,  # a missing file is no error
    )
    for name, flags in INSTRUCTION_SETS.items()
    for precision, macros in PRECISIONS.items()
]
setup(
    cmdclass={"build_ext": build_kernels},
    ext_modules=cythonize(extensions, compiler_directives={"language_level": 3, "cdivision": True}),
)
