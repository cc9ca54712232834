"""Compare fastrnn's kernels with pure NumPy and the peers: check that outputs are equal, then time all in one run.

`python -m benchmarks` prints tables of ratios and stores the numbers in `.benchmarks/`. `python -m benchmarks.publish`
turns such numbers into a page and a picture. `pytest benchmarks --benchmark-enable` times the same engines with
pytest-benchmark.
"""
