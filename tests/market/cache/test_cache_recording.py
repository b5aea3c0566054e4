"""The whole cache on a real recording with a day cut out of it, judged by the venue's own best prices."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from calib.clock import VirtualClock
from calib.market import BookView, Delta, MDCache, MDCacheConfig, Snapshot
from tests.market.test_real_recordings import NEXO, best_rows, read


class Feed:
    """Hands frames to a cache and notes what a guard and a general reader would have been served after each."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        config = MDCacheConfig(enabled=True, sequence_rule="range")
        self.cache = MDCache(config, None, clock=self.clock, rng=random.Random(1))
        self.served: dict[int, BookView] = {}
        self.last_ns: int | None = None

    def hand_in(self, ns: int, data: dict[str, Any]) -> BookView | None:
        self.clock.advance_ns(0 if self.last_ns is None else max(0, ns - self.last_ns))
        self.last_ns = ns
        if "lastUpdateId" in data:
            stream = self.cache.stream("NEXO")
            epoch = 1 if stream is None else stream.epoch
            self.cache.on_book("NEXO", Snapshot(data["bids"], data["asks"], data["lastUpdateId"], epoch))
            self.cache.on_alive()
        elif data.get("e") == "depthUpdate":
            self.cache.on_book("NEXO", Delta(data["b"], data["a"], data["u"], data["U"]))
        else:
            self.cache.on_alive()
        view = self.cache.peek("NEXO", 1)
        if view is not None and view.update_id is not None:
            self.served[view.update_id] = view
            assert view.bids[0][0] <= view.asks[0][0]
        return view


def test_nexo_with_a_day_cut_out_serves_the_venues_prices_then_nothing_until_a_snapshot(real_feeds: Path) -> None:
    before, after = read(real_feeds, NEXO[:1]), read(real_feeds, NEXO[2:])
    feed = Feed()
    for frame in before:
        feed.hand_in(frame.ns, frame.data)
    rows = [(feed.served[update_id], row) for update_id, row in best_rows(before) if update_id in feed.served]
    assert len(rows) > 100  # the first day is a short one
    assert all((*view.bids[0], *view.asks[0]) == row for view, row in rows)
    assert feed.cache.metrics_summary()["invalidations"] == {}  # no silence of the quiet market invalidated it

    first_delta = next(n for n, frame in enumerate(after) if frame.data.get("e") == "depthUpdate")
    for frame in after[:first_delta]:
        feed.hand_in(frame.ns, frame.data)
    after = after[first_delta:]
    half = len(after) // 2
    assert all(feed.hand_in(frame.ns, frame.data) is None for frame in after[:half])
    assert feed.cache.metrics_summary()["invalidations"] == {"ws_gap": 1}

    stream = feed.cache.stream("NEXO")
    assert stream is not None
    following = next(frame for frame in after[half:] if frame.data.get("e") == "depthUpdate")
    injected = Snapshot([("0.1", "1")], [("9000", "1")], following.data["U"] - 1, stream.epoch)
    feed.cache.on_book("NEXO", injected)
    views = [feed.hand_in(frame.ns, frame.data) for frame in after[half:]]
    served = [view for view in views if view is not None]
    assert len(served) > len(views) // 2
    assert all(view.update_id is not None and view.update_id >= following.data["U"] for view in served)
