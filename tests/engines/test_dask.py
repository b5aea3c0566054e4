"""Dask: the same bytes from a cluster, whose workers may be killed, and what is said where it cannot be used."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from struct import unpack
from typing import Any, TypeVar

import dask
import pytest
from distributed import LocalCluster

from calib.cli import main
from calib.engines import EngineChoice, InProcess, dask_cluster, dask_decoder
from calib.engines.dask_cluster import DaskCluster
from calib.engines.dask_decoder import DaskDecoder
from calib.engines.dask_tasks import NOT_READ
from calib.errors import ClusterUnavailable, MissingExtra, UnreadableInput, UsageError
from calib.feeds.reading.batches import FeedReading
from calib.feeds.reading.chunks import ByteSpan
from calib.feeds.reading.days import named_file
from calib.feeds.reading.packing import ColumnPlan
from calib.feeds.reading.pieces import Piece
from tests.conftest import REPOSITORY
from tests.feeds.helpers import TS, line
from tests.replay.recording import delta, snapshot, tick, write

T = TypeVar("T")
SAMPLES = REPOSITORY / "sample_feeds"
PLAN = ColumnPlan("fills", int(TS), ("price",))


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of somebody's cluster: two worker processes."""
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "3s"}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster.scheduler_address


def _tree(out: Path) -> dict[str, bytes]:
    parts = ("datasets", "rejects", "reports")
    return {str(path.relative_to(out)): path.read_bytes() for part in parts for path in (out / part).glob("*")}


def _prices(found: Iterable[tuple[Piece, Any]]) -> list[float]:
    return [unpack("=d", packed.records)[0] for _, packed in found]


def _pieces(number: int) -> Iterator[Piece]:
    for n in range(number):
        data = line("fills", price=n + 1) + b"\n"
        yield Piece(ByteSpan(0, len(data)), data)


def test_a_dataset_and_a_sweep_have_the_same_bytes(scheduler: str, tmp_path: Path, monkeypatch: Any) -> None:
    def here(*_: object) -> None:
        raise AssertionError("decoded here")

    monkeypatch.setattr(dask_decoder, "packed", here)
    monkeypatch.chdir(SAMPLES.parent)  # a relative path must be the same file for the workers
    dask = ["--engine", "dask", "--scheduler", scheduler]
    book: list[Any] = [snapshot(0.0, 1, [(100, 1)], [(200, 1)])]
    book += [delta(n * 0.037, 1 + n, bids=[(100 + n % 7, n % 3)]) for n in range(1, 300)]
    recorded = write(tmp_path / "feeds", book=book, pipeline_ticks=[tick(n * 0.021, "pricing") for n in range(5, 400)])
    sweep = ["replay", "--fill", "callback", "--latency", "constant:7", "--sweep", "md_cache.ttl_ms=20,60"]
    for command, feeds in ((["aggregate"], SAMPLES.name), (sweep, str(recorded))):
        for name, engine in (("here", ["--engine", "in-process"]), ("dask", dask)):
            words = [*command, "--feeds", feeds, "--out", str(tmp_path / name), "--quiet", *engine]
            assert main.run(words) == 0
    assert len(_tree(tmp_path / "here")) > 5
    assert _tree(tmp_path / "dask") == _tree(tmp_path / "here")


def test_a_killed_worker_costs_time_only(scheduler: str, monkeypatch: Any) -> None:
    def here(*_: object) -> None:
        raise AssertionError("decoded here")

    monkeypatch.setattr(dask_decoder, "packed", here)
    with DaskCluster(scheduler, 1) as cluster:
        assert cluster.in_flight == 6
        victim = next(iter(cluster.client.run(os.getpid).values()))
        assert victim != os.getpid()
        running = DaskDecoder(cluster).run(PLAN, _pieces(40))
        found = _prices([next(running)])
        os.kill(victim, signal.SIGKILL)
        found += _prices(running)
        assert found == [float(n + 1) for n in range(40)]
        cluster.client.wait_for_workers(2, timeout=30)


def test_a_stop_in_the_middle_cancels_what_waits(scheduler: str) -> None:
    with DaskCluster(scheduler, 1) as cluster:
        taken = 0
        for _ in DaskDecoder(cluster).run(PLAN, _pieces(1000)):
            taken += 1
            break
        assert taken == 1


def test_a_cluster_of_this_machine_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    before = {connection.laddr for connection in psutil.Process().net_connections("tcp")}
    with DaskCluster(None, 1) as cluster:
        assert _prices(DaskDecoder(cluster).run(PLAN, _pieces(3))) == [1.0, 2.0, 3.0]
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        sockets = [connection for process in processes for connection in process.net_connections("tcp")]
        listening = {each.laddr for each in sockets if each.status == psutil.CONN_LISTEN} - before
        assert listening
        assert {address.ip for address in listening} == {"127.0.0.1"}
        assert all(worker.startswith("tls://") for worker in cluster.client.nthreads())


class _Runner:
    """Runs the tasks here, as a cluster would."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(
        self, task: Callable[[bytes], bytes], requests: Iterable[tuple[T, bytes]]
    ) -> Iterator[tuple[T, bytes | Exception]]:
        for item, request in requests:
            self.sizes.append(len(request))
            yield item, task(request)


def _file(directory: Path, lines: int = 300) -> Path:
    path = directory / "fills_20250101.jsonl"
    path.write_bytes(b"".join(line("fills", price=n + 1, trade_id=f"t{n}") + b"\n" for n in range(lines)))
    return path


def _read(path: Path, runner: Any) -> list[float]:
    reading = FeedReading(
        named_file(path), ["price"], newest=False, engine=DaskDecoder(runner), chunk_bytes=4096, batch_lines=1
    )
    return [price for batch in reading for price in batch["price"]]


def test_a_worker_reads_the_bytes_of_a_plain_file_itself(tmp_path: Path) -> None:
    runner = _Runner()
    assert _read(_file(tmp_path), runner) == [float(n + 1) for n in range(300)]
    assert len(runner.sizes) > 5
    assert max(runner.sizes) < 1000, "no lines are sent"


def test_bytes_are_sent_where_workers_do_not_see_the_file(tmp_path: Path) -> None:
    class Blind(_Runner):
        def run(
            self, task: Callable[[bytes], bytes], requests: Iterable[tuple[T, bytes]]
        ) -> Iterator[tuple[T, bytes | Exception]]:
            for item, request in requests:
                self.sizes.append(len(request))
                yield item, NOT_READ if len(request) < 1000 else task(request)

    runner = Blind()
    assert _read(_file(tmp_path), runner) == [float(n + 1) for n in range(300)]
    assert runner.sizes[0] < 1000 < min(runner.sizes[1:-1])


def test_a_file_rewritten_under_the_workers_is_an_error(tmp_path: Path) -> None:
    path = _file(tmp_path)

    class Late(_Runner):
        def run(
            self, task: Callable[[bytes], bytes], requests: Iterable[tuple[T, bytes]]
        ) -> Iterator[tuple[T, bytes | Exception]]:
            for item, request in requests:
                data = path.read_bytes()
                path.write_bytes(data.replace(b'"price": 1,', b'"price": 2,').replace(b'"price":1,', b'"price":2,'))
                yield item, task(request)

    with pytest.raises(UnreadableInput, match="was changed while it was read"):
        _read(path, Late())


def test_what_no_worker_answers_is_decoded_here() -> None:
    class Failing(_Runner):
        def run(
            self, task: Callable[[bytes], bytes], requests: Iterable[tuple[T, bytes]]
        ) -> Iterator[tuple[T, bytes | Exception]]:
            for n, (item, request) in enumerate(requests):
                yield item, RuntimeError("lost") if n % 2 else task(request)

    assert _prices(DaskDecoder(Failing()).run(PLAN, _pieces(6))) == _prices(InProcess().run(PLAN, _pieces(6)))


def test_a_scheduler_that_is_not_there_is_said(capsys: Any, tmp_path: Path) -> None:
    words = ["aggregate", "--feeds", str(SAMPLES), "--out", str(tmp_path), "--engine", "dask"]
    assert main.run([*words, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: tcp://127.0.0.1:1: the scheduler does not answer [cluster-unavailable]\nhint: Check")


@pytest.mark.parametrize("scheme", ["tcp", "tls", "ws", "wss"])
def test_an_address_of_each_scheme_is_tried(scheme: str) -> None:
    with pytest.raises(ClusterUnavailable, match="does not answer"), DaskCluster(f"{scheme}://127.0.0.1:1", 1):
        pass


@pytest.mark.parametrize("address", ["here", "http://h:1", "tcp://h", "tcp://h:x", "tcp://me:secret@h:1", "tcp://[::"])
def test_an_address_that_is_not_one_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a Dask scheduler"), DaskCluster(address, 1):
        pass


def test_a_scheduler_without_workers_is_said(monkeypatch: Any) -> None:
    monkeypatch.setattr(dask_cluster, "_CONNECT_S", 2.0)
    with (
        LocalCluster(
            n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}
        ) as empty,
        pytest.raises(ClusterUnavailable, match="has no workers"),
        DaskCluster(empty.scheduler_address, 1),
    ):
        pass


@pytest.fixture
def threads() -> Iterator[LocalCluster]:
    """A cluster whose one worker is in this process: cheap to lose."""
    with LocalCluster(
        n_workers=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        silence_logs=50,
    ) as cluster:
        yield cluster


def test_a_run_whose_workers_are_all_gone_ends(threads: LocalCluster, monkeypatch: Any) -> None:
    monkeypatch.setattr(dask_cluster, "_ASK_S", 0.2)
    monkeypatch.setattr(dask_cluster, "_NO_WORKER_S", 0.5)
    with DaskCluster(threads.scheduler_address, 1) as cluster:
        cluster.client.retire_workers()
        with pytest.raises(ClusterUnavailable, match=r"has had no worker for 0\.5 s"):
            list(DaskDecoder(cluster).run(PLAN, _pieces(3)))


def test_a_run_whose_scheduler_is_lost_ends(threads: LocalCluster) -> None:
    with DaskCluster(threads.scheduler_address, 1) as cluster:
        running = DaskDecoder(cluster).run(PLAN, _pieces(1000))
        next(running)
        threads.close()
        with pytest.raises(ClusterUnavailable, match="the connection to the scheduler was lost"):
            list(running)


def test_workers_of_another_version_are_refused(scheduler: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(dask_cluster, "__version__", "99.0")
    with pytest.raises(ClusterUnavailable, match=r"runs calib .*, not 99\.0"), DaskCluster(scheduler, 1):
        pass


def test_dask_that_is_not_installed_is_said(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtra) as caught, DaskCluster(None, 1):
        pass
    assert "pip install 'calib[dask]'" in caught.value.hint


def test_a_scheduler_needs_the_engine_dask() -> None:
    with pytest.raises(UsageError, match="does not go together with the engine auto"):
        EngineChoice(scheduler="tcp://h:1")
    with pytest.raises(UsageError, match="unknown engine 'spark'"):
        EngineChoice("spark")
    assert EngineChoice("dask", scheduler="tcp://h:1").scheduler == "tcp://h:1"


def test_one_replay_does_not_take_a_cluster(capsys: Any, tmp_path: Path) -> None:
    assert main.run(["replay", "--feeds", str(SAMPLES), "--out", str(tmp_path), "--engine", "dask"]) == 2
    assert "Add --sweep or --compare" in capsys.readouterr().err
