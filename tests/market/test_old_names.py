"""Names of version 0.1 still work, with a warning that names the new one."""

import pytest

from calib.market import BookStream, BookView, Connection, MDCacheEntry, Reason, TrustLevel
from calib.market.cache.entry import Bounds, LastSeen


def test_an_entry_has_its_old_attributes() -> None:
    seen = LastSeen(5)
    entry = MDCacheEntry(BookView("X", ((1.0, 1.0),), ((2.0, 1.0),), 7, 5), 5, TrustLevel.REST, seen, Bounds({}, {}), 5)
    with pytest.warns(DeprecationWarning, match="MDCacheEntry.standing is now trust"):
        assert entry.standing is TrustLevel.REST
    with pytest.warns(DeprecationWarning, match="MDCacheEntry.pulse is now last_seen"):
        assert entry.pulse is seen


@pytest.mark.parametrize(
    ("old", "new", "arguments"),
    [
        ("ask", "request_snapshot", (Reason.MANUAL, 0)),
        ("lags", "report_newer_id", (7, 0)),
        ("may_doubt", "may_request_snapshot", (0,)),
    ],
)
def test_a_stream_has_its_old_methods(old: str, new: str, arguments: tuple[object, ...]) -> None:
    stream = BookStream("X", Connection("main", silence_ns=1), random=lambda: 0.0)
    with pytest.warns(DeprecationWarning, match=f"BookStream.{old} is now {new}"):
        method = getattr(stream, old)
    assert method(*arguments) == getattr(stream, new)(*arguments)


def test_a_stream_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="'BookStream' object has no attribute 'nosuch'"):
        BookStream("X", Connection("main", silence_ns=1), random=lambda: 0.0).nosuch  # type: ignore[attr-defined]  # noqa: B018 - missing on purpose
