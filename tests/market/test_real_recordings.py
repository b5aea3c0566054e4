"""The book and the stream on recordings of live exchanges, against what the venue itself said of its best prices.

The truth here is the venue's own bookTicker rows, and a book of bare dicts that shares no code with calib.
"""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from calib.clock import NS_PER_MS
from calib.market import (
    BookStream,
    BookView,
    Connection,
    Delta,
    Invalidated,
    Reason,
    Resync,
    Snapshot,
    StreamSettings,
    StreamState,
)

NEXO = ["spot/nexousdt_20240723.dat", "spot/nexousdt_20240724.dat.gz", "spot/nexousdt_20240725.dat.gz"]
BTC = ["usdm/btcusdt_20240808.gz"]


class Frame(NamedTuple):
    """One line: receive time, the exchange's JSON, and which file it stood in."""

    ns: int
    data: dict[str, Any]
    file: int


def read(root: Path, names: list[str]) -> list[Frame]:
    frames = []
    for file, name in enumerate(names):
        path = root / "hftbacktest_collector" / name
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for line in raw.splitlines():
            stamp, _, text = line.partition(b" ")
            message = orjson.loads(text)
            scale = 1 if len(stamp) > 16 else 1_000  # newer files stamp nanoseconds, older ones microseconds
            frames.append(Frame(int(stamp) * scale, message.get("data", message), file))
    return frames


@pytest.fixture(scope="module")
def recordings() -> dict[str, list[Frame]]:
    return {}


@pytest.fixture
def nexo(real_feeds: Path, recordings: dict[str, list[Frame]]) -> list[Frame]:
    if "nexo" not in recordings:
        recordings["nexo"] = read(real_feeds, NEXO)
    return recordings["nexo"]


@pytest.fixture
def btc(real_feeds: Path, recordings: dict[str, list[Frame]]) -> list[Frame]:
    if "btc" not in recordings:
        recordings["btc"] = read(real_feeds, BTC)
    return recordings["btc"]


class Bot:
    """The least that a bot does around a stream: it hands every frame in, and notes what it was served."""

    def __init__(self, rule: str, frames: list[Frame], *, snapshots: bool = True) -> None:
        self.stream = BookStream(
            "X",
            Connection("recorded", silence_ns=300 * NS_PER_MS),
            random=lambda: 0.5,
            settings=StreamSettings(sequence_rule=rule),
        )
        self.served: dict[int, BookView] = {}
        self.effects: list[tuple[int, Any]] = []
        self.states: Counter[StreamState] = Counter()
        self.crossed = 0
        self.started = False
        for frame in frames:
            self.hand_in(frame, snapshots)

    def hand_in(self, frame: Frame, snapshots: bool = True) -> None:
        stream, data = self.stream, frame.data
        if not self.started:
            self.started = True
            stream.connect(frame.ns)
            self.epoch = stream.epoch
        self.states[stream.state_at(frame.ns)] += 1
        if "lastUpdateId" in data:
            if snapshots:
                outcome = stream.on_snapshot(
                    Snapshot(data["bids"], data["asks"], data["lastUpdateId"], self.epoch), frame.ns
                )
                self.effects += [(frame.ns, effect) for effect in outcome.effects]
            stream.connection.alive(frame.ns)  # written by the same recorder: it lives
        elif data.get("e") == "depthUpdate":
            outcome = stream.on_delta(Delta(data["b"], data["a"], data["u"], data["U"], data.get("pu")), frame.ns)
            self.effects += [(frame.ns, effect) for effect in outcome.effects]
        else:
            stream.connection.alive(frame.ns)
        view = stream.view(1)
        if view is not None and view.update_id is not None:
            self.served[view.update_id] = view
            self.crossed += view.bids[0][0] > view.asks[0][0]


def best_rows(frames: list[Frame]) -> list[tuple[int, tuple[float, ...]]]:
    """The venue's own best bid and ask: (update id, (bid, qty, ask, qty))."""
    return [
        (frame.data["u"], tuple(float(frame.data[key]) for key in "bBaA"))
        for frame in frames
        if "B" in frame.data and "A" in frame.data
    ]


def compare(bot: Bot, frames: list[Frame]) -> tuple[int, int]:
    """How many of the venue's rows stand at an id that was served, and how many of those differ."""
    compared = differing = 0
    for update_id, row in best_rows(frames):
        view = bot.served.get(update_id)
        if view is not None:
            compared += 1
            differing += (*view.bids[0], *view.asks[0]) != row
    return compared, differing


def test_nexo_every_best_price_of_the_venue_agrees_with_the_rebuilt_book(nexo: list[Frame]) -> None:
    bot = Bot("range", nexo)
    compared, differing = compare(bot, nexo)
    assert compared > 17_000
    assert differing == 0
    assert bot.stream.counts[Reason.WS_GAP] == bot.stream.counts[Reason.REWIND] == 0
    assert (bot.crossed, bot.effects) == (0, [])
    assert bot.stream.book.problems() == []


def test_nexo_54559_silences_never_invalidate_a_verified_book(nexo: list[Frame]) -> None:
    bot = Bot("range", nexo)
    assert bot.stream.connection.silences == 54_559
    assert bot.effects == []
    # Before each frame the book was LIVE or SUSPECT: before all but the first few it had been silent or not, no third.
    assert set(bot.states) == {StreamState.SYNCING, StreamState.LIVE, StreamState.SUSPECT}
    assert bot.states[StreamState.SYNCING] == 2  # the snapshot, and the delta that bridges it
    assert bot.states[StreamState.SUSPECT] >= 54_558
    assert bot.stream.state_at(nexo[-1].ns) is not StreamState.GAP


def test_nexo_a_day_cut_out_is_one_gap_and_nothing_is_served_after_it(nexo: list[Frame]) -> None:
    cut = [frame for frame in nexo if frame.file != 1]
    begin = next(frame.ns for frame in cut if frame.file == 2)
    bot = Bot("range", cut)
    assert bot.stream.counts[Reason.WS_GAP] == 1
    assert bot.crossed == 0
    assert [effect for _, effect in bot.effects if isinstance(effect, Invalidated)] == [Invalidated(Reason.WS_GAP)]
    assert [type(effect) for _, effect in bot.effects] == [Invalidated, Resync]
    assert all(ns >= begin for ns, _ in bot.effects)
    first_of_third_day = next(frame.data["U"] for frame in cut if frame.file == 2 and "U" in frame.data)
    assert max(bot.served) < first_of_third_day
    assert bot.stream.view(1) is None
    assert bot.stream.state_at(cut[-1].ns) is StreamState.GAP


def test_nexo_after_the_cut_an_injected_snapshot_brings_the_true_book_back(nexo: list[Frame]) -> None:
    cut = [frame for frame in nexo if frame.file != 1]
    half = next(index for index, frame in enumerate(cut) if frame.file == 2) + 20_000
    truth, at = bare_book([frame for frame in nexo if frame.ns <= cut[half].ns])
    bot = Bot("range", cut[: half + 1])
    served_before = len(bot.served)
    epoch = bot.effects[-1][1].epoch
    assert bot.stream.resync_started(epoch, cut[half].ns)
    bot.stream.on_snapshot(Snapshot(list(truth[0].items()), list(truth[1].items()), at, epoch), cut[half].ns)
    for frame in cut[half + 1 :]:
        bot.hand_in(frame)
    assert bot.stream.counts[Reason.WS_GAP] == 1
    assert bot.crossed == 0
    compared, differing = compare(bot, cut[half + 1 :])
    assert len(bot.served) > served_before + 1_000
    assert compared > 1_000
    assert differing == 0
    whole, _ = bare_book(nexo)
    view = bot.stream.view(10_000)
    assert view is not None
    assert (dict(view.bids), dict(view.asks)) == whole


def test_nexo_a_book_that_ignores_the_gap_is_crossed_9051_times(nexo: list[Frame]) -> None:
    """Why all of this: the same cut recording, applied blindly."""
    crossed = 0
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    for frame in nexo:
        if frame.file != 1 and apply_bare(sides, frame.data) and sides[0] and sides[1]:
            crossed += max(sides[0]) > min(sides[1])
    assert crossed == 9_051


def test_btc_usdm_has_no_gap_by_pu_and_agrees_with_every_best_price(btc: list[Frame]) -> None:
    bot = Bot("previous", btc)
    compared, differing = compare(bot, btc)
    assert compared > 300
    assert differing == 0
    assert bot.stream.counts[Reason.WS_GAP] == bot.stream.counts[Reason.REWIND] == 0
    assert (bot.crossed, bot.effects) == (0, [])
    assert bot.states[StreamState.SYNCING] > 2  # its snapshot arrives after deltas, which waited for it
    truth, at = bare_book(btc)
    view = bot.stream.view(100_000)
    assert view is not None
    assert view.update_id == at
    assert (dict(view.bids), dict(view.asks)) == truth


def apply_bare(sides: tuple[dict[float, float], dict[float, float]], data: dict[str, Any]) -> bool:
    if "lastUpdateId" in data:
        for side, key in zip(sides, ("bids", "asks"), strict=True):
            side.clear()
            side.update((float(price), float(qty)) for price, qty in data[key])
        return True
    if data.get("e") != "depthUpdate":
        return False
    for side, key in zip(sides, ("b", "a"), strict=True):
        for price, qty in data[key]:
            if float(qty):
                side[float(price)] = float(qty)
            else:
                side.pop(float(price), None)
    return True


def bare_book(frames: list[Frame]) -> tuple[tuple[dict[float, float], dict[float, float]], int]:
    """The book of a recording without gaps, by bare dicts, and its last id; deltas before the snapshot are left out."""
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    snapshot = next(frame.data for frame in frames if "lastUpdateId" in frame.data)
    last = snapshot["lastUpdateId"]
    apply_bare(sides, snapshot)
    for frame in frames:
        if frame.data.get("e") == "depthUpdate" and frame.data["u"] > last:
            apply_bare(sides, frame.data)
            last = frame.data["u"]
    return sides, last
