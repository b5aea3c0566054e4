"""The pictures as documents: well-formed, with their numbers in words, whole labels, nothing from outside as markup."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from calib.reports.pictures.cells import cells_svg
from calib.reports.pictures.dots import Dot, dots_svg
from calib.reports.pictures.heat import StateMap, heat_svg
from calib.reports.pictures.histogram import ColumnHistogram, histograms_svg
from calib.reports.pictures.steps import StepChart, Steps, steps_svg
from calib.reports.pictures.waterfall import waterfall_svg

NAME = "W<&\">'" + "M" * 58  # 64 characters, the widest, hostile
_SVG = "{http://www.w3.org/2000/svg}"


def state_map(rows: int = 2) -> StateMap:
    cells = ((1.0, 0.0), (0.5, 0.25), (0.0, 0.0), (0.0, 1.0))
    named = tuple((NAME if n == 0 else f"S{n}", cells) for n in range(rows))
    return StateMap("Map", ("kept", f"dropped: {NAME}"), "absent", named, "from", "to")


PICTURES = {
    "heat": heat_svg(state_map()),
    "histogram": histograms_svg("H", [ColumnHistogram("net_bps", "bps", -1.0, 3.0, (1, 0, 5, 2), 1.5)]),
    "cells": cells_svg("C", ["a"], ["x", "y"], {("a", "x"): (-0.25, 10), ("a", "y"): (None, 0)}),
    "dots": dots_svg("D", "bps", [Dot(NAME, 1.0, 0.5, 2.0), Dot("b", -1.0)]),
    "steps": steps_svg(
        StepChart("S", "bps", (Steps("mean", (1.0, None, -2.0)),), "from", "to", (0.0, "limit"), ((0.5, 1.0),), "bad")
    ),
    "waterfall": waterfall_svg("W", 10, [(NAME, 3)], "all", "kept"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_it_is_a_document_that_says_its_numbers(name: str) -> None:
    root = ElementTree.fromstring(PICTURES[name])
    assert root.tag == f"{_SVG}svg"
    assert root.attrib["role"] == "img"
    title, told = root.find(f"{_SVG}title"), root.find(f"{_SVG}desc")
    assert title is not None
    assert told is not None
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], told.attrib["id"]]
    tags = {element.tag.removeprefix(_SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "defs", "pattern", "g", "path", "rect", "circle", "text"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("heat", "kept 37.5 %, dropped: " + NAME + " 31.2 %, absent 31.2 %"),
        ("histogram", "net_bps (bps): -1 to 3, median 1.5; values in equal bins: 1, 0, 5, 2."),
        ("cells", "a with x: -0.25 (n 10). a with y: - (n 0)."),
        ("dots", "1 (0.5 to 2). b: -1."),
        ("steps", "2 of 3 steps have a value; lowest -2, highest 1, first 1, last -2; changes sign 1 times."),
        ("waterfall", "all: 10; " + NAME + ": -3; kept: 7."),
    ],
)
def test_its_description_holds_the_numbers(name: str, said: str) -> None:
    told = ElementTree.fromstring(PICTURES[name]).find(f"{_SVG}desc")
    assert told is not None
    assert said in (told.text or "")


@pytest.mark.parametrize("name", ["heat", "dots", "waterfall"])
def test_a_label_of_64_characters_is_whole(name: str) -> None:
    root = ElementTree.fromstring(PICTURES[name])
    texts = [element for element in root.iter(f"{_SVG}text") if element.text == NAME]
    assert texts
    for element in texts:
        # Anchored at its end: it takes at most 12.5 pixels a character to the left.
        assert float(element.attrib["x"]) >= 12.5 * 58


def test_states_differ_without_colour() -> None:
    picture = heat_svg(state_map())
    assert 'fill="url(#' in picture  # a hatch over every state but the first
    assert '<rect class="edge"' in picture  # what is absent is an empty frame in the legend


def test_only_the_worst_rows_are_drawn_and_it_says_so() -> None:
    picture = heat_svg(state_map(43))
    assert "The worst 40 rows; 3 more are not drawn." in picture
    assert "S39<" in picture
    assert "S40<" not in picture
    assert "the first 40 rows, 2 more are not drawn" in dots_svg("D", "bps", [Dot(str(n), n) for n in range(42)])


def test_extremes_make_a_picture() -> None:
    huge = ColumnHistogram("x", "bps", -1.7e308, 1.7e308, (1, 1), 0.0)
    ElementTree.fromstring(histograms_svg("H", [huge]))
    ElementTree.fromstring(steps_svg(StepChart("S", "s", (Steps("none", (None,)),), "a", "b")))
    ElementTree.fromstring(waterfall_svg("W", 0, [], "all", "kept"))
