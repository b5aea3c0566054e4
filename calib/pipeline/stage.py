"""What a stage is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from calib.pipeline.context import QuoteContext


@runtime_checkable
class QuoteStage(Protocol):
    """One step of a tick.

    Attributes
    ----------
    name
        Short and stable: the key of its latency (``fetch_md``, ``features``, ``strategy``, ``risk``, ``quote``, ...).
    """

    @property
    def name(self) -> str: ...

    async def run(self, context: QuoteContext) -> QuoteContext:
        """Do the step; the context given is never changed, another is returned."""
        ...
