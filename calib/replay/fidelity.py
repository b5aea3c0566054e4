"""Fidelity: whether the replayed cache answered like the recorded one, tick by tick."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from calib.market import MDCacheMeta
    from calib.replay.sources import Event

AGE_TOLERANCE_MS: Final = 1.0
"""Ages within this difference agree: the recorded age was measured on a busy machine."""
FIRST: Final = 10


@dataclass(slots=True)
class Fidelity:
    """Compares answers; only for ticks that were not sampled and that used a cache.

    A sampled recording lacks the reads between its lines, each of which changed the state of the cache: comparing with
    it would be meaningless.
    """

    compared: int = 0
    agree: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    divergences: list[dict[str, Any]] = field(default_factory=list)

    def take(self, event: Event, meta: MDCacheMeta) -> None:
        """Compare one tick with the replayed answer."""
        tick = event.record
        reason = _not_comparable(tick)
        if reason:
            self.left_out[reason] += 1
            return
        self.compared += 1
        pairs = {
            "cache_hit": (tick.cache_hit, meta.cache_hit),
            "cache_age_ms": (tick.cache_age_ms, meta.age_ms),
            "used_stale": (tick.used_stale, meta.used_stale),
        }
        differ = []
        for name, (recorded, replayed) in pairs.items():
            if recorded is None:
                continue
            self.asked[name] += 1
            if _same(recorded, replayed):
                self.agree[name] += 1
            else:
                differ.append(name)
        if differ and len(self.divergences) < FIRST:
            found = {name: {"recorded": pairs[name][0], "replayed": pairs[name][1]} for name in differ}
            self.divergences.append({"ts": tick.ts, "symbol": tick.symbol, "line": event.line} | found)

    def result(self) -> dict[str, Any]:
        """The result in the format of the outcome."""
        why = {reason: self.left_out[reason] for reason in sorted(self.left_out)}
        if not self.compared:
            return {"comparable": False, "left_out": why}
        shares = {
            f"{name}_agreement": self.agree[name] / self.asked[name] if self.asked[name] else None
            for name in ("cache_hit", "cache_age_ms", "used_stale")
        }
        return {
            "comparable": True,
            "compared": self.compared,
            **shares,
            "age_tolerance_ms": AGE_TOLERANCE_MS,
            "left_out": why,
            "first_divergences": self.divergences,
        }


def _not_comparable(tick: Any) -> str:
    if tick.sample_rate is None:
        return "sample_rate_unknown"
    if tick.sample_rate > 1:
        return "sampled"
    if tick.status == "direct":
        return "no_cache"
    return ""


def _same(recorded: Any, replayed: Any) -> bool:
    if isinstance(recorded, bool) or replayed is None:
        return bool(recorded is replayed)
    return bool(abs(recorded - replayed) <= AGE_TOLERANCE_MS)
