"""The policy's age limits for the kinds of data that may be cached, from the table of data types."""

from __future__ import annotations

from typing import Final

from calib.policy.checker.kinds import DataKind
from calib.policy.data_types import lookup

_NAMES: Final = {
    DataKind.SYMBOL_INFO: "symbol_info",
    DataKind.TRADING_RULES: "trading_rules",
    DataKind.EXCHANGE_CONFIG: "exchange_config",
    DataKind.BOOK: "orderbook",
}

LIMITS_S: Final[dict[DataKind, float]] = {
    kind: limit for kind, name in _NAMES.items() if (limit := lookup(name).limit_s) is not None
}
"""Maximum age by kind, s."""
