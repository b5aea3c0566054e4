"""Symbols: every spelling there and back, and nothing guessed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib import virtual_loop
from calib.clock import VirtualClock
from calib.errors import StaticDataUnavailable, SymbolError
from calib.policy import CacheComplianceMonitor, SymbolMapper
from calib.policy.static.formats import FORMATS, QUOTES

SPELLED = [
    ("BTC/USDT", "binance", "BTCUSDT"),
    ("BTC/USDT:USDT", "binance", "BTCUSDT"),
    ("BTC/USDT", "binance-spot", "BTCUSDT"),
    ("BTC/USD:BTC", "binance-inverse", "BTCUSD_PERP"),
    ("BTC/USDT", "okx", "BTC-USDT-SWAP"),
    ("BTC/USDT", "okx-spot", "BTC-USDT"),
    ("BTC/USD", "okx-inverse", "BTC-USD-SWAP"),
    ("BTC/USDT", "gate", "BTC_USDT"),
    ("BTC/USDC", "deribit", "BTC_USDC-PERPETUAL"),
    ("BTC/USDT", "hummingbot", "BTC-USDT"),
]


@pytest.mark.parametrize(("symbol", "exchange", "spelled"), SPELLED)
def test_the_published_spellings(symbol: str, exchange: str, spelled: str) -> None:
    mapper = SymbolMapper()
    assert mapper.get_exchange_symbol(symbol, exchange) == spelled
    assert mapper.get_symbol(spelled, exchange) == symbol.partition(":")[0]


@given(
    base=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=10),
    quote=st.sampled_from(QUOTES),
    exchange=st.sampled_from(sorted(FORMATS)),
)
def test_there_and_back_is_the_same_symbol_or_refused(base: str, quote: str, exchange: str) -> None:
    mapper = SymbolMapper(policy=CacheComplianceMonitor())
    symbol = f"{base}/{quote}"
    spelled = mapper.get_exchange_symbol(symbol, exchange)
    try:
        read = mapper.get_symbol(spelled, exchange)
    except SymbolError as error:
        read = symbol if symbol in error.what else "another"  # one of several meanings: refused, not guessed
    assert read == symbol


def test_a_name_that_could_be_two_pairs_is_not_guessed() -> None:
    with pytest.raises(SymbolError, match="X/TUSD or XT/USD"):
        SymbolMapper().get_symbol("XTUSD", "binance")


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btc/usdt", "BTC/", "/USDT", "BTC/USDT/X", "", "BTC/USDT:"])
def test_what_is_not_a_symbol_is_refused(symbol: str) -> None:
    with pytest.raises(SymbolError, match="Examples"):
        SymbolMapper().get_exchange_symbol(symbol, "binance")


@pytest.mark.parametrize("symbol", ["BTC/USDT:BTC", "BTC/USDT:USDC"])
def test_another_settlement_than_the_markets_is_refused(symbol: str) -> None:
    with pytest.raises(SymbolError, match="settled"):
        SymbolMapper().get_exchange_symbol(symbol, "okx")


@pytest.mark.parametrize("spelled", ["BTC-USDT", "BTCUSDT", "-USDT-SWAP", "SWAP"])
def test_a_spelling_of_another_market_is_refused(spelled: str) -> None:
    with pytest.raises(SymbolError, match="okx writes BTC/USDT as BTC-USDT-SWAP"):
        SymbolMapper().get_symbol(spelled, "okx")


def test_an_unknown_exchange_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SymbolError, match="known: binance"):
        SymbolMapper().get_exchange_symbol("BTC/USDT", "nowhere")


def test_a_given_table_decides_alone_and_knows_what_rules_cannot() -> None:
    mapper = SymbolMapper(clock=VirtualClock(), policy=CacheComplianceMonitor())
    mapper.put("binance", {"XT/USD": "XTUSD", "BTC/USDT": "BTCUSDT"})
    assert mapper.get_symbol("XTUSD", "binance") == "XT/USD"
    with pytest.raises(SymbolError, match="not in the table"):
        mapper.get_exchange_symbol("ETH/USDT", "binance")


def test_a_table_older_than_an_hour_is_refused() -> None:
    clock = VirtualClock()
    mapper = SymbolMapper(clock=clock, policy=CacheComplianceMonitor())
    mapper.put("nowhere", {"BTC/USDT": "XBT_USDT"})
    clock.advance_ms(3_600_000)
    assert mapper.get_exchange_symbol("BTC/USDT", "nowhere") == "XBT_USDT"
    clock.advance_ms(1)
    with pytest.raises(StaticDataUnavailable):
        mapper.get_exchange_symbol("BTC/USDT", "nowhere")


def test_a_table_with_one_spelling_for_two_symbols_is_refused() -> None:
    with pytest.raises(SymbolError, match="two symbols have the same exchange symbol"):
        SymbolMapper().put("x", {"BTC/USDT": "BTCUSDT", "BTC/USDT:USDT": "BTCUSDT"})


def test_a_fetched_table_is_refreshed_in_the_background() -> None:
    clock, requests = VirtualClock(), 0

    async def fetch(exchange: str) -> Mapping[str, str]:
        nonlocal requests
        requests += 1
        return {"BTC/USDT": f"BTC{requests}"}

    async def main() -> None:
        import asyncio

        mapper = SymbolMapper(fetch, clock=clock, policy=CacheComplianceMonitor())
        await mapper.refresh("x")
        for _ in range(8):
            mapper.get_exchange_symbol("BTC/USDT", "x")
            await asyncio.sleep(1000)
        assert requests >= 4
        assert mapper.get_symbol(f"BTC{requests}", "x") == "BTC/USDT"
        await mapper.close()

    virtual_loop.run(main(), clock=clock)
