"""The simulated bot: its speed relative to real time, compared with its event loop without tasks."""

from __future__ import annotations

import asyncio
import time

from calib.simulation.closed_loop.hour import ClosedLoopHour
from calib.simulation.closed_loop.settings import ClosedLoopSettings
from calib.simulation.instruments import first_names
from calib.virtual_loop import run

SYMBOLS = 10
SECONDS = 300
START = 1_735_765_200


def box(settings: ClosedLoopSettings) -> tuple[float, int]:
    """Wall seconds and ticks of one run."""
    hour = ClosedLoopHour(
        1, first_names(SYMBOLS), START, settings, lambda _k, _r: None, length_s=SECONDS, incidents=False
    )
    begin = time.perf_counter()
    tally = hour.run()
    return time.perf_counter() - begin, tally.ticks


def timers(count: int) -> float:
    """Wall seconds for as many bare timers on the virtual loop."""

    async def main() -> None:
        for _ in range(count):
            await asyncio.sleep(0.001)

    begin = time.perf_counter()
    run(main())
    return time.perf_counter() - begin


if __name__ == "__main__":
    wall, ticks = min(box(ClosedLoopSettings()) for _ in range(3))
    off, _ = min(box(ClosedLoopSettings(cache="off")) for _ in range(3))
    bare = min(timers(100_000) for _ in range(3))
    print(f"{SYMBOLS} symbols, {SECONDS} simulated s, {ticks} ticks")
    print(f"  cache on, filled by the stream  {wall:6.2f} s  {SECONDS / wall:6.0f} times life")
    print(f"  cache off                       {off:6.2f} s  {SECONDS / off:6.0f} times life")
    print(f"  30 simulated minutes            {wall * 1800 / SECONDS:6.2f} s")
    print(f"  one bare timer of the loop      {bare * 10:6.2f} us")
    print(f"  one tick, venue included        {wall / ticks * 1e6:6.0f} us")
