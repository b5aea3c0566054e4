"""Events to factors to markets: the shipped catalogues, catalogues of one's own, and what a key's tags are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calib.errors import BadCatalogue
from calib.smartcache import ANY_MARKET, EventType, KeyFactory, Tag, TagManager, read_catalogue, read_context
from calib.smartcache.catalogue import parse_catalogue
from calib.smartcache.reading import tags_for

KEYS = KeyFactory()
FOOTBALL = TagManager("football")


@pytest.mark.parametrize(
    ("event", "count", "saving"),
    [
        (EventType.WEATHER_RAIN, 39, 60.606),
        (EventType.GK_CHANGE, 28, 71.717),
        (EventType.LINEUP_CONFIRMED, 70, 29.293),
        (EventType.REFEREE_ASSIGNED, 21, 78.788),
        (EventType.MATCH_POSTPONED, 99, 0.0),
    ],
)
def test_the_football_example(event: EventType, count: int, saving: float) -> None:
    assert len(set(FOOTBALL.get_affected_markets(event))) == count
    assert FOOTBALL.cpu_saving_pct(event) == pytest.approx(saving, abs=0.001)
    assert len(FOOTBALL.markets) == 99


def test_the_default_is_derivatives() -> None:
    manager = TagManager()
    assert set(manager.events) == {"FUNDING", "EXPIRY", "LISTING", "HALT", "TICK_SIZE", "MAINTENANCE"}
    assert manager.get_affected_markets(EventType.HALT) == manager.markets
    assert "funding_forecast" in manager.get_affected_markets(EventType.FUNDING)
    assert "funding_forecast" not in manager.get_affected_markets(EventType.TICK_SIZE)
    assert "queue_model" in manager.get_affected_markets(EventType.TICK_SIZE)


def test_an_unknown_event_names_the_nearest() -> None:
    with pytest.raises(BadCatalogue, match="Did you mean GK_CHANGE"):
        FOOTBALL.get_affected_markets("GK_CHANG")
    with pytest.raises(BadCatalogue, match="football: event 'FUNDING' is not in the catalogue"):
        FOOTBALL.get_affected_markets(EventType.FUNDING)


OWN = """
schema: calib.tags/1
name: own
factors:
  rain: {markets: [goals, corners]}
  storm: {includes: [rain], markets: [cards]}
events:
  MY_STORM: [storm]
  MY_RAIN: [rain]
"""


def test_a_catalogue_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN, "utf-8")
    manager = TagManager(file)
    assert manager.get_affected_markets(EventType("MY_STORM")) == ("cards", "corners", "goals")
    assert manager.get_affected_markets("MY_RAIN") == ("corners", "goals")
    assert TagManager(manager.catalogue).events == (EventType("MY_STORM"), EventType("MY_RAIN"))


def tree(**changes: Any) -> dict[str, Any]:
    factors = {"a": {"markets": ["x"]}, "b": {"includes": ["a"], "markets": ["y"]}}
    return {"schema": "calib.tags/1", "factors": factors, "events": {"E": ["b"]}} | changes


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (None, "schema is not"),
        (tree(event=1), "unknown keys: event"),
        (tree(factors={}), "not a mapping of factors"),
        (tree(factors={"a": {}}), "needs markets, includes"),
        (tree(factors={"a": {"markets": []}}), "factor a is empty"),
        (tree(factors={"a": {"markets": "x"}}), "not a list of names"),
        (tree(factors={"a": {"markets": ["x", "x"]}}), "duplicate x"),
        (tree(factors={"a": {"markets": ["*"]}}), "not a valid name"),
        (tree(factors={"a": {"markets": [1]}}), "not a valid name"),
        (tree(factors={"b": {"includes": ["c"]}}), "factor b names unknown factors: c"),
        (tree(events={"E": ["c"]}), "event E names unknown factors: c"),
        (tree(events={"E": []}), "event E names no factor"),
        (tree(events=[]), "not a mapping of events"),
        (tree(factors={"a": {"includes": ["b"]}, "b": {"includes": ["a"]}}), "in a cycle: (a -> b -> a|b -> a -> b)"),
        (tree(factors={"b": {"includes": ["b"]}}), "in a cycle: b -> b"),
    ],
)
def test_a_broken_catalogue_says_what_is_wrong(broken: Any, words: str) -> None:
    with pytest.raises(BadCatalogue, match=words):
        parse_catalogue(broken, "own.yaml")


def test_a_duplicate_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN + "  MY_RAIN: [storm]\n", "utf-8")
    with pytest.raises(BadCatalogue, match="duplicate key MY_RAIN"):
        read_catalogue(file)
    file.write_text("a: [", "utf-8")
    with pytest.raises(BadCatalogue, match=r"own\.yaml"):
        read_catalogue(file)
    with pytest.raises(BadCatalogue, match="cannot be read"):
        read_catalogue(tmp_path / "missing.yaml")


def tags(key: str, **context: Any) -> set[Tag]:
    return set(tags_for(key, read_context(context), KEYS, FOOTBALL))


def test_tags_of_a_key_that_names_its_market() -> None:
    assert tags(KEYS.make("ARS:CHE", "over_under_2_5")) == {Tag("ARS:CHE", "over_under_2_5")}
    assert tags("ARS-CHE:over_under_2_5") == {Tag("ARS-CHE", "over_under_2_5")}
    assert tags("epl:m1:over_under_2_5") == {Tag("m1", "over_under_2_5"), Tag("epl:m1", "over_under_2_5")}


def test_tags_of_a_context_win_over_the_keys() -> None:
    assert tags("k", match_key="m1", market_key="over_under_2_5") == {Tag("m1", "over_under_2_5")}
    assert tags("k", match_key="m1", market_keys=["red_card", "first_card"]) == {
        Tag("m1", "red_card"), Tag("m1", "first_card"),
    }  # fmt: skip
    assert tags("k", match_key="m1", current_odds={"red_card": 3.0}) == {Tag("m1", "red_card")}
    assert tags("a:over_under_2_5", match_key="m1") == {Tag("m1", "over_under_2_5")}


def test_what_depends_on_no_known_market_goes_with_every_event_of_its_match() -> None:
    assert tags("k", match_key="m1") == {Tag("m1", ANY_MARKET)}
    assert tags("k", match_key="m1", market_key="my own market") == {Tag("m1", ANY_MARKET)}
    assert tags("model:m1") == {Tag("m1", ANY_MARKET), Tag("model:m1", ANY_MARKET), Tag("model", ANY_MARKET)}
    assert FOOTBALL.affected_tags(EventType.GK_CHANGE, "m1")[-1] == Tag("m1", ANY_MARKET)
