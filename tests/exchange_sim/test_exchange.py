"""The simulated exchange: messages in order, snapshots cut half-way, faults as written; and a real stream on top."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from calib.clock import VirtualClock
from calib.exchange_sim.exchange import SimulatedExchange
from calib.exchange_sim.faults import Fault, FaultScript
from calib.exchange_sim.latency import ConstantLatency, EmpiricalLatency
from calib.market import BookStream, Connection, Delta, Resync, Snapshot, StreamSettings, StreamState
from calib.virtual_loop import run


class Log:
    """A listener that writes down what it hears, with the time in ms."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.heard: list[tuple[int, str]] = []

    def _note(self, what: str) -> None:
        self.heard.append((self.clock.monotonic_ns() // 1_000_000, what))

    def on_connect(self) -> None:
        self._note("connect")

    def on_disconnect(self) -> None:
        self._note("disconnect")

    def on_delta(self, symbol: str, delta: Delta) -> None:
        self._note(f"{symbol} {delta.last_id}")

    def on_trade(self, record: dict[str, Any]) -> None:
        self._note(f"trade {record['price']}")

    def on_ping(self) -> None:
        self._note("ping")


def _exchange(
    clock: VirtualClock, faults: Sequence[str] = (), *, stream_ms: Sequence[float] = (10.0,)
) -> SimulatedExchange:
    return SimulatedExchange(
        clock,
        ["A", "B"],
        snapshot_latency=ConstantLatency(40.0),
        stream_latency=EmpiricalLatency(stream_ms),
        faults=FaultScript(Fault.parse(text) for text in faults),
    )


def _delta(number: int, bid: float = 99.0) -> Delta:
    return Delta([(bid, float(number))], [(101.0, 1.0)], number, first_id=number)


def _heard(faults: Sequence[str], seconds: float, *, stream_ms: Sequence[float] = (10.0,)) -> list[tuple[int, str]]:
    clock = VirtualClock()
    log = Log(clock)

    async def main() -> None:
        exchange = _exchange(clock, faults, stream_ms=stream_ms)
        exchange.connect(log)
        for number in range(1, round(seconds * 10) + 1):
            exchange.publish("A", _delta(number))
            await asyncio.sleep(0.1)
        exchange.close()

    run(main(), clock=clock)
    return log.heard


def test_messages_arrive_after_their_latency_with_a_ping_a_second() -> None:
    heard = _heard([], 1.2)
    assert heard[:3] == [(0, "connect"), (10, "A 1"), (110, "A 2")]
    assert (1010, "ping") in heard


def test_a_slow_message_is_not_overtaken_by_the_next() -> None:
    heard = [what for _, what in _heard([], 1.0, stream_ms=[250.0, 1.0, 1.0]) if what != "ping"]
    assert heard == ["connect", *(f"A {number}" for number in range(1, 11))][: len(heard)]
    assert len(heard) > 8


def test_a_silence_holds_messages_back_and_loses_none() -> None:
    heard = _heard(["silence@0.5+1"], 2.0)
    assert not [what for ms, what in heard if 510 <= ms < 1500]
    burst = [what for ms, what in heard if ms == 1500]
    assert burst[0] == "A 6"
    assert [what for _, what in heard if what.startswith("A")] == [f"A {number}" for number in range(1, 21)]


def test_a_gap_loses_messages_on_an_open_connection() -> None:
    heard = [what for _, what in _heard(["gap@0.5+0.3:A"], 1.5) if what.startswith("A")]
    assert heard == [f"A {number}" for number in (1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15)]
    assert len(_heard(["gap@0.5+0.3:B"], 1.5)) == len(_heard([], 1.5))


def test_a_reconnect_loses_what_was_sent_and_what_was_on_its_way() -> None:
    heard = _heard(["reconnect@0.505+0.3"], 1.5)
    assert (505, "disconnect") in heard
    assert (805, "connect") in heard
    arrived = [what for _, what in heard if what.startswith("A")]
    assert arrived == [f"A {number}" for number in (1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15)]


def test_a_snapshot_is_cut_half_way_through_its_latency() -> None:
    clock = VirtualClock()

    async def main() -> None:
        exchange = _exchange(clock)
        exchange.publish("A", _delta(1))
        request = asyncio.ensure_future(exchange.snapshot("A", 5))
        await asyncio.sleep(0.015)
        exchange.publish("A", _delta(2))  # before the cut at 20 ms
        await asyncio.sleep(0.015)
        exchange.publish("A", _delta(3))  # after it
        body = await request
        assert body == {"symbol": "A", "bids": ((99.0, 2.0),), "asks": ((101.0, 1.0),), "update_id": 2}
        assert clock.monotonic_ns() == 40_000_000

    run(main(), clock=clock)


def test_requests_fail_and_hang_as_the_script_says() -> None:
    clock = VirtualClock()

    async def main() -> None:
        exchange = _exchange(clock, ["rest-error@0+1:A", "rest-timeout@0+1:B"])
        with pytest.raises(ConnectionError, match="of A"):
            await exchange.snapshot("A", 5)
        assert clock.monotonic_ns() == 40_000_000
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await exchange.snapshot("B", 5)
        await asyncio.sleep(1)
        assert (await exchange.snapshot("B", 5))["symbol"] == "B"
        assert exchange.requests == 3

    run(main(), clock=clock)


class StreamingBot(Log):
    """The bot's side: a real stream, whose resyncs are carried out."""

    def __init__(self, clock: VirtualClock, exchange: SimulatedExchange) -> None:
        super().__init__(clock)
        self.tasks: list[asyncio.Future[None]] = []
        self.exchange = exchange
        settings = StreamSettings(sequence_rule="contiguous")
        link = Connection("simulated", silence_ns=300_000_000)
        self.stream = BookStream("A", link, random=lambda: 0.5, settings=settings)

    def on_connect(self) -> None:
        self._act(self.stream.connect(self.clock.monotonic_ns()).effects)

    def on_disconnect(self) -> None:
        self._act(self.stream.disconnect(self.clock.monotonic_ns()).effects)

    def on_delta(self, symbol: str, delta: Delta) -> None:
        self._act(self.stream.on_delta(delta, self.clock.monotonic_ns()).effects)

    def on_ping(self) -> None:
        self.stream.connection.alive(self.clock.monotonic_ns())

    def _act(self, effects: Sequence[object]) -> None:
        for effect in effects:
            if isinstance(effect, Resync):
                self.tasks.append(asyncio.ensure_future(self._resync(effect)))

    async def _resync(self, wanted: Resync) -> None:
        await asyncio.sleep(wanted.delay_ns / 1e9)
        if self.stream.resync_started(wanted.epoch, self.clock.monotonic_ns()):
            body = await self.exchange.snapshot("A", 50)
            whole = Snapshot(body["bids"], body["asks"], body["update_id"], epoch=wanted.epoch)
            self._act(self.stream.on_snapshot(whole, self.clock.monotonic_ns()).effects)


@pytest.mark.parametrize("faults", [[], ["gap@2+0.3"], ["reconnect@2+0.5"], ["silence@2+1"], ["gap@1+1", "gap@4+0.2"]])
def test_a_stream_on_top_serves_the_true_book_or_nothing(faults: list[str]) -> None:
    """The real stream, with the exchange as its venue: whenever it is live, its book is the truth of its update id."""
    clock = VirtualClock()
    truth: dict[int, tuple[object, object]] = {}
    served: list[int] = []

    async def main() -> None:
        exchange = _exchange(clock, faults)
        exchange.publish("A", _delta(1))
        bot = StreamingBot(clock, exchange)
        exchange.connect(bot)
        for number in range(2, 82):
            exchange.publish("A", _delta(number, bid=99.0 - number % 7))
            view = exchange.books["A"].view(50)
            truth[number] = (view.bids, view.asks)
            await asyncio.sleep(0.1)
            seen = bot.stream.view(50)
            if seen is not None and bot.stream.state_at(clock.monotonic_ns()) is StreamState.LIVE:
                assert seen.update_id is not None
                assert (seen.bids, seen.asks) == truth[seen.update_id]
                served.append(seen.update_id)
        exchange.close()
        await asyncio.gather(*bot.tasks)

    run(main(), clock=clock)
    assert served[-1] == 81
    assert len(served) > 50
