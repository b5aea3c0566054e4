"""Run tasks on an existing Dask cluster or one on this machine: in order, with a limited number in flight."""

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
"""Largest number of tasks in flight. Each piece has some megabytes in the scheduler's memory and in this process's."""
_LOOK_S: Final = 0.1
"""Interval at which a wait checks whether the run was interrupted, s."""
_SCHEMES: Final = ("tcp", "tls", "ws", "wss")
_CONNECT_S: Final = 10.0
_NO_WORKER_S: Final = 60.0
"""Time for which a run waits for a new worker after all have left, s."""
_ASK_S: Final = 5.0
_DASK: Final = {
    "distributed.comm.timeouts.connect": "3s",  # the default of 30 s delays the result after a worker is killed
    "distributed.admin.large-graph-warning-threshold": "1GB",  # large pieces in a task are intended
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


class DaskCluster:
    """A context in which tasks run on a Dask cluster.

    Parameters
    ----------
    scheduler
        Address of the scheduler, such as ``tcp://10.0.0.5:8786`` or ``tls://...`` (with the certificates in Dask's
        configuration). If None, a cluster of processes is started on this machine. It listens only on the loopback
        interface, accepts only connections with a certificate that is created for this run, and has no dashboard.
    jobs
        Number of processes of a cluster on this machine, at least 1.

    Raises
    ------
    calib.errors.MissingExtra
        On entering, if Dask is not installed.
    calib.errors.ClusterUnavailable
        On entering, if the scheduler cannot be reached, has no workers, or they run another version of calib.
    """

    def __init__(self, scheduler: str | None, jobs: int) -> None:
        self.scheduler = scheduler
        self.jobs = jobs
        self.in_flight = 0
        """Largest number of tasks that run or wait at a time; set on entering."""
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
        """Yield each item with the answer to its request, in the order given.

        The tasks of a lost worker are run again by others.

        Parameters
        ----------
        task
            A function of a module that the workers can import.
        requests
            The items, and the argument of the task for each.

        Returns
        -------
        Iterator
            The items with their answers. The answer is an exception if the task raised it or killed several workers.

        Raises
        ------
        calib.errors.ClusterUnavailable
            If the connection to the scheduler is lost, or there is no worker for a minute.
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
                with contextlib.suppress(Exception):  # fails if the scheduler is lost; then there is nothing to cancel
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
            client.status = "closed"  # else its finaliser waits for the scheduler again and logs an error
            raise _no_answer(self._name) from error
        stack.callback(client.close)
        return client

    def _on_this_machine(self, stack: contextlib.ExitStack) -> tuple[Any, Any]:
        from distributed import LocalCluster
        from distributed.security import Security

        security = Security.temporary()  # a client of a scheduler can run code as this user: exclude other users
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
        """Wait for the first worker, and check that all run this version of calib, as others may give other results."""
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
    """Check that the address accepts connections; Dask itself would retry for a long time.

    Raises
    ------
    calib.errors.ClusterUnavailable
        If it does not.
    calib.errors.UsageError
        If the address is not valid.
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
    """Return a context without the messages of a logger: Dask logs every lost connection, which our errors report."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
