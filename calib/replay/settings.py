"""The settings of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from calib.errors import UsageError
from calib.exchange_sim.faults import Fault, FaultKind
from calib.market import MDCacheConfig, UseCase
from calib.market.cache.config import field_names
from calib.replay.latencies import LatencyChoice
from calib.replay.options import DEFAULTS

FILLS: Final = ("stream", "callback")
_STREAM_FAULTS: Final = (FaultKind.SILENCE, FaultKind.RECONNECT, FaultKind.GAP)


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """The settings of a replay.

    Parameters
    ----------
    md_cache
        Bounds of the cache. It is always enabled, whatever ``enabled`` and ``mode`` are, and its sequence rule is
        detected from the recording unless ``rule`` is given.
    fill
        ``stream``: the recorded stream builds the cached books. ``callback``: only the refresh callback fills the
        cache, with the true book after the venue's latency.
    rule
        The sequence rule; None: detected from the recorded lines.
    latency
        Latency of a snapshot request.
    faults
        Injected faults, in seconds from the start of the range.
    read_every_us
        Interval of reads of every symbol, regardless of recorded ticks; None: one read per recorded tick.
    use_case
        Use case of scheduled reads, and of ticks without one.
    depth
        Levels per side of reads without a depth.
    expand
        Whether reads between sampled ticks are added.
    features_every_us
        Step of the grid on which features are recorded; None: not recorded.

    Raises
    ------
    calib.errors.UsageError
        If a value is not allowed, or a fault cannot be replayed.
    """

    md_cache: MDCacheConfig = field(default_factory=MDCacheConfig)
    fill: str = DEFAULTS.fill
    rule: str | None = None
    latency: LatencyChoice = field(default_factory=LatencyChoice)
    faults: tuple[Fault, ...] = ()
    read_every_us: int | None = None
    use_case: str = DEFAULTS.use_case
    depth: int = DEFAULTS.depth
    expand: bool = False
    features_every_us: int | None = None

    def __post_init__(self) -> None:
        if self.fill not in FILLS:
            raise UsageError(f"fill {self.fill!r} is not valid", hint=f"Allowed: {', '.join(FILLS)}")
        UseCase.checked(self.use_case)
        for name in ("read_every_us", "features_every_us"):
            value = getattr(self, name)
            if value is not None and value < 1000:
                raise UsageError(f"{name}: {value} us is too short", hint="Allowed: at least 1000 us")
        if any(fault.kind is FaultKind.PRICE_JUMP for fault in self.faults):
            raise UsageError(
                "price-jump cannot be replayed: the prices are the recorded ones", hint="Remove this fault"
            )

    def cache_config(self, rule: str) -> MDCacheConfig:
        """The cache configuration; ``rule`` is the one that the recording needs.

        If the ids are ranges, a step of more than one is not a gap, so reads compare them as ranges too.
        """
        bounds = self.md_cache.changed(enabled=True, mode="on")
        if self.rule is not None:
            return bounds.changed(sequence_rule=self.rule)
        mode = bounds.sequence_mode if rule == "contiguous" else "ranged"
        return bounds.changed(sequence_rule=rule, sequence_mode=mode)

    @property
    def idle_faults(self) -> tuple[Fault, ...]:
        """Faults without effect: if a callback fills the cache, there is no stream that they could affect."""
        return tuple(fault for fault in self.faults if self.fill == "callback" and fault.kind in _STREAM_FAULTS)

    def described(self, idle: Sequence[Fault] = ()) -> dict[str, Any]:
        """The settings as plain values for the outcome; ``idle`` are the faults without effect."""
        bounds = {name: getattr(self.md_cache, name) for name in field_names()}
        hidden = ("enabled", "mode", "sequence_rule", "sequence_mode", "max_inflight_refresh")
        return {
            "fill": self.fill,
            "latency": str(self.latency),
            "faults": [str(fault) for fault in self.faults],
            "faults_without_effect": [str(fault) for fault in idle],
            "read_every_ms": None if self.read_every_us is None else self.read_every_us / 1000,
            "use_case": self.use_case,
            "depth": self.depth,
            "expand_reads": self.expand,
            "md_cache": {
                name: dict(value) if name == "tick_sizes" else value
                for name, value in bounds.items()
                if name not in hidden
            },
        }
