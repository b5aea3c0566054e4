"""Timing helpers that every benchmark here uses: medians over repeats, peers interleaved in one run."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping


def nanoseconds(run: Callable[[int], object], count: int, repeats: int = 7) -> float:
    """Median nanoseconds per operation of ``run(count)``, which does ``count`` operations."""
    return interleaved({"it": run}, count, repeats)["it"]


def interleaved(runs: Mapping[str, Callable[[int], object]], count: int, repeats: int = 7) -> dict[str, float]:
    """Median nanoseconds per operation of each, measured alternately, so that slow periods affect all."""
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for name in runs:
        runs[name](max(1, count // 10))
    for _ in range(repeats):
        for name, run in runs.items():
            gc.collect()
            gc.disable()
            try:
                begin = time.perf_counter_ns()
                run(count)
                samples[name].append((time.perf_counter_ns() - begin) / count)
            finally:
                gc.enable()
    return {name: statistics.median(values) for name, values in samples.items()}


def cpu_interleaved(runs: Mapping[str, Callable[[int], object]], count: int, repeats: int = 61) -> dict[str, float]:
    """As `interleaved`, in CPU nanoseconds of the process: short batches, for machines that others use as well.

    A batch that is interrupted by another program would otherwise count that program's time, and long batches more
    often than short ones.
    """
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for name in runs:
        runs[name](max(1, count // 10))
    gc.collect()
    gc.disable()
    try:
        for _ in range(repeats):
            for name, run in runs.items():
                begin = time.process_time_ns()
                run(count)
                samples[name].append((time.process_time_ns() - begin) / count)
    finally:
        gc.enable()
    return {name: statistics.median(values) for name, values in samples.items()}


def table(title: str, figures: Mapping[str, float], floor: str, unit: str = "ns") -> str:
    """A text table of the figures with their ratios to ``floor``."""
    width = max(len(name) for name in figures)
    lines = [title] + [
        f"  {name:<{width}}  {value:12.1f} {unit}  {value / figures[floor]:8.2f}x" for name, value in figures.items()
    ]
    return "\n".join(lines)
