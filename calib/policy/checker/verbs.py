"""Classification of calls that fetch trading data, by the function's name or the requested URL."""

from __future__ import annotations

import ast
from typing import Final

from calib.policy.checker.kinds import NONE, NOT_DATA, DataKind, kinds_of
from calib.policy.checker.words import CACHE_WORDS, split, word_set

FETCH_VERBS: Final = word_set(
    "fetch get request query retrieve read refresh sync poll pull download obtain list req load call ask"
)
"""First words of calls that fetch data."""
_ACTIONS: Final = word_set(
    "place create submit send cancel close open modify replace amend execute process parse format calculate calc "
    "compute set add remove delete save store log print notify validate build make convert handle write insert "
    "record track register emit publish render plot simulate clear reset invalidate is has can should to adjust "
    "estimate apply reserve deposit withdraw transfer buy sell enter exit normalize verify assert test show display "
    "draw on sort filter count put post encode decode serialize update extract transform aggregate merge init setup "
    "start stop run ensure wait generate prepare extract map round check format max min sum len new mock fake"
)
"""First words of calls that do not fetch data."""
_REQUESTS: Final = word_set("get request fetch query call signed send private json api rest http session")
_NOT_REQUESTS: Final = word_set("post put delete cache cached redis dict env headers")
_LOCAL: Final = CACHE_WORDS | word_set("inflight tracked local stored saved known db database session_state")
"""Words of getters that read the bot's own state."""
_MEMORIES: Final = word_set(
    "store stores selectors repo repository db database dao crud journal ledger registry config settings cache os "
    "path portfolio tracker history session_state"
)
"""Words of objects that hold the bot's own state."""
_KNOWN: Final[dict[str, DataKind]] = {
    "futures_account": DataKind.BALANCE,
    "margin_account": DataKind.BALANCE,
    "user_state": DataKind.BALANCE,
    "account_info": DataKind.BALANCE,
    "accountSummary": DataKind.BALANCE,
    "accountValues": DataKind.BALANCE,
    "balanceOf": DataKind.BALANCE,
    "positions_get": DataKind.POSITION,
    "orders_get": DataKind.ORDER,
    "futures_position_information": DataKind.POSITION,
    "openTrades": DataKind.ORDER,
    "openOrders": DataKind.ORDER,
    "reqPositions": DataKind.POSITION,
}
CLOCKS: Final = word_set(
    "time monotonic now utcnow perf_counter time_ns monotonic_ns dt_now utc_now now_ms now_ts current_time "
    "timestamp_now now_utc get_time current_timestamp milliseconds today _now _utcnow clock _clock _time _now_ms "
    "get_current_time unix_time epoch time_ms now_s utc_timestamp get_timestamp perf_counter_ns"
)
"""Names of functions that return the current time."""


def terminal(node: ast.expr) -> str:
    """Return the last name of an expression: ``get_account`` for ``self.api.get_account``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call):
        return terminal(node.func)
    return ""


def is_clock(call: ast.Call) -> bool:
    """Return whether a call returns the current time."""
    name = terminal(call.func)
    if name not in CLOCKS:
        return False
    if name in ("time", "clock"):
        return not call.args
    return True


def getter_kinds(name: str, level: int) -> frozenset[DataKind]:
    """Return the kinds of data that a function of this name returns; none if the name indicates another purpose.

    >>> sorted(getter_kinds("get_open_orders", 3)), getter_kinds("parse_output_order", 3)
    ([<DataKind.ORDER: 'order state'>], frozenset())
    >>> getter_kinds("get_order_service", 3)
    frozenset()
    """
    words = tuple(word for word in split(name) if word not in CACHE_WORDS)
    if not words or words[0] in _ACTIONS:
        return NONE
    return kinds_of(words, level)


def fetch_kinds(call: ast.Call, texts: dict[str, str], level: int) -> frozenset[DataKind]:
    """Return the kinds of data that a call fetches; ``texts`` are the string constants of the module."""
    name = terminal(call.func)
    if not name or name[0].isupper():
        return NONE
    if (known := _KNOWN.get(name)) is not None and level:
        return frozenset({known})
    words = split(name)
    if not words or words[0] in _ACTIONS or _asks_memory(call.func):
        return NONE
    if words[0] in FETCH_VERBS or "get" in words[:4]:
        if not _LOCAL.isdisjoint(words) or ("in" in words and "flight" in words):
            return NONE
        found = kinds_of(words, level)
        if found:
            return found
    elif isinstance(call.func, ast.Attribute) and not _is_self(call.func.value) and len(words) <= 3 and level >= 2:
        if NOT_DATA.isdisjoint(words) and words[0] not in ("items", "values"):
            return kinds_of(words, level)
        return NONE
    return _requested(call, words, texts, level)


def _asks_memory(function: ast.expr) -> bool:
    """Return whether a call reads the bot's own state, such as ``self.store.load_positions()``."""
    node = function.value if isinstance(function, ast.Attribute) else None
    while node is not None:
        if not _MEMORIES.isdisjoint(split(terminal(node))):
            return True
        node = node.value if isinstance(node, ast.Attribute) else None
    return False


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _requested(call: ast.Call, words: tuple[str, ...], texts: dict[str, str], level: int) -> frozenset[DataKind]:
    """Return the kinds by the URL in the arguments: ``self._request("GET", "/api/v3/account")``."""
    if _REQUESTS.isdisjoint(words) or not _NOT_REQUESTS.isdisjoint(words):
        return NONE
    given = [*call.args[:3], *(each.value for each in call.keywords if each.arg in ("url", "path", "endpoint", "json"))]
    found: frozenset[DataKind] = NONE
    for argument in given:
        text = text_of(argument, texts)
        if text in ("POST", "PUT", "DELETE"):
            return NONE
        if "/" in text or "clearinghouseState" in text:
            segments = [part for part in text.split("?")[0].split("/") if part and part != "{}"]
            found |= _address(tuple(segments[-2:]), level)
    return found


def _address(segments: tuple[str, ...], level: int) -> frozenset[DataKind]:
    found: frozenset[DataKind] = NONE
    for segment in segments:
        words = split(segment)
        if words in (("account",), ("accounts",)):
            return frozenset({DataKind.BALANCE})
        found |= kinds_of(words, max(level, 1))
    return found


def text_of(node: ast.AST | None, texts: dict[str, str]) -> str:
    """Return the text of an expression, with ``{}`` for unknown parts; empty if it is not a text.

    >>> text_of(ast.parse("f'account:{user}'", mode="eval").body, {})
    'account:{}'
    """
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(raw)):
            return raw.decode("latin-1")
        case ast.JoinedStr(values=parts):
            return "".join(_part(part, texts) for part in parts)
        case ast.FormattedValue(value=inner):
            return text_of(inner, texts) or "{}"
        case ast.Name(id=name):
            return texts.get(name, "")
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return texts.get(f"{owner}.{name}", texts.get(f"self.{name}", ""))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return (text_of(left, texts) or "{}") + (text_of(right, texts) or "{}")
        case ast.BinOp(left=left, op=ast.Mod()):
            return text_of(left, texts)
        case ast.Tuple(elts=elements):
            return ":".join(filter(None, (text_of(element, texts) for element in elements)))
        case ast.Call(func=ast.Attribute(value=owner, attr="format" | "join")):
            return text_of(owner, texts) + ":".join(text_of(each, texts) for each in node.args)
        case ast.Call(func=function, args=arguments) if {"key", "keys"} & set(split(terminal(function))):
            own = " ".join(word for word in split(terminal(function)) if word not in ("key", "keys", "get", "make"))
            return ":".join(filter(None, (own, *(text_of(each, texts) for each in arguments))))
        case _:
            return ""


def _part(part: ast.expr, texts: dict[str, str]) -> str:
    return text_of(part, texts)
