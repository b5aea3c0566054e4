"""Classification of names: the kind of data that a name refers to.

A name is split into words. The noun determines the kind (``open_orders``), unless a word after it
(``order_service``, ``balance_ttl``, ``position_ids``) or before it (``cursor_position``) changes the meaning. Nouns
with other meanings outside trading count only in files about trading.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Iterable, Sequence
from typing import Final

from calib.policy.checker.words import CACHE_WORDS, split, word_set


class DataKind(enum.StrEnum):
    """The kinds of data that the checker distinguishes; the values are used in messages."""

    BALANCE = "account balance"
    ORDER = "order state"
    POSITION = "position"
    TRADE = "last trade or price change"
    PRICE = "market price"
    BOOK = "order book"
    SYMBOL_INFO = "symbol information"
    TRADING_RULES = "trading rules"
    EXCHANGE_CONFIG = "exchange configuration"


NONE: Final[frozenset[DataKind]] = frozenset()
PROHIBITED: Final = frozenset({DataKind.BALANCE, DataKind.ORDER, DataKind.POSITION, DataKind.TRADE})
MARKET: Final = frozenset({DataKind.PRICE, DataKind.BOOK})
STATIC: Final = frozenset({DataKind.SYMBOL_INFO, DataKind.TRADING_RULES, DataKind.EXCHANGE_CONFIG})


NOT_DATA: Final = word_set(
    "service services client clients manager managers handler handlers factory repository repo repos dao provider "
    "providers controller controllers engine router connector adapter gateway executor parser parsers validator "
    "serializer serializers schema schemas model models config configs configuration settings setting options "
    "option params param parameters url uri urls path paths endpoint endpoints lock locks mutex semaphore limiter "
    "limit limits throttle count counts counter counters num number id ids uuid type types class kind kinds enum "
    "side sides mode modes format template message messages msg msgs text label labels title column columns field "
    "fields header headers name names table index widget view views page form button panel dialog screen menu log "
    "logs logger logging callback callbacks listener listeners observer subscription subscriptions subscribers "
    "event events signal signals queue queues task tasks thread threads job jobs worker workers error errors "
    "exception exceptions warning warnings alert alerts alerted rule rules precision decimals digits step tick "
    "filter filters scale converter formatter builder mapper mapping encoder decoder tracker trackers tracking test "
    "tests mock fake stub fixture fixtures example examples ttl timeout interval seconds sec secs ms minutes time "
    "times timestamp timestamps ts at date datetime age expiry expires expiration duration delay period updated "
    "refreshed enabled disabled flag flags hits hit misses miss stats metrics statistics maxsize max min threshold "
    "tolerance pct percent hash hashes signature nonce token tokens version cls func fn function method api key "
    "keys check checks checked fetch fetched refresh sync synced update poll sheet sheets curve sizing sizer "
    "embedding embeddings encoding encodings bias vector vectors mask loader processor seen processed sent "
    "submitted dedup deduper idempotency invalidator detector monitor analyzer calculator generator command "
    "commands report reports history_file file files dir directory db database store stores ticket tickets dt "
    "request requests responses"
)
"""Words after a trading noun that give the name another meaning."""
_PREPOSITIONS: Final = word_set("from by for via with in of on to at using per as and or if when")
_STRONG: Final = word_set(
    "ccxt binance bybit okx okex kraken coinbase alpaca kucoin bitget bitmex deribit gateio mexc huobi bitfinex "
    "hyperliquid polymarket kalshi oanda ibkr metatrader mt5 mt kiwoom zerodha usdt usdc btc btcusdt exchange "
    "broker trading trader traders forex orderbook pnl portfolio ticker tickers balance balances positions orders "
    "equity liquidation brokerage ohlcv"
)
_GENERIC: Final = word_set(
    "symbol symbols stock stocks margin crypto hedge bid ask bids asks leverage trade trades wallet position order "
    "account futures price prices quote quotes market markets buying perp spot"
)
_NAMES: Final = re.compile(r"[A-Za-z_]\w+")


def names_in(source: str) -> set[str]:
    """Return the set of names and words in a text."""
    return set(_NAMES.findall(source))


def trading_level(names: Iterable[str]) -> int:
    """Return how strongly a file's words indicate trading, 0 to 3.

    >>> trading_level(["exchange", "ccxt", "binance"]), trading_level(["cursor", "position"])
    (3, 0)
    """
    words: set[str] = set()
    for name in names:
        words.update(split(name))
    return min(3, len(words & _STRONG) + (len(words & _GENERIC) >= 3))


_ACCOUNT_TAIL: Final = word_set(
    "info information summary snapshot data state status details detail value values overview equity funds"
)
_OWN: Final = word_set("get fetch account total current portfolio cached last latest net cache query my our")
_ASKED: Final = word_set("get list open fetch load query update futures all refresh sync")
"""Words before ``positions`` that indicate an account's positions, even in files with few other trading words."""
_NOT_BEFORE_POSITION: Final = word_set(
    "cursor mouse scroll text char file stream start end x y z head seek tell read write byte line col column row "
    "atom atomic word token grid camera window relative absolute abs rel joint sun moon gps robot motor insert "
    "legend label node nodes pixel screen stack object queue source log page"
)
_NOT_BEFORE_ORDER: Final = word_set(
    "sort z display field column byte pre post partial mro topological min max first second in ascending word rank"
)
_NOT_AFTER_ORDER: Final = word_set(
    "book books by size qty quantity price prices amount flow imbalance block link tag params request requests "
    "router value cost fee ticket validation placement execution execute routing cooldown"
)
_NOT_BEFORE_PRICE: Final = word_set(
    "entry exit stop limit target profit avg average min max historical history close open strike base unit cost "
    "buy sell order fill filled execution high low first old previous prev initial trigger liquidation daily past "
    "adjusted breakeven reference sl tp purchase bought sold best worst peak"
)
_NOT_AFTER_PRICE: Final = word_set(
    "history data series range level levels target diff list action impact feed feeds symbol symbols map currency "
    "asset assets bars frame ohlcv candles source sources change info"
)
_PAST: Final = word_set("history curve log journal chart series performance pnl report")
_FIXED: Final = word_set(
    "initial init start starting started begin beginning prev previous old before baseline peak high watermark "
    "first opening default min max reserved minimum maximum target ending final"
)
"""Words of figures that are constant by design: the balance at the start of the day is not a stale balance."""


def is_fixed(words: Sequence[str]) -> bool:
    """Return whether a name refers to a figure that is constant by design, such as ``initial_balance``.

    >>> is_fixed(("initial", "balance")), is_fixed(("balance",))
    (True, False)
    """
    return not _FIXED.isdisjoint(words)


@functools.lru_cache(maxsize=65_536)
def kinds_of(words: tuple[str, ...], level: int = 3) -> frozenset[DataKind]:
    """Return the kinds of data that the words refer to.

    Parameters
    ----------
    words
        A name, split by `calib.policy.checker.words.split`.
    level
        The result of `trading_level` for the file.

    >>> sorted(kinds_of(("open", "orders")))
    [<DataKind.ORDER: 'order state'>]
    >>> kinds_of(("order", "service")), kinds_of(("cursor", "position")), kinds_of(("balance", "ttl"))
    (frozenset(), frozenset(), frozenset())
    """
    found = set()
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        rest: tuple[str, ...] = words[place + 1 :]
        cut = next((at for at, later in enumerate(rest) if later in _PREPOSITIONS), None)
        named_after = rest if cut is None else rest[:cut]
        if (kind := _noun(word, before, named_after, level)) is not None:
            found.add(kind)
    return frozenset(found)


def _noun(word: str, before: str, rest: tuple[str, ...], level: int) -> DataKind | None:
    following = rest[0] if rest else ""
    if word in ("order", "orders") and following in ("book", "books"):
        return None if not NOT_DATA.isdisjoint(rest[1:]) or "imbalance" in rest else DataKind.BOOK
    if word == "margin":
        used = following in ("ratio", "level", "available", "used", "free", "balance", "info", "account", "usage")
        return DataKind.BALANCE if level and (used or before in ("free", "available", "used", "account")) else None
    static = _static(word, before, following, rest)
    if static is not None or not NOT_DATA.isdisjoint(rest):
        return static
    for reader in (_money, _state, _market):
        if (kind := reader(word, before, rest, level)) is not None:
            return kind
    return None


def _static(word: str, before: str, following: str, rest: tuple[str, ...]) -> DataKind | None:
    if any(each in ("lock", "key", "keys", "path", "file", "client", "service", "manager") for each in rest):
        return None
    if word in ("symbol", "symbols", "instrument", "contract", "market") and following in ("info", "infos", "specs"):
        return DataKind.SYMBOL_INFO
    if (word, following) in (
        ("trading", "rules"),
        ("symbol", "filters"),
        ("lot", "size"),
        ("min", "notional"),
        ("symbol", "rules"),
        ("order", "limits"),
    ):
        return DataKind.TRADING_RULES
    if (word, following) in (("exchange", "info"), ("exchange", "config"), ("exchange", "configuration")):
        return DataKind.EXCHANGE_CONFIG
    if word == "markets" and before in ("", "load", "fetch", "get", "cached", "cache"):
        return DataKind.EXCHANGE_CONFIG
    return None


def _money(word: str, before: str, rest: tuple[str, ...], level: int) -> DataKind | None:
    following = rest[0] if rest else ""
    if not _PAST.isdisjoint(rest):
        return None
    if word in ("balance", "balances"):
        return (
            None
            if before in ("load", "white", "color", "class", "energy", "mass", "water", "work")
            else DataKind.BALANCE
        )
    if word == "account" and (following in _ACCOUNT_TAIL or not rest or following == "cache"):
        return DataKind.BALANCE
    if word == "accounts" and level >= 2 and not rest:
        return DataKind.BALANCE
    if (word, following) in (("buying", "power"), ("available", "funds"), ("available", "cash"), ("user", "state")):
        return DataKind.BALANCE
    if (word, following) in (("clearing", "house"), ("net", "liquidation"), ("cash", "available")):
        return DataKind.BALANCE
    if word in ("wallet", "portfolio") and following in (
        "value",
        "state",
        "data",
        "info",
        "summary",
        "snapshot",
        "cache",
    ):
        return DataKind.BALANCE if level else None
    if word == "equity":
        own = before in _OWN or not before
        return DataKind.BALANCE if level >= 2 and own and CACHE_WORDS.issuperset(rest) else None
    if word in ("collateral", "funds") and level >= 2:
        return DataKind.BALANCE
    return DataKind.BALANCE if word == "portfolio" and level >= 2 and not rest else None


def _state(word: str, before: str, rest: tuple[str, ...], level: int) -> DataKind | None:
    following = rest[0] if rest else ""
    if word in ("order", "orders"):
        if before in _NOT_BEFORE_ORDER or not _NOT_AFTER_ORDER.isdisjoint(rest):
            return None
        strong = word == "orders" and before in ("open", "pending", "active")
        strong = strong or following in ("status", "history", "state") or before == "fetch"
        return (
            DataKind.ORDER if strong or level >= (1 if before in ("get", "query") or word == "orders" else 2) else None
        )
    if word in ("position", "positions", "holdings"):
        if before in _NOT_BEFORE_POSITION or not _PAST.isdisjoint(rest):
            return None
        enough = level >= (1 if before in _ASKED else 2)
        return DataKind.POSITION if enough or before == "fetch" else None
    if word in ("trade", "trades") and before in ("recent", "latest", "last", "public"):
        return DataKind.TRADE if level and rest[:1] != ("history",) else None
    if word == "vwap" or (word == "price" and before == "last" and level) or (word, following) == ("price", "change"):
        return DataKind.TRADE
    return None


def _market(word: str, before: str, rest: tuple[str, ...], level: int) -> DataKind | None:
    if level < 1 or not _NOT_AFTER_PRICE.isdisjoint(rest):
        return None
    if word in ("price", "prices") and before not in _NOT_BEFORE_PRICE:
        return DataKind.PRICE
    if word in ("ticker", "tickers", "quote", "quotes") and level >= 2:
        return DataKind.PRICE
    return DataKind.BOOK if word == "depth" and before in ("market", "get", "fetch") and level >= 2 else None


_HISTORY_ARGUMENTS: Final = word_set(
    "start end since until date from_date to_date start_date end_date period interval timeframe timestamp days day "
    "ts start_time end_time start_ts end_ts lookback window as_of years year"
)


def asks_for_history(arguments: Sequence[str]) -> bool:
    """Return whether the arguments of a getter request historical data, which does not change.

    >>> asks_for_history(["symbol", "start_date"]), asks_for_history(["symbol"])
    (True, False)
    """
    return not _HISTORY_ARGUMENTS.isdisjoint(arguments)
