"""The markets that an event affects, and the share that it does not affect."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from calib.errors import BadCatalogue
from calib.smartcache.catalogue import DERIVATIVES, TagCatalogue, load_catalogue, read_catalogue
from calib.smartcache.entry import ANY_MARKET, Tag


class EventType(str):
    """The name of an event: attributes for the built-in catalogues, any other as ``EventType("NAME")``.

    >>> EventType.FUNDING, EventType("MY_EVENT") == "MY_EVENT"
    (EventType('FUNDING'), True)
    """

    __slots__ = ()

    FUNDING: ClassVar[EventType]
    EXPIRY: ClassVar[EventType]
    LISTING: ClassVar[EventType]
    HALT: ClassVar[EventType]
    TICK_SIZE: ClassVar[EventType]
    MAINTENANCE: ClassVar[EventType]
    WEATHER_RAIN: ClassVar[EventType]
    GK_CHANGE: ClassVar[EventType]
    LINEUP_CONFIRMED: ClassVar[EventType]
    REFEREE_ASSIGNED: ClassVar[EventType]
    MATCH_POSTPONED: ClassVar[EventType]

    @property
    def value(self) -> str:
        """The name as plain text, as for the member of an enumeration."""
        return str(self)

    def __repr__(self) -> str:
        return f"EventType({str(self)!r})"

    def __str__(self) -> str:
        return str.__str__(self)


for _name in EventType.__annotations__:
    setattr(EventType, _name, EventType(_name))


class TagManager:
    """Finds the markets that an event affects in a catalogue.

    Parameters
    ----------
    catalogue
        Name of a built-in catalogue (``derivatives``, the default, or the example ``football``), a path to a YAML file,
        or a `calib.smartcache.TagCatalogue`.

    Raises
    ------
    calib.errors.BadCatalogue
        If the catalogue is unknown or invalid.

    >>> football = TagManager("football")
    >>> len(football.get_affected_markets(EventType.WEATHER_RAIN)), len(football.markets)
    (39, 99)
    >>> round(football.cpu_saving_pct(EventType.WEATHER_RAIN), 1)
    60.6
    """

    def __init__(self, catalogue: str | Path | TagCatalogue = DERIVATIVES) -> None:
        match catalogue:
            case TagCatalogue():
                self.catalogue = catalogue
            case Path():
                self.catalogue = read_catalogue(catalogue)
            case _:
                self.catalogue = load_catalogue(catalogue)
        self._known = frozenset(self.catalogue.markets)
        self._affected = {
            event: tuple(sorted(frozenset().union(*(self.catalogue.factors[factor] for factor in factors))))
            for event, factors in self.catalogue.events.items()
        }

    @property
    def markets(self) -> tuple[str, ...]:
        """Every market of the catalogue, sorted."""
        return self.catalogue.markets

    @property
    def events(self) -> tuple[EventType, ...]:
        """Every event of the catalogue."""
        return tuple(map(EventType, self.catalogue.events))

    def knows(self, market: str) -> bool:
        """Return whether the market is in the catalogue."""
        return market in self._known

    def get_affected_markets(self, event_type: str) -> tuple[str, ...]:
        """Return the markets that the event affects, sorted.

        Raises
        ------
        calib.errors.BadCatalogue
            If the event is not in the catalogue; the message names it and the most similar one.
        """
        affected = self._affected.get(str(event_type))
        if affected is None:
            near = difflib.get_close_matches(str(event_type), self._affected, 1)
            known = f"Did you mean {near[0]}? " if near else ""
            raise BadCatalogue(
                f"event {str(event_type)!r} is not in the catalogue",
                where=self.catalogue.name,
                hint=f"{known}Known: {', '.join(sorted(self._affected))}",
            )
        return affected

    def cpu_saving_pct(self, event_type: str) -> float:
        """Return the share of all markets that the event does not affect, percent."""
        return 100.0 * (1.0 - len(self.get_affected_markets(event_type)) / len(self.markets))

    def affected_tags(self, event_type: str, match_key: str) -> list[Tag]:
        """Return the tags that an event of a match invalidates: the affected markets, and the match as a whole."""
        return [Tag(match_key, market) for market in (*self.get_affected_markets(event_type), ANY_MARKET)]

    def tags_of(self, match_keys: Iterable[str], markets: Iterable[str]) -> tuple[Tag, ...]:
        """Return the tags of a value that depends on these markets of a match.

        If none of the markets is in the catalogue the value may depend on any, so every event of the match drops it.
        """
        known = [market for market in markets if market in self._known] or [ANY_MARKET]
        return tuple(Tag(match_key, market) for match_key in match_keys for market in known)
