"""What the cache said of the book that a quote was made from."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class CacheStamp(NamedTuple):
    """The state of the book that a quote was made from, for the quote's line and for its fills'.

    Parameters
    ----------
    used_stale
        Whether the cache served it past its freshness; None where it did not come from the cache.
    cache_age_ms
        Its age when it was served, ms; None likewise.
    """

    used_stale: bool | None
    cache_age_ms: float | None

    def fields(self) -> dict[str, Any]:
        """The two fields by their names in the feeds.

        >>> CacheStamp(False, 12.5).fields()
        {'used_stale': False, 'cache_age_ms': 12.5}
        """
        return {"used_stale": self.used_stale, "cache_age_ms": self.cache_age_ms}


NO_STAMP: Final = CacheStamp(None, None)
"""Of a quote whose book did not come from the cache."""
