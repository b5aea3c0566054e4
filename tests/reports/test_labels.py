"""Labels beside points: within the frame, over no point and no other label."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from calib.reports.labels import Label, placed

FRAME = (0.0, 0.0, 300.0, 200.0)
place = st.tuples(st.floats(0, 300), st.floats(0, 200))


def box(label: Label) -> tuple[float, float, float, float]:
    """Of a text of 7 pixels a character that reaches from 10 above its baseline to 2 below."""
    return label.x, label.y - 10, label.x + 7 * len(label.text), label.y + 2


@given(st.lists(st.tuples(place, st.text("0123456789-, ", min_size=1, max_size=8)), max_size=25), st.lists(place))
def test_no_label_covers_a_point_or_another_label(
    wanted: list[tuple[tuple[float, float], str]], more: list[tuple[float, float]]
) -> None:
    points = [*(point for point, _ in wanted), *more]
    boxes = [box(label) for label in placed([(*point, text) for point, text in wanted], points, FRAME)]
    for n, (left, top, right, bottom) in enumerate(boxes):
        assert left >= -0.01
        assert top >= -0.01
        assert right <= 300.01
        assert bottom <= 200.01
        assert not any(left < x < right and top < y < bottom for x, y in points)
        for other in boxes[:n]:
            assert (
                left >= other[2] - 0.02
                or right <= other[0] + 0.02
                or top >= other[3] - 0.02
                or bottom <= other[1] + 0.02
            )


def test_a_lone_point_has_its_label_and_a_crowd_shares_the_room() -> None:
    assert [label.text for label in placed([(150.0, 100.0, "7")], [(150.0, 100.0)], FRAME)] == ["7"]
    crowd = [(150.0, 100.0 + n / 10, str(n)) for n in range(30)]
    found = placed(crowd, [(x, y) for x, y, _ in crowd], FRAME)
    assert 4 <= len(found) < 30
    assert found[0].text == "0"
