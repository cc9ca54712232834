"""The kernels against pure NumPy and the peers: equal outputs first, then time, all in one run.

`python -m benchmarks` prints tables of ratios and keeps the numbers in `.benchmarks/`, `python -m benchmarks.publish`
makes a page and a picture of such numbers; `pytest benchmarks --benchmark-enable` shows the same engines under
pytest-benchmark.
"""
