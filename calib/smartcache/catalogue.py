"""Catalogues of events: event -> factors -> markets, from YAML, validated at loading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import yaml

from calib.errors import BadCatalogue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DERIVATIVES: Final = "derivatives"
_SCHEMA: Final = "calib.tags/1"
_HINT: Final = "docs/how-to/embed-the-smart-cache.md shows a catalogue"


@dataclass(frozen=True, slots=True)
class TagCatalogue:
    """The markets that each event affects.

    Parameters
    ----------
    name
        Name in messages.
    markets
        Every market of a factor, sorted.
    factors
        Markets by factor, including those of included factors.
    events
        Factors by event.
    """

    name: str
    markets: tuple[str, ...]
    factors: Mapping[str, frozenset[str]]
    events: Mapping[str, tuple[str, ...]]


@cache
def load_catalogue(name: str) -> TagCatalogue:
    """Return a built-in catalogue: ``derivatives`` or the example ``football``.

    Raises
    ------
    calib.errors.BadCatalogue
        If the name is unknown.

    >>> len(load_catalogue("football").markets)
    99
    """
    folder = resources.files("calib.smartcache") / "catalogues"
    file = folder / f"{name}.yaml"
    if not file.is_file():
        known = sorted(item.name.removesuffix(".yaml") for item in folder.iterdir())
        raise BadCatalogue(f"unknown catalogue {name!r}", hint=f"Known: {', '.join(known)}")
    return parse_catalogue(_tree(file.read_text("utf-8"), name), name)


def read_catalogue(path: Path) -> TagCatalogue:
    """Read a catalogue from a YAML file.

    Raises
    ------
    calib.errors.BadCatalogue
        If it cannot be read or is invalid: an unknown factor, a cycle of factors, a duplicate name, a wrong type; the
        message names it.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCatalogue(f"cannot be read: {type(error).__name__}", where=str(path)) from error
    return parse_catalogue(_tree(text, str(path)), str(path))


def parse_catalogue(tree: Any, where: str) -> TagCatalogue:
    """Return the catalogue of a parsed YAML document; see `read_catalogue`."""
    if not isinstance(tree, dict) or tree.get("schema") != _SCHEMA:
        raise _wrong(f"schema is not {_SCHEMA!r}", where)
    if unknown := sorted(map(str, set(tree) - {"schema", "name", "factors", "events"})):
        raise _wrong(f"unknown keys: {', '.join(unknown)}", where)
    direct, includes = _factors(tree.get("factors"), where)
    factors = _expanded(direct, includes, where)
    rows = tree.get("events")
    if not isinstance(rows, dict) or not rows:
        raise _wrong("events is not a mapping of events to factors", where)
    events = {_name(event, where): _names(rows[event], f"event {event}", where) for event in rows}
    for event, named in events.items():
        if not named:
            raise _wrong(f"event {event} names no factor", where)
        _known(named, factors, f"event {event}", where)
    markets = tuple(sorted(frozenset().union(*factors.values())))
    return TagCatalogue(str(tree.get("name", where)), markets, factors, events)


def _factors(rows: Any, where: str) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return direct markets and included factors, by factor."""
    if not isinstance(rows, dict) or not rows:
        raise _wrong("factors is not a mapping of factors to markets", where)
    direct, includes = {}, {}
    for factor, row in rows.items():
        name = _name(factor, where)
        if not isinstance(row, dict) or not row or set(row) - {"markets", "includes"}:
            raise _wrong(f"factor {name} needs markets, includes, or both", where)
        direct[name] = _names(row.get("markets", []), f"markets of {name}", where)
        includes[name] = _names(row.get("includes", []), f"includes of {name}", where)
        if not direct[name] and not includes[name]:
            raise _wrong(f"factor {name} is empty", where)
    return direct, includes


def _expanded(
    direct: dict[str, tuple[str, ...]], includes: dict[str, tuple[str, ...]], where: str
) -> dict[str, frozenset[str]]:
    for factor, named in includes.items():
        _known(named, direct, f"factor {factor}", where)
    try:
        order = list(TopologicalSorter(includes).static_order())
    except CycleError as error:
        raise _wrong(f"factors include each other in a cycle: {' -> '.join(error.args[1])}", where) from error
    found: dict[str, frozenset[str]] = {}
    for factor in order:
        found[factor] = frozenset(direct[factor]).union(*(found[other] for other in includes[factor]))
    return {factor: found[factor] for factor in direct}


def _known(named: tuple[str, ...], known: Mapping[str, object], what: str, where: str) -> None:
    unknown = [name for name in named if name not in known]
    if unknown:
        raise _wrong(f"{what} names unknown factors: {', '.join(unknown)}", where)


def _names(value: Any, what: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong(f"{what}: not a list of names", where)
    names = tuple(_name(item, where) for item in value)
    if len(set(names)) != len(names):
        raise _wrong(f"{what}: duplicate {next(name for name in names if names.count(name) > 1)}", where)
    return names


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value or value == "*":
        raise _wrong(f"{value!r} is not a valid name: expected non-empty text other than '*'", where)
    return value


class _StrictLoader(yaml.SafeLoader):
    """Refuses duplicate keys: PyYAML silently keeps the last one, so a part of a catalogue would be lost."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {twice[0]}", node.start_mark)
        return super().construct_mapping(node, deep)


def _tree(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _StrictLoader)  # derived from SafeLoader
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise _wrong(str(problem), where) from error


def _wrong(what: str, where: str) -> BadCatalogue:
    return BadCatalogue(what, where=where, hint=_HINT)
