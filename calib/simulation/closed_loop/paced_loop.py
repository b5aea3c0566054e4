"""A virtual loop in real time, to observe a simulation while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from calib.clock import NS_PER_S, VirtualClock
from calib.virtual_loop import VirtualLoop


class PacedLoop(VirtualLoop):
    """Virtual time that waits for real time before each step; on a slow machine it falls behind.

    Parameters
    ----------
    clock
        The clock to move.
    sleep, now_ns
        Functions to sleep, in seconds, and to read real monotonic time.
    """

    def __init__(
        self,
        clock: VirtualClock,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(clock)
        self._sleep = sleep
        self._real_ns = now_ns
        self._ahead_ns = clock.monotonic_ns() - now_ns()

    def _run_once(self) -> None:
        due_ns = self.next_due_ns()
        if due_ns is not None:
            wait_ns = due_ns - (self._real_ns() + self._ahead_ns)
            if wait_ns > 0:
                self._sleep(wait_ns / NS_PER_S)
        super()._run_once()
