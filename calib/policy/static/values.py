"""The stored and the returned values of the cache of static data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CachedValue(Generic[T]):
    """A value with its age and data type.

    Parameters
    ----------
    value
        The fetched value.
    age_s
        Time since the start of the request that fetched it, s.
    data_type
        Its name in the policy's table.
    for_trading
        Whether it may be an input of a trading decision; False for analytic types.
    """

    value: T
    age_s: float
    data_type: str
    for_trading: bool


class CachedSlot(Generic[T]):
    """One key: its value, its running request and its refresh timer.

    Attributes
    ----------
    began_ns
        Start of the request that fetched the value, monotonic ns; None without a value.
    epoch
        Incremented by each invalidation: a response of an earlier epoch is not stored.
    retry_ns
        Earliest start of the next request after a failure, monotonic ns.
    read
        Whether the value has been read since it was fetched.
    """

    __slots__ = ("began_ns", "epoch", "failures", "last_error", "read", "retry_ns", "task", "timer", "value")

    def __init__(self, now_ns: int) -> None:
        self.value: Any = None
        self.began_ns: int | None = None
        self.epoch = 0
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.failures = 0
        self.last_error = ""
        self.retry_ns = now_ns
        self.read = False

    def age_ns(self, now_ns: int) -> int | None:
        """Return the time since the start of the request that fetched the value, ns; None without a value."""
        return None if self.began_ns is None else now_ns - self.began_ns
