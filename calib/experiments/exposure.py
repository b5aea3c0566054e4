"""Who was shown which arm, and since when: a line whenever a symbol's arm changes."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any, Final

EXPOSURE_NAME: Final = "exposure.jsonl"
_KEPT: Final = 10_000


class ExposureLog:
    """Collects exposures in memory and appends them to a file when asked to.

    Parameters
    ----------
    directory
        Where ``exposure.jsonl`` is kept; None keeps the newest 10,000 in memory only.
    """

    def __init__(self, directory: Path | None) -> None:
        self._path = None if directory is None else directory / EXPOSURE_NAME
        self._arms: dict[str, str] = {}
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self.count = 0
        self.lost = 0
        """Exposures that no longer fitted because no one flushed, or that the disk refused."""

    def see(self, symbol: str, arm: str, ts: float, mode: str) -> None:
        """Note that a symbol was routed to an arm; only a change is kept."""
        if self._arms.get(symbol) == arm:
            return
        self._arms[symbol] = arm
        self.count += 1
        if self._path is not None and len(self._waiting) == _KEPT:
            self.lost += 1
        self._waiting.append({"ts": ts, "symbol": symbol, "bucket": arm, "mode": mode})

    def flush(self) -> None:
        """Append what waits to the file."""
        if self._path is None or not self._waiting:
            return
        lines = []
        while self._waiting:  # one by one: other threads go on adding
            lines.append(json.dumps(self._waiting.popleft(), allow_nan=False) + "\n")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as handle:
                handle.write("".join(lines))
        except OSError:  # the log is evidence, not control: it must not stop a rollback
            self.lost += len(lines)

    def recent(self) -> list[dict[str, Any]]:
        """What waits, or, without a file, the newest exposures."""
        return list(self._waiting)
