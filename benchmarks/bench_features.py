"""A whole record (tick + book) of the feature collector against river and against recomputing the window."""

from __future__ import annotations

import math
import random
import threading
from collections import deque

import numpy as np

from benchmarks.timing import interleaved, table
from calib.features import FeatureCollector

COUNT = 20_000
WINDOW = 1000
_random = random.Random(1)
TICKS = [_random.lognormvariate(3.0, 0.5) for _ in range(COUNT)]
MIDS = [100.0 + 0.001 * _random.randint(-50, 50) for _ in range(COUNT)]
collector = FeatureCollector(window=WINDOW)


def calib_record(count: int) -> None:
    for tick, mid in zip(TICKS[:count], MIDS, strict=False):
        collector.record_tick("BTCUSDT", tick)
        collector.record_book("BTCUSDT", mid, 1.5, mid + 0.01, 2.5)


def river_record(count: int) -> None:
    """The same four averages and the same rolling quantile from river's parts, under one lock as a bot would need."""
    from river import stats

    lock = threading.Lock()
    p95 = stats.RollingQuantile(0.95, WINDOW)
    latency, squares, elapsed, depth = (stats.EWMean(0.1) for _ in range(4))
    last = MIDS[0]
    for tick, mid in zip(TICKS[:count], MIDS, strict=False):
        with lock:
            p95.update(tick)
            latency.update(p95.get())
        with lock:
            squares.update(math.log(mid / last) ** 2)
            elapsed.update(0.1)
            depth.update(4.0)
            last = mid


def window_record(count: int) -> None:
    """A deque of the window, and numpy over all of it at each record."""
    window: deque[float] = deque(maxlen=WINDOW)
    mids: deque[float] = deque(maxlen=WINDOW)
    for tick, mid in zip(TICKS[:count], MIDS, strict=False):
        window.append(tick)
        mids.append(mid)
        np.quantile(np.fromiter(window, float), 0.95)
        np.std(np.diff(np.log(np.fromiter(mids, float)))) if len(mids) > 2 else None


if __name__ == "__main__":
    figures = interleaved({"calib": calib_record, "river": river_record}, COUNT)
    figures |= interleaved({"deque + numpy": window_record}, 2000, repeats=3)
    print(table("one record: tick + book, window 1000 (ns, ratio to calib)", figures, "calib"))
    verdict = "met" if figures["calib"] < 4000 else "MISSED"
    print(f"  goal: under 4000 ns a record: {verdict}")
