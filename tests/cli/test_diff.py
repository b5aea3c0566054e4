"""``calib diff`` as its user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calib.cli.main import run
from calib.dataset.store import write_dataset
from tests.cli.test_summary import made, root  # noqa: F401


def test_a_dataset_and_itself_are_the_same(root: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    [path] = write_dataset(made(40), Path("a"))
    [parquet] = write_dataset(made(40), Path("b"), ["parquet"])
    assert run(["diff", str(path), str(parquet)]) == 0
    out, err = capsys.readouterr()
    assert "THE SAME: all parts and rows are equal" in out
    assert err == ""


def test_datasets_that_differ_end_with_one(root: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    one, other = (write_dataset(made(kept), Path(name))[0] for name, kept in (("a", 40), ("b", 42)))
    assert run(["diff", str(one), str(other), "--format", "both"]) == 1
    out, err = capsys.readouterr()
    assert "40 kept intervals in both, 0 only in A, 2 only in B." in out
    assert err.startswith("error: the datasets differ: DIFFERENT: the largest relative difference is ")
    stem = f"calib_diff_{one.stem}_{other.stem}"
    assert {path.name for path in (root / "reports").iterdir()} == {
        f"{stem}{end}" for end in (".md", ".html", "_shift.svg")
    }


def test_past_the_tolerance_only(root: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    # The medians 19.5 and 20.5 differ by 1 / 20.5 = 0.0488, two of 42 intervals by 0.0476.
    one, other = (str(write_dataset(made(kept), Path(name))[0]) for name, kept in (("a", 40), ("b", 42)))
    assert run(["diff", one, other, "--tolerance", "0.0487"]) == 1
    assert run(["diff", one, other, "--tolerance", "0.0489"]) == 0
    assert "WITHIN THE TOLERANCE of 0.0489" in capsys.readouterr().out


def test_the_json_holds_every_part(root: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    one, other = (str(write_dataset(made(kept), Path(name))[0]) for name, kept in (("a", 40), ("b", 42)))
    assert run(["diff", one, other, "--output", "json"]) == 1
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["largest"] == pytest.approx(1 / 20.5)
    assert (data["intervals_in_both"], data["intervals_only_in_a"], data["intervals_only_in_b"]) == (40, 0, 2)
    assert {"name": "kept", "a": 40, "b": 42} in data["counts"]
    net = data["columns"][0]
    assert (net["name"], net["median_a"], net["median_b"], net["shift"]["value"]) == ("net_bps", 19.5, 20.5, 1.0)
    assert data["first_only_in_b"][0] == {"symbol": "BTCUSDT", "start": "2025-01-01T03:20:00Z"}


@pytest.mark.parametrize("tolerance", ["-0.1", "nan", "inf"])
def test_a_tolerance_out_of_range_is_refused(
    root: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    tolerance: str,
) -> None:
    [path] = write_dataset(made(40), Path("a"))
    assert run(["diff", str(path), str(path), f"--tolerance={tolerance}"]) == 2
    assert "is out of range" in capsys.readouterr().err
