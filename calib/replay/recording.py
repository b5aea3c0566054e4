"""Findings about the recorded lines of a replay."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Recording:
    """Findings about the recorded lines."""

    lines: Counter[str] = field(default_factory=Counter)
    ticks_without_book: Counter[str] = field(default_factory=Counter)
    ticks_in_silence: Counter[str] = field(default_factory=Counter)
    unknown_use_cases: Counter[str] = field(default_factory=Counter)
    depths_cut: int = 0
    negative_lag: int = 0
    min_lag_s: float | None = None
    reads_added: int = 0
    silences: int = 0
    silent_s: float = 0.0
    refused_fills: int = 0
    last_us: int | None = None
