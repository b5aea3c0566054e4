"""Choose the engine that runs the parts of a job, from the settings and the amount of work."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from calib import system
from calib.errors import UsageError
from calib.feeds.reading.native import library
from calib.feeds.reading.pieces import InProcess, PieceDecoder
from calib.feeds.settings import ENGINES

if TYPE_CHECKING:
    from calib.config import Config
    from calib.engines.dask_cluster import DaskCluster

_WORTH_WORKERS: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The user's choice of an engine. It does not affect the result.

    Parameters
    ----------
    name
        One of `calib.feeds.settings.ENGINES`.
    jobs
        Number of threads or worker processes, at least 1; None for one per core, and for none if the engine is
        ``auto`` and the files are small.
    scheduler
        Address of a Dask scheduler; None for a cluster on this machine. Only with ``dask``.

    Raises
    ------
    calib.errors.UsageError
        If the name is unknown, or a scheduler is given with another engine.
    """

    name: str = "auto"
    jobs: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise UsageError(f"unknown engine {self.name!r}", hint=f"One of {', '.join(ENGINES)}")
        if self.scheduler is not None and self.name != "dask":
            raise UsageError(
                f"a scheduler ({self.scheduler}) does not go together with the engine {self.name}",
                hint="Add --engine dask, or leave out --scheduler",
            )

    @classmethod
    def of(cls, config: Config) -> EngineChoice:
        """Return the choice in a configuration."""
        return cls(config["engine"], config["jobs"], config["scheduler"])

    def decoder(self, stored_bytes: int) -> contextlib.AbstractContextManager[PieceDecoder]:
        """Return a context with the decoder for feed files of ``stored_bytes`` bytes in total.

        Raises
        ------
        calib.errors.MissingExtra, calib.errors.ClusterUnavailable
            On entering, with ``dask``: if Dask is not installed, or the cluster cannot be used.
        """
        if self.name == "dask":
            return _on_dask(self)
        cores = system.cores() if self.jobs is None else self.jobs
        small = self.jobs is None and stored_bytes < _WORTH_WORKERS
        if self.name == "in-process" or (self.name == "auto" and (cores == 1 or small)):
            return contextlib.nullcontext(InProcess())
        return decoders(cores, processes=self.name == "processes")

    def cluster(self) -> contextlib.AbstractContextManager[DaskCluster | None]:
        """Return a context with the Dask cluster for whole jobs; None with other engines. Errors as `decoder`."""
        if self.name != "dask":
            return contextlib.nullcontext()
        return open_cluster(self)


def decoders(jobs: int, *, processes: bool = False) -> contextlib.AbstractContextManager[PieceDecoder]:
    """Return a context with ``jobs`` decoders: threads if the kernel is available, else processes.

    A single job decodes in this process. With ``processes`` set, both cases use worker processes.
    """
    if jobs == 1 and not processes:
        return contextlib.nullcontext(InProcess())
    if library() is not None and not processes:
        from calib.engines.threads import DecodingThreads

        return DecodingThreads(jobs)
    from calib.engines.processes import Workers

    return Workers(jobs)


def open_cluster(choice: EngineChoice) -> DaskCluster:
    """Return the cluster of a choice, which is a context that is not entered yet."""
    from calib.engines.dask_cluster import DaskCluster  # imported only if needed: it takes a second

    return DaskCluster(choice.scheduler, choice.jobs or system.cores())


@contextlib.contextmanager
def _on_dask(choice: EngineChoice) -> Any:
    from calib.engines.dask_decoder import DaskDecoder

    with open_cluster(choice) as cluster:
        yield DaskDecoder(cluster)
