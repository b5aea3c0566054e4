"""Names say one thing each."""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
CLASS = re.compile(r"^class ([A-Z]\w*)", re.MULTILINE)


def test_a_public_class_name_stands_once_in_the_package() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "calib").rglob("*.py")):
        for name in CLASS.findall(path.read_text("utf-8")):
            found[name].append(path.relative_to(ROOT).as_posix())
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_every_name_that_a_package_offers_is_there() -> None:
    missing = []
    for path in sorted((ROOT / "calib").rglob("__init__.py")):
        package = importlib.import_module(".".join(path.parent.relative_to(ROOT).parts))
        offered = {name: getattr(package, name, None) for name in getattr(package, "__all__", ())}
        # A module of that name is not what is offered.
        missing += [f"{package.__name__}.{name}" for name, it in offered.items() if isinstance(it, ModuleType | None)]
    assert missing == []


def test_the_map_of_rooms_names_every_room_and_no_other() -> None:
    table = re.findall(r"^\| (`.*?) \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    named = {name for row in table for name in re.findall(r"`(\w+)`", row)}
    places = (ROOT / "calib").iterdir()
    rooms = {path.stem for path in places if path.suffix in ("", ".py") and not path.name.startswith("__")}
    assert named - {"limits", "evaluation"} <= rooms
    assert rooms <= named
