"""The context of a read: a mapping with neutral names or their football aliases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from calib.errors import BadContext
from calib.smartcache.golden_hour import event_seconds

_ALIASES: Final = {
    "kickoff_time": "event_time",
    "lineup_confirmed": "confirmed",
    "current_odds": "current_values",
    "event_key": "match_key",
}
KNOWN: Final = frozenset({*_ALIASES, *_ALIASES.values(), "market_key", "market_keys", "ttl_s"})


class MatchContext(NamedTuple):
    """A parsed context.

    ``values`` are the quotes by market; ``markets`` the markets that the value depends on; ``ignored`` the unknown
    keys, and ``bad_values`` the number of quotes that are not numbers: both are counted and do not raise.
    """

    event_time_s: float | None = None
    confirmed: bool = False
    ttl_cap_s: float | None = None
    match_key: str | None = None
    markets: tuple[str, ...] = ()
    values: tuple[tuple[str, float], ...] = ()
    ignored: tuple[str, ...] = ()
    bad_values: int = 0


NO_CONTEXT: Final = MatchContext()


def read_context(context: Mapping[str, Any] | None) -> MatchContext:
    """Parse the context of a mapping; None and an empty mapping mean no context.

    Parameters
    ----------
    context
        ``event_time`` (``kickoff_time``), ``confirmed`` (``lineup_confirmed``), ``match_key`` (``event_key``),
        ``market_key`` or ``market_keys``, ``current_values`` (``current_odds``): a mapping of market to quote, or one
        quote of ``market_key``; ``ttl_s``: maximum TTL, s.

    Raises
    ------
    calib.errors.BadContext
        For a name and its alias with different values, an invalid time, and wrong types.

    >>> read_context({"kickoff_time": 3600, "lineup_confirmed": True, "current_odds": {"over_2_5": 1.9}})[:2]
    (3600.0, True)
    """
    if not context:
        return NO_CONTEXT
    if not isinstance(context, Mapping):
        raise BadContext(f"{context!r} is not a mapping", hint="Give a dict of event_time, match_key, ... or None")
    named = _unaliased(context)
    market_keys = _markets(named)
    values, bad_values = _values(named.get("current_values"), market_keys)
    return MatchContext(
        event_seconds(named.get("event_time")),
        _flag(named.get("confirmed")),
        _ttl(named.get("ttl_s")),
        _text("match_key", named.get("match_key")),
        market_keys or tuple(market for market, _ in values),
        values,
        tuple(str(key) for key in context if key not in KNOWN),
        bad_values,
    )


def _unaliased(context: Mapping[str, Any]) -> dict[str, Any]:
    named = {key: value for key, value in context.items() if key not in _ALIASES}
    for alias, name in _ALIASES.items():
        value = context.get(alias)
        if value is None:
            continue
        if named.get(name) is not None and named[name] != value:
            raise BadContext(f"{alias} is an alias of {name}, and their values differ", hint=f"Give only {name}")
        named[name] = value
    return named


def _markets(named: dict[str, Any]) -> tuple[str, ...]:
    one, several = _text("market_key", named.get("market_key")), named.get("market_keys")
    if several is None:
        return () if one is None else (one,)
    if isinstance(several, str) or not all(isinstance(market, str) and market for market in several):
        raise BadContext("market_keys is not a list of names", hint="Give ['over_2_5', ...]")
    return tuple(dict.fromkeys([*several, *([] if one is None else [one])]))


def _values(given: Any, markets: tuple[str, ...]) -> tuple[tuple[tuple[str, float], ...], int]:
    """Return quotes by market and the number of invalid ones; None is an unknown quote and is left out."""
    if given is None:
        return (), 0
    if not isinstance(given, Mapping):
        if len(markets) != 1:
            raise BadContext(
                "current_values is a single quote without a market",
                hint="Give market_key too, or a mapping of market to quote",
            )
        given = {markets[0]: given}
    quotes = [(str(market), value) for market, value in given.items() if value is not None]
    good = tuple((market, float(value)) for market, value in quotes if _is_number(value))
    return good, len(quotes) - len(good)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _flag(value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise BadContext(f"confirmed: {value!r} is not a bool", hint="Give True or False")
    return value


def _ttl(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise BadContext(f"ttl_s: {value!r} is not a number above 0", hint="Give seconds > 0")
    return float(value)


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise BadContext(f"{name}: {value!r} is not a non-empty string", hint="Give a name")
    return value
