"""Places as users write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calib.cli import main
from calib.errors import UsageError
from calib.storage import ObjectPath, place_of
from calib.storage.bucket import Bucket


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("feeds", "feeds"),
        ("/srv/s3:/x", "/srv/s3:/x"),
        ("file:///srv/my%20feeds", "/srv/my feeds"),
        ("file://localhost/srv/feeds", "/srv/feeds"),
        ("FILE:///srv", "/srv"),
    ],
)
def test_files_are_paths(text: str, path: str) -> None:
    assert place_of(text) == Path(path)


def test_an_object_path_is_what_a_path_is_for_files() -> None:
    place = place_of("s3://desk-1/feeds//eu/fills_20250101.jsonl.gz/")
    assert isinstance(place, ObjectPath)
    assert str(place) == "s3://desk-1/feeds/eu/fills_20250101.jsonl.gz"
    assert (place.name, place.stem, place.suffix) == ("fills_20250101.jsonl.gz", "fills_20250101.jsonl", ".gz")
    assert str(place.parent.parent.parent) == "s3://desk-1"
    assert str(place.parent.parent.parent / "out") == "s3://desk-1/out"
    assert place == ObjectPath(Bucket("s3://desk-1"), "feeds/eu/fills_20250101.jsonl.gz")
    assert len({place, ObjectPath(Bucket("s3://desk-1"), place.key)}) == 1
    assert place < ObjectPath(Bucket("s3://desk-2"), "a")
    assert place.parent.suffix == ""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("gs://desk/feeds", "gs:// is not supported"),
        ("https://desk/feeds", "https:// is not supported"),
        ("s3://", "names no bucket"),
        ("s3:///feeds", "names no bucket"),
        ("s3://DESK/feeds", "names no bucket"),
        ("s3://desk/feeds?versionId=1", "takes no ?"),
        ("file://other/feeds", "names no directory of this machine"),
    ],
)
def test_other_urls_are_refused_with_the_forms_that_are_taken(text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        place_of(text, "--feeds")
    assert what in str(caught.value)
    assert "s3://BUCKET/PREFIX" in caught.value.hint


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        place_of("s3://me:hidden@desk/feeds", "--feeds")
    assert "hidden" not in f"{caught.value}{caught.value.hint}{caught.value.where}"


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "--feeds", "s3://desk/feeds"],
        ["fit", "s3://desk/feeds"],
        ["markout", "--out", "s3://desk/out"],
        ["check", "--ready", "s3://desk/feeds"],
        ["import", "table", "x.csv", "--out", "s3://desk/feeds"],
        ["simulate", "--out", "s3://desk/feeds"],
    ],
)
def test_commands_that_take_no_url_say_so(words: list[str], capsys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.run(words) == 2
    said = capsys.readouterr().err
    assert "takes no URL of feeds or outputs" in said, said
    assert list(tmp_path.iterdir()) == []


def test_a_file_url_is_the_directory(tmp_path: Path, capsys: Any) -> None:
    samples = Path(__file__).resolve().parents[2] / "sample_feeds"
    words = ["aggregate", "--feeds", samples.as_uri(), "--out", tmp_path.as_uri(), "--dry-run"]
    assert main.run(words) == 0
    assert f"would read   {samples}/fills_20250101.jsonl (" in capsys.readouterr().out
