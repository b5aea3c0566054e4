"""Detector of the TTLs of permitted data: in decorators, cache calls, age tests and named constants."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from calib.policy.checker.detect import keeping
from calib.policy.checker.detect.age import idioms
from calib.policy.checker.detect.decorated import decorated
from calib.policy.checker.detect.keys import keyed_calls
from calib.policy.checker.kinds import NONE, STATIC, DataKind, kinds_of
from calib.policy.checker.limits import LIMITS_S
from calib.policy.checker.module import Module
from calib.policy.checker.traced import KeptSlot
from calib.policy.checker.verbs import terminal
from calib.policy.checker.words import says_cache, split

_LIMITED: Final = frozenset(LIMITS_S)
_LIFETIME: Final = frozenset(["ttl", "lifetime", "expiry", "expiration"])
_IN_MS: Final = frozenset(["ms", "millis", "milliseconds"])
_EXPIRING: Final = frozenset({"TTLCache", "ExpiringDict", "TTLDict"})


class Lifetime(NamedTuple):
    """The TTL of data of one kind at one place in the code."""

    node: ast.AST
    kind: DataKind
    ttl_s: float | None
    never: bool
    """Whether it certainly never expires."""


def lifetimes(module: Module) -> Iterator[Lifetime]:
    """Yield the TTLs in the file, one per line."""
    reported: set[int] = set()
    for each in _all(module):
        line = getattr(each.node, "lineno", 0)
        if line not in reported:
            reported.add(line)
            yield each


def _all(module: Module) -> Iterator[Lifetime]:
    for each in decorated(module):
        for kind in sorted(each.kinds & _LIMITED):
            rules = kind in STATIC and not _lists_markets(each.function.name)
            yield Lifetime(each.decorator, kind, each.ttl_s, rules and not each.expires)
    for call in keyed_calls(module):
        for kind in sorted(call.kinds & _LIMITED):
            certain = call.stores and not call.expires and terminal(call.node.func) == "set" and kind in STATIC
            yield Lifetime(call.node, kind, call.ttl_s, certain and len(call.node.args) == 2)
    for idiom in idioms(module, _LIMITED):
        span = _compared(module, idiom.guard.node.test)
        for kind in sorted(idiom.kinds & _LIMITED):
            if span is not None:
                yield Lifetime(idiom.guard.node.test, kind, span, False)
    yield from _constants(module)


def _lists_markets(name: str) -> bool:
    """Return whether a name refers to the list of markets, which does not affect how orders are made."""
    return "markets" in split(name)


def _compared(module: Module, test: ast.expr) -> float | None:
    """Return the number that an age is compared with, in seconds."""
    for node in ast.walk(test):
        if not isinstance(node, ast.Compare):
            continue
        for side in (node.left, *node.comparators):
            if (number := module.number(side)) is not None:
                return number
            if isinstance(side, ast.BinOp) and isinstance(side.op, ast.Add):
                for part in (side.left, side.right):
                    if (number := module.number(part)) is not None:
                        return number
    return None


def _constants(module: Module) -> Iterator[Lifetime]:
    for node in module.nodes:
        match node:
            case ast.Assign(targets=[target], value=value):
                pass
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                pass
            case _:
                continue
        name = terminal(target)
        words = split(name)
        number = module.number(value)
        expiring = isinstance(value, ast.Call) and terminal(value.func) in _EXPIRING
        if expiring and isinstance(value, ast.Call):
            number = _ttl_of(module, value)
            kinds = keeping.slot_kinds(KeptSlot(name), module.level)
        elif number is not None and not _LIFETIME.isdisjoint(words):
            kinds = _subject(words)
        else:
            continue
        scale = 1000 if not _IN_MS.isdisjoint(words) else 1
        for kind in sorted(kinds & _LIMITED):
            if number is not None:
                yield Lifetime(node, kind, number / scale, False)


def _subject(words: tuple[str, ...]) -> frozenset[DataKind]:
    cut = next((place for place, word in enumerate(words) if word in _LIFETIME or says_cache((word,))), len(words))
    return kinds_of(words[:cut], 3) if cut else NONE


def _ttl_of(module: Module, call: ast.Call) -> float | None:
    for keyword in call.keywords:
        if keyword.arg in ("ttl", "max_age_seconds", "max_age"):
            return module.number(keyword.value)
    return module.number(call.args[1]) if len(call.args) > 1 else None
