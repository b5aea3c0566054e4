"""Read fields of a venue's message: a missing or mistyped field raises an error that names it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from calib.errors import VenueMessageError
from calib.market.book.prices import Number

Levels = list[tuple[Number, Number]]

_HINT: Final = "The venue's format may have changed: compare the message with the published page of the adapter"
_LIMITS: Final = frozenset({5, 10, 20, 25, 40, 50, 100, 150, 200, 400, 500, 1000, 5000})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def bad(what: str, field: str) -> VenueMessageError:
    """Return the error for a field."""
    return VenueMessageError(what, where=field, hint=_HINT)


def mapping(data: Mapping[str, object], key: str) -> dict[str, object]:
    """Return the JSON object under ``key``."""
    value = data.get(key)
    if not isinstance(value, dict):
        raise bad(f"is not an object but {_kind(value)}", key)
    return value


def objects(data: Mapping[str, object], key: str) -> list[dict[str, object]]:
    """Return the list of JSON objects under ``key``."""
    value = data.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise bad(f"is not a list of objects but {_kind(value)}", key)
    return value


def text(data: Mapping[str, object], key: str) -> str:
    """Return the non-empty text under ``key``."""
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise bad(f"is not a text but {_kind(value)}", key)
    return value


def whole(data: Mapping[str, object], key: str) -> int:
    """Return the integer under ``key``, a number or a text of digits.

    >>> whole({"seq": "12"}, "seq"), whole({"prevSeqId": -1}, "prevSeqId")
    (12, -1)
    """
    value = data.get(key)
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdecimal() and len(value) <= 20:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad(f"is not a whole number but {_kind(value)}", key)
    return value


def optional_whole(data: Mapping[str, object], key: str) -> int | None:
    """As `whole`; None if the field is missing or null."""
    return None if data.get(key) is None else whole(data, key)


def levels(data: Mapping[str, object], key: str, price: str = "price", qty: str = "qty") -> Levels:
    """Return the levels under ``key``: pairs (further items are ignored) or objects with these names; null is empty.

    Whether prices and quantities are valid is checked by the book.

    >>> levels({"b": [["9.50", "1", "0", "4"]], "a": [{"p": "10", "s": 3}]}, "b")
    [('9.50', '1')]
    >>> levels({"a": [{"p": "10", "s": 3}]}, "a", "p", "s")
    [('10', 3)]
    """
    rows = data.get(key)
    if rows is None and key in data:
        return []
    if not isinstance(rows, list):
        raise bad(f"is not a list of levels but {_kind(rows)}", key)
    return [_level(row, key, price, qty) for row in rows]


def micros(data: Mapping[str, object], *keys: str) -> int | None:
    """Return a time in microseconds since 1970, from the first key present; None if none is.

    Venues use milliseconds, microseconds (Binance on request) or nanoseconds; the magnitude decides.

    >>> micros({"E": 1721749183710}, "T", "E"), micros({"E": 1721749183710123}, "E")
    (1721749183710000, 1721749183710123)
    """
    key = next((key for key in keys if data.get(key) is not None), None)
    if key is None:
        return None
    value = whole(data, key)
    if value < 10**14:
        return value * 1000
    return value if value < 10**17 else value // 1000


def iso_micros(data: Mapping[str, object], key: str) -> int | None:
    """As `micros`, for a text like ``2023-10-06T17:35:55.440295Z``.

    >>> iso_micros({"timestamp": "1970-01-01T00:00:01.000002345Z"}, "timestamp")
    1000002
    """
    if data.get(key) is None:
        return None
    try:
        moment = datetime.fromisoformat(text(data, key))
    except ValueError:
        raise bad(f"is not a time but {_kind(data[key])}", key) from None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def answer(body: object, *keys: str) -> dict[str, object]:
    """Return the object of a REST reply under these nested keys; of a list, the first item."""
    value = body
    for key in (None, *keys):
        if key is not None:
            assert isinstance(value, dict)
            value = value.get(key)
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, dict):
            raise bad(f"the answer is not a book but {str(body)[:120]}", ".".join(filter(None, keys)))
    assert isinstance(value, dict)
    return value


def rest_body(symbol: str, bids: Levels, asks: Levels, update_id: int | None, depth: int) -> dict[str, object]:
    """Return the body of a refresh callback.

    Raises
    ------
    VenueMessageError
        If the reply has fewer levels than requested, and a number that is a limit of some venue: it was truncated, and
        would otherwise be taken for the whole book, with no levels beyond it.
    """
    cut = next((len(side) for side in (bids, asks) if len(side) in _LIMITS and len(side) < depth), None)
    if cut is not None:
        raise VenueMessageError(
            f"the answer was cut at {cut} levels, but {depth} were requested",
            where="body",
            hint=f"Request {depth} levels from the venue, or set max_depth of the cache to {cut}",
        )
    return {"symbol": symbol, "bids": bids, "asks": asks, "update_id": update_id, "source": "rest"}


def _level(row: object, key: str, price: str, qty: str) -> tuple[Number, Number]:
    if isinstance(row, dict):
        pair = (row.get(price), row.get(qty))
    elif isinstance(row, list) and len(row) >= 2:
        pair = (row[0], row[1])
    else:
        raise bad(f"has a level that is {_kind(row)}", key)
    first, second = pair
    if not _is_number(first) or not _is_number(second):
        raise bad(f"has a level that is {_kind(row)}", key)
    return pair  # type: ignore[return-value]  # both were checked to be numbers


def _is_number(value: object) -> bool:
    return isinstance(value, str | float | int | Decimal) and not isinstance(value, bool)


def _kind(value: object) -> str:
    return "missing" if value is None else f"{value!r:.60}"
