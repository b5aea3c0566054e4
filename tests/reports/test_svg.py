"""Charts: well formed, said in words, inside their frame, and told apart without colour."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.reports.svg import HEIGHT, WIDTH, Chart, Mark, Scale, Series, description, svg, ticks

NS = "{http://www.w3.org/2000/svg}"
FRONTIER = Chart(
    title="Net against fill rate",
    x_label="fill rate",
    y_label="net, bps",
    series=(
        Series("cache on", ((0.0, 0.0), (5.0, 10.0), (10.0, 5.0))),
        Series("cache off", ((0.0, 2.0), (10.0, 4.0)), joined=False),
    ),
    marks=(Mark(5.0, "limit"),),
)
finite = st.floats(-1e12, 1e12)
points = st.lists(st.tuples(finite, finite), min_size=1, max_size=50).map(tuple)


def test_it_says_its_numbers() -> None:
    root = ET.fromstring(svg(FRONTIER))
    assert root.get("role") == "img"
    title, desc = root.find(f"{NS}title"), root.find(f"{NS}desc")
    assert title is not None
    assert desc is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert title.text == "Net against fill rate"
    assert desc.text == (
        "net, bps over fill rate. cache on: 0 at 0; 10 at 5; 5 at 10. cache off: 2 at 0; 4 at 10. Marked: limit at 5."
    )


def test_a_long_series_is_said_by_its_extremes() -> None:
    series = Series("long", tuple((float(n), float(-n if n == 7 else n)) for n in range(100)))
    assert description(Chart("t", "x", "y", (series,))) == (
        "y over x. long: 100 points; lowest -7 at 7; highest 99 at 99; last 99 at 99."
    )


def test_points_stand_where_they_belong() -> None:
    """x runs 0..10 over the pixels 70..490, y 0..10 over 310..40: (5, 10) is at (280, 40)."""
    root = ET.fromstring(svg(FRONTIER))
    line = root.find(f".//{NS}polyline")
    assert line is not None
    assert line.get("points") == "70,310 280,40 490,175"


def test_series_differ_without_colour() -> None:
    chart = Chart("t", "x", "y", tuple(Series(f"s{n}", ((0.0, n), (1.0, n + 1.0))) for n in range(4)))
    groups = [group for group in ET.fromstring(svg(chart)).iter(f"{NS}g") if (group.get("class") or "").startswith("s")]
    dashes = {group.find(f"{NS}polyline").get("stroke-dasharray") for group in groups}  # type: ignore[union-attr]
    shapes = {(list(group)[1].tag, len((list(group)[1].get("points") or "").split())) for group in groups}
    names = [group.find(f"{NS}text").text for group in groups]  # type: ignore[union-attr]
    assert len(dashes) == 4
    assert len(shapes) >= 3
    assert names == ["s0", "s1", "s2", "s3"]


def test_it_follows_dark_mode_and_needs_nothing_from_outside() -> None:
    text = svg(FRONTIER)
    assert "prefers-color-scheme:dark" in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


def test_two_charts_of_one_page_do_not_share_ids() -> None:
    other = Chart("Net against fill rate", "fill rate", "net, bps", (Series("cache on", ((0.0, 1.0),)),))
    assert ET.fromstring(svg(FRONTIER)).get("id") != ET.fromstring(svg(other)).get("id")


@settings(max_examples=60, deadline=None)
@given(points, st.text(max_size=12))
def test_any_points_and_any_name_stay_in_the_frame(given_: tuple[tuple[float, float], ...], name: str) -> None:
    chart = Chart(f"<&{name}", name, name, (Series(name, given_),), (Mark(given_[0][0], name),))
    text = svg(chart)
    assert text == svg(chart)
    root = ET.fromstring(text)
    for shape in root.iter(f"{NS}circle"):
        assert 0 <= float(shape.get("cx", "")) <= WIDTH
        assert 0 <= float(shape.get("cy", "")) <= HEIGHT


@settings(max_examples=200)
@given(finite, finite)
def test_ticks_are_few_and_enclose(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high)
    slack = (found[-1] - found[0]) * 1e-6
    assert 2 <= len(found) <= 9
    assert found == sorted(set(found))
    assert found[0] <= low + slack
    assert found[-1] >= high - slack


def test_close_ticks_are_told_apart() -> None:
    chart = Chart("t", "x", "y", (Series("s", ((0.0, 100000.01), (1.0, 100000.05))),))
    labels = [text.text for text in ET.fromstring(svg(chart)).iter(f"{NS}text") if text.get("text-anchor") == "end"]
    assert labels == ["100000.01", "100000.02", "100000.03", "100000.04", "100000.05"]


def test_a_scale_can_run_downwards() -> None:
    assert [Scale(0.0, 4.0, 300.0, 100.0)(value) for value in (0.0, 1.0, 4.0)] == [300.0, 250.0, 100.0]


@pytest.mark.parametrize(
    "series",
    [
        (),
        (Series("none", ()),),
        (Series("nan", ((0.0, float("nan")),)),),
        tuple(Series(str(n), ((0.0, 0.0),)) for n in range(5)),
    ],
)
def test_what_cannot_be_drawn_is_refused(series: tuple[Series, ...]) -> None:
    with pytest.raises(ValueError, match=r"a chart needs at least one point|too many series"):
        Chart("t", "x", "y", series)


def test_a_ratios_axis_ends_at_one() -> None:
    """Points that all lie at 1 would otherwise be drawn in the middle of an axis from 0.4 to 1.6."""
    series = (Series("s", ((0.0, 1.0), (1.0, 1.0))),)
    drawn = svg(Chart("t", "x", "y", series, y_bounds=(0.0, 1.0)))
    assert ">1.2<" not in drawn
    assert ">0.8<" in drawn
    assert ">1.2<" in svg(Chart("t", "x", "y", series))
