"""Staleness and age of the book that a quote was based on."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class CacheStamp(NamedTuple):
    """The state of the book that a quote was based on, for the log lines of the quote and its fills.

    Parameters
    ----------
    used_stale
        Whether the cache served it as stale; None if it did not come from the cache.
    cache_age_ms
        Its age when it was served, ms; None if it did not come from the cache.
    """

    used_stale: bool | None
    cache_age_ms: float | None

    def fields(self) -> dict[str, Any]:
        """The two fields by their feed names.

        >>> CacheStamp(False, 12.5).fields()
        {'used_stale': False, 'cache_age_ms': 12.5}
        """
        return {"used_stale": self.used_stale, "cache_age_ms": self.cache_age_ms}


NO_STAMP: Final = CacheStamp(None, None)
"""The stamp of a quote whose book did not come from the cache."""
