"""The limits of a replay, and checking an outcome against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from calib.limits import Limit, LimitResult, check_limits

_CONDITIONS: Final = (
    ("hit_ratio", ">=", "min_hit_ratio"),
    ("fetch_md_p95_ms", "<=", "max_fetch_p95_ms"),
    ("pricing_on_stale_ratio", "<=", "max_pricing_on_stale"),
    ("error_p95_bps", "<=", "max_error_p95_bps"),
)
"""Name, sign, and the setting of the ``replay`` section that holds the limit."""


def limits_from(section: Mapping[str, Any]) -> tuple[Limit, ...]:
    """The limits of the ``replay`` section of a configuration; a limit that is null is not checked."""
    return tuple(Limit(name, sign, section[key]) for name, sign, key in _CONDITIONS if section[key] is not None)


def check_overall(overall: Mapping[str, Any], limits: tuple[Limit, ...]) -> list[LimitResult]:
    """Compare the overall figures of an outcome with the limits."""
    values = {
        "hit_ratio": overall["hit_ratio"],
        "fetch_md_p95_ms": overall["fetch_md_ms"]["with_cache"]["p95"],
        "pricing_on_stale_ratio": overall["pricing_on_stale_ratio"],
        "error_p95_bps": overall["staleness"]["error_bps"]["p95"],
    }
    return check_limits(limits, values)
