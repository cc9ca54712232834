"""What pytest-benchmark stores beside the times."""

from typing import Any

from benchmarks.machine import describe


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    machine_info.update(describe())
