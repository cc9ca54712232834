# `make demo` and `make test` set up everything themselves in .venv; a Python (3.11 or newer) and a C compiler are enough.
PYTHON ?= python3
FASTRNN_DATA ?= ../shared/data
export FASTRNN_DATA

BIN := .venv/bin
KERNELS := $(wildcard fastrnn/_kernels/*.pyx fastrnn/_kernels/*.pxi fastrnn/_kernels/*.h)

.PHONY: demo test test-slow check sanitize bench bench-peers clean

demo: .venv/runtime
	$(BIN)/fastrnn-train classify --out runs/demo --overwrite

test: .venv/test
	$(BIN)/python -m pytest --numprocesses auto

test-slow: .venv/test
	$(BIN)/python -m pytest -m slow

check: .venv/dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pre-commit run --all-files --show-diff-on-failure
	$(BIN)/mypy

# The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, which stop at the first fault. Needs gcc.
SANITIZE := build/sanitize
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
sanitize: .venv/dev
	CC="gcc $(SANITIZERS)" $(BIN)/python setup.py --quiet build \
		--build-base $(SANITIZE) --build-lib $(SANITIZE)/lib
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=$(SANITIZE)/lib \
		$(BIN)/python -P -m pytest -o pythonpath= -s -p no:cacheprovider -k "not numba" \
		$(addprefix tests/test_,kernels.py same_bits.py special_values.py simd.py dense.py pool.py streaming.py autoencoder_cost.py \
			softmax.py rows.py update.py)

RESULTS ?= benchmarks/results
BENCHMARKS := env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE

bench: .venv/test
	$(BENCHMARKS) $(BIN)/python -m benchmarks --engines native,numba,numpy

# The peers are large and have an environment of their own. The full run takes hours; OPTIONS may choose less of it.
bench-peers: .venv-peers/peers
	$(BENCHMARKS) .venv-peers/bin/python -m benchmarks --dtypes float32,float64 --folder $(RESULTS) $(OPTIONS)
	.venv-peers/bin/python -m benchmarks.publish $(RESULTS)

clean:
	rm -rf .venv .venv-peers build dist *.egg-info .benchmarks .hypothesis .*_cache
	rm -f fastrnn/_kernels/*.so fastrnn/_kernels/native_*.c

.venv/pip:
	$(PYTHON) -m venv .venv
	touch $@

# One stamp for each set of extras; all are made again when the metadata or a kernel changes.
.venv/runtime: EXTRA =
.venv/test: EXTRA = [test]
.venv/dev: EXTRA = [dev]
.venv/runtime .venv/test .venv/dev: .venv/pip pyproject.toml setup.py $(KERNELS)
	$(BIN)/python -m pip install --quiet --editable '.$(EXTRA)'
	touch $@

.venv-peers/peers: pyproject.toml setup.py $(KERNELS)
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --editable '.[test,peers]'
	touch $@
