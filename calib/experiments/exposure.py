"""The exposure log: one line whenever a symbol is routed to another arm."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any, Final

EXPOSURE_NAME: Final = "exposure.jsonl"
_KEPT: Final = 10_000


class ExposureLog:
    """Collects exposures in memory; `flush` appends them to a file.

    Parameters
    ----------
    directory
        The directory of ``exposure.jsonl``; None keeps the newest 10,000 in memory only.
    """

    def __init__(self, directory: Path | None) -> None:
        self._path = None if directory is None else directory / EXPOSURE_NAME
        self._arms: dict[str, str] = {}
        self._unflushed: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self.count = 0
        self.lost = 0
        """Number of exposures lost because the buffer was full or the file could not be written."""

    def record(self, symbol: str, arm: str, ts: float, mode: str) -> None:
        """Record that a symbol was routed to an arm; only changes are kept."""
        if self._arms.get(symbol) == arm:
            return
        self._arms[symbol] = arm
        self.count += 1
        if self._path is not None and len(self._unflushed) == _KEPT:
            self.lost += 1
        self._unflushed.append({"ts": ts, "symbol": symbol, "bucket": arm, "mode": mode})

    def flush(self) -> None:
        """Append the buffered exposures to the file."""
        if self._path is None or not self._unflushed:
            return
        lines = []
        while self._unflushed:  # popped one at a time: other threads may append meanwhile
            lines.append(json.dumps(self._unflushed.popleft(), allow_nan=False) + "\n")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as handle:
                handle.write("".join(lines))
        except OSError:  # an unwritable exposure log must not stop a rollback
            self.lost += len(lines)

    def recent(self) -> list[dict[str, Any]]:
        """Return the exposures not yet flushed; without a file, the newest ones."""
        return list(self._unflushed)
