"""The table of data types, line by line as the policy states it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from calib import policy
from calib.policy import DATA_TYPES, ORDER_BOOK_LIMIT_MS, CacheClass, lookup

STATED = {
    "balance": ("prohibited", 0),
    "order": ("prohibited", 0),
    "position": ("prohibited", 0),
    "trade": ("prohibited", 0),
    "symbol_info": ("static", 3600),
    "trading_rules": ("static", 1800),
    "exchange_config": ("static", 86_400),
    "orderbook": ("streaming", 5),
    "stream_trades": ("streaming", 5),
    "stream_ticker": ("streaming", 5),
    "performance": ("analytic", None),
    "analytics": ("analytic", None),
    "prediction": ("analytic", None),
    "trade_history": ("analytic", None),
}


def test_the_table_is_the_policys() -> None:
    assert {name: (row.cache_class.value, row.limit_s) for name, row in DATA_TYPES.items()} == STATED
    assert all(row.reason and row.examples for row in DATA_TYPES.values())
    assert ORDER_BOOK_LIMIT_MS == 5000


@pytest.mark.parametrize("name", ["order_book", "Balance", "balances", "last_price", "vwap", "", "ticker"])
def test_unknown_type_has_limit_zero_and_is_refused(name: str) -> None:
    row = lookup(name)
    assert (row.cache_class, row.limit_s, row.permitted) == (CacheClass.UNKNOWN, 0.0, False)
    assert not row.allows_age(0.0)


def test_analytic_values_are_never_for_trading() -> None:
    assert {name for name, row in DATA_TYPES.items() if row.permitted and not row.for_trading} == {
        "performance",
        "analytics",
        "prediction",
        "trade_history",
    }


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        DATA_TYPES["balance"] = lookup("analytics")  # type: ignore[index]


def test_every_name_of_the_room_can_be_had_and_belongs_to_its_module() -> None:
    for name in policy.__all__:
        assert getattr(policy, name) is not None
    assert sorted(policy._HOME) == sorted(policy.__all__) == dir(policy)
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = policy.Nonsense


def test_the_settings_alone_load_little() -> None:
    script = "import sys, calib.policy.settings; print('asyncio' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )
