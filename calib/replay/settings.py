"""How a replay is set up."""

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
_OF_THE_STREAM: Final = (FaultKind.SILENCE, FaultKind.RECONNECT, FaultKind.GAP)


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """What can be chosen of a replay.

    Parameters
    ----------
    md_cache
        The cache's bounds. It is switched on whatever ``enabled`` and ``mode`` say, and its sequence rule follows the
        recording unless ``rule`` names one.
    fill
        ``stream``: the recorded stream builds the cache's books. ``callback``: nothing but the refresh callback fills
        the cache, with the true book after the venue's latency.
    rule
        The sequence rule; None: as the recorded lines are numbered.
    latency
        Of a request for a book.
    faults
        What goes wrong, in seconds from the beginning of the range.
    read_every_us
        Reads of every symbol so often, whatever the feeds of ticks say; None: each tick line is a read.
    use_case
        Of scheduled reads, and of ticks that name none.
    depth
        Levels a side of reads that name none.
    expand
        Whether sampled ticks are filled up with the reads between them.
    features_every_us
        Step of the grid on which features are taken down; None: they are not.

    Raises
    ------
    calib.errors.UsageError
        For a value that is not allowed, or a fault that no recording can show.
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
            raise UsageError(f"fill {self.fill!r} is not known", hint=f"One of {', '.join(FILLS)}")
        UseCase.checked(self.use_case)
        for name in ("read_every_us", "features_every_us"):
            value = getattr(self, name)
            if value is not None and value < 1000:
                raise UsageError(f"{name} of {value} us is too short", hint="At least 1 ms")
        if any(fault.kind is FaultKind.PRICE_JUMP for fault in self.faults):
            raise UsageError("price-jump cannot be replayed: the prices are the recorded ones", hint="Leave it out")

    def cache_config(self, rule: str) -> MDCacheConfig:
        """The cache's configuration; ``rule`` is what the recording needs.

        Where ids are ranges a step of more than one is not a gap: reads then compare them as ranges too.
        """
        bounds = self.md_cache.changed(enabled=True, mode="on")
        if self.rule is not None:
            return bounds.changed(sequence_rule=self.rule)
        mode = bounds.sequence_mode if rule == "contiguous" else "ranged"
        return bounds.changed(sequence_rule=rule, sequence_mode=mode)

    @property
    def idle_faults(self) -> tuple[Fault, ...]:
        """The faults that change nothing: where a callback fills the cache, no stream is there for them to strike."""
        return tuple(fault for fault in self.faults if self.fill == "callback" and fault.kind in _OF_THE_STREAM)

    def described(self, idle: Sequence[Fault] = ()) -> dict[str, Any]:
        """What the outcome says of it; ``idle``: the faults that struck nothing."""
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
