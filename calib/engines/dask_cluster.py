"""A Dask cluster, somebody's or one of this machine, and tasks run on it: in order, with a bounded number in flight."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from calib._version import __version__
from calib.engines import dask_tasks
from calib.errors import CalibError, ClusterUnavailable, MissingExtra, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
_PER_THREAD: Final = 3
_MOST_IN_FLIGHT: Final = 128
"""Pieces are of some megabytes, and the scheduler and we hold those in flight."""
_LOOK_S: Final = 0.1
"""How often a wait looks whether the run was interrupted."""
_SCHEMES: Final = ("tcp", "tls", "ws", "wss")
_CONNECT_S: Final = 10.0
_NO_WORKER_S: Final = 60.0
"""How long a run waits for a worker where all have gone."""
_ASK_S: Final = 5.0
_DASK: Final = {
    "distributed.comm.timeouts.connect": "3s",  # 30 s would be tried to fetch an answer from a killed worker
    "distributed.admin.large-graph-warning-threshold": "1GB",  # a piece is large, and goes as it is
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


class DaskCluster:
    """A context in which tasks run on a Dask cluster.

    Parameters
    ----------
    scheduler
        Its address, such as ``tcp://10.0.0.5:8786`` or ``tls://...`` (certificates as Dask's configuration says). None:
        a cluster of processes on this machine, which listens on the loopback alone, takes only connections that have
        its certificate of one run, and has no dashboard.
    jobs
        Processes of a cluster on this machine, at least 1.

    Raises
    ------
    calib.errors.MissingExtra
        On entering, where Dask is not installed.
    calib.errors.ClusterUnavailable
        On entering, where the scheduler cannot be reached, has no workers, or they run another version of calib.
    """

    def __init__(self, scheduler: str | None, jobs: int) -> None:
        self.scheduler = scheduler
        self.jobs = jobs
        self.in_flight = 0
        """Tasks that may run or wait at a time; known once entered."""
        self._stack = contextlib.ExitStack()
        self._client: Client | None = None
        self._woken = threading.Event()

    @property
    def client(self) -> Client:
        """The connection; `RuntimeError` before entering."""
        if self._client is None:
            raise RuntimeError("the cluster is not entered yet")
        return self._client

    def __enter__(self) -> DaskCluster:
        try:
            import dask
            import distributed  # noqa: F401 - what follows needs it
        except ImportError as error:
            raise MissingExtra(
                "the engine dask needs Dask distributed", hint="Install calib with its extra: pip install 'calib[dask]'"
            ) from error
        with contextlib.ExitStack() as stack:
            stack.enter_context(dask.config.set(_DASK))
            self._client = self._connect(stack)
            self._meet_workers()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(
        self, task: Callable[[bytes], bytes], requests: Iterable[tuple[T, bytes]]
    ) -> Iterator[tuple[T, bytes | Exception]]:
        """Each item with the answer to its request, in the order given; Dask gives a lost worker's tasks to others.

        Parameters
        ----------
        task
            A function of a module that the workers can import.
        requests
            Items, and what the task gets for each.

        Returns
        -------
        Iterator
            Instead of an answer the error of a task that raised one, or that killed several workers.

        Raises
        ------
        calib.errors.ClusterUnavailable
            Where the scheduler is lost, or all workers for a minute.
        """
        waiting: deque[tuple[T, Future[bytes]]] = deque()
        try:
            for item, request in requests:
                waiting.append((item, self._submit(task, request)))
                if len(waiting) >= self.in_flight:
                    yield self._finished(*waiting.popleft())
            while waiting:
                yield self._finished(*waiting.popleft())
        finally:
            for _, future in waiting:
                with contextlib.suppress(Exception):  # a scheduler that is lost has nothing to cancel
                    future.cancel()

    def _submit(self, task: Callable[[bytes], bytes], request: bytes) -> Future[bytes]:
        try:
            future = self.client.submit(task, request, pure=False)
        except Exception as error:
            raise self._lost() from error
        future.add_done_callback(lambda _: self._woken.set())
        return future

    def _finished(self, item: T, future: Future[bytes]) -> tuple[T, bytes | Exception]:
        asked, met = time.monotonic(), time.monotonic()
        while not future.done():
            self._woken.wait(_LOOK_S)
            self._woken.clear()
            if self.client.status != "running":
                raise self._lost()
            now = time.monotonic()
            if now - asked > _ASK_S:
                asked, met = now, now if self._workers() else met
                if now - met > _NO_WORKER_S:
                    raise ClusterUnavailable(
                        f"has had no worker for {_NO_WORKER_S:g} s",
                        where=self._name,
                        hint=f"Start some, `dask worker {self._name}`, and run again",
                    )
        if future.cancelled() or future.status == "lost":
            raise self._lost()
        try:
            return item, future.result()
        except Exception as error:
            return item, error

    def _connect(self, stack: contextlib.ExitStack) -> Client:
        from distributed import Client

        if self.scheduler is None:
            address, security = self._on_this_machine(stack)
        else:
            stack.enter_context(_silenced("distributed"))
            address, security = self.scheduler, None
            _reach(address)
        client: Client = Client.__new__(Client)
        try:
            Client.__init__(client, address, security=security, timeout=_CONNECT_S, set_as_default=False)
        except Exception as error:
            client.status = "closed"  # its finaliser would wait for an answer once more, and complain
            raise _no_answer(self._name) from error
        stack.callback(client.close)
        return client

    def _on_this_machine(self, stack: contextlib.ExitStack) -> tuple[Any, Any]:
        from distributed import LocalCluster
        from distributed.security import Security

        security = Security.temporary()  # whoever reaches a scheduler can run code as us: other users must not
        stack.enter_context(_silenced("distributed"))
        cluster = LocalCluster(
            n_workers=self.jobs,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            security=security,
            silence_logs=logging.CRITICAL,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
        )
        stack.callback(cluster.close)
        return cluster, security

    def _meet_workers(self) -> None:
        """Wait for the first worker, and see that all run this calib: another one could give other bytes."""
        try:
            self.client.wait_for_workers(1, timeout=_CONNECT_S)
        except Exception as error:
            raise ClusterUnavailable(
                "the scheduler has no workers", where=self._name, hint=f"Start some: `dask worker {self._name}`"
            ) from error
        try:
            found = self.client.run(dask_tasks.version)
        except Exception as error:
            raise ClusterUnavailable(
                f"a worker cannot run calib: {type(error).__name__}",
                where=self._name,
                hint=f"Install calib {__version__} where the workers run, and start them again",
            ) from error
        for worker, version in sorted(found.items()):
            if version != __version__:
                raise ClusterUnavailable(
                    f"the worker {worker} runs calib {version}, not {__version__}",
                    where=self._name,
                    hint="Install the same version where the workers run, and start them again",
                )
        threads = sum(self.client.nthreads().values())
        self.in_flight = min(max(_PER_THREAD * threads, 1), _MOST_IN_FLIGHT)

    def _workers(self) -> int:
        try:
            return len(self.client.nthreads())
        except Exception as error:
            raise self._lost() from error

    def _lost(self) -> CalibError:
        return ClusterUnavailable(
            "the connection to the scheduler was lost",
            where=self._name,
            hint="Nothing of this run was written as a result; see whether the scheduler runs, and run again",
        )

    @property
    def _name(self) -> str:
        return self.scheduler or "the Dask cluster of this machine"


def _reach(address: str) -> None:
    """See that something listens at the address: Dask itself would try for long.

    Raises
    ------
    calib.errors.ClusterUnavailable
        Where nothing does.
    calib.errors.UsageError
        For an address that is not one.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in _SCHEMES or parts.username is not None:
        raise UsageError(
            f"{address!r} is not the address of a Dask scheduler",
            where="--scheduler",
            hint=f"Form: tcp://HOST:PORT; also {', '.join(_SCHEMES[1:])}",
        )
    try:
        socket.create_connection((host, port), _CONNECT_S).close()
    except OSError as error:
        raise _no_answer(address) from error


def _no_answer(name: str) -> ClusterUnavailable:
    return ClusterUnavailable(
        "the scheduler does not answer",
        where=name,
        hint="Check the address and that `dask scheduler` runs there; without --scheduler a cluster of this machine is"
        " used",
    )


@contextlib.contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Dask's own log speaks of each lost connection; what matters of it is said by our errors."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
