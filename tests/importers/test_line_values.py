"""Values added to a line: what stood there before stands there still, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.importers.line_values import with_values


@pytest.mark.parametrize(
    ("line", "line_after"),
    [
        (b'{"a":1}\n', b'{"a":1,"mid":1.5,"spread":-0.25}\n'),
        (b'{"a":1, "mid" : null }\r\n', b'{"a":1, "mid" : 1.5,"spread":-0.25 }\r\n'),
        (b'{"mid":null,"spread":null,"a":-0.0}', b'{"mid":1.5,"spread":-0.25,"a":-0.0}'),
        (b'{"n":123456789012345678901234567}', b'{"n":123456789012345678901234567,"mid":1.5,"spread":-0.25}'),
        (b'{"p":0.10000000000000000555,"p":1E+2}', b'{"p":0.10000000000000000555,"p":1E+2,"mid":1.5,"spread":-0.25}'),
        (b'{"mid":7,"mid":null}', b'{"mid":7,"mid":1.5,"spread":-0.25}'),
        (b'{"t":"mid","u":"}"}', b'{"t":"mid","u":"}","mid":1.5,"spread":-0.25}'),
        (b'{"t":"\\"mid\\":null"}', b'{"t":"\\"mid\\":null","mid":1.5,"spread":-0.25}'),
        (b'{"o":{"mid":null},"mid":null}', b'{"o":{"mid":null},"mid":1.5,"spread":-0.25}'),
        (b'{"\\u006did":null}', b'{"\\u006did":1.5,"spread":-0.25}'),
        (b'{"l":[null,{"mid":null}]}', b'{"l":[null,{"mid":null}],"mid":1.5,"spread":-0.25}'),
        (b"{}", b'{"mid":1.5,"spread":-0.25}'),
        (b"{ }\n", b'{"mid":1.5,"spread":-0.25 }\n'),
    ],
)
def test_worked_examples(line: bytes, line_after: bytes) -> None:
    assert with_values(line, {"mid": 1.5, "spread": -0.25}) == line_after


white = st.sampled_from(["", " ", "\t", "  "])
numbers = st.sampled_from(
    [
        "0",
        "-0",
        "-0.0",
        "1e5",
        "1E-7",
        "0.1234567890123456789",
        "18446744073709551616",
        "-99999999999999999999999",
        "null",
    ]
)
strings = st.text(max_size=6).map(json.dumps) | st.sampled_from(
    [r'"\""', r'"\\"', '"{"', '"}"', '"mid"', r'"\"mid\": null"', r'"\u006did"', '"é"', '"a:b,c"']
)
values = st.recursive(
    numbers | strings | st.sampled_from(["true", "false"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(strings, inner), max_size=3).map(
            lambda items: f"{{{','.join(f'{name} :{value}' for name, value in items)}}}"
        )
    ),
    max_leaves=6,
)
NAMES = ("mid", "spread")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(strings, values, white, white), max_size=6), white, st.sampled_from(["", "\n", "\r\n"]))
def test_every_other_member_keeps_its_text(members: list[tuple[str, str, str, str]], space: str, newline: str) -> None:
    members = [
        (name, "null" if json.loads(name) in NAMES and last else value, before, after)
        for place, (name, value, before, after) in enumerate(members)
        for last in [json.loads(name) not in [json.loads(one[0]) for one in members[place + 1 :]]]
    ]

    def text(members: list[tuple[str, str, str, str]], more: str = "") -> bytes:
        inside = ",".join(f"{before}{name}{after}:{before}{value}" for name, value, before, after in members)
        return f"{{{inside}{',' if inside and more else ''}{more}{space}}}{newline}".encode()

    given_values = {"mid": 101.25, "spread": 1e-7}
    expected, lacking = list(members), []
    for name, value in (("mid", "101.25"), ("spread", "1e-7")):
        places = [place for place, one in enumerate(members) if json.loads(one[0]) == name]
        if places:
            expected[places[-1]] = (members[places[-1]][0], value, *members[places[-1]][2:])
        else:
            lacking.append(f'"{name}":{value}')
    found = with_values(text(members), given_values)
    assert found == text(expected, ",".join(lacking))
    whole: Any = json.loads(found)
    assert (whole["mid"], whole["spread"]) == (101.25, 1e-7)
