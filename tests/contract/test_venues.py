"""What every registered venue keeps to: pure, the same twice, and an error or `Other` for whatever is no message."""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.errors import UsageError, VenueMessageError
from calib.market import RULES, MDCache, MDCacheConfig
from calib.market.stream.sequence import PUSHED_ONLY
from calib.market.venues import VENUES, Alive, BookMessage, Other, get
from calib.policy import Unmonitored
from tests.market.venues.worked import BODIES, WORKED

NAMES = sorted(VENUES)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where anything stands in a message."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, inner in items for path in paths(inner, (*at, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with something else there."""
    if not path:
        return new
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return whole


@pytest.mark.parametrize("name", NAMES)
def test_every_worked_message_says_what_was_worked_out_by_hand(name: str) -> None:
    venue = VENUES[name]
    assert WORKED[name], "a venue needs worked messages"
    for worked in WORKED[name]:
        assert venue.parse(worked.frame, worked.stream) == worked.events
        assert venue.parse(worked.frame.encode(), worked.stream) == worked.events


@pytest.mark.parametrize("name", NAMES)
def test_the_facts_of_the_registry_are_whole(name: str) -> None:
    venue = get(name)
    assert venue.name == name
    assert venue.sequence_rule in RULES
    assert venue.source.startswith("https://")
    published = importlib.import_module(venue.read.__module__).__doc__ or ""
    assert venue.source.split("#")[0] in published
    assert venue.pushes_snapshots or venue.sequence_rule not in PUSHED_ONLY
    assert (venue.sequence_rule == "checksum") <= (venue.checksum is not None)
    assert [json.loads(text) for text in venue.subscribe]


@pytest.mark.parametrize("name", NAMES)
def test_the_body_of_a_rest_answer_says_an_id_only_where_it_can_be_compared(name: str) -> None:
    reply, update_id = BODIES[name]
    before = copy.deepcopy(reply)
    body = VENUES[name].body(reply, "X", 50)
    assert body == {
        "symbol": "X", "bids": [("9", "1")], "asks": [("10", "2")], "update_id": update_id, "source": "rest"
    }  # fmt: skip
    assert reply == before


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_hostile_message_gives_events_or_a_clear_error_and_is_left_as_it_was(name: str, data: st.DataObject) -> None:
    venue = VENUES[name]
    worked = data.draw(st.sampled_from([one for one in WORKED[name] if one.frame.startswith("{")]))
    message = json.loads(worked.frame)
    hostile = changed(message, data.draw(st.sampled_from(paths(message))), data.draw(JSON))
    before = copy.deepcopy(hostile)
    answers = []
    for _ in range(2):
        try:
            events = venue.parse(hostile, worked.stream)
            assert all(isinstance(event, BookMessage | Alive | Other) for event in events)
            answers.append(repr(events))
        except VenueMessageError as error:
            answers.append(f"{error} {error.hint}")
    assert answers[0] == answers[1]
    assert answers[0].startswith(("(", f"{name}: "))
    assert repr(hostile) == repr(before)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_hostile_rest_answer_gives_a_body_or_a_clear_error(name: str, data: st.DataObject) -> None:
    reply = BODIES[name][0]
    hostile = changed(reply, data.draw(st.sampled_from(paths(reply))), data.draw(JSON))
    with contextlib.suppress(VenueMessageError):
        assert VENUES[name].body(hostile, "X", 5)["symbol"] == "X"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frame", ["", "{", "nan", b"\xff\xfe", '{"a":' * 5000, b'{"a": "\xff"}', '{"a":NaN}'])
def test_a_frame_that_is_not_json_is_a_clear_error(name: str, frame: str | bytes) -> None:
    with pytest.raises(VenueMessageError, match="not JSON"):
        VENUES[name].parse(frame)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frame", ["[]", "7", '"text"', "null", "{}", '[0,{"a":[]},"book-10","XBT/USD"]'])
def test_json_of_another_shape_is_other(name: str, frame: str) -> None:
    (event,) = VENUES[name].parse(frame)
    assert isinstance(event, Other)


@pytest.mark.parametrize("name", NAMES)
def test_a_worked_message_goes_into_a_cache_of_the_venues_rule(name: str) -> None:
    venue = VENUES[name]
    cache = MDCache(
        MDCacheConfig(enabled=True, sequence_rule=venue.sequence_rule),
        None,
        policy=Unmonitored(reason="a test"),
        checksum=venue.checksum,
    )
    for worked in WORKED[name]:
        venue.feed(cache, worked.frame, connection=name, depth=venue.depth, stream=worked.stream)
    link = cache.connection(name)
    assert link is not None
    symbols = {event.symbol for one in WORKED[name] for event in one.events if isinstance(event, BookMessage)}
    assert all(cache.stream(symbol) is not None for symbol in symbols)


def test_a_venue_that_is_not_known_is_an_error_that_lists_them() -> None:
    with pytest.raises(UsageError, match="binance-spot, binance-usdm"):
        get("mtgox")
    assert set(BODIES) == set(WORKED) == set(VENUES)
