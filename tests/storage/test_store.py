"""An S3 store: the same bytes as from files, whole or not at all, and nothing of another run overwritten."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from calib.cli import main
from calib.errors import MissingExtra, OutputChanged, UnreadableInput
from calib.feeds.reading.frames import read_feeds
from calib.storage import is_file, local_copy, object_reader, place_of, remove, sole_use, source_of, write_whole
from tests.conftest import REPOSITORY
from tests.storage.conftest import everything, put

SAMPLES = REPOSITORY / "sample_feeds"
NAME = "calib_20250101_000000_20250103_000000"


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    """Two days, plain and compressed, with bad lines; small."""
    directory = tmp_path / "feeds"
    directory.mkdir()
    for path in SAMPLES.glob("*_2025010*"):
        if path.name.startswith(("fills", "pipeline_ticks")):
            whole = path.suffix == ".gz"
            data = path.read_bytes() if whole else b"".join(path.read_bytes().splitlines(keepends=True)[:600])
            (directory / path.name).write_bytes(data)
    return directory


def _upload(store: S3Store, feeds: Path) -> str:
    for path in feeds.iterdir():
        put(store, f"feeds/{path.name}", path.read_bytes())
    put(store, "feeds/notes.txt", b"not a feed")
    return f"s3://{store.config['bucket']}"


def _tree(out: Path) -> dict[str, bytes]:
    return {
        f"{part}/{path.name}": path.read_bytes() for part in ("datasets", "rejects") for path in (out / part).iterdir()
    }


def test_a_dataset_has_the_same_bytes_from_a_store_and_in_it(
    desk: S3Store, feeds: Path, tmp_path: Path, capsys: Any
) -> None:
    url = _upload(desk, feeds)
    words = ["--format", "json,parquet,csv,arrow", "--quiet", "--max-reject-ratio", "0.1"]
    assert main.run(["aggregate", "--feeds", str(feeds), "--out", str(tmp_path / "out"), *words]) == 0
    engine = ["--engine", "processes", "--jobs", "1"]
    assert main.run(["aggregate", "--feeds", f"{url}/feeds", "--out", f"{url}/out", *words, *engine]) == 0
    found = everything(desk, "out")
    assert found.pop("_last_success.json").startswith(b"{")
    assert len(found) == 6
    assert found == _tree(tmp_path / "out")
    capsys.readouterr()

    dataset = f"{url}/out/datasets/{NAME}.parquet"
    for what, out in ((dataset, "from_store"), (str(tmp_path / "out" / "datasets" / f"{NAME}.parquet"), "from_file")):
        assert main.run(["summary", what, "--out", str(tmp_path / out), "--quiet"]) in (0, 1)
    one, other = (sorted((tmp_path / name / "reports").iterdir()) for name in ("from_store", "from_file"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
    assert main.run(["summary", "--out", f"{url}/out"]) == 2
    capsys.readouterr()

    printed = []
    for where in (str(feeds), f"{url}/feeds"):
        assert main.run(["check", where, "--max-reject-ratio", "0.1"]) == 0
        printed.append(capsys.readouterr().out.rpartition("newest line")[0])
    assert printed[0] == printed[1]
    assert main.run(["check", f"{url}/feeds/fills_20250102.jsonl.gz"]) in (0, 1)
    assert read_feeds(f"{url}/feeds", "fills", max_reject_ratio=1).equals(
        read_feeds(feeds, "fills", max_reject_ratio=1)
    )


def test_a_dataset_without_intervals_does_not_replace_one_in_the_store(desk: S3Store, feeds: Path, capsys: Any) -> None:
    url = _upload(desk, feeds)
    words = ["aggregate", "--feeds", f"{url}/feeds", "--out", f"{url}/out", "--max-reject-ratio", "0.1", "--quiet"]
    words += ["--min-ticks", "1000000"]
    assert main.run(words) == 1
    name = next(key for key in everything(desk, "out") if key.startswith("datasets/"))
    assert main.run([*words, "--min-ticks", "1"]) == 0
    other = next(key for key in everything(desk, "out") if key.startswith("datasets/") and key != name)
    full = everything(desk, "out")[other]
    put(desk, f"out/{name}", full)
    assert main.run(words) == 1
    assert everything(desk, "out")[name] == full
    assert "the old one stays" in capsys.readouterr().err


def test_what_another_run_wrote_meanwhile_stays(desk: S3Store) -> None:
    root = place_of(f"s3://{desk.config['bucket']}/out")
    old, new = root / "datasets" / "old.json", root / "datasets" / "new.json"
    put(desk, "out/datasets/old.json", b"before")
    with sole_use(root):
        put(desk, "out/datasets/old.json", b"theirs")
        put(desk, "out/datasets/new.json", b"theirs too")
        for place in (old, new):
            with pytest.raises(OutputChanged) as caught:
                write_whole(place, b"ours")
            assert caught.value.exit_code == 75
            assert caught.value.where == str(place)
    assert everything(desk, "out") == {"datasets/old.json": b"theirs", "datasets/new.json": b"theirs too"}


def test_what_another_run_wrote_meanwhile_is_not_removed(desk: S3Store) -> None:
    root = place_of(f"s3://{desk.config['bucket']}/out")
    for name in ("same", "newer", "gone"):
        put(desk, f"out/rejects/{name}.jsonl", b"before")
    with sole_use(root):
        put(desk, "out/rejects/newer.jsonl", b"theirs")
        obstore.delete(desk, "out/rejects/gone.jsonl")
        remove(root / "rejects" / "same.jsonl")
        remove(root / "rejects" / "gone.jsonl")
        with pytest.raises(OutputChanged) as caught:
            remove(root / "rejects" / "newer.jsonl")
        assert caught.value.exit_code == 75
    assert everything(desk, "out") == {"rejects/newer.jsonl": b"theirs"}


def test_a_write_whose_answer_was_lost_is_known_afterwards(desk: S3Store) -> None:
    root = place_of(f"s3://{desk.config['bucket']}/out")
    put(desk, "out/rejects/old.jsonl", b"before")
    with sole_use(root):
        for name in ("old", "new"):
            place = root / "rejects" / f"{name}.jsonl"
            put(desk, f"out/rejects/{name}.jsonl", b"ours")  # as the first try of the request did
            assert write_whole(place, b"ours") is (name == "new")
            assert is_file(place)
            assert write_whole(place, b"ours, again") is True
    assert everything(desk, "out") == {f"rejects/{name}.jsonl": b"ours, again" for name in ("old", "new")}


def test_writes_are_whole_and_equal_bytes_are_left_alone(desk: S3Store) -> None:
    root = place_of(f"s3://{desk.config['bucket']}/out")
    place = root / "rejects" / "a.jsonl"
    with sole_use(root):
        assert not is_file(place)
        assert write_whole(place, b"one") is True
        assert write_whole(place, b"one") is False
        assert write_whole(place, lambda handle: handle.write(b"two")) is True  # type: ignore[arg-type]
        assert is_file(place)
        with local_copy(place) as path:
            assert (path.name, path.read_bytes()) == ("a.jsonl", b"two")
        assert not path.exists()
        remove(place)
        remove(place)
        assert not is_file(place)
        put(desk, "out/rejects/a.jsonl", b"same")
        assert write_whole(place, b"same") is True, "a request of ours whose answer was lost is no conflict"

        def failing(handle: Any) -> None:
            handle.write(b"half")
            raise RuntimeError

        with pytest.raises(RuntimeError):
            write_whole(place, failing)
    assert everything(desk, "out") == {"rejects/a.jsonl": b"same"}


def test_without_a_claim_a_write_is_conditional_too(desk: S3Store) -> None:
    place = place_of(f"s3://{desk.config['bucket']}/a")
    assert write_whole(place, b"one") is True
    assert write_whole(place, b"two") is True
    put(desk, "a", b"theirs")
    with pytest.raises(OutputChanged):
        write_whole(place, b"three")


def test_an_object_is_read_in_ranges_of_one_content(desk: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_reader, "RANGE", 1000)
    data = bytes(range(256)) * 40
    put(desk, "a", data)
    place = place_of(f"s3://{desk.config['bucket']}/a")
    with source_of(place).open(place) as stored:  # type: ignore[attr-defined]
        room = bytearray(300)
        assert stored.readinto(memoryview(room)) == 300
        found = bytes(room)
        while block := stored.read(777):
            found += block
    assert found == data
    assert source_of(place).read_range(place, None, 5, 10) == data[5:15]
    with source_of(place).open(place) as stored:  # type: ignore[attr-defined]
        stored.read(10)
        put(desk, "a", data[::-1])
        with pytest.raises(UnreadableInput, match="was replaced while it was read"):
            b"".join(iter(lambda: stored.read(1000), b""))
    with pytest.raises(UnreadableInput, match="does not exist"):
        source_of(place).open(place.parent / "none")
    put(desk, "empty", b"")
    with source_of(place).open(place.parent / "empty") as stored:  # type: ignore[attr-defined]
        assert stored.read(10) == b""


def test_obstore_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    place = place_of("s3://desk/feeds")
    with pytest.raises(MissingExtra) as caught:
        source_of(place).names(place)
    assert "pip install 'calib[cloud]'" in caught.value.hint


def test_a_half_written_answer_is_not_an_object(desk: S3Store) -> None:
    """What a reader sees of an object that is being written is the old one."""
    place = place_of(f"s3://{desk.config['bucket']}/a")
    write_whole(place, b"old")

    def slow(handle: io.BytesIO) -> None:
        handle.write(b"new")
        assert bytes(obstore.get(desk, "a").bytes()) == b"old"

    write_whole(place, slow)  # type: ignore[arg-type]
    assert bytes(obstore.get(desk, "a").bytes()) == b"new"
