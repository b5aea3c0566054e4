"""Programs of many shapes that cache what must not be cached: each with a rule that has to find an error in it.

Written for these tests; the shapes are those that public trading bots use.
"""

from __future__ import annotations

from typing import Final

WRONG: Final[dict[str, tuple[str, str]]] = {
    "a wallet with an hourly refresh check": (
        "CAL104",
        """
from datetime import timedelta


class WalletBook:
    def __init__(self, exchange, config):
        self._exchange = exchange
        self._wallets = {}
        self._last_refresh = None
        self.update()

    def free(self, currency):
        entry = self._wallets.get(currency)
        return entry["free"] if entry else 0

    def _update_live(self):
        balances = self._exchange.get_balances()
        for currency in balances:
            self._wallets[currency] = {"free": balances[currency].get("free", 0)}

    def update(self, force=True):
        now = dt_now()
        if force or self._last_refresh is None or self._last_refresh + timedelta(seconds=3600) < now:
            self._update_live()
            self._last_refresh = dt_now()
""",
    ),
    "lru_cache on a price getter": (
        "CAL101",
        """
import functools

import requests


@functools.lru_cache(maxsize=128)
def get_price(symbol):
    answer = requests.get(f"https://api.exchange.example/ticker/price?symbol={symbol}", timeout=5)
    return float(answer.json()["price"])
""",
    ),
    "an account service with a dict and 30 seconds": (
        "CAL104",
        """
import time


class AccountService:
    def __init__(self, client):
        self.client = client
        self._cache = {}
        self._ttl = 30

    def summary(self):
        hit = self._cache.get("account")
        if hit is not None and time.time() - hit[0] < self._ttl:
            return hit[1]
        account = self.client.get_account()
        self._cache["account"] = (time.time(), account)
        return account
""",
    ),
    "a positions service with 20 seconds": (
        "CAL104",
        """
import time


class PositionsService:
    CACHE_TTL = 20.0

    def __init__(self, broker):
        self._broker = broker
        self._cached = None
        self._cached_at = 0.0

    async def list(self):
        if self._cached is not None and (time.monotonic() - self._cached_at) < self.CACHE_TTL:
            return self._cached
        self._cached = await self._broker.get_positions()
        self._cached_at = time.monotonic()
        return self._cached
""",
    ),
    "a background thread": (
        "CAL112",
        """
import threading
import time


class LiveBroker:
    def __init__(self, api):
        self._api = api
        self._account = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def _poll(self):
        while not self._stop.is_set():
            try:
                self._account = self._api.get_account()
            except Exception:
                pass
            time.sleep(15)

    @property
    def cash(self):
        return float(self._account.cash)
""",
    ),
    "a background task with a helper": (
        "CAL112",
        """
import asyncio


class Engine:
    def __init__(self, exchange):
        self.exchange = exchange
        self.balance = 0.0

    async def start(self):
        asyncio.create_task(self._balance_loop())

    async def _refresh_balance(self):
        answer = await self.exchange.fetch_balance()
        self.balance = answer["total"]["USDT"]

    async def _balance_loop(self):
        while True:
            await self._refresh_balance()
            await asyncio.sleep(60)

    def size(self, risk):
        return self.balance * risk
""",
    ),
    "a module's globals behind a web service": (
        "CAL112",
        """
import asyncio

from fastapi import FastAPI

app = FastAPI()
STATE = {"positions": [], "balance": None}


async def refresher(client):
    while True:
        STATE["positions"] = await client.get_positions()
        await asyncio.sleep(5)


@app.on_event("startup")
async def startup():
    asyncio.create_task(refresher(app.client))


@app.get("/positions")
async def positions():
    return STATE["positions"]
""",
    ),
    "a global with a time beside it": (
        "CAL104",
        """
import time

_balance = None
_balance_time = 0


def get_usdt_balance(client):
    global _balance, _balance_time
    if _balance is None or time.time() - _balance_time > 10:
        _balance = client.futures_account_balance()
        _balance_time = time.time()
    return _balance
""",
    ),
    "a dict of dicts at module level": (
        "CAL104",
        """
import time

_global_balance_cache = {"balance": None, "timestamp": 0, "ttl": 60}


async def get_cached_balance(exchange):
    now = time.time()
    if now - _global_balance_cache["timestamp"] < _global_balance_cache["ttl"]:
        return _global_balance_cache["balance"]
    _global_balance_cache["balance"] = await exchange.fetch_balance()
    _global_balance_cache["timestamp"] = now
    return _global_balance_cache["balance"]
""",
    ),
    "class attributes and a timeout constant": (
        "CAL104",
        """
import time

import coinbase

CACHE_TIMEOUT = 10


class Account:
    balance = None
    _fetched = None

    @staticmethod
    def get_balance(use_cache=True):
        current = time.time()
        if not use_cache or not Account._fetched or Account._fetched + CACHE_TIMEOUT < current:
            Account.balance = coinbase.get_accounts()
            Account._fetched = current
        return Account.balance
""",
    ),
    "getattr with a default": (
        "CAL104",
        """
import time


class Dex:
    async def get_positions(self):
        now = time.time()
        if now - getattr(self, "_positions_cache_time", 0) < 3.0:
            cached = getattr(self, "_positions_cache", None)
            if cached is not None:
                return cached
        answer = await self.indexer.account.get_subaccount_perpetual_positions(self.address)
        self._positions_cache = answer["positions"]
        self._positions_cache_time = now
        return self._positions_cache
""",
    ),
    "a helper says whether the cache is valid": (
        "CAL104",
        """
import time


class Trader:
    def __init__(self, client):
        self.client = client
        self._store = {}
        self._times = {}

    def _is_valid(self, key):
        return key in self._times and time.time() - self._times[key] < 30

    def get_open_orders(self, symbol):
        key = f"orders_{symbol}"
        if self._is_valid(key):
            return self._store[key]
        self._store[key] = self.client.get_open_orders(symbol=symbol)
        self._times[key] = time.time()
        return self._store[key]
""",
    ),
    "an expiry written as a moment": (
        "CAL104",
        """
from datetime import datetime, timedelta


class Portfolio:
    def __init__(self, api):
        self.api = api
        self._positions = None
        self._expires_at = None

    def positions(self):
        if self._positions is not None and datetime.utcnow() < self._expires_at:
            return self._positions
        self._positions = self.api.list_positions()
        self._expires_at = datetime.utcnow() + timedelta(seconds=5)
        return self._positions
""",
    ),
    "an age in a local variable": (
        "CAL104",
        """
import time


class Bot:
    def __init__(self, exchange):
        self.exchange = exchange
        self.balance_data = None
        self.balance_fetched = 0

    def balance(self):
        age = time.time() - self.balance_fetched
        if self.balance_data and age < 120:
            return self.balance_data
        self.balance_data = self.exchange.fetch_balance()
        self.balance_fetched = time.time()
        return self.balance_data
""",
    ),
    "an early return in an updater": (
        "CAL104",
        """
import time


class Exchange:
    def __init__(self, rest):
        self.rest = rest
        self.positions = {}
        self._last_update = 0

    def update_positions(self):
        if time.time() - self._last_update < 60:
            return
        for row in self.rest.get_positions():
            self.positions[row["symbol"]] = row
        self._last_update = time.time()
""",
    ),
    "a periodic refresh in the main loop": (
        "CAL104",
        """
import time


class Grid:
    def __init__(self, exchange):
        self.exchange = exchange
        self.balance = None
        self.last_balance_check = 0

    def run(self):
        while True:
            if time.time() - self.last_balance_check > 300:
                self.balance = self.exchange.fetch_balance()
                self.last_balance_check = time.time()
            self.place_grid(self.balance)
            time.sleep(1)

    def place_grid(self, balance):
        self.exchange.create_order("BTC/USDT", "limit", "buy", balance["free"]["USDT"], 1)
""",
    ),
    "Redis, with the key in a local": (
        "CAL105",
        """
import json

import redis

r = redis.Redis()


def account_balance(client, user):
    cache_key = "balance:%s" % user
    raw = r.get(cache_key)
    if raw:
        return json.loads(raw)
    redis_client = r
    fresh = client.get_account()
    redis_client.set(cache_key, json.dumps(fresh), ex=60)
    return fresh
""",
    ),
    "the key in a constant of the class": (
        "CAL105",
        """
class OrderRepository:
    KEY = "open_orders"

    def __init__(self, cache, api):
        self.cache = cache
        self.api = api

    async def all(self):
        found = await self.cache.get(self.KEY)
        if found is None:
            found = await self.api.get_open_orders()
            await self.cache.set(self.KEY, found, ttl=10)
        return found
""",
    ),
    "the key from a helper": (
        "CAL105",
        """
from app.cache import TTLCache

ALPACA_CACHE = TTLCache(default_ttl=10.0)


def _cache_key(prefix, env):
    return f"{prefix}:{env}"


def account(client):
    key = _cache_key("alpaca:account", client.environment)
    found = ALPACA_CACHE.get(key)
    if found is None:
        found = client.get_account()
        ALPACA_CACHE.set(key, found)
    return found
""",
    ),
    "Django's cache": (
        "CAL105",
        """
from django.core.cache import cache


def positions_of(user, exchange):
    found = cache.get(f"positions_{user.pk}")
    if found is None:
        found = exchange.fetch_positions()
        cache.set(f"positions_{user.pk}", found, 15)
    return found
""",
    ),
    "a method named for a cached read": (
        "CAL105",
        """
class BalanceResolver:
    def __init__(self, exchange, redis_client):
        self.exchange = exchange
        self.redis = redis_client

    async def resolve(self):
        try:
            return await self.exchange.get_balance()
        except Exception:
            return await self.redis.get_cached_account_balance()
""",
    ),
    "cachetools with an alias": (
        "CAL101",
        """
from cachetools import TTLCache
from cachetools import cached as remembered


@remembered(TTLCache(maxsize=1, ttl=5))
def fetch_open_orders(exchange):
    return exchange.fetch_open_orders("BTC/USDT")
""",
    ),
    "functools.cache on a method": (
        "CAL101",
        """
import functools


class Api:
    @functools.cache
    def get_positions(self, account_id):
        return self.session.get(f"/v2/accounts/{account_id}/positions").json()
""",
    ),
    "an aiocache decorator": (
        "CAL101",
        """
from aiocache import cached


@cached(ttl=30)
async def get_account_balance(exchange):
    return await exchange.fetch_balance()
""",
    ),
    "a decorator of the bot's own": (
        "CAL101",
        """
from bot.util import ttl_cache


class Binance:
    @ttl_cache(seconds=15)
    def position_risk(self, symbol):
        return self.client.futures_position_information(symbol=symbol)

    @ttl_cache(seconds=15)
    def get_position(self, symbol):
        return self.client.futures_position_information(symbol=symbol)[0]
""",
    ),
    "a cached property": (
        "CAL101",
        """
from functools import cached_property

import ccxt


class Trader:
    def __init__(self):
        self.exchange = ccxt.binance()

    @cached_property
    def balance(self):
        return self.exchange.fetch_balance()
""",
    ),
    "lru_cache called as a function": (
        "CAL101",
        """
from functools import lru_cache


def get_balance(client):
    return client.get_asset_balance(asset="USDT")


get_balance = lru_cache(maxsize=1)(get_balance)
""",
    ),
    "a generic name over an account call": (
        "CAL101",
        """
from functools import lru_cache

from alpaca.trading.client import TradingClient

client = TradingClient("key", "secret")


@lru_cache
def get_state():
    return client.get_account()
""",
    ),
    "a balance cache class": (
        "CAL102",
        """
class BalanceCache:
    def __init__(self, ttl=30):
        self.ttl = ttl
        self.entries = {}

    def store(self, account, value):
        self.entries[account] = value

    def read(self, account):
        return self.entries.get(account)
""",
    ),
    "a cache class with such attributes": (
        "CAL102",
        """
import threading


class ExchangeCache:
    tickers = {}
    open_orders = {}
    _balances = {}
    _lock = threading.Lock()

    def balances(self):
        with self._lock:
            return self._balances
""",
    ),
    "an order cache as a dataclass": (
        "CAL102",
        """
from dataclasses import dataclass, field


@dataclass
class OrderCache:
    rows: dict = field(default_factory=dict)
    updated: float = 0.0
""",
    ),
    "fields of a dataclass": (
        "CAL103",
        """
from dataclasses import dataclass


@dataclass
class BotState:
    symbol: str
    cached_balance: float = 0.0
    cached_positions: list = None
""",
    ),
    "a dataclass with the time of the fetch": (
        "CAL103",
        """
from dataclasses import dataclass


@dataclass
class Snapshot:
    balance: float
    open_orders: list
    fetched_at: float
""",
    ),
    "a lazy attribute": (
        "CAL103",
        """
class Strategy:
    def __init__(self, exchange):
        self.exchange = exchange
        self._balance = None

    def balance(self):
        if self._balance is None:
            self._balance = self.exchange.fetch_balance()
        return self._balance
""",
    ),
    "a dict as a memo": (
        "CAL103",
        """
class Orders:
    def __init__(self, api):
        self.api = api
        self._known = {}

    def get_order_status(self, order_id):
        if order_id in self._order_cache:
            return self._order_cache[order_id]
        status = self.api.get_order_status(order_id)
        self._order_cache[order_id] = status
        return status
""",
    ),
    "stored by one method, used by another": (
        "CAL103",
        """
class MarketMaker:
    def __init__(self, exchange):
        self.exchange = exchange
        self.position = 0

    def sync(self):
        self.position = self.exchange.fetch_position("BTC/USDT")["contracts"]

    def quote(self, mid):
        skew = self.position * 0.01
        self.exchange.create_order("BTC/USDT", "limit", "buy", 1, mid - skew)
""",
    ),
    "fetched once by the constructor": (
        "CAL103",
        """
class Sizer:
    def __init__(self, client):
        self.client = client
        self.available_balance = float(client.get_asset_balance("USDT")["free"])

    def quantity(self, price, risk):
        return self.available_balance * risk / price
""",
    ),
    "an expiring container": (
        "CAL103",
        """
from cachetools import TTLCache

import ccxt

exchange = ccxt.kraken()
balances = TTLCache(maxsize=10, ttl=30)


def balance_of(asset):
    if asset not in balances:
        balances[asset] = exchange.fetch_balance()[asset]
    return balances[asset]
""",
    ),
    "a cached attribute and an invalidation": (
        "CAL103",
        """
class Adapter:
    def __init__(self, broker):
        self._broker = broker
        self._cached_positions = None

    def invalidate(self):
        self._cached_positions = None

    def positions(self):
        if not self._cached_positions:
            self._cached_positions = self._broker.positions()
        return self._cached_positions
""",
    ),
    "the last balance where the request fails": (
        "CAL106",
        """
class Futures:
    def __init__(self, client):
        self.client = client
        self.last_balance = 0.0

    def get_balance(self):
        try:
            rows = self.client.futures_account_balance()
            self.last_balance = float(rows[0]["balance"])
            return self.last_balance
        except Exception as error:
            print(error)
            return self.last_balance
""",
    ),
    "an error that is swallowed": (
        "CAL106",
        """
class Spot:
    def __init__(self, exchange):
        self.exchange = exchange
        self.open_orders = []

    def orders(self):
        try:
            self.open_orders = self.exchange.fetch_open_orders()
        except Exception:
            pass
        return self.open_orders
""",
    ),
    "a balance from before the sleep": (
        "CAL109",
        """
import time


def rebalance(exchange, price):
    balance = exchange.fetch_balance()["USDT"]["free"]
    time.sleep(60)
    exchange.create_market_buy_order("BTC/USDT", balance / price)
""",
    ),
    "a position from before the loop": (
        "CAL109",
        """
import asyncio


async def trail(exchange, symbol):
    position = await exchange.fetch_position(symbol)
    while True:
        price = (await exchange.fetch_ticker(symbol))["last"]
        await exchange.create_order(symbol, "stop", "sell", position["contracts"], price * 0.99)
        await asyncio.sleep(30)
""",
    ),
    "a last price with a time-to-live": (
        "CAL104",
        """
import time


class Feed:
    def __init__(self, exchange):
        self.exchange = exchange
        self._last_price = None
        self._last_price_at = 0.0

    def last_price(self, symbol):
        if self._last_price is not None and time.time() - self._last_price_at < 2:
            return self._last_price
        self._last_price = self.exchange.get_last_price(symbol)
        self._last_price_at = time.time()
        return self._last_price
""",
    ),
    "a scheduler refreshes the account": (
        "CAL112",
        """
from apscheduler.schedulers.background import BackgroundScheduler


class Desk:
    def __init__(self, broker):
        self.broker = broker
        self.account_info = None
        scheduler = BackgroundScheduler()
        scheduler.add_job(self.refresh_account, "interval", seconds=30)
        scheduler.start()

    def refresh_account(self):
        self.account_info = self.broker.get_account_info()

    def can_buy(self, amount):
        return self.account_info["cash"] > amount
""",
    ),
    "a thread class": (
        "CAL112",
        """
import threading
import time


class PositionPoller(threading.Thread):
    def __init__(self, client):
        super().__init__(daemon=True)
        self.client = client
        self.positions = []

    def run(self):
        while True:
            self.positions = self.client.get_positions()
            time.sleep(3)

    def size_of(self, symbol):
        return sum(row["size"] for row in self.positions if row["symbol"] == symbol)
""",
    ),
    "orders that one function stores and another gives": (
        "CAL103",
        """
from datetime import datetime, timezone

from app.services.exchange import broker

_orders = []
_last_updated = None


def store_open_orders(orders):
    global _orders, _last_updated
    _orders = list(orders)
    _last_updated = datetime.now(timezone.utc)


def open_orders():
    return _orders
""",
    ),
    "a record of a cached figure": (
        "CAL102",
        """
from dataclasses import dataclass


@dataclass
class CachedBuyingPower:
    buying_power: float
    created_at: str
    expires_at: str
""",
    ),
    "a client of Redis under a short name": (
        "CAL105",
        """
import json

import redis

r = redis.Redis()


def positions(exchange):
    raw = r.get("positions:all")
    if raw is None:
        fresh = exchange.fetch_positions()
        r.setex("positions:all", 5, json.dumps(fresh))
        return fresh
    return json.loads(raw)
""",
    ),
    "a helper that takes the fetch": (
        "CAL105",
        """
class Account:
    def __init__(self, client, memory):
        self.client = client
        self.memory = memory

    def balance(self):
        return self.memory.cached_call("account_balance", self.client.fetch_balance, 30)
""",
    ),
    "a helper that is given the time": (
        "CAL104",
        """
import time


class Positions:
    def __init__(self, client):
        self.client = client
        self._held = {}

    def _young(self, at):
        return time.time() - at < 20

    def get_positions(self):
        entry = self._held.get("all")
        if entry and self._young(entry[0]):
            return entry[1]
        rows = self.client.get_positions()
        self._held["all"] = (time.time(), rows)
        return rows
""",
    ),
    "the last figure put into a local where the request fails": (
        "CAL106",
        """
def size(bot, exchange, risk):
    try:
        balance = exchange.fetch_balance()["USDT"]["free"]
    except Exception:
        balance = bot.last_balance
    return balance * risk
""",
    ),
    "symbol information for two hours": (
        "CAL110",
        """
SYMBOL_INFO_TTL = 2 * 60 * 60


def symbol_info(cache, client, symbol):
    return cache.get_or_set(f"symbol_info:{symbol}", lambda: client.get_symbol_info(symbol), SYMBOL_INFO_TTL)
""",
    ),
    "trading rules by setex": (
        "CAL110",
        """
def store(redis, symbol, rules):
    redis.setex(f"trading_rules:{symbol}", 7200, rules)
""",
    ),
    "exchange information for ever": (
        "CAL111",
        """
from functools import cache


@cache
def get_exchange_info(client):
    return client.get_exchange_info()
""",
    ),
}
"""By a name: the rule that has to find an error, and the program."""
