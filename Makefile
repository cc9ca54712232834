# `make demo` and `make test` set up everything themselves in .venv; a Python (3.11 or newer) and a C compiler are enough.
PYTHON ?= python3
FASTRNN_DATA ?= ../shared/data
export FASTRNN_DATA

BIN := .venv/bin
KERNELS := $(wildcard fastrnn/_kernels/*.pyx fastrnn/_kernels/*.pxi fastrnn/_kernels/*.h)

.PHONY: demo test test-slow check bench clean

demo: .venv/runtime
	$(BIN)/fastrnn-train classify --out runs/demo --overwrite

test: .venv/test
	$(BIN)/python -m pytest

test-slow: .venv/test
	$(BIN)/python -m pytest -m slow

check: .venv/dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pre-commit run --all-files --show-diff-on-failure
	$(BIN)/mypy

bench: .venv/test
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m benchmarks

clean:
	rm -rf .venv build dist *.egg-info .benchmarks .hypothesis .*_cache
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
