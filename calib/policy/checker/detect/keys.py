"""Detector of keyed caches: ``cache.set("account:balance", ...)``, ``redis.setex(key, 30, ...)``, ``get_cached()``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from calib.policy.checker.kinds import NONE, DataKind, kinds_of
from calib.policy.checker.module import Function, Module, once
from calib.policy.checker.verbs import FETCH_VERBS, terminal, text_of
from calib.policy.checker.words import CACHE_WORDS, says_cache, split, word_set

_STORES: Final = frozenset(["redis", "memcache", "memcached", "valkey", "mc"])
_METHODS: Final = word_set(
    "set get setex psetex setnx getset get_or_set set_many get_many mget mset hset hget hgetall hmset "
    "fetch put store read write aget aset save load get_json set_json getex remember cache"
)
_TTL_NAMES: Final = (
    "ttl",
    "ex",
    "timeout",
    "expire",
    "expires",
    "expiry",
    "expire_seconds",
    "ttl_seconds",
    "ttl_s",
    "expiration",
)


class KeyedCall(NamedTuple):
    """A call that writes or reads a value by key."""

    function: Function | None
    node: ast.Call
    key: str
    kinds: frozenset[DataKind]
    stores: bool
    ttl_s: float | None
    expires: bool


@once
def keyed_calls(module: Module) -> Iterator[KeyedCall]:
    """Yield every call of a cache whose key or name refers to data that the policy covers."""
    stores = _store_names(module)
    for function in module.functions:
        calls = [node for node in function.nodes if isinstance(node, ast.Call) and _asks_cache(node, stores)]
        texts = _local_texts(module, function) if calls else {}
        for node in calls:
            if (found := _keyed(module, function, node, texts, stores)) is not None:
                yield found


def _asks_cache(node: ast.Call, stores: set[str]) -> bool:
    """Return whether a call may go to a cache, by its name or its object."""
    if says_cache(split(terminal(node.func))):
        return True
    name = terminal(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    owner = split(name)
    return says_cache(owner) or not _STORES.isdisjoint(owner) or name in stores


def _local_texts(module: Module, function: Function) -> dict[str, str]:
    texts = dict(module.texts)
    for node in function.nodes:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                if text := text_of(value, texts):
                    texts[name] = text
    return texts


def _store_names(module: Module) -> set[str]:
    """Return names of store clients, such as ``r`` of ``r = redis.Redis()``."""
    found = set()
    for node in module.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call | ast.Await):
            call = node.value.value if isinstance(node.value, ast.Await) else node.value
            if not isinstance(call, ast.Call):
                continue
            parts = [part for part in ast.walk(call.func) if isinstance(part, ast.expr)]
            if not _STORES.isdisjoint(word for part in parts for word in split(terminal(part))):
                found |= {terminal(target) for target in node.targets}
    return found - {""}


def _keyed(
    module: Module, function: Function, node: ast.Call, texts: dict[str, str], stores: set[str]
) -> KeyedCall | None:
    name = terminal(node.func)
    words = split(name)
    owner = terminal(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    owner_words = split(owner)
    owner_caches = not CACHE_WORDS.isdisjoint(owner_words)
    own = owner in ("self", "cls", "")
    named = not CACHE_WORDS.isdisjoint(words) and bool(
        {"get", "set", "fetch", "store", "read", "put", "load", "save", "write", "to", "from"} & set(words)
    )
    if {"clear", "invalidate", "delete", "key", "remove", "stats", "reset", "size", "valid", "evict"} & set(words):
        return None
    plain = name in _METHODS and (owner_caches or not _STORES.isdisjoint(owner_words) or owner in stores)
    key = text_of(node.args[0], texts) if node.args else ""
    if not plain and not named and not (key and says_cache(words)):
        return None
    for keyword in node.keywords:
        if keyword.arg == "key":
            key = text_of(keyword.value, texts)
    kinds = kinds_of(split(key), module.level) if key else NONE
    if not kinds and (named or (plain and owner_caches and not own)):
        subject = tuple(word for word in words if word not in CACHE_WORDS and word not in FETCH_VERBS and word != "set")
        kinds = kinds_of(subject, module.level) or (kinds_of(owner_words, module.level) if plain else NONE)
    if not kinds:
        return None
    ttl_s, expires = _ttl(module, node, name)
    writes = bool(
        {"set", "setex", "psetex", "put", "store", "add", "hset", "save", "write", "aset", "mset"} & {name, *words}
    )
    return KeyedCall(function, node, key, kinds, writes, ttl_s, expires)


def _ttl(module: Module, node: ast.Call, name: str) -> tuple[float | None, bool]:
    for keyword in node.keywords:
        if keyword.arg in _TTL_NAMES:
            given = not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None)
            return module.number(keyword.value), given
        if keyword.arg == "px":
            number = module.number(keyword.value)
            return (None if number is None else number / 1000), True
    if name in ("setex", "psetex") and len(node.args) >= 3:
        number = module.number(node.args[1])
        return (number / 1000 if number is not None and name == "psetex" else number), True
    if len(node.args) >= 3:
        return module.number(node.args[2]), True
    return None, False
