"""Programs of many shapes in which no error may be found: near misses that a check by names alone gets wrong.

Written for these tests; the shapes are those that public trading bots use.
"""

from __future__ import annotations

from typing import Final

RIGHT: Final[dict[str, str]] = {
    "service factories with lru_cache": """
from functools import lru_cache

from app.settings import Settings


@lru_cache
def get_settings():
    return Settings()


@lru_cache(maxsize=1)
def get_order_service():
    return OrderService(get_settings())


@lru_cache
def get_position_manager():
    return PositionManager(get_order_service())


@lru_cache
def get_balance_repository():
    return BalanceRepository()


@lru_cache()
def get_exchange_client():
    return ccxt.binance()
""",
    "an idempotency store": """
import time


class IdempotencyStore:
    def __init__(self, ttl_s=300):
        self._seen_orders = {}
        self._ttl_s = ttl_s

    def remember(self, client_order_id):
        now = time.time()
        self._seen_orders = {key: at for key, at in self._seen_orders.items() if now - at < self._ttl_s}
        if client_order_id in self._seen_orders:
            return False
        self._seen_orders[client_order_id] = now
        return True
""",
    "order times for a rate limit": """
import time
from collections import deque


class OrderRateLimiter:
    def __init__(self, exchange, per_second=10):
        self.exchange = exchange
        self._recent_orders = deque()
        self._order_cache = set()
        self.per_second = per_second

    def place_order(self, symbol, side, amount):
        now = time.time()
        while self._recent_orders and now - self._recent_orders[0] > 1:
            self._recent_orders.popleft()
        if len(self._recent_orders) >= self.per_second:
            time.sleep(1)
        self._recent_orders.append(now)
        order = self.exchange.create_order(symbol, "market", side, amount)
        self._order_cache.add(order["id"])
        return order
""",
    "client objects": """
import ccxt

_clients = {}
_exchange_cache = {}


def get_exchange(name, account):
    key = (name, account)
    if key not in _exchange_cache:
        _exchange_cache[key] = getattr(ccxt, name)({"apiKey": account.key})
    return _exchange_cache[key]


class Broker:
    def __init__(self):
        self._account_client = None

    @property
    def account_client(self):
        if self._account_client is None:
            self._account_client = AccountClient()
        return self._account_client
""",
    "market lists": """
class Exchange:
    def __init__(self, exchange):
        self.exchange = exchange
        self.markets = exchange.load_markets()
        self.symbols = []

    def tradable(self, quote):
        if not self.symbols:
            self.symbols = [name for name, row in self.markets.items() if row["quote"] == quote]
        return self.symbols
""",
    "a message that is not repeated": """
import time


class OrderLogger:
    def __init__(self, logger):
        self.logger = logger
        self._last_logged = {}
        self._logged_orders_cache = set()

    def balance_warning(self, text):
        now = time.time()
        if now - self._last_logged.get(text, 0) < 60:
            return
        self._last_logged[text] = now
        self.logger.warning(text)

    def order_filled(self, order_id):
        if order_id in self._logged_orders_cache:
            return
        self._logged_orders_cache.add(order_id)
        self.logger.info("filled %s", order_id)
""",
    "parsers": """
from functools import lru_cache


class Exchange:
    def _parse_output_order(self, row):
        return {"id": row["orderId"], "price": float(row["price"])}

    def parse_balance(self, rows):
        return {row["asset"]: float(row["free"]) for row in rows}

    @lru_cache(maxsize=256)
    def parse_position_side(self, text):
        return "long" if text.upper() == "BUY" else "short"

    @lru_cache(maxsize=1024)
    def format_order_id(self, number):
        return f"x-{number:08d}"
""",
    "a map that the user stream writes": """
class UserStream:
    def __init__(self, client):
        self.client = client
        self._balances = {}
        self.connected = False

    async def on_account_update(self, event):
        for row in event["B"]:
            self._balances[row["a"]] = float(row["f"])

    async def on_disconnect(self):
        self.connected = False
        self._balances.clear()

    def free(self, asset):
        if not self.connected:
            raise ConnectionError("the user stream is down")
        return self._balances[asset]
""",
    "a stream with a snapshot at its start": """
class Orders:
    def __init__(self, rest):
        self.rest = rest
        self.open_orders = {}

    async def connect(self):
        for order in await self.rest.fetch_open_orders():
            self.open_orders[order["id"]] = order

    def handle_order_update(self, message):
        if message["status"] in ("FILLED", "CANCELED"):
            self.open_orders.pop(message["id"], None)
        else:
            self.open_orders[message["id"]] = message

    def pending(self):
        return list(self.open_orders.values())
""",
    "a store of fills for analysis": """
import json


class FillHistory:
    def __init__(self, path):
        self.path = path
        self.fills = []

    def record(self, fill):
        self.fills.append(fill)

    def load(self):
        self.fills = [json.loads(line) for line in self.path.read_text().splitlines()]

    def average_slippage(self):
        return sum(fill["slip"] for fill in self.fills) / len(self.fills)
""",
    "a paper account": """
class PaperPortfolio:
    def __init__(self, cash):
        self.balance = cash
        self.positions = {}

    def buy(self, symbol, quantity, price):
        self.balance -= quantity * price
        self.positions[symbol] = self.positions.get(symbol, 0) + quantity

    def get_balance(self):
        return self.balance

    def get_positions(self):
        return self.positions
""",
    "a backtest": """
class Backtest:
    def __init__(self, candles, initial_balance=10_000):
        self.candles = candles
        self.initial_balance = initial_balance
        self.balance = initial_balance
        self.position = None
        self.trades = []

    def run(self):
        for candle in self.candles:
            if self.position is None and candle["close"] > candle["open"]:
                self.position = {"price": candle["close"], "size": self.balance / candle["close"]}
                self.balance = 0
            elif self.position is not None:
                self.balance = self.position["size"] * candle["close"]
                self.position = None
        return self.balance - self.initial_balance
""",
    "the state of a strategy": """
import time


class Breakout:
    def __init__(self, exchange):
        self.exchange = exchange
        self.in_position = False
        self.entry_price = None
        self.last_trade_time = 0
        self.cooldown = 300

    def on_candle(self, candle):
        if time.time() - self.last_trade_time < self.cooldown:
            return
        if not self.in_position and candle["close"] > candle["high_20"]:
            order = self.exchange.create_market_buy_order("BTC/USDT", 0.1)
            self.in_position = True
            self.entry_price = order["price"]
            self.last_trade_time = time.time()
""",
    "fetched where it is used": """
import time


class Bot:
    def __init__(self, exchange):
        self.exchange = exchange
        self.last_report = 0

    def run(self):
        while True:
            balance = self.exchange.fetch_balance()
            positions = self.exchange.fetch_positions()
            self.trade(balance, positions)
            if time.time() - self.last_report > 3600:
                self.report(balance)
                self.last_report = time.time()
            time.sleep(10)

    def trade(self, balance, positions):
        if not positions:
            self.exchange.create_order("BTC/USDT", "market", "buy", balance["USDT"]["free"] / 100)

    def report(self, balance):
        print(balance)
""",
    "refreshed before every use": """
class Bot:
    def __init__(self, client):
        self.client = client
        self.balance = None

    def update(self):
        self.balance = self.client.get_asset_balance(asset="USDT")

    def run(self):
        while True:
            self.update()
            self.decide()

    def decide(self):
        if float(self.balance["free"]) > 100:
            self.client.order_market_buy(symbol="BTCUSDT", quantity=0.001)
""",
    "a retry with a pause": """
import time


def get_balance(exchange, attempts=3):
    for attempt in range(attempts):
        try:
            return exchange.fetch_balance()
        except ConnectionError:
            time.sleep(2**attempt)
    raise RuntimeError("no balance")
""",
    "before and after a swap": """
import time


def swap(wallet, router):
    balance_before = wallet.get_balance()
    router.swap()
    time.sleep(15)
    balance_after = wallet.get_balance()
    return balance_after - balance_before
""",
    "waiting for a fill": """
import time


def buy(client, symbol, quantity):
    order = client.create_order(symbol=symbol, side="BUY", type="MARKET", quantity=quantity)
    for _ in range(10):
        time.sleep(1)
        order = client.get_order(symbol=symbol, orderId=order["orderId"])
        if order["status"] == "FILLED":
            return order
    client.cancel_order(symbol=symbol, orderId=order["orderId"])
    return None
""",
    "closing positions one by one": """
import time


def close_all(exchange):
    positions = exchange.fetch_positions()
    for position in positions:
        side = "sell" if position["side"] == "long" else "buy"
        exchange.create_order(position["symbol"], "market", side, position["contracts"])
        time.sleep(0.2)
""",
    "the balance of the morning": """
class DailyLoss:
    def __init__(self, exchange):
        self.exchange = exchange
        self.starting_balance = exchange.fetch_balance()["total"]["USDT"]

    def breached(self, limit):
        now = self.exchange.fetch_balance()["total"]["USDT"]
        return now < self.starting_balance * (1 - limit)
""",
    "indicators and candles": """
import time
from functools import lru_cache


class Signals:
    def __init__(self, exchange):
        self.exchange = exchange
        self._candles = {}
        self._at = 0

    def candles(self, symbol):
        if symbol in self._candles and time.time() - self._at < 60:
            return self._candles[symbol]
        self._candles[symbol] = self.exchange.fetch_ohlcv(symbol, "1m")
        self._at = time.time()
        return self._candles[symbol]

    @lru_cache(maxsize=64)
    def ema_weights(self, period):
        return [2 / (period + 1) * (1 - 2 / (period + 1)) ** step for step in range(period)]
""",
    "prices of the past": """
from functools import lru_cache


@lru_cache(maxsize=512)
def get_price(symbol, date):
    return database.close(symbol, date)


@lru_cache(maxsize=32)
def load_price_history(symbol):
    return read_csv(f"data/{symbol}.csv")
""",
    "tokens and sessions of an API": """
import time


class BrokerApi:
    def __init__(self, http):
        self.http = http
        self._token = None
        self._expires_at = 0

    def token(self):
        if self._token and time.time() < self._expires_at - 60:
            return self._token
        answer = self.http.post("/oauth/token")
        self._token = answer["access_token"]
        self._expires_at = time.time() + answer["expires_in"]
        return self._token

    def get_account(self):
        return self.http.get("/v1/account", headers={"Authorization": self.token()}).json()
""",
    "a time limit for an order": """
import time


class Executor:
    def __init__(self, exchange):
        self.exchange = exchange
        self.order_id = None
        self.placed_at = 0

    def check(self):
        if self.order_id and time.time() - self.placed_at > 30:
            self.exchange.cancel_order(self.order_id)
            self.order_id = None

    def is_filled(self):
        return self.exchange.fetch_order(self.order_id)["status"] == "closed"
""",
    "a heartbeat thread": """
import threading
import time


class Client:
    def __init__(self, exchange):
        self.exchange = exchange
        self.alive_at = 0
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self):
        while True:
            self.exchange.ping()
            self.alive_at = time.time()
            time.sleep(5)

    def get_balance(self):
        if time.time() - self.alive_at > 15:
            raise ConnectionError("no heartbeat")
        return self.exchange.fetch_balance()
""",
    "a trading loop in a thread": """
import threading
import time


class Runner:
    def __init__(self, exchange):
        self.exchange = exchange
        self.running = True
        threading.Thread(target=self.loop).start()

    def loop(self):
        while self.running:
            position = self.exchange.fetch_position("BTC/USDT")
            if position["contracts"] == 0:
                self.enter()
            time.sleep(5)

    def enter(self):
        balance = self.exchange.fetch_balance()
        self.exchange.create_order("BTC/USDT", "market", "buy", balance["free"]["USDT"] / 1000)
""",
    "symbol information within the limit": """
from cachetools import TTLCache, cached


@cached(TTLCache(maxsize=500, ttl=3600))
def get_symbol_info(client, symbol):
    return client.get_symbol_info(symbol)
""",
    "web pages and positions of another kind": """
from functools import cached_property, lru_cache


class Cursor:
    def __init__(self):
        self._position_cache = {}

    def position(self, line):
        if line not in self._position_cache:
            self._position_cache[line] = self.measure(line)
        return self._position_cache[line]

    @cached_property
    def order(self):
        return sorted(self._position_cache)


@lru_cache
def get_positions(tree):
    return [node.offset for node in tree]
""",
    "an order of a shop": """
from django.core.cache import cache


def menu_order():
    return cache.get("menu_sort_order")


def accounts_page():
    return cache.get("account_page_html")
""",
    "a database of orders": """
class OrderRepository:
    def __init__(self, session):
        self.session = session

    def get_open_orders(self):
        return self.session.query(Order).filter(Order.status == "open").all()

    def save(self, order):
        self.session.add(order)
""",
    "a book from a stream": """
import time


class Books:
    def __init__(self):
        self._books = {}
        self._at = {}

    def on_message(self, message):
        self._books[message["s"]] = message
        self._at[message["s"]] = time.monotonic()

    def get_order_book(self, symbol):
        if time.monotonic() - self._at.get(symbol, 0) > 5:
            return None
        return self._books.get(symbol)
""",
}
"""By a name: a program in which no error is found."""
