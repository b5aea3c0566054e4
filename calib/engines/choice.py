"""Which engine decodes: threads where the kernel is, worker processes where Python does it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from calib.feeds.reading.native import library
from calib.feeds.reading.pieces import InProcess, PieceDecoder


def decoders(jobs: int) -> AbstractContextManager[PieceDecoder]:
    """A context with ``jobs`` decoders; one job is this process alone."""
    if jobs == 1:
        return nullcontext(InProcess())
    if library() is not None:
        from calib.engines.threads import DecodingThreads

        return DecodingThreads(jobs)
    from calib.engines.processes import Workers

    return Workers(jobs)
