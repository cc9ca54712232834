"""Measure the peak rate of the machine: fused multiply-adds with the widest vectors, on registers only.

*Design.* The loop is written in LLVM's intermediate language and compiled for this CPU by the LLVM that Numba brings.
So no compiler has to find the vectors, none can remove or reorder the work, and the loop shares no code with fastrnn's
kernels. The chains of multiply-adds are independent of each other. There are more chains than latency times units
(4 x 2 on x86, 4 x 4 on the widest ARM), and together with the factor and the term they fit into the registers (32 with
AVX-512 and on ARM, 16 with AVX).
"""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor

import llvmlite.binding as llvm

_SCALARS = {"float32": ("float", "f32", 32), "float64": ("double", "f64", 64)}


class Peak:
    """A callable: every thread runs its chains once, about 5 milliseconds of work.

    `operations` counts the operations of all threads.
    """

    ROUNDS = 2_000_000

    def __init__(self, dtype: str, n_threads: int) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features()
        bits = 512 if features.get("avx512f") else 256 if features.get("avx") else 128
        chains = 12 if bits == 256 else 24
        lanes = bits // _SCALARS[dtype][2]
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3
        )
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_text(dtype, lanes, chains)), target)
        self._engine.finalize_object()
        signature = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)  # ctypes releases the GIL
        self._loop = signature(self._engine.get_function_address("chains"))
        self._threads = ThreadPoolExecutor(n_threads, initializer=self._bind)
        self._cpus = sorted(os.sched_getaffinity(0))[-n_threads:] if hasattr(os, "sched_getaffinity") else []
        self._scratch = [ctypes.create_string_buffer(bits // 8) for _ in range(n_threads)]
        self.operations = 2 * lanes * chains * self.ROUNDS * n_threads

    def __call__(self) -> None:
        list(self._threads.map(lambda scratch: self._loop(self.ROUNDS, ctypes.addressof(scratch)), self._scratch))

    def _bind(self) -> None:
        """Pin a new thread to its own CPU: otherwise two threads that wake at the same time may share one CPU."""
        if self._cpus:
            os.sched_setaffinity(0, {self._cpus.pop()})


def _text(dtype: str, lanes: int, chains: int) -> str:
    """Return the code of the loop: `chains` sums, each of which does `sum = sum * factor + term` in every round.

    Loads and stores are volatile, so that LLVM cannot remove the loop.
    """
    scalar, suffix, _ = _SCALARS[dtype]
    vector = f"<{lanes} x {scalar}>"
    fma = f"{vector} @llvm.fmuladd.v{lanes}{suffix}"

    def lines(template: str) -> str:
        return "\n".join(template.format(k=k, vector=vector, fma=fma) for k in range(chains))

    return f"""
declare {fma}({vector}, {vector}, {vector})
define void @chains(i64 %rounds, ptr %scratch) {{
entry:
{lines("%first{k} = load volatile {vector}, ptr %scratch, align 1")}
%factor = load volatile {vector}, ptr %scratch, align 1
%term = load volatile {vector}, ptr %scratch, align 1
br label %loop
loop:
%round = phi i64 [ 0, %entry ], [ %next, %loop ]
{lines("%sum{k} = phi {vector} [ %first{k}, %entry ], [ %new{k}, %loop ]")}
{lines("%new{k} = call {fma}({vector} %sum{k}, {vector} %factor, {vector} %term)")}
%next = add i64 %round, 1
%more = icmp ult i64 %next, %rounds
br i1 %more, label %loop, label %exit
exit:
{lines("store volatile {vector} %new{k}, ptr %scratch, align 1")}
ret void
}}"""
