"""The safe interface of an exchange, and the kit that finds adapters which keep what they should not."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from calib.policy import CacheComplianceMonitor, FreshExchange, FreshExchangeClient, StaticDataCache
from calib.policy.testkit import CountingTransport, prove_fresh


def client(transport: CountingTransport) -> FreshExchangeClient:
    async def info(symbol: str) -> Any:
        return await transport.request("info", symbol)

    return FreshExchangeClient(
        balances=lambda: transport.request("balances"),
        orders=lambda symbol: transport.request("orders", symbol),
        order=lambda order_id, symbol: transport.request("order", order_id, symbol),
        positions=lambda: transport.request("positions"),
        book=lambda symbol: None,
        symbol_info=StaticDataCache("symbol_info", info, policy=CacheComplianceMonitor()),
    )


def test_the_wrapper_makes_a_request_at_each_call_and_keeps_nothing() -> None:
    transport = CountingTransport()
    fresh = client(transport)
    assert isinstance(fresh, FreshExchange)
    assert asyncio.run(prove_fresh(fresh, transport)).findings == ()
    assert not hasattr(fresh, "__dict__")


def test_the_wrapper_serves_static_data_from_its_cache() -> None:
    transport = CountingTransport()

    async def main() -> None:
        fresh = client(transport)
        assert await fresh.get_symbol_info("BTC/USDT") == await fresh.get_symbol_info("BTC/USDT")
        assert transport.requests == 1
        assert fresh.get_orderbook("BTC/USDT") is None

    asyncio.run(main())


def test_the_wrapper_raises_what_the_client_raises() -> None:
    transport = CountingTransport()
    with transport.failing(), pytest.raises(ConnectionError):
        asyncio.run(client(transport).get_balances())


class Keeps:
    """An adapter with a cache of its own, as bots have them; ``balances`` says of which kind."""

    def __init__(self, transport: CountingTransport) -> None:
        self.transport = transport
        self.kept: Any = None
        self.at = 0.0
        self.flight: asyncio.Task[Any] | None = None


class TtlAdapter(Keeps):
    async def get_balances(self) -> Any:
        if self.kept is not None and time.monotonic() - self.at < 30:
            return self.kept
        self.kept, self.at = await self.transport.request(), time.monotonic()
        return self.kept


class SingleFlightAdapter(Keeps):
    async def get_balances(self) -> Any:
        if self.flight is None:
            self.flight = asyncio.create_task(self.transport.request())
            self.flight.add_done_callback(lambda _: setattr(self, "flight", None))
        return await asyncio.shield(self.flight)


class StaleOnErrorAdapter(Keeps):
    async def get_balances(self) -> Any:
        try:
            self.kept = await self.transport.request()
        except ConnectionError:
            return dict(self.kept)
        return dict(self.kept)


class SecondCallAdapter(Keeps):
    async def get_balances(self) -> Any:
        if self.kept is None:
            await self.transport.request()
            self.kept = await self.transport.request()
        return self.kept


@pytest.mark.parametrize(
    ("adapter", "finding"),
    [
        (TtlAdapter, "two calls in turn made 1 requests"),
        (SecondCallAdapter, "two calls in turn made 2 requests"),
        (SingleFlightAdapter, "two calls at once made 1 requests"),
        (StaleOnErrorAdapter, "a failed request did not raise"),
    ],
)
def test_the_kit_finds_adapters_that_keep_answers(adapter: type[Keeps], finding: str) -> None:
    transport = CountingTransport()
    made: Any = adapter(transport)
    check = asyncio.run(prove_fresh(made, transport, methods=("get_balances",)))
    assert not check.passed
    assert any(finding in one for one in check.findings)


def test_the_kit_finds_methods_that_are_missing() -> None:
    class Nothing:
        pass

    nothing: Any = Nothing()
    check = asyncio.run(prove_fresh(nothing, CountingTransport()))
    assert len(check.findings) == 4
