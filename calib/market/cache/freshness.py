"""The rules of the cache as one pure function: which book a reader gets.

`decide` takes what is cached, the request and the limits, and returns what to do; it reads no clock and starts nothing.
In order of precedence: policy, integrity, use case, speed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Self

from calib.clock import NS_PER_MS
from calib.errors import UseCaseError
from calib.market.cache.config import MDCacheConfig
from calib.policy import ORDER_BOOK_LIMIT_MS

NEVER: Final = -1
"""A bound in nanoseconds that excludes every age."""
POLICY_NS: Final = ORDER_BOOK_LIMIT_MS * NS_PER_MS


class UseCase(enum.StrEnum):
    """The purpose of a read. ``analytics`` follows the rules of ``general``."""

    GENERAL = "general"
    ANALYTICS = "analytics"
    PRICING = "pricing"
    GUARDS = "guards"

    @classmethod
    def checked(cls, name: str) -> Self:
        """Return the use case of that name.

        Raises
        ------
        calib.errors.UseCaseError
            If there is none.
        """
        try:
            return cls(name)
        except ValueError:
            raise UseCaseError(
                f"unknown use case {name!r}", hint=f"Allowed: {', '.join(item.value for item in cls)}"
            ) from None


class Source(enum.StrEnum):
    """The source of a book; it decides who may be served that book later."""

    STREAM = "stream"
    REST = "rest"


class TrustLevel(enum.Enum):
    """How far a cached book can be trusted; it selects the bounds of freshness."""

    LIVE = "live"
    """Built from a stream without gaps, or a callback's body with ``"source": "stream"``."""
    SUSPECT = "suspect"
    """Without gaps, but its connection has been silent: kept, stale for pricing, refused to guards."""
    REST = "rest"
    """A body that may be out of date: for its waiters and general reads, never later for pricing or guards."""

    @property
    def source(self) -> Source:
        return Source.REST if self is TrustLevel.REST else Source.STREAM


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a configuration in nanoseconds."""

    ttl_ns: int
    hard_ttl_ns: int
    pricing_ns: int
    guard_ns: int
    guard_timeout_ns: int
    stale_ok: bool
    skip_pricing_on_stale: bool
    last_resort: bool
    ranged: bool
    silence_ns: int

    @classmethod
    def of(cls, config: MDCacheConfig) -> Self:
        return cls(
            ttl_ns=config.ttl_ms * NS_PER_MS,
            hard_ttl_ns=min(config.hard_ttl_ms, ORDER_BOOK_LIMIT_MS) * NS_PER_MS,
            pricing_ns=min(config.fresh_ms_for_pricing, config.ttl_ms) * NS_PER_MS,
            guard_ns=config.guard_max_age_ms * NS_PER_MS,
            guard_timeout_ns=config.guard_timeout_ms * NS_PER_MS,
            stale_ok=config.stale_ok,
            skip_pricing_on_stale=config.skip_pricing_on_stale,
            last_resort=config.guard_on_timeout == "stale_last_resort",
            ranged=config.sequence_mode == "ranged",
            silence_ns=config.invalidate_on_ws_gap_ms * NS_PER_MS,
        )

    def fresh_ns(self, trust: TrustLevel, use_case: UseCase) -> int:
        """Age up to which a book of that trust level is fresh for the use case, or `NEVER`."""
        if use_case in (UseCase.GENERAL, UseCase.ANALYTICS):
            return self.ttl_ns
        if trust is not TrustLevel.LIVE:
            return NEVER
        return self.pricing_ns if use_case is UseCase.PRICING else self.guard_ns


@dataclass(frozen=True, slots=True)
class Facts:
    """What is cached of a symbol: the input of the rules."""

    age_ns: int
    trust: TrustLevel
    depth: int
    update_id: int | None
    verified: bool = False
    """Whether a stream in the cache maintains it: continuity of its ids is checked when updates are written."""
    one_sided: bool = False
    """Whether a side is empty."""


@dataclass(frozen=True, slots=True)
class Request:
    """A read request with checked values."""

    use_case: UseCase
    depth: int
    max_age_ns: int | None = None
    fresh_only: bool = False
    expected_update_id: int | None = None

    @property
    def as_guard(self) -> bool:
        """Whether the rules of guards apply."""
        return self.fresh_only or self.use_case is UseCase.GUARDS

    @property
    def needs_both_sides(self) -> bool:
        """Whether a one-sided book is refused."""
        return self.as_guard or self.use_case is UseCase.PRICING


class ReadAction(enum.Enum):
    """What the cache does for a reader."""

    FRESH = "fresh"
    STALE = "stale"
    """Serve the old book as stale, and start a refresh in the background."""
    WITHHOLD = "withhold"
    """Serve nothing, start a refresh."""
    WAIT = "wait"
    """Wait for a refresh."""


@dataclass(frozen=True, slots=True)
class ReadDecision:
    """The result of `decide`.

    Parameters
    ----------
    action
        What to do.
    depth_miss, sequence_gap
        Why the cached book was not served.
    invalidate
        Reason for which to drop the cached book, or None.
    join_ns
        When waiting: join only a refresh that began at most this long ago; None: any.
    lagging
        The reader is behind a verified book.
    ahead
        The reader is ahead of a verified book by a gap.
    """

    action: ReadAction
    depth_miss: bool = False
    sequence_gap: bool = False
    invalidate: str | None = None
    join_ns: int | None = None
    lagging: bool = False
    ahead: bool = False


_SERVED: Final = {
    (action, lagging): ReadDecision(action, lagging=lagging)
    for action in (ReadAction.FRESH, ReadAction.STALE, ReadAction.WITHHOLD)
    for lagging in (False, True)
}


def decide(facts: Facts | None, request: Request, limits: Limits) -> ReadDecision:
    """Decide which book a reader gets.

    Parameters
    ----------
    facts
        What is cached; None if nothing is.
    request
        The request.
    limits
        The bounds.

    >>> limits = Limits.of(MDCacheConfig())
    >>> old = Facts(age_ns=70 * NS_PER_MS, trust=TrustLevel.LIVE, depth=50, update_id=7)
    >>> [decide(old, Request(use_case, 50), limits).action.value for use_case in UseCase]
    ['fresh', 'fresh', 'stale', 'wait']
    """
    join_ns = _join_ns(request, limits)
    if facts is None:
        return ReadDecision(ReadAction.WAIT, join_ns=join_ns)
    gap, invalidate = sequence_verdict(facts.update_id, request.expected_update_id, ranged=limits.ranged)
    lagging = ahead = False
    if facts.verified and gap:
        # Readers do not invalidate a verified book: the reader may be slow, or may have received one message more.
        lagging, ahead = invalidate == "rewind", invalidate == "ws_gap"
        gap, invalidate = not lagging, None
    shallow = request.depth > facts.depth
    half = facts.one_sided and request.needs_both_sides
    if gap or invalidate or shallow or half or facts.age_ns > POLICY_NS:
        return ReadDecision(ReadAction.WAIT, shallow, gap, invalidate, join_ns, lagging, ahead)
    if facts.age_ns <= _fresh_ns(facts, request, limits):
        return _SERVED[ReadAction.FRESH, lagging]
    if not _stale_allowed(facts, request, limits):
        return ReadDecision(ReadAction.WAIT, join_ns=join_ns, lagging=lagging)
    if request.use_case is UseCase.PRICING and limits.skip_pricing_on_stale:
        return _SERVED[ReadAction.WITHHOLD, lagging]
    if not limits.stale_ok:
        return ReadDecision(ReadAction.WAIT, join_ns=join_ns, lagging=lagging)
    return _SERVED[ReadAction.STALE, lagging]


def decide_refreshed(facts: Facts, request: Request, limits: Limits) -> ReadAction | None:
    """Decide what a waiting reader gets of the refreshed book; None: nothing.

    A body that arrives older than the use case allows is marked stale, like a cached book of that age. Guards are
    refused a SUSPECT book even if a body has confirmed it: only the next delta proves that no message was lost.

    >>> limits, request = Limits.of(MDCacheConfig()), Request(UseCase.PRICING, 5)
    >>> late = Facts(age_ns=900 * NS_PER_MS, trust=TrustLevel.REST, depth=5, update_id=7)
    >>> decide_refreshed(late, request, limits)
    <ReadAction.STALE: 'stale'>
    """
    gap, invalidate = sequence_verdict(facts.update_id, request.expected_update_id, ranged=limits.ranged)
    suspect = facts.trust is TrustLevel.SUSPECT
    if (gap and invalidate != "rewind") or request.depth > facts.depth or facts.age_ns > POLICY_NS:
        return None
    if (facts.one_sided and request.needs_both_sides) or (suspect and request.as_guard):
        return None
    pricing = request.use_case is UseCase.PRICING
    use_case = UseCase.GUARDS if request.as_guard else request.use_case
    if facts.age_ns <= limits.fresh_ns(TrustLevel.LIVE, use_case) and not (suspect and pricing):
        return ReadAction.FRESH
    return ReadAction.WITHHOLD if pricing and limits.skip_pricing_on_stale else ReadAction.STALE


def last_resort(facts: Facts | None, request: Request, limits: Limits) -> bool:
    """Whether a guard whose refresh failed may be served the old book; only with ``stale_last_resort``.

    Never a book that policy or integrity refuses: a REST body, a SUSPECT, one-sided or shallow book, or one behind the
    reader's stream.
    """
    if facts is None or not limits.last_resort or facts.trust is not TrustLevel.LIVE or facts.one_sided:
        return False
    gap, invalidate = sequence_verdict(facts.update_id, request.expected_update_id, ranged=limits.ranged)
    fits = not gap or (facts.verified and invalidate == "rewind")
    return fits and request.depth <= facts.depth and facts.age_ns <= _hard_ns(request, limits)


def sequence_verdict(cached: int | None, expected: int | None, *, ranged: bool) -> tuple[bool, str | None]:
    """Whether the reader's update id shows a gap, and the reason to invalidate, if any.

    Contiguous: the reader has the same id as the cached book or the next one; anything else is a gap or a rewind.
    Ranged: ids skip values, so one large step does not prove a gap: a cached book that is behind forces a refresh, but
    is not dropped.

    >>> [sequence_verdict(10, expected, ranged=False) for expected in (9, 10, 11, 12)]
    [(True, 'rewind'), (False, None), (False, None), (True, 'ws_gap')]
    >>> [sequence_verdict(10, expected, ranged=True) for expected in (9, 10, 11)]
    [(False, None), (False, None), (True, None)]
    """
    if expected is None:
        return False, None
    if cached is None:
        return True, None  # without an id, continuity cannot be checked
    if ranged:
        return expected > cached, None
    if expected > cached + 1:
        return True, "ws_gap"
    return (True, "rewind") if expected < cached else (False, None)


def _fresh_ns(facts: Facts, request: Request, limits: Limits) -> int:
    use_case = UseCase.GUARDS if request.as_guard else request.use_case
    fresh_ns = limits.fresh_ns(facts.trust, use_case)
    return fresh_ns if request.max_age_ns is None else min(fresh_ns, request.max_age_ns)


def _hard_ns(request: Request, limits: Limits) -> int:
    return limits.hard_ttl_ns if request.max_age_ns is None else min(limits.hard_ttl_ns, request.max_age_ns)


def _stale_allowed(facts: Facts, request: Request, limits: Limits) -> bool:
    """Whether use case and policy allow a book past its freshness."""
    if request.as_guard or facts.age_ns > _hard_ns(request, limits):
        return False
    return request.use_case is not UseCase.PRICING or facts.trust is not TrustLevel.REST


def _join_ns(request: Request, limits: Limits) -> int | None:
    """Maximum age of a running refresh that this reader may join; None: any.

    Guards have a bound of their own. Readers who accept no stale book must not get one from a slow refresh either.
    """
    bound: int | None = None
    if request.as_guard:
        bound = limits.guard_ns
    elif not limits.stale_ok or (request.use_case is UseCase.PRICING and limits.skip_pricing_on_stale):
        bound = limits.fresh_ns(TrustLevel.LIVE, request.use_case)
    if request.max_age_ns is None:
        return bound
    return request.max_age_ns if bound is None else min(bound, request.max_age_ns)
