"""Reading whole files: counts, rejects, the traps of other readers, forms, chunks and workers."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from calib.engines import Workers
from calib.errors import TooManyRejects, TruncatedInput, UnreadableInput
from calib.feeds.reading.batches import FeedReading, RecordReading, read_batches, read_records
from calib.feeds.reading.days import DayFile, find_days
from calib.feeds.reading.rejects import RejectWriter, check_ratio
from tests.feeds.helpers import TS, VALID, line, make, read_all, read_columns
from tests.feeds.schema.test_validation import ACCEPTED, FAULTS

GOOD = line("fills", trade_id=None)
SURROGATE = line("fills", symbol="@").replace(b"@", b"\\ud800")


def lines(*texts: bytes) -> bytes:
    return b"".join(text + b"\n" for text in texts)


def rejects_of(content: bytes) -> list[tuple[int, str, str | None]]:
    return [(entry["line"], entry["reason"], entry["field"]) for entry in map(json.loads, content.splitlines())]


def test_every_reason_is_counted_with_its_first_line(tmp_path: Path) -> None:
    content = lines(
        line("fills", trade_id="1"),  # 1
        b"",
        b"garbage",  # 3
        b"[]",  # 4
        line("fills", side=None),  # 5
        line("fills", price="1"),  # 6
        line("fills", price=-1),  # 7
        line("fills", ts=TS - 1, trade_id="1"),  # 8
        line("fills", trade_id="1"),  # 9
        b" \r",
        line("fills", trade_id="1", symbol="OTHER"),  # 11
        b"more garbage",  # 12
    )
    pairs, stats, rejects = read_all(make(tmp_path, content), tmp_path)
    assert [number for number, _ in pairs] == [1, 11]
    assert (stats.lines, stats.used) == (10, 2)
    assert stats.rejected == {
        "bad_json": 2,
        "not_object": 1,
        "missing_field": 1,
        "bad_type": 1,
        "bad_value": 1,
        "wrong_day": 1,
        "duplicate": 1,
    }
    assert list(stats.rejected) == list(stats.first_line)
    assert stats.first_line == {
        "bad_json": 3,
        "not_object": 4,
        "missing_field": 5,
        "bad_type": 6,
        "bad_value": 7,
        "wrong_day": 8,
        "duplicate": 9,
    }
    assert rejects_of(rejects) == [
        (3, "bad_json", None),
        (4, "not_object", None),
        (5, "missing_field", "side"),
        (6, "bad_type", "price"),
        (7, "bad_value", "price"),
        (8, "wrong_day", "ts"),
        (9, "duplicate", "trade_id"),
        (12, "bad_json", None),
    ]
    assert json.loads(rejects.splitlines()[-1])["text"] == "more garbage"
    rows, by_columns, same = read_columns(make(tmp_path, content), ["symbol"], tmp_path)
    assert rows == [(1, "BTCUSDT"), (11, "OTHER")]
    assert (by_columns, same) == (stats, rejects)


@pytest.mark.parametrize("kind", VALID)
def test_the_whole_table_of_faults_in_one_file(kind: str, tmp_path: Path) -> None:
    good = line(kind, **({"trade_id": None} if kind == "fills" else {}))
    bad = [(text, reason, field or None) for of, text, reason, field in FAULTS if of == kind]
    content = lines(good, *(text for entry in bad for text in (entry[0], good)))
    pairs, _, rejects = read_all(make(tmp_path, content, kind), tmp_path)
    assert [number for number, _ in pairs] == list(range(1, 2 * len(bad) + 2, 2))
    assert rejects_of(rejects) == [(2 * n + 2, reason, field) for n, (_, reason, field) in enumerate(bad)]


@pytest.mark.parametrize(("kind", "text"), ACCEPTED)
def test_what_the_rules_allow_is_read(kind: str, text: bytes, tmp_path: Path) -> None:
    pairs, stats, _ = read_all(make(tmp_path, text + b"\n" + text, kind), tmp_path, newest=True)
    assert len(pairs) + stats.rejected.get("duplicate", 0) == 2
    assert stats.rejected.keys() <= {"duplicate"}


def test_facts_of_the_file_as_it_is_stored(tmp_path: Path) -> None:
    content = lines(
        line("fills", ts=TS + 5), line("fills", ts=TS + 4, trade_id="2"), line("fills", ts=TS + 4, trade_id="3")
    )
    stored = gzip.compress(content)
    _, stats, _ = read_all(make(tmp_path, stored, form=".gz"), tmp_path)
    assert (stats.file, stats.bytes) == ("fills_20250101.jsonl.gz", len(stored))
    assert stats.sha256 == hashlib.sha256(stored).hexdigest()
    assert (stats.min_ts, stats.max_ts, stats.out_of_order) == (TS + 4, TS + 5, 1)


def test_unknown_fields_are_named_once(tmp_path: Path) -> None:
    content = lines(
        line("fills", trade_id=None, zeta=1),
        line("fills", trade_id=None, zeta=2, alpha=[[[[1]]]], **{'q"uote': 1, "ünï": 2}),
        b'{"gamma": 1}',
    )
    pairs, stats, _ = read_all(make(tmp_path, content), tmp_path)
    assert len(pairs) == 2
    assert stats.unknown_fields == ("alpha", "gamma", 'q"uote', "zeta", "ünï")


def test_a_flood_of_unknown_names_stays_bounded(tmp_path: Path) -> None:
    content = lines(*(line("fills", trade_id=None, **{f"name_{n:04}": n}) for n in range(500)))
    pairs, stats, _ = read_all(make(tmp_path, content), tmp_path)
    assert len(pairs) == 500
    assert stats.unknown_fields == tuple(f"name_{n:04}" for n in range(100))
    _, in_pieces, _ = read_all(make(tmp_path, content), tmp_path, chunk_bytes=1000)
    assert in_pieces == stats


def test_columns_have_the_values_and_the_nulls(tmp_path: Path) -> None:
    content = lines(
        line("pipeline_ticks", sample_rate=None, cache_age_ms=3, used_stale=True, status="fresh"),
        line("pipeline_ticks", stage_latencies=None, update_id=2**53 + 1, mid=10.5),
        line("pipeline_ticks", stage_latencies={"other": 2}, used_stale=False),
        line("pipeline_ticks", stage_latencies={"fetch_md": None, "third": 1}),
    )
    names = ["cache_hit", "sample_rate", "update_id", "used_stale", "mid", "status", "ws_gap_ms", "bucket"]
    stage = "stage_latencies.fetch_md"
    rows, _, _ = read_columns(make(tmp_path, content, "pipeline_ticks"), [*names, stage], tmp_path)
    assert rows == [
        (1, True, None, None, True, None, "fresh", None, None, 1.5),
        (2, True, 10, 2**53 + 1, None, 10.5, None, None, None, None),
        (3, True, 10, None, False, None, None, None, None, None),
        (4, True, 10, None, None, None, None, None, None, None),
    ]


def test_a_column_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    file = make(tmp_path, b"")
    for name in ("nothing", "stage_latencies.fetch_md", "ts.x"):
        with pytest.raises(ValueError, match="has no column"):
            read_batches(file, [name], newest=False)


def test_records_hold_every_field(tmp_path: Path) -> None:
    for kind, record in VALID.items():
        ((_, found),), _, _ = read_all(make(tmp_path, line(kind) + b"\n", kind), tmp_path)
        for name, value in record.items():
            expected = [tuple(level) for level in value] if name in ("bids", "asks") else value
            assert getattr(found, name) == expected


def test_statistics_are_not_to_be_had_before_the_end(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not read to its end"):
        _ = read_records(make(tmp_path, lines(GOOD)), newest=False).stats


# The traps: what other readers let through or stumble over. Each line here once fooled one.


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(line("fills", symbol=5), "bad_type", id="polars_turns_numbers_into_text"),
        pytest.param(line("fills", symbol=True), "bad_type", id="polars_turns_booleans_into_text"),
        pytest.param(line("fills", symbol={"a": 1}), "bad_type", id="polars_turns_objects_into_text"),
        pytest.param(
            line("fills", symbol="@").replace(b"@", b"\\ud800"), "bad_json", id="polars_turns_surrogate_into_nul"
        ),
        pytest.param(line("fills", price="12.25"), "bad_type", id="duckdb_coerces_text_into_numbers"),
        pytest.param(line("fills", price=True), "bad_type", id="duckdb_coerces_booleans"),
        pytest.param(b"{}", "missing_field", id="polars_reads_nulls_from_an_empty_object"),
        pytest.param(line("fills", price="@").replace(b'"@"', b"NaN"), "bad_json", id="duckdb_accepts_nan"),
        pytest.param(line("fills", price="@").replace(b'"@"', b"Infinity"), "bad_json", id="duckdb_accepts_infinity"),
        pytest.param(line("fills", price="@").replace(b'"@"', b"1e400"), "bad_json", id="duckdb_accepts_1e400"),
        pytest.param(line("fills", x="@").replace(b'"@"', b"1e400"), "bad_json", id="msgspec_skips_1e400"),
        pytest.param(line("fills", x="@").replace(b"@", b"\xff"), "bad_json", id="msgspec_skips_invalid_utf8"),
        pytest.param(line("fills", x=["@"]).replace(b"@", b"\\udfff"), "bad_json", id="msgspec_skips_surrogates"),
        pytest.param(b"garbage", "bad_json", id="polars_ends_the_read_at_garbage"),
        pytest.param(line("fills") + b" trailing", "bad_json", id="polars_ends_the_read_at_trailing_text"),
        pytest.param(line("fills") + line("fills"), "bad_json", id="polars_ends_the_read_at_two_objects"),
        pytest.param(b"\x00\x00\x00", "bad_json", id="polars_ends_the_read_at_nul"),
        pytest.param(b"7", "not_object", id="polars_reads_nulls_from_non_objects"),
        pytest.param(line("pipeline_ticks"), "missing_field", id="a_line_of_another_feed"),
    ],
)
def test_a_trap_costs_one_line_and_no_other(text: bytes, reason: str, tmp_path: Path) -> None:
    content = lines(GOOD, text, GOOD)
    pairs, stats, rejects = read_all(make(tmp_path, content), tmp_path)
    assert [number for number, _ in pairs] == [1, 3]
    assert stats.rejected == {reason: 1}
    assert rejects_of(rejects)[0][:2] == (2, reason)
    # The same again where the unknown field's name is known already, and so is read quickly.
    learned = lines(line("fills", trade_id=None, x=0), text, line("fills", trade_id=None, x=0))
    _, stats, _ = read_all(make(tmp_path, learned), tmp_path)
    assert (stats.rejected, stats.used) == ({reason: 1}, 2)


def test_polars_turns_huge_integers_into_floats(tmp_path: Path) -> None:
    content = lines(line("pipeline_ticks", update_id=2**62 + 1), line("pipeline_ticks", update_id=2**64))
    rows, stats, _ = read_columns(make(tmp_path, content, "pipeline_ticks"), ["update_id"], tmp_path)
    assert rows == [(1, 2**62 + 1)]
    assert stats.rejected == {"bad_value": 1}


def test_duckdb_loses_line_1_to_a_bom(tmp_path: Path) -> None:
    pairs, stats, _ = read_all(make(tmp_path, b"\xef\xbb\xbf" + lines(GOOD, GOOD)), tmp_path)
    assert [number for number, _ in pairs] == [1, 2]
    assert stats.rejected == {}


def test_crlf_and_blank_lines_are_accepted_and_keep_the_line_numbers(tmp_path: Path) -> None:
    content = b"\r\n" + GOOD + b"\r\n\n  \t\r\n" + GOOD + b"\r\n\r\n" + b"bad\r\n"
    pairs, stats, rejects = read_all(make(tmp_path, content), tmp_path)
    assert [number for number, _ in pairs] == [2, 5]
    assert (stats.lines, stats.used) == (3, 2)
    assert rejects == b'{"line":7,"reason":"bad_json","field":null,"text":"bad"}\n'


def test_cr_alone_ends_no_line(tmp_path: Path) -> None:
    _, stats, _ = read_all(make(tmp_path, GOOD + b"\r" + GOOD + b"\r"), tmp_path)
    assert (stats.lines, stats.rejected) == (1, {"bad_json": 1})


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_a_file_without_lines_is_no_error(content: bytes, tmp_path: Path) -> None:
    pairs, stats, rejects = read_all(make(tmp_path, content), tmp_path)
    assert (pairs, stats.lines, stats.used, stats.rejected, rejects) == ([], 0, 0, {}, b"")
    assert stats.min_ts is None


# The unfinished last line


def test_a_partial_tail_of_the_newest_day_is_not_held_against_the_file(tmp_path: Path) -> None:
    file = make(tmp_path, lines(GOOD) + GOOD[:-5])
    _, stats, rejects = read_all(file, tmp_path, newest=True)
    assert (stats.lines, stats.used, stats.rejected) == (2, 1, {"partial_tail": 1})
    assert stats.partial_tail
    assert rejects_of(rejects) == [(2, "partial_tail", None)]
    check_ratio(stats, 0.0)


def test_a_partial_tail_of_an_older_day_is_a_bad_line(tmp_path: Path) -> None:
    _, stats, _ = read_all(make(tmp_path, lines(GOOD) + GOOD[:-5]), tmp_path, newest=False)
    assert stats.rejected == {"bad_json": 1}
    assert not stats.partial_tail


def test_a_last_line_that_parses_is_judged_as_any_other(tmp_path: Path) -> None:
    pairs, _, _ = read_all(make(tmp_path, lines(GOOD) + GOOD), tmp_path, newest=True)
    assert [number for number, _ in pairs] == [1, 2]
    _, stats, _ = read_all(make(tmp_path, lines(GOOD) + line("fills", price=-1)), tmp_path, newest=True)
    assert stats.rejected == {"bad_value": 1}


def test_a_bad_line_with_its_newline_is_no_partial_tail(tmp_path: Path) -> None:
    _, stats, _ = read_all(make(tmp_path, lines(GOOD, GOOD[:-5])), tmp_path, newest=True)
    assert stats.rejected == {"bad_json": 1}


# Duplicates


def test_the_first_of_a_repeated_trade_stands_by_symbol_and_among_valid_lines_only(tmp_path: Path) -> None:
    content = lines(
        line("fills", trade_id="a", price=-1),
        line("fills", trade_id="a", ts=TS + 90_000),
        line("fills", trade_id="a", price=1),
        line("fills", trade_id="a", symbol="X", price=2),
        line("fills", trade_id="a", price=1),
        line("fills", trade_id=None, price=4),
        line("fills", trade_id=None, price=5),
        line("fills", trade_id="", price=6),
        line("fills", trade_id="", price=6),
    )
    pairs, stats, _ = read_all(make(tmp_path, content), tmp_path)
    assert [record.price for _, record in pairs] == [1, 2, 4, 5, 6]
    assert stats.rejected == {"bad_value": 1, "wrong_day": 1, "duplicate": 2}
    check_ratio(stats, 2 / 9)
    with pytest.raises(TooManyRejects):
        check_ratio(stats, 0.22)


def test_a_trade_repeated_in_the_market_s_trades_is_no_duplicate(tmp_path: Path) -> None:
    text = line("trades", trade_id="1")
    _, stats, _ = read_all(make(tmp_path, lines(text, text), "trades"), tmp_path)
    assert stats.rejected == {}


# Forms


def _zst(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


@pytest.mark.parametrize(("form", "compress"), [(".gz", gzip.compress), (".zst", _zst)])
class TestCompressed:
    content = lines(*(line("fills", trade_id=f"id-{n * 7919 % 10007}", price=1 + n / 64) for n in range(3000)))

    def test_the_same_lines_come_out(self, form: str, compress: Any, tmp_path: Path) -> None:
        plain = read_columns(make(tmp_path, self.content), ["price", "trade_id"], tmp_path)
        with Workers(2) as workers:
            for engine in (None, workers):
                stored = make(tmp_path, compress(self.content), form=form)
                rows, stats, _ = read_columns(
                    stored, ["price", "trade_id"], tmp_path, engine=engine, chunk_bytes=50_000
                )
                assert rows == plain[0]
                assert (stats.lines, stats.used) == (3000, 3000)

    def test_concatenated_members_are_one_file(self, form: str, compress: Any, tmp_path: Path) -> None:
        half = len(self.content) // 2
        stored = compress(self.content[:half]) + compress(b"") + compress(self.content[half:])
        pairs, _, _ = read_all(make(tmp_path, stored, form=form), tmp_path)
        assert len(pairs) == 3000

    @pytest.mark.parametrize("keep", [0, 1, 5, 0.3, 0.99, -1, -4])
    def test_truncated(self, form: str, compress: Any, keep: float, tmp_path: Path) -> None:
        stored = compress(self.content)
        end = int(keep * len(stored)) if 0 < keep < 1 else int(keep)
        file = make(tmp_path, stored[:end], form=form)
        with pytest.raises(TruncatedInput) as caught:
            read_all(file, tmp_path)
        assert caught.value.exit_code == 3
        assert caught.value.where == str(file.path)

    def test_truncated_after_a_whole_member(self, form: str, compress: Any, tmp_path: Path) -> None:
        stored = compress(self.content) + compress(self.content)[:-20]
        with pytest.raises(TruncatedInput):
            read_all(make(tmp_path, stored, form=form), tmp_path)

    def test_damaged(self, form: str, compress: Any, tmp_path: Path) -> None:
        stored = bytearray(compress(self.content))
        stored[0] ^= 0xFF
        with pytest.raises(TruncatedInput, match="is damaged"):
            read_all(make(tmp_path, bytes(stored), form=form), tmp_path)

    def test_an_empty_content_is_no_error(self, form: str, compress: Any, tmp_path: Path) -> None:
        _, stats, _ = read_all(make(tmp_path, compress(b""), form=form), tmp_path)
        assert stats.lines == 0


def test_gzip_padded_with_zeros_is_whole(tmp_path: Path) -> None:
    pairs, _, _ = read_all(make(tmp_path, gzip.compress(lines(GOOD)) + b"\0" * 512, form=".gz"), tmp_path)
    assert len(pairs) == 1


def test_plain_text_named_gz_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(TruncatedInput, match="is damaged"):
        read_all(make(tmp_path, lines(GOOD), form=".gz"), tmp_path)


def test_a_failed_read_leaves_the_old_rejects_alone(tmp_path: Path) -> None:
    path = tmp_path / "rejects" / "fills_20250101.jsonl.gz.rejects.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"old\n")
    with pytest.raises(TruncatedInput):
        read_all(make(tmp_path, gzip.compress(lines(b"bad"))[:-3], form=".gz"), tmp_path)
    assert path.read_bytes() == b"old\n"


# Rejects


def test_a_rerun_without_rejects_removes_their_file(tmp_path: Path) -> None:
    _, _, rejects = read_all(make(tmp_path, lines(GOOD, b"bad")), tmp_path)
    assert rejects
    _, _, rejects = read_all(make(tmp_path, lines(GOOD)), tmp_path)
    assert rejects == b""
    assert not list((tmp_path / "rejects").iterdir())


def test_the_text_of_a_reject_is_cut_at_500_characters(tmp_path: Path) -> None:
    texts = ["ü" * 800, "😀" * 800, "a" * 499, "b" * 501]
    content = lines(*(text.encode() for text in texts), b"\xff\x00")
    _, _, rejects = read_all(make(tmp_path, content), tmp_path)
    found = [json.loads(entry)["text"] for entry in rejects.splitlines()]
    assert found == ["ü" * 500, "😀" * 500, "a" * 499, "b" * 500, "�\x00"]


def test_too_many_rejects_names_the_file_the_first_line_and_the_reason(tmp_path: Path) -> None:
    file = make(tmp_path, lines(GOOD, line("fills", side="?"), b"bad", GOOD))
    _, stats, rejects = read_all(file, tmp_path)
    assert len(rejects.splitlines()) == 2
    check_ratio(stats, 0.5)
    with pytest.raises(TooManyRejects) as caught:
        check_ratio(stats, 0.49)
    assert caught.value.where == f"{file.path}:2"
    assert "bad_value" in caught.value.what
    assert "2 of 4 lines are bad" in caught.value.what


# Files that cannot be read


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    file = make(tmp_path, lines(GOOD))
    file.local.chmod(0)
    with as_nobody(), pytest.raises(UnreadableInput, match="Permission denied") as caught:
        list(read_records(file, newest=False))
    assert caught.value.where == str(file.path)


def test_a_directory_that_may_not_be_listed_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        with as_nobody(), pytest.raises(UnreadableInput, match="Permission denied"):
            find_days(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    file = make(tmp_path, b"")
    file.local.unlink()
    with pytest.raises(UnreadableInput, match="No such file"):
        read_all(file, tmp_path)


# Chunks and workers change nothing


def _hostile(count: int) -> bytes:
    again = line("fills", trade_id="id-0", symbol="S0", price=1)
    bad = [b"garbage", b"[]", line("fills", price="1"), b"", line("fills", ts=TS - 5), again]
    entries: list[bytes] = []
    for n in range(count):
        extra: dict[str, Any] = {f"extra_{n % 5}": {"n": n}} if n % 11 == 0 else {}
        text = line("fills", trade_id=f"id-{n}", symbol=f"S{n % 13}", ts=TS + n * 37 % 86_400, price=1 + n, **extra)
        entries.append(text + (b"\r" if n % 17 == 0 else b""))
        if n % 23 == 0:
            entries.append(bad[n // 23 % len(bad)])
    return b"\xef\xbb\xbf" + b"\n".join(entries)


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_bytes": 1},
        {"chunk_bytes": 700, "batch_lines": 1},
        {"jobs": 2, "chunk_bytes": 5000, "batch_lines": 30},
        {"jobs": 3},
    ],
)
def test_chunks_and_jobs_change_nothing(options: dict[str, Any], tmp_path: Path) -> None:
    file = make(tmp_path, _hostile(600))
    columns = ["symbol", "price", "trade_id", "mid_now"]
    expected = read_columns(file, columns, tmp_path)
    assert expected[1].lines == expected[1].used + sum(expected[1].rejected.values())
    assert expected[1].used == 600
    assert read_columns(file, columns, tmp_path, **options) == expected


def test_workers_may_serve_several_files(tmp_path: Path) -> None:
    fills, ticks = make(tmp_path, lines(GOOD)), make(tmp_path, lines(line("pipeline_ticks")), "pipeline_ticks")
    with Workers(2) as engine:
        for _ in range(3):
            assert read_columns(fills, ["price"], tmp_path, engine=engine)[0] == [(1, 100.5)]
            assert read_columns(ticks, ["tick_total_ms"], tmp_path, engine=engine)[0] == [(1, 12.5)]


def test_a_killed_worker_costs_no_line(tmp_path: Path) -> None:
    content = _hostile(600)
    file = make(tmp_path, content)
    expected = read_columns(file, ["price"], tmp_path)
    with Workers(2) as engine:
        path = tmp_path / "r.jsonl"
        with RejectWriter(path) as rejects:
            reading = FeedReading(
                file, ["price"], newest=False, engine=engine, rejects=rejects, chunk_bytes=2000, batch_lines=1
            )
            rows: list[Any] = []
            for number, batch in enumerate(reading):
                if number == 1:
                    for worker in engine.processes:
                        worker.kill()
                rows += batch.rows()
        assert (rows, reading.stats, path.read_bytes()) == expected


def test_an_abandoned_reading_ends_its_workers(tmp_path: Path) -> None:
    with Workers(2) as engine:
        file = make(tmp_path, _hostile(600))
        reading = iter(FeedReading(file, ["price"], newest=False, engine=engine, chunk_bytes=2000, batch_lines=1))
        next(reading)
        reading.close()  # type: ignore[attr-defined]  # a generator
    assert all(worker.poll() is not None for worker in engine.processes)


def test_a_file_replaced_while_workers_read_it_is_an_error(tmp_path: Path) -> None:
    file = make(tmp_path, _hostile(2000))
    with Workers(1) as engine:
        batches = iter(FeedReading(file, ["price"], newest=False, engine=engine, chunk_bytes=2000, batch_lines=1))
        next(batches)
        other = tmp_path / "other"
        other.write_bytes(b"")
        other.replace(file.local)
        with pytest.raises(UnreadableInput, match="was replaced"):
            list(batches)


def test_a_writer_that_appends_meanwhile_changes_nothing(tmp_path: Path) -> None:
    content = _hostile(600) + b"\n"
    file = make(tmp_path, content)
    reading = RecordReading(file, newest=True, chunk_bytes=2000)
    pairs = iter(reading)
    next(pairs)
    with file.local.open("ab") as handle:
        handle.write(lines(*[line("fills", trade_id="late")] * 50))
    assert len(list(pairs)) == 599
    assert reading.stats.sha256 == hashlib.sha256(content).hexdigest()


def test_blocks_are_the_records_in_their_order_and_none_is_empty(tmp_path: Path) -> None:
    content = _hostile(2000)
    file = make(tmp_path, content)
    pairs, stats, _ = read_all(file, tmp_path)
    reading = RecordReading(file, newest=False, chunk_bytes=500)
    blocks = list(reading.blocks())
    assert len(blocks) > 100
    assert all(records for _, records in blocks)
    found = [(line, row.ts, row.price) for block in blocks for line, row in zip(*block, strict=True)]
    assert found == [(line, row.ts, row.price) for line, row in pairs]
    assert reading.stats == stats


# Long lines


def test_lines_up_to_the_limit_are_read_and_one_past_it_is_a_reject(tmp_path: Path) -> None:
    huge = (16 << 20) - 1000
    file = tmp_path / "fills_20250101.jsonl"
    with file.open("wb") as handle:
        handle.write(GOOD + b"\n")
        handle.write(b"x" * huge + b"\n")
        handle.write(GOOD[:-1] + b', "note": "' + b"y" * huge + b'"}\n')
        handle.write(GOOD[:-1] + b', "note": "' + b"y" * (16 << 20) + b'"}\n')
        handle.write(GOOD)
    pairs, stats, rejects = read_all(DayFile.of(file), tmp_path)  # type: ignore[arg-type]  # its name is right
    assert [number for number, _ in pairs] == [1, 3, 5]
    assert stats.rejected == {"bad_json": 2}
    assert stats.unknown_fields == ("note",)
    assert len(rejects) < 2000
    assert json.loads(rejects.splitlines()[1])["text"].startswith("longer than 16 MiB: {")


def test_a_line_past_the_limit_is_a_reject_and_its_neighbours_are_read(tmp_path: Path) -> None:
    long = line("fills", note="z" * 100_000)
    for end in (b"\n", b""):
        for content in (lines(GOOD, long, GOOD), lines(GOOD, long)[:-1] + end, lines(long, long, GOOD)):
            file = make(tmp_path, content)
            _, stats, rejects = read_all(file, tmp_path, chunk_bytes=64, max_line_bytes=50_000)
            bad = content.count(b"zzz" * 33_000)
            assert stats.rejected == {"bad_json": bad}
            assert stats.lines == content.count(b"{")
            assert json.loads(rejects.splitlines()[0])["text"] == f"longer than 16 MiB: {long.decode()}"[:500]
