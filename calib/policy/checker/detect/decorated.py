"""Detector of functions whose results a decorator caches."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from calib.policy.checker.kinds import MARKET, NONE, PROHIBITED, DataKind, asks_for_history, kinds_of
from calib.policy.checker.module import Function, Module, once
from calib.policy.checker.verbs import FETCH_VERBS, getter_kinds, terminal
from calib.policy.checker.words import CACHE_WORDS, split, word_set

_NOT_CACHING: Final = word_set(
    "no never clear invalidate invalidates bust evict control without skip disable nocache flush reset headers bypass"
)
_TTL_NAMES: Final = word_set(
    "ttl timeout seconds expire expires expiration maxage max_age expiry time duration lifetime"
)

_METHODS: Final = word_set("memoize cached cache decorator ttl_cache lru_cache wrap remember on early soft")


_LOOSE: Final = frozenset({DataKind.ORDER, DataKind.POSITION, DataKind.PRICE, DataKind.BOOK})
"""Kinds whose names have other meanings outside trading."""


class Decorated(NamedTuple):
    """A function whose results a decorator caches."""

    function: Function
    decorator: ast.expr
    name: str
    """Name of the decorator, such as ``lru_cache``."""
    kinds: frozenset[DataKind]
    ttl_s: float | None
    """The TTL, s, if it is a known number."""
    expires: bool
    """Whether entries expire."""


@once
def decorated(module: Module) -> Iterator[Decorated]:
    """Yield every function with a caching decorator, or wrapped by a call of one."""
    for function in module.functions:
        for decorator in function.node.decorator_list:
            name = _cache_name(module, decorator)
            if name:
                ttl_s, expires = _ttl(module, decorator)
                yield Decorated(function, decorator, name, _kinds(module, function), ttl_s, expires)
    by_name = {function.name: function for function in module.functions}
    for node in module.nodes:
        match node:
            case ast.Assign(value=ast.Call(func=wrapper, args=[ast.Name(id=wrapped)])) if wrapped in by_name:
                name = _cache_name(module, wrapper)
                if name:
                    ttl_s, expires = _ttl(module, wrapper)
                    yield Decorated(
                        by_name[wrapped], node.value, name, _kinds(module, by_name[wrapped]), ttl_s, expires
                    )


def _cache_name(module: Module, decorator: ast.expr) -> str:
    """Return the name of a caching decorator, or empty."""
    name = module.original(terminal(decorator))
    words = split(name)
    owner = decorator.func if isinstance(decorator, ast.Call) else decorator
    if (
        isinstance(owner, ast.Attribute)
        and not CACHE_WORDS.isdisjoint(split(terminal(owner.value)))
        and name
        in (
            "memoize",
            "cached",
            "cache",
            "decorator",
            "ttl_cache",
            "lru_cache",
            "wrap",
            "remember",
            "on",
            "early",
            "soft",
        )
    ):
        return name
    if not _NOT_CACHING.isdisjoint(words) or "setter" in words:
        return ""
    return name if not CACHE_WORDS.isdisjoint(words) or name in ("TTLCache", "memoise", "lru") else ""


def _ttl(module: Module, decorator: ast.expr) -> tuple[float | None, bool]:
    number: float | None = None
    expires = False
    for node in ast.walk(decorator):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg and not _TTL_NAMES.isdisjoint((keyword.arg, *split(keyword.arg))):
                expires = not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None)
                number = module.number(keyword.value) if number is None else number
        words = split(terminal(node.func))
        if node.args and ({"ttl", "timed", "expiring", "time", "cached", "memoize", "seconds"} & set(words)):
            position = 1 if terminal(node.func) == "TTLCache" else 0
            if len(node.args) > position and (found := module.number(node.args[position])) is not None:
                number, expires = (found if number is None else number), True
        expires = expires or "ttl" in words or "timed" in words
    return number, expires


def _kinds(module: Module, function: Function) -> frozenset[DataKind]:
    kinds = getter_kinds(function.name, module.level)
    if not _is_getter(function.name, module.level):
        kinds = NONE
    if asks_for_history([*function.arguments, *_keywords(function)]):
        kinds -= MARKET
    if kinds and module.level < 2 and kinds <= _LOOSE and not function.flow.of("fetch"):
        return NONE  # such as the positions of a text or a sort order
    if kinds or not _neutral(function.name):
        return kinds
    returned = NONE.union(*(event.value.kinds for event in function.flow.of("return")))
    return returned & PROHIBITED


def _is_getter(name: str, level: int) -> bool:
    """Return whether a name requests data (``get_position``) or names the data (``position``)."""
    words = tuple(word for word in split(name) if word not in CACHE_WORDS)
    if words[:1] != () and (words[0] in FETCH_VERBS or "get" in words):
        return True
    enough = max(level, 2) if {"balance", "balances"} & set(words) else level
    return enough >= 2 and (bool(kinds_of(words[-1:], enough)) or bool(kinds_of(words[-2:], enough)))


def _keywords(function: Function) -> list[str]:
    return [function.node.args.kwarg.arg] if function.node.args.kwarg else []


def _neutral(name: str) -> bool:
    """Return whether a name does not say what it returns: ``get_data``, ``fetch``, ``_load``."""
    words = split(name)
    known = word_set("get fetch load data read query request state info all current snapshot my user")
    return bool(words) and not kinds_of(words, 3) and known.issuperset(words)
