"""Processes and threads around the kernels: fork, concurrent calls, limits, an installation without a compiler."""

import importlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from kernels import BACKENDS, INSTRUCTION_SETS, Problem, assert_same_bits

import fastrnn
from fastrnn._kernels import (
    adam_update,
    add_rows,
    dense_backward,
    dense_forward,
    native,
    sgd_update,
    softmax_cross_entropy,
    sum_of_squares,
    threads,
)


def run_python(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter; return what it printed."""
    process = start_python(code, **environment)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def start_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("name", BACKENDS)
def test_a_forked_child_runs_on_one_thread_with_the_same_bits(name):
    """It runs in its own process, because fork does not work well with the threads of a test runner."""
    instruction_set = name if name != "numba" else ""
    code = f"""if True:
        import os, sys, warnings
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from kernels import Problem, assert_same_bits
        import fastrnn
        p = Problem("lstm", (13, 40, 5, 33), "float32")
        backend = {{"backend": {"numba" if name == "numba" else "native"!r}}}
        expected = p.run(n_threads=2, **backend)
        warnings.simplefilter("ignore")  # Python warns of fork beside threads
        child = os.fork()
        if child == 0:
            for a, b in zip(p.run(n_threads=2, **backend), expected):
                assert_same_bits(a, b)
            tape = fastrnn.recurrent_forward(p.cell, p.x, p.weights, n_threads=2, **backend)[2]
            os._exit(40 + tape.n_threads)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run_python(code, FASTRNN_INSTRUCTION_SET=instruction_set) == "41"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("backend", ["native", "numba"])
def test_a_tape_from_before_the_fork_goes_back_in_the_child(backend):
    if backend == "native" and not native.SUPPORTED:
        pytest.skip("needs native kernels")
    code = f"""if True:
        import os, sys, warnings
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        import numpy as np
        from kernels import Problem
        import fastrnn
        from fastrnn._kernels import dense_backward, dense_forward
        p = Problem("gru", (13, 40, 5, 33), "float32")
        tape = fastrnn.recurrent_forward(p.cell, p.x, p.weights, n_threads=2, backend={backend!r})[2]
        expected = fastrnn.recurrent_backward(tape, p.dy)[0]
        W, b = np.ones((33, 2), "float32"), np.ones(2, "float32")
        dense = dense_forward(p.dy, W, b, n_threads=2, backend={backend!r})
        warnings.simplefilter("ignore")  # Python warns of fork beside threads
        child = os.fork()
        if child == 0:
            same = np.array_equal(fastrnn.recurrent_backward(tape, p.dy)[0], expected)
            dense_backward(dense[1], dense[0])
            os._exit(40 + same)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run_python(code) == "41"


@pytest.mark.parametrize("name", BACKENDS)
def test_many_threads_may_call_at_once(name, use_backend):
    """There are more threads than teams."""
    backend = use_backend(name)
    problems = [Problem("gru", (9, 30, 5, 33), "float32"), Problem("lstm", (5, 20, 3, 17), "float32")]
    expected = [p.run(n_threads=2, **backend) for p in problems]
    with ThreadPoolExecutor(20) as pool:
        runs = [pool.submit(p.run, n_threads=3, **backend) for p in problems * 50]
        for run, truth in zip(runs, expected * 50, strict=True):
            for a, b in zip(run.result(), truth, strict=True):
                assert_same_bits(a, b)


@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_many_threads_may_train_at_once(name, use_backend):
    """Each one trains its own net, also with the kernels of losses and updates."""
    backend = use_backend(name)
    rng = np.random.default_rng(0)
    x, W, b = (rng.normal(size=size).astype("float32") for size in ((300, 20), (20, 50), 50))
    target, symbols = rng.integers(0, 50, 300), rng.integers(0, 7, 300)
    both = {"learning_rate": 0.1, "weight_decay": 0.1}
    adam = both | {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8}
    sgd = both | {"form": "classical", "momentum": 0.0}

    def train(n_threads):
        options = {"n_threads": n_threads, **backend}
        weights, bias, table = W.copy(), b.copy(), np.zeros((7, 20), "float32")
        mean, square = np.zeros_like(W), np.zeros_like(W)
        losses = []
        for updates in range(1, 6):
            y, tape = dense_forward(x, weights, bias, **options)
            loss, correct, dy = softmax_cross_entropy(y, target, scale=1 / 300, **options)
            dx, dW, db = dense_backward(tape, dy)
            add_rows(table, symbols, dx, **backend)
            losses.append((loss, correct, sum_of_squares(dW, **options)))
            adam_update(weights, dW, mean, square, updates=updates, **adam, **options)
            sgd_update(bias, db, None, **sgd, **options)
        return losses, {"weights": weights, "bias": bias, "table": table}

    expected, arrays = train(1)
    assert expected[-1][0] < expected[0][0]
    with ThreadPoolExecutor(20) as pool:
        for losses, others in pool.map(train, [1, 2, 3] * 20):
            assert losses == expected
            assert_same_bits(others, arrays)


@pytest.mark.skipif(not native.SUPPORTED, reason="needs native kernels")
def test_arrays_may_outlive_the_modules():
    """Their memory comes from a pool that no longer exists then. Nothing is printed about that."""
    code = """if True:
        import sys
        import numpy as np
        from fastrnn._kernels import dense_forward, pool
        x, b = np.ones((400, 400), "float32"), np.ones(400, "float32")
        sys.y, pool.y = dense_forward(x, x, b), dense_forward(x, x, b)
        assert sys.y[0].nbytes > pool.SMALL
    """
    assert start_python(code).stderr == ""


def test_limits_of_threads_hold(monkeypatch):
    work = 1e12
    explicit = threads.choose_threads(7, 1)
    assert explicit == 7  # used as it is
    assert threads.choose_threads(None, 1) == 1  # not enough work for a second one
    monkeypatch.setattr(threads, "_limit", None)
    fastrnn.set_num_threads(3)
    assert threads.choose_threads(None, work) == 3
    fastrnn.set_num_threads(None)
    assert threads.choose_threads(None, work) <= os.cpu_count()


def test_calls_within_a_call_take_its_threads():
    before = threads.choose_threads(None, 1e12)
    with threads.threads_unless_named(before + 3):
        assert threads.choose_threads(None, 1e12) == before + 3
        assert threads.choose_threads(None, 1) == 1
        assert threads.choose_threads(2, 1) == 2
        with threads.threads_unless_named(None):
            assert threads.choose_threads(None, 1e12) == before + 3
        with ThreadPoolExecutor(1) as pool:  # another thread is another call
            assert pool.submit(threads.choose_threads, None, 1e12).result() == before
    assert threads.choose_threads(None, 1e12) == before


@pytest.mark.skipif(not native.SUPPORTED or not native.has_openmp(), reason="needs native kernels with OpenMP")
def test_limits_of_others_hold():
    code = "from fastrnn._kernels import threads; print(threads.choose_threads(None, 1e12))"
    assert run_python(code, OMP_NUM_THREADS="1") == "1"
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1):
        assert threads.choose_threads(None, 1e12) == 1


WITHOUT_KERNELS = """if True:
    import sys, warnings
    class Hide:
        def find_spec(self, name, path=None, target=None):
            if name.startswith("fastrnn._kernels.native_"):
                raise ModuleNotFoundError(name)
    sys.meta_path.insert(0, Hide())
    warnings.simplefilter("error")
    import numpy as np, fastrnn
    fastrnn.show_config()
    from fastrnn.testing import random_weights
    w = random_weights("gru", 4, 7, np.random.default_rng(0))
    warnings.simplefilter("always")
    with warnings.catch_warnings(record=True) as caught:
        for _ in range(2):
            y, _, tape = fastrnn.recurrent_forward("gru", np.ones((3, 5, 4)), w)
    print(tape.backend, len(caught), caught[0].category.__name__, caught[0].filename, caught[0].message)
    try:
        fastrnn.recurrent_forward("gru", np.ones((3, 5, 4)), w, backend="native")
    except ValueError as error:
        print(error)
"""


def test_without_compiled_kernels_numba_runs_after_one_warning():
    lines = run_python(WITHOUT_KERNELS).splitlines()
    assert any(line.startswith("backend:") and "numba (1.1 to 3.5 times slower" in line for line in lines)
    assert lines[-2].startswith("numba 1 UserWarning <string> fastrnn ")
    assert lines[-1].startswith("backend 'native' is not available: ")


SAY_WHAT_IS_MISSING = """if True:
    import warnings
    from fastrnn._kernels import backends
    from fastrnn.cells import CELLS
    warnings.simplefilter("always")
    with warnings.catch_warnings(record=True) as caught:
        backends.choose(None, CELLS["gru"])
    print(caught[0].message)
    try:
        backends.choose("native", CELLS["gru"])
    except ValueError as error:
        print(error)
"""


def copy_package(folder: Path, *ignored: str) -> None:
    """Copy fastrnn without its compiled files."""
    ignore = shutil.ignore_patterns("*.so", "*.pyd", "native_*.c", "__pycache__", *ignored)
    shutil.copytree(Path(fastrnn.__file__).parent, folder / "fastrnn", ignore=ignore)


def test_an_installation_without_kernels_asks_for_a_compiler(tmp_path):
    copy_package(tmp_path, "*.pyx", "*.pxi", "*.h")
    warning, error = run_python(SAY_WHAT_IS_MISSING, PYTHONPATH=str(tmp_path), PYTHONSAFEPATH="1").splitlines()
    assert warning.startswith(
        "fastrnn was installed without its native kernels (no C compiler?) and runs on Numba, 1.1"
    )
    assert "install a C compiler and then fastrnn again" in warning
    assert error == "backend 'native' is not available: no kernel was compiled when fastrnn was installed"


def test_a_source_folder_without_kernels_says_that_it_is_one(tmp_path):
    copy_package(tmp_path)
    (tmp_path / "fastrnn" / "_kernels" / "native_baseline_f32.pyx").touch()  # an installation has none
    (tmp_path / "setup.py").touch()
    warning, error = run_python(SAY_WHAT_IS_MISSING, PYTHONPATH=str(tmp_path), PYTHONSAFEPATH="1").splitlines()
    assert warning.startswith(
        f"fastrnn is imported from its source folder {tmp_path}, where no native kernels are built"
    )
    assert f"build them with `pip install --editable {tmp_path}`" in warning
    assert "or start Python from another folder to import the installed fastrnn" in warning
    assert error.endswith(f"fastrnn is imported from its source folder {tmp_path}, where no kernels are built")


def test_the_instruction_set_can_be_forced():
    code = "import fastrnn._kernels.native as n; print(n.instruction_set)"
    for name in native.SUPPORTED:
        assert run_python(code, FASTRNN_INSTRUCTION_SET=name) == name
    process = start_python(code, FASTRNN_INSTRUCTION_SET="avx1024")
    assert process.returncode == 1
    assert "FASTRNN_INSTRUCTION_SET is 'avx1024'; this installation on this CPU runs: " in process.stderr


PEAK_MEMORY = """if True:
    import pathlib, re, numpy as np, fastrnn._kernels.native
    from fastrnn.testing import random_weights
    peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) // 1024
    before = peak()
    B, T, I, H = 8, 20_000, 4, 64
    w = random_weights("lstm", I, H, np.random.default_rng(0), "float32")
    x = np.ones((B, T, I), "float32")
    _, _, tape = fastrnn.recurrent_forward("lstm", x, w, sequences=False, checkpoint_every={every})
    fastrnn.recurrent_backward(tape, None, (np.ones((B, H), "float32"), None), need_dx=False)
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux" or not native.SUPPORTED, reason="needs Linux and native kernels")
def test_checkpoints_save_memory():
    """The whole tape is B T 6 H numbers, 246 MB; 141 checkpoints and as many steps are 3 MB; x is 3 MB."""
    assert int(run_python(PEAK_MEMORY.format(every=None))) > 200
    assert int(run_python(PEAK_MEMORY.format(every=141))) < 30


def test_import_is_light():
    loaded = run_python("import sys, fastrnn, fastrnn._kernels; print(*sorted(m.split('.')[0] for m in sys.modules))")
    assert not {"numba", "scipy", "sklearn", "h5py", "matplotlib", "typer", "rich"} & set(loaded.split())


def test_show_config(capsys):
    fastrnn.show_config()
    printed = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    assert printed["fastrnn"].strip() == fastrnn.__version__
    assert int(printed["threads"]) == threads.available_threads()
    if native.SUPPORTED:
        assert f"native, {native.instruction_set}" in printed["backend"]
    assert np.__version__ in printed["NumPy"]


def weight_gradient(cell: str) -> np.ndarray:
    return Problem(cell, (13, 40, 5, 33), "float32").run(n_threads=2)[1]["dWh"]


def test_processes_of_joblib_give_the_same_bits():
    results = joblib.Parallel(n_jobs=2)(joblib.delayed(weight_gradient)(cell) for cell in ("rnn", "lstm", "gru"))
    for cell, got in zip(("rnn", "lstm", "gru"), results, strict=True):
        np.testing.assert_array_equal(got, weight_gradient(cell))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("model", "Sequential"),
        ("encoder_decoder", "EncoderDecoder"),
        ("streaming", "Stream"),
        ("history", "History"),
        ("training", "Trainer"),
        ("training", "DivergenceError"),
        ("estimators", "RecurrentClassifier"),
    ],
)
def test_imports_of_version_0_1_0_work(module, name):
    assert getattr(importlib.import_module(f"fastrnn.{module}"), name) is getattr(fastrnn, name)
