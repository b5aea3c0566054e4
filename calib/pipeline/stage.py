"""The interface of a stage."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from calib.pipeline.context import QuoteContext


@runtime_checkable
class QuoteStage(Protocol):
    """One stage of a tick.

    Attributes
    ----------
    name
        Short and stable; the key of its latency (``fetch_md``, ``features``, ``strategy``, ``risk``, ``quote``, ...).
    """

    @property
    def name(self) -> str: ...

    async def run(self, context: QuoteContext) -> QuoteContext:
        """Run the stage; returns a new context, the given one is not changed."""
        ...
