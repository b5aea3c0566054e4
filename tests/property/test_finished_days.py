"""Random histories of feed files: a dataset made with finished days has the bytes of one made without."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calib.dataset import stored_json
from calib.dataset.build import build_dataset
from calib.dataset.finished import FinishedDays, identity
from calib.errors import InputError

DAY_0 = 1_735_689_600
"""2025-01-01T00:00:00Z"""
DAYS = ("20250101", "20250102", "20250103")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "ünï")
PARAMETERS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"interval_sec": 7},
    {"interval_sec": 3600},
    {"interval_sec": 86_400},
    {"interval_sec": 100_000},
    {"symbols": "ETHUSDT"},
    {"start": DAY_0 + 80_000, "end": DAY_0 + 90_000},
    {"tick_sample_rate": 3, "taker_fee_bps": 1.5},
)
"""Of one run; most runs of a history have the same."""


@pytest.fixture(autouse=True)
def long_files_of_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of files written a moment ago are trusted, as those of old files are; ends are short, as those of
    long files are."""
    monkeypatch.setattr(identity, "SETTLED_NS", 0)
    monkeypatch.setattr(identity, "ENDS", 64)


def tick(rng: random.Random, ts: float) -> dict[str, Any]:
    line = {"ts": ts, "symbol": rng.choice(SYMBOLS), "tick_total_ms": round(rng.uniform(1, 40), 3)}
    line |= {"cache_hit": rng.random() < 0.7, "deadline_miss": False, "mid": round(rng.uniform(99, 101), 4)}
    return line | ({"cache_age_ms": rng.uniform(0, 9)} if rng.random() < 0.5 else {"unheard_of": rng.randint(0, 9)})


def fill(rng: random.Random, ts: float) -> dict[str, Any]:
    line = {"ts": ts, "symbol": rng.choice(SYMBOLS), "side": rng.choice(["buy", "sell"]), "mid_now": 100.0}
    line |= {"price": round(rng.uniform(99, 101), 4), "qty": rng.randint(1, 9), "mid_at_quote": 100.0}
    return line | {"liquidity": rng.choice(["maker", "taker"]), "trade_id": f"t{rng.randint(0, 40)}"}


def book(rng: random.Random, ts: float) -> dict[str, Any]:
    price = rng.uniform(99, 101)
    levels = {"bids": [[price - 0.1, 1.0]], "asks": [[price + 0.1, 1.0]]}
    return {"ts": ts, "symbol": rng.choice(SYMBOLS[:2]), "type": "snapshot", "update_id": int(ts), **levels}


KINDS: dict[str, Callable[[random.Random, float], dict[str, Any]]] = {
    "pipeline_ticks": tick,
    "fills": fill,
    "book": book,
}


def lines(rng: random.Random, kind: str, day: int, begin: float, count: int) -> tuple[bytes, float]:
    """So many lines of a day from ``begin`` on, s after midnight, some bad and some late; the time of the last."""
    found, now = [], begin
    for _ in range(count):
        now = min(now + rng.choice([0.5, 3, 20, 400]), 86_399.0)
        late = rng.random() < 0.02
        ts = DAY_0 + 86_400 * day + (rng.uniform(0, now) if late else now)
        line = json.dumps(KINDS[kind](rng, round(ts, 6)), ensure_ascii=rng.random() < 0.5).encode()
        found.append(rng.choice([b"garbage", b"", line[:-9]]) if rng.random() < 0.04 else line)
        if rng.random() < 0.03:
            found.append(line)
    return b"".join(line + b"\n" for line in found), now


class History:
    """A directory of feeds to which things happen."""

    def __init__(self, root: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.root, self.feeds, self.entries = root, root / "feeds", root / "entries"
        self.feeds.mkdir()
        self.times: dict[Path, float] = {}
        for day in range(2):
            for kind in KINDS:
                if kind != "book" or self.rng.random() < 0.3:
                    self._new(kind, day)

    def step(self) -> str:
        """Do one thing to the feeds."""
        step = self.rng.choices(
            [self.append, self.cut, self.replace, self.edit, self.add_day, self.spoil_entries, self.rewrite],
            weights=[10, 2, 2, 3, 2, 1, 1],
        )[0]
        step()
        return step.__name__

    def append(self) -> None:
        path = self._any()
        if self.rng.random() < 0.5:
            path = self._any("pipeline_ticks", newest=True)
        kind, day = _of(path)
        more, self.times[path] = lines(self.rng, kind, day, self.times[path], self.rng.randint(0, 25))
        if self.rng.random() < 0.5:  # caught in the middle of a line, or before its newline
            more = more[: -self.rng.choice([1, 1, 5, 30])]
        with path.open("ab") as handle:
            handle.write(gzip.compress(more, 1, mtime=0) if path.suffix == ".gz" else more)

    def cut(self) -> None:
        path = self._plain()
        os.truncate(path, max(0, path.stat().st_size - self.rng.choice([1, 10, 1000])))

    def replace(self) -> None:
        """Another file of that name, often as long and as old as the one before."""
        path = self._plain()
        content, status = bytearray(path.read_bytes()), path.stat()
        self._change(content)
        other = path.with_name("new")
        other.write_bytes(content)
        if self.rng.random() < 0.5:
            os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(path)

    def edit(self) -> None:
        """Some bytes changed in place, often with the time of the last change put back."""
        path = self._plain()
        content, status = bytearray(path.read_bytes()), path.stat()
        self._change(content)
        with path.open("r+b") as handle:
            handle.write(content)
        if self.rng.random() < 0.7:
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def add_day(self) -> None:
        if (day := len(list(self.feeds.glob("fills_*")))) < len(DAYS):
            for kind in KINDS:
                self._new(kind, day)

    def spoil_entries(self) -> None:
        """Damage, shorten or delete what was kept."""
        for path in sorted(self.entries.glob("*")):
            content = bytearray(path.read_bytes())
            match self.rng.choice(["leave", "delete", "cut", "flip"]):
                case "delete":
                    path.unlink()
                case "cut":
                    path.write_bytes(content[: self.rng.randrange(len(content))])
                case "flip":
                    content[self.rng.randrange(len(content))] ^= 1 << self.rng.randrange(8)
                    path.write_bytes(content)

    def rewrite(self) -> None:
        """The same content in another file."""
        path = self._any()
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)

    def _new(self, kind: str, day: int) -> None:
        packed = self.rng.random() < 0.15
        path = self.feeds / f"{kind}_{DAYS[day]}.jsonl{'.gz' if packed else ''}"
        content, self.times[path] = lines(self.rng, kind, day, 0, self.rng.randint(1, 40))
        if self.rng.random() < 0.1:
            content = b"\xef\xbb\xbf" + content
        path.write_bytes(gzip.compress(content, 1, mtime=0) if packed else content)

    def _any(self, kind: str = "", *, newest: bool = False) -> Path:
        paths = sorted(self.feeds.glob(f"{kind}*"))
        days = {path.name.split("_")[-1][:8] for path in paths}
        return self.rng.choice([path for path in paths if not newest or max(days) in path.name])

    def _plain(self) -> Path:
        """Seldom a compressed one: damage to that ends every later run alike."""
        path = self._any()
        return path if path.suffix != ".gz" or self.rng.random() < 0.1 else self._any("pipeline_ticks")

    def _change(self, content: bytearray) -> None:
        for _ in range(self.rng.randint(1, 3) if content else 0):
            content[self.rng.randrange(len(content))] = self.rng.choice(b'0123456789"x\n')

    def outcome(self, out: Path, parameters: dict[str, Any], finished: FinishedDays | None) -> Any:
        """The dataset as bytes, or the error; the rejects; the notes."""
        notes: list[str] = []
        options = parameters | {"out": out, "jobs": 1, "note": notes.append, "max_reject_ratio": 0.7}
        try:
            dataset = build_dataset(self.feeds, finished=finished, **options)
        except InputError as error:
            result: Any = str(error).replace(str(out), "OUT")
        else:
            stored_json.write(dataset, handle := io.BytesIO())
            result = handle.getvalue()
        return result, notes, {path.name: path.read_bytes() for path in sorted(out.glob("rejects/*"))}


def _of(path: Path) -> tuple[str, int]:
    kind, _, day = path.name.split(".")[0].rpartition("_")
    return kind, DAYS.index(day)


def run(root: Path, seed: int, steps: int) -> Iterator[FinishedDays]:
    history = History(root, seed)
    done: list[Any] = []
    usual = history.rng.choice(PARAMETERS)
    for number in range(steps):
        parameters = usual if history.rng.random() < 0.8 else history.rng.choice(PARAMETERS)
        finished = FinishedDays(history.entries, verify=history.rng.random() < 0.2, worth_bytes=0)
        expected = history.outcome(root / "without", parameters, None)
        with_them = history.outcome(root / "with", parameters, finished)
        assert with_them == expected, (seed, number, parameters, done)
        yield finished
        done += [(number, history.step()) for _ in range(history.rng.randint(0, 2))]


@pytest.mark.parametrize("seed", range(16))
def test_the_same_bytes_with_and_without(tmp_path: Path, seed: int) -> None:
    for _ in run(tmp_path, seed, 6):
        pass
