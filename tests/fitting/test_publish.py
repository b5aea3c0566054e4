"""Publishing: guard rails, the previous one kept, refusals on loading, and a kill at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from calib.errors import NotACalibration
from calib.fitting.document import iso
from calib.fitting.fit import FitResult
from calib.fitting.guard_rails import GuardRails
from calib.fitting.publish import Publication, publish
from calib.fitting.published import content_hash, load_calibration, previous_path

TO = 1_735_776_000.0
"""2025-01-02T00:00:00Z."""
DAY_S = 86_400.0


def estimate(est: float, share: float = 0.2) -> dict[str, float]:
    return {"est": est, "low": est * (1 - share), "high": est * (1 + share)}


def result(
    half: float = 2.0, skew: float = 1.0, verdict: str = "USE", to: float = TO, symbol: str = "X", width: float = 0.2
) -> FitResult:
    table = [{"q": q, "bid_bps": half + q * skew, "ask_bps": half - q * skew} for q in range(-1, 2)]
    row = {
        "symbol": symbol,
        "side": "both",
        "n": {"quotes": 900, "fills": 100, "run_over": 5, "clusters": 60},
        "intensity": {"A_per_s": estimate(0.5), "k_per_bps": estimate(0.8)},
        "sigma": {"bps_per_sqrt_s": estimate(0.7)},
        "quotes": [{"gamma": 0.1, "half_bps": estimate(half, width), "skew_bps": estimate(skew), "table": table}],
        "queue": [{"bucket": "0", "eta_ms": {"quantile": 0.5, "est": 900.0}}],
        "verdict": verdict,
        "reasons": [] if verdict == "USE" else ["too_few_fills"],
    }
    document = {
        "range": {"from": iso(to - DAY_S), "to": iso(to), "symbols": [symbol]},
        "params": {},
        "inputs": [{"file": "quotes_20250101.jsonl", "sha256": "ab"}],
        "fits": [row],
    }
    return FitResult(document)


def put(fit: FitResult, path: Path, rails: GuardRails | None = None) -> Publication:
    fit_file = path.with_name("fit.json")
    fit_file.write_text(json.dumps(fit.document))
    return publish(fit, fit_file, path, rails or GuardRails())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calibration.json"


def test_what_a_bot_loads(path: Path) -> None:
    done = put(result(), path)
    assert (done.changed, done.new, done.held) == (True, 1, 0)
    found, reason = load_calibration(path, TO + 60)
    assert reason == ""
    assert found is not None
    assert (found.version, found.valid_from, found.valid_until) == (1, TO, TO + 2 * DAY_S)
    row = found.row("X")
    assert row is not None
    assert (row.a_per_s, row.k_per_bps, row.half_bps, row.skew_bps) == (0.5, 0.8, 2.0, 1.0)
    assert row.distances(1) == (3.0, 1.0)
    assert row.eta_ms == {"0": 900.0}
    assert row.held is None
    assert found.row("Y") is None


def test_the_same_fit_again_changes_nothing(path: Path) -> None:
    put(result(), path)
    before = path.read_bytes()
    assert put(result(), path).changed is False
    assert path.read_bytes() == before
    assert not previous_path(path).exists()


def test_the_previous_version_is_kept(path: Path) -> None:
    put(result(), path)
    before = path.read_bytes()
    put(result(half=2.2, to=TO + DAY_S), path)
    assert previous_path(path).read_bytes() == before
    found, _ = load_calibration(path, TO + DAY_S)
    assert found is not None
    assert found.version == 2


def test_past_its_time_nothing_is_served(path: Path) -> None:
    put(result(), path)
    found, reason = load_calibration(path, TO + 2 * DAY_S + 1)
    assert found is None
    assert "was valid until 2025-01-04T00:00:00Z" in reason


def test_a_changed_file_is_replaced_by_the_previous_one(path: Path) -> None:
    put(result(), path)
    put(result(half=2.2, to=TO + DAY_S), path)
    path.write_text(path.read_text().replace('"est": 2.2', '"est": 9.9'))
    found, reason = load_calibration(path, TO + DAY_S)
    assert found is not None
    assert found.version == 1
    assert "its hash does not match; the previous one is used" in reason


def test_another_schema_is_refused(path: Path) -> None:
    put(result(), path)
    body = json.loads(path.read_text()) | {"schema": "calib.calibration/2"}
    path.write_text(json.dumps(body | {"sha256": content_hash(body)}))
    found, reason = load_calibration(path, TO)
    assert found is None
    assert "has the schema 'calib.calibration/2', not calib.calibration/1" in reason


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": "calib.calibration/1"}', b"\xff"])
def test_garbage_is_refused_with_a_reason(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found, reason = load_calibration(path, TO)
    assert found is None
    assert reason


def test_only_usable_rows_change(path: Path) -> None:
    put(result(), path)
    before = path.read_bytes()
    done = put(result(half=9.0, verdict="NOT_ENOUGH_DATA", to=TO + DAY_S), path)
    assert done.changed is False
    assert path.read_bytes() == before


def test_held_rows_keep_their_numbers_and_their_time(path: Path) -> None:
    put(result(), path)
    both = result(half=9.0, verdict="DO_NOT_USE", to=TO + DAY_S)
    both.document["fits"].append(result(symbol="Y").rows[0])
    put(both, path)
    found, _ = load_calibration(path, TO + DAY_S)
    assert found is not None
    row = found.row("X")
    assert row is not None
    assert (row.half_bps, row.verdict, row.valid_until) == (2.0, "DO_NOT_USE", TO + 2 * DAY_S)
    assert row.held == "DO_NOT_USE; too_few_fills"
    # A day later the held row has run out, the other has not.
    later, _ = load_calibration(path, TO + 2.5 * DAY_S)
    assert later is not None
    assert later.row("X") is None
    assert later.row("Y") is not None


def test_a_symbol_that_is_gone_is_held(path: Path) -> None:
    put(result(), path)
    put(result(symbol="Y", to=TO + DAY_S), path)
    found, _ = load_calibration(path, TO + DAY_S)
    assert found is not None
    row = found.row("X")
    assert row is not None
    assert row.held == "not_in_this_fit"


@pytest.mark.parametrize(("half", "days", "expected"), [(9.0, 1, 2.5), (1.0, 1, 1.5), (9.0, 2, 3.0), (2.4, 1, 2.4)])
def test_half_moves_at_most_a_quarter_a_day(path: Path, half: float, days: int, expected: float) -> None:
    put(result(), path)
    put(result(half=half, to=TO + days * DAY_S), path)
    found, _ = load_calibration(path, TO + days * DAY_S)
    assert found is not None
    row = found.row("X")
    assert row is not None
    assert row.half_bps == pytest.approx(expected)
    # The table moves with it.
    assert row.distances(0) == pytest.approx((expected, expected))


def test_bounds_of_the_configuration(path: Path) -> None:
    put(result(half=2.0), path, GuardRails(min_half_bps=3.0))
    found, _ = load_calibration(path, TO)
    assert found is not None
    row = found.row("X")
    assert row is not None
    assert row.half_bps == 3.0


def test_an_interval_wider_than_half_is_held(path: Path) -> None:
    done = put(result(width=0.6), path)
    assert done.held == 1
    found, _ = load_calibration(path, TO)
    assert found is not None
    assert found.rows == ()


def test_an_older_fit_is_not_published_over_a_newer_one(path: Path) -> None:
    put(result(to=TO + DAY_S), path)
    with pytest.raises(NotACalibration, match="newer than this fit"):
        put(result(half=3.0), path)


def test_another_file_is_not_replaced(path: Path) -> None:
    path.write_text('{"precious": 1}')
    with pytest.raises(NotACalibration):
        put(result(), path)
    assert path.read_text() == '{"precious": 1}'


PUBLISHER = """
import sys
from pathlib import Path
from tests.fitting.test_publish import TO, put, result
path = Path(sys.argv[1])
for n in range(1, 100000):
    put(result(half=2.0 + n % 7 / 10, to=TO + n), path)
    if n == 3:
        print("ready", flush=True)
"""


@pytest.mark.parametrize("delay_s", [0.01, 0.05, 0.11])
def test_a_kill_amid_publishing_leaves_one_of_the_two_whole(path: Path, delay_s: float) -> None:
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(path)], stdout=subprocess.PIPE, cwd=root, env={**os.environ}
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    time.sleep(delay_s)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    found, reason = load_calibration(path, TO)
    assert found is not None
    assert reason == ""
    before: Any = load_calibration(previous_path(path), TO)
    assert before.calibration is not None
    assert found.version - before.calibration.version in (0, 1)


def test_loading_needs_neither_numpy_nor_polars(path: Path) -> None:
    put(result(), path)
    code = (
        "import sys, calib; found, reason = calib.load_calibration(sys.argv[1], float(sys.argv[2])); "
        "assert found is not None, reason; "
        "assert not {'numpy', 'polars', 'typer', 'rich', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(TO)], check=True)
