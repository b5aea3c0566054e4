"""The settings of the market-data cache: each bound with its range, and the checks between bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Self

from calib.config import Config, Setting, setting, settings_of
from calib.errors import ConfigError
from calib.market.stream.sequence import RULES
from calib.policy import ORDER_BOOK_LIMIT_MS

SECTION: Final = "md_cache"
_FOLLOWING: Final = ("hard_ttl_ms", "fresh_ms_for_pricing", "guard_max_age_ms", "refresh_backoff_cap_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class MDCacheConfig:
    """The settings of an `MDCache`; section ``md_cache`` of ``calib.yaml`` has the same keys, ranges and defaults.

    A bound that is None is derived from the others: ``fresh_ms_for_pricing = min(60, ttl_ms)``,
    ``guard_max_age_ms = min(50, fresh_ms_for_pricing)``, ``hard_ttl_ms = max(ttl_ms, 5000)``,
    ``refresh_backoff_cap_ms = max(refresh_backoff_ms, 5000)``. After construction every bound is a number.

    Parameters
    ----------
    enabled
        False: every read calls the refresh callback.
    mode
        ``on``, or ``shadow``: `calib.pipeline.FetchMDStage` uses its direct fetch and only records the cache's answer.
    ttl_ms
        General reads: fresh up to this age. 10..5000.
    max_depth
        Deepest view that may be requested. 1..200.
    stale_ok
        False: a read of a book past its freshness waits for the refresh.
    hard_ttl_ms
        Past this age a book is treated as missing. 10..5000, at least ``ttl_ms``.
    invalidate_on_ws_gap_ms
        Silence of a connection after which its books are SUSPECT. 50..10000.
    max_inflight_refresh
        Concurrent refreshes of one symbol: only 1 is accepted.
    fresh_ms_for_pricing
        Pricing: fresh up to this age. 1..5000, at most ``ttl_ms``.
    skip_pricing_on_stale
        True: pricing gets no book past its freshness (status ``withheld``).
    guard_max_age_ms
        Guards: up to this age no refresh is forced. 1..5000, at most ``fresh_ms_for_pricing``.
    guard_timeout_ms
        Longest wait of a guard. 1..5000.
    guard_on_timeout
        ``unavailable`` (no book), or ``stale_last_resort`` (the old book, with ``used_stale`` set).
    refresh_timeout_ms
        Timeout of one refresh including its restarts. 10..5000.
    refresh_source
        ``rest`` or ``stream``: the source of a callback's body that does not name one.
    refresh_backoff_ms, refresh_backoff_cap_ms, refresh_backoff_jitter
        After the n-th failure in a row no refresh starts for ``min(cap, backoff 2^(n-1))``; the fraction ``jitter`` of
        it is random. 1..60000, 1..600000, 0..1.
    price_jump_ticks
        Move of the best bid or ask, in ticks, past which a book is dropped; None disables the check. 1..1000000.
    tick_sizes
        Tick size by symbol, quote currency, > 0. Without one, price jumps of the symbol are not checked.
    max_symbols
        Maximum number of symbols; the least recently written one is evicted. 1..100000.
    sequence_mode
        How ``expected_update_id`` of a read is compared: ``contiguous`` or ``ranged``.
    sequence_rule
        The venue's rule for deltas: ``contiguous``, ``range`` (U/u), ``previous`` (U/u/pu), ``rising``, ``connection``
        or ``checksum``; see `calib.market.stream.sequence`.

    Raises
    ------
    calib.errors.ConfigError
        (a `ValueError`) If a value is outside its range or bounds contradict each other; the message has the range.

    >>> config = MDCacheConfig(ttl_ms=40)
    >>> config.fresh_ms_for_pricing, config.guard_max_age_ms, config.hard_ttl_ms
    (40, 40, 5000)
    """

    enabled: bool = setting(False, "Whether the market-data cache is used")
    mode: str = setting(
        "on", "on, or shadow: the cache runs beside the direct fetch, whose answer is used", choices=("shadow", "on")
    )
    ttl_ms: int = setting(100, "Age up to which a book is fresh for general reads, ms", 10, ORDER_BOOK_LIMIT_MS)
    max_depth: int = setting(50, "Deepest view that may be requested, levels per side", 1, 200)
    stale_ok: bool = setting(True, "Whether an old book may be served while a refresh runs")
    hard_ttl_ms: int = setting(
        None,
        "Age past which no book is served as stale, ms; null: max(ttl_ms, 5000)",
        10,
        ORDER_BOOK_LIMIT_MS,
        kind="int",
        nullable=True,
    )  # type: ignore[assignment]  # None until __post_init__ derives it
    invalidate_on_ws_gap_ms: int = setting(
        300, "Silence of a connection after which its books are suspect, ms", 50, 10000
    )
    max_inflight_refresh: int = setting(1, "Refreshes of one symbol at a time", 1, 1)
    fresh_ms_for_pricing: int = setting(
        None,
        "Age up to which a book is fresh for pricing, ms; null: min(60, ttl_ms)",
        1,
        ORDER_BOOK_LIMIT_MS,
        kind="int",
        nullable=True,
    )  # type: ignore[assignment]  # None until __post_init__ derives it
    skip_pricing_on_stale: bool = setting(False, "Whether pricing is refused a book past its freshness")
    guard_max_age_ms: int = setting(
        None,
        "Age up to which a book is fresh for guards, ms; null: min(50, fresh_ms_for_pricing)",
        1,
        ORDER_BOOK_LIMIT_MS,
        kind="int",
        nullable=True,
    )  # type: ignore[assignment]  # None until __post_init__ derives it
    guard_timeout_ms: int = setting(50, "Longest wait of a guard for its refresh, ms", 1, 5000)
    guard_on_timeout: str = setting(
        "unavailable",
        "Result of a guard's read when its refresh fails or times out",
        choices=("unavailable", "stale_last_resort"),
    )
    refresh_timeout_ms: int = setting(1000, "Longest duration of one refresh, ms", 10, 5000)
    refresh_source: str = setting("rest", "Source of callback bodies that do not name one", choices=("rest", "stream"))
    refresh_backoff_ms: int = setting(100, "Backoff after the first failed refresh, ms", 1, 60000)
    refresh_backoff_cap_ms: int = setting(
        None,
        "Longest backoff after failed refreshes, ms; null: max(refresh_backoff_ms, 5000)",
        1,
        600000,
        kind="int",
        nullable=True,
    )  # type: ignore[assignment]  # None until __post_init__ derives it
    refresh_backoff_jitter: float = setting(0.5, "Random fraction of a backoff delay", 0, 1)
    price_jump_ticks: int | None = setting(
        20,
        "Move of the best bid or ask, in ticks of the symbol, past which its book is dropped; null: never",
        1,
        1000000,
        nullable=True,
    )
    tick_sizes: Mapping[str, float] = setting(
        {}, "Tick size by symbol, quote currency; without one, price jumps are not checked", hashed=False
    )
    max_symbols: int = setting(1000, "Maximum number of symbols; the least recently written one is evicted", 1, 100000)
    sequence_mode: str = setting(
        "contiguous", "How a read's expected_update_id is compared with the book's", choices=("contiguous", "ranged")
    )
    sequence_rule: str = setting(
        "contiguous",
        "The venue's sequence rule for deltas",
        choices=tuple(RULES),
    )
    followed: frozenset[str] = field(init=False, repr=False, compare=False)
    """The bounds that were not set and are derived."""

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in field_names()}
        checked = {name: SETTINGS[f"{SECTION}.{name}"].check(value, "MDCacheConfig") for name, value in given.items()}
        unset = frozenset(name for name in _FOLLOWING if checked[name] is None)
        resolved = checked | _follow(checked)
        _refuse_contradictions(resolved, unset)
        for name, value in resolved.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "tick_sizes", MappingProxyType(_tick_sizes(checked["tick_sizes"])))
        object.__setattr__(self, "followed", unset)

    def changed(self, **changes: Any) -> Self:
        """A copy with changes; bounds that were not set are derived again (`dataclasses.replace` would fix them).

        >>> MDCacheConfig().changed(ttl_ms=20).fresh_ms_for_pricing
        20
        """
        return type(self)(**(self.given() | changes))

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The ``md_cache`` section of resolved settings (`calib.config.Config.resolve`)."""
        return cls(**config.section(SECTION))

    def given(self) -> dict[str, Any]:
        """The settings as plain values, None for a derived bound: `MDCacheConfig(**given)` is an equal object."""
        values = {name: None if name in self.followed else getattr(self, name) for name in field_names()}
        return values | {"tick_sizes": dict(self.tick_sizes)}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.given())  # a mapping proxy cannot be pickled


SETTINGS: Final[dict[str, Setting]] = settings_of(MDCacheConfig, SECTION)
"""The ``md_cache`` section."""


def field_names() -> list[str]:
    """The names of the settings, in order."""
    return [item.name for item in fields(MDCacheConfig) if item.init]


def _rebuild(kind: type[MDCacheConfig], given: dict[str, Any]) -> MDCacheConfig:
    return kind(**given)


def _follow(values: Mapping[str, Any]) -> dict[str, int]:
    """The four bounds; those that were not set are derived from the others."""

    def or_else(name: str, derived: int) -> int:
        return derived if values[name] is None else int(values[name])

    ttl = values["ttl_ms"]
    fresh = or_else("fresh_ms_for_pricing", min(60, ttl))
    return {
        "hard_ttl_ms": or_else("hard_ttl_ms", max(ttl, ORDER_BOOK_LIMIT_MS)),
        "fresh_ms_for_pricing": fresh,
        "guard_max_age_ms": or_else("guard_max_age_ms", min(50, fresh)),
        "refresh_backoff_cap_ms": or_else("refresh_backoff_cap_ms", max(values["refresh_backoff_ms"], 5000)),
    }


_AT_MOST: Final = (
    ("ttl_ms", "hard_ttl_ms"),
    ("fresh_ms_for_pricing", "ttl_ms"),
    ("guard_max_age_ms", "fresh_ms_for_pricing"),
    ("guard_max_age_ms", "ttl_ms"),
    ("refresh_backoff_ms", "refresh_backoff_cap_ms"),
)
"""(lower, upper): the first bound must not exceed the second if both are set."""


def _refuse_contradictions(values: Mapping[str, Any], unset: frozenset[str]) -> None:
    for lower, upper in _AT_MOST:
        if lower in unset or upper in unset or values[lower] <= values[upper]:
            continue
        raise ConfigError(
            f"{lower} {values[lower]} exceeds {upper} {values[upper]}",
            where="MDCacheConfig",
            hint=(
                f"{lower} may be at most {upper}. Allowed: {lower} {SETTINGS[f'{SECTION}.{lower}'].allowed}; "
                f"{upper} {SETTINGS[f'{SECTION}.{upper}'].allowed}"
            ),
        )


def _tick_sizes(sizes: Mapping[str, float]) -> dict[str, float]:
    for symbol, size in sizes.items():
        if not size > 0:
            raise ConfigError(
                f"{SECTION}.tick_sizes: {size!r} of {symbol!r} is out of range",
                where="MDCacheConfig",
                hint="Allowed: a number > 0",
            )
    return dict(sizes)
