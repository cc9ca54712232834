"""Describe the machine in the files that pytest-benchmark stores."""

from typing import Any

from benchmarks.machine import describe


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    machine_info.update(describe())
