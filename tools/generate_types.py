"""Write `calib/feeds/writers/fields.py`: the keywords that each logger takes, typed from the table of fields.

Run by ``make docs``; a test says when the file is out of date.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from calib.feeds.schema.table import FEEDS, Feed, Field, Presence, Type

TARGET: Final = Path(__file__).resolve().parent.parent / "calib" / "feeds" / "writers" / "fields.py"
NAMES: Final = {
    "fills": "FillFields",
    "pipeline_ticks": "TickFields",
    "book": "BookFields",
    "trades": "TradeFields",
    "quotes": "QuoteFields",
}
_TYPES: Final = {
    Type.NUMBER: "float",
    Type.INTEGER: "int",
    Type.BOOLEAN: "bool",
    Type.STRING: "str",
    Type.STAGES: "Mapping[str, float | None]",
    Type.LEVELS: "Sequence[Sequence[float]]",
}
_HEAD: Final = '''"""The keywords of each logger, made by ``make docs`` from `calib.feeds.schema.table`: do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict
'''


def text() -> str:
    """The whole file."""
    return _HEAD + "".join(_class(NAMES[kind], feed) for kind, feed in FEEDS.items())


def _class(name: str, feed: Feed) -> str:
    lines = [f"    {field.name}: {_annotation(field)}" for field in feed.fields if field.name != "ts_iso"]
    sentence = f"Fields of one ``{feed.kind}`` record; without ``ts`` the logger's clock stamps it."
    head = f'\n\nclass {name}(TypedDict):\n    """{sentence}"""\n\n'
    return head + "\n".join(lines) + "\n"


def _annotation(field: Field) -> str:
    choices = ", ".join(f'"{choice}"' for choice in field.choices)
    kind = f"Literal[{choices}]" if choices else _TYPES[field.type]
    required = field.presence is Presence.REQUIRED and field.name != "ts"
    return kind if required else f"NotRequired[{kind} | None]"


if __name__ == "__main__":
    TARGET.write_text(text(), "utf-8")
