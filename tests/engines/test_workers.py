"""Workers: light to start, and their errors come home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from struct import unpack

import pytest

from calib.engines import InProcess, Workers, processes
from calib.feeds.reading.chunks import ByteSpan
from calib.feeds.reading.packing import ColumnPlan
from calib.feeds.reading.pieces import Piece
from tests.feeds.helpers import TS, line


def _piece(data: bytes) -> Piece:
    return Piece(ByteSpan(0, len(data)), data)


@pytest.mark.parametrize(
    "module", ["calib.feeds.schema.validation", "calib.feeds.schema.types", "calib.engines.processes"]
)
def test_what_writers_and_workers_import_is_free_of_polars(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('polars', 'numpy', 'typer', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pieces_come_back_in_order() -> None:
    plan = ColumnPlan("fills", int(TS), ("price",))
    pieces = [_piece(line("fills", price=n + 1) + b"\n") for n in range(40)]
    with Workers(2) as engine:
        found = [unpack("=d", packed.records)[0] for _, packed in engine.run(plan, iter(pieces))]
    assert found == [float(n + 1) for n in range(40)]
    assert [packed.used for _, packed in InProcess().run(plan, pieces)] == [1] * 40


def test_the_workers_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker does not answer is decoded here; that must be the exception."""

    def here(*_: object) -> None:
        raise AssertionError("decoded here")

    monkeypatch.setattr(processes, "packed", here)
    plan = ColumnPlan("fills", int(TS), ("price",))
    pieces = [_piece(line("fills", price=n + 1) + b"\n") for n in range(40)]
    with Workers(2) as engine:
        assert [packed.used for _, packed in engine.run(plan, iter(pieces))] == [1] * 40
        assert [worker.poll() for worker in engine.processes] == [None, None]


def test_a_killed_worker_costs_time_only() -> None:
    plan = ColumnPlan("fills", int(TS), ("price",))
    pieces = [_piece(line("fills", price=n + 1) + b"\n") for n in range(40)]
    with Workers(2) as engine:
        engine.processes[0].kill()
        found = [unpack("=d", packed.records)[0] for _, packed in engine.run(plan, iter(pieces))]
    assert found == [float(n + 1) for n in range(40)]


def test_large_pieces_and_answers_do_not_block_the_pipes() -> None:
    plan = ColumnPlan("fills", int(TS), ("trade_id",))
    text = b"".join(line("fills", trade_id=f"{n:0>40}") + b"\n" for n in range(2000))
    with Workers(2) as engine:
        assert [packed.used for _, packed in engine.run(plan, iter([_piece(text)] * 8))] == [2000] * 8


def test_an_error_of_a_worker_comes_home(tmp_path: Path) -> None:
    plan = ColumnPlan("fills", int(TS), ("price",))
    lost = Piece(ByteSpan(0, 5), None, tmp_path / "gone")
    with pytest.raises(Exception, match="No such file"), Workers(1) as engine:
        list(engine.run(plan, iter([lost])))


def test_a_stop_in_the_middle_leaves_no_process() -> None:
    engine = Workers(2)

    def stopped() -> None:
        with engine:
            for _ in engine.run(
                ColumnPlan("fills", int(TS), ("price",)), (_piece(line("fills") + b"\n") for _ in range(1000))
            ):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert all(worker.returncode is not None for worker in engine.processes)


def test_no_jobs_are_no_workers() -> None:
    with pytest.raises(ValueError, match="jobs must be >= 1"):
        Workers(0)
