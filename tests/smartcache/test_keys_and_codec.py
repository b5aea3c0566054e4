"""Names of keys and the bytes of entries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.errors import BadCacheKey
from calib.smartcache import KeyFactory, Tag
from calib.smartcache.codec import CorruptEntry, PackedEntry, UnstorableValue, encode_value, pack, unpack

KEYS = KeyFactory("prod", "v1")
PARTS = st.text(min_size=1, max_size=20)


@given(st.lists(PARTS, min_size=1, max_size=5), st.lists(PARTS, min_size=1, max_size=5))
def test_different_parts_make_different_keys(one: list[str], other: list[str]) -> None:
    assert (KEYS.make(*one) == KEYS.make(*other)) == (one == other)
    assert KEYS.parts(KEYS.make(*one)) == tuple(one)


@given(PARTS, PARTS)
def test_no_key_of_a_user_is_a_key_of_the_cache_itself(text: str, market: str) -> None:
    own = {KEYS.lock(text), KEYS.generation(text), KEYS.fence, KEYS.all_generation,
           KEYS.tag_index(Tag(text, market)), KEYS.tag_generation(Tag(text, market))}  # fmt: skip
    assert len(own) == 6
    assert KEYS.entry(text) not in own
    assert KEYS.make(text, market) not in own


@given(PARTS, PARTS)
def test_raw_keys_do_not_meet(one: str, other: str) -> None:
    assert (KEYS.entry(one) == KEYS.entry(other)) == (one == other)


@pytest.mark.parametrize("parts", [(), ("",), ("a", ""), ("x" * 1025,)])
def test_what_makes_no_key(parts: tuple[str, ...]) -> None:
    with pytest.raises(BadCacheKey):
        KEYS.make(*parts)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc|", max_size=3), inner, max_size=4),
    max_leaves=10,
)


@given(JSON, st.integers(1, 2**53), st.integers(1, 10**9), st.integers(0, 10**9))
def test_entries_come_back(value: object, fence: int, ttl_ms: int, delta_us: int) -> None:
    packed = PackedEntry(value, fence, ttl_ms, 2 * ttl_ms, delta_us, "golden")
    assert unpack(pack(packed, encode_value(value))) == packed


@given(st.binary(max_size=60))
def test_anything_else_is_corrupt_and_nothing_worse(raw: bytes) -> None:
    try:
        found = unpack(raw)
    except CorruptEntry:
        return
    assert raw.startswith(b"1|")
    assert found.ttl_ms > 0


@given(JSON, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_no_nan_becomes_null(value: object, bad: float) -> None:
    for holder in ([value, bad], {"a": {"b": (bad, value)}}, bad):
        with pytest.raises(UnstorableValue):
            encode_value(holder)
