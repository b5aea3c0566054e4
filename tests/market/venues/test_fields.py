"""The checks of fields that venues share."""

from __future__ import annotations

import pytest

from calib.errors import VenueMessageError
from calib.market.venues.fields import answer, rest_body, whole


def test_an_answer_that_was_cut_is_not_taken_for_the_whole_book() -> None:
    bids = [(str(price), "1") for price in range(1, 101)]
    with pytest.raises(VenueMessageError, match=r"cut at 100 levels, but 200 were requested.*max_depth"):
        rest_body("X", bids, [], 7, 200)  # type: ignore[arg-type]
    assert rest_body("X", bids, [], 7, 100)["update_id"] == 7  # type: ignore[arg-type]
    assert rest_body("X", bids[:99], [], 7, 200)["update_id"] == 7  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["", "-", "1.5", "\u0661", " 1", "1" * 30, True, 1.0, None, []])
def test_a_whole_number_is_nothing_else(value: object) -> None:
    with pytest.raises(VenueMessageError, match="id: is not a whole number"):
        whole({"id": value}, "id")


def test_an_error_of_the_venue_is_shown_with_its_text() -> None:
    with pytest.raises(VenueMessageError, match="Unknown symbol"):
        answer({"retCode": 10001, "retMsg": "Unknown symbol"}, "result")
