"""The back ends that store values: memory, Redis, or Redis with a short-lived local cache in front."""

from calib.smartcache.backends.base import Backend, Begun, Stored, StoreResult, Ticket
from calib.smartcache.backends.memory import MemoryBackend
from calib.smartcache.backends.redis import RedisBackend
from calib.smartcache.backends.two_level import TwoLevelBackend

__all__ = ["Backend", "Begun", "MemoryBackend", "RedisBackend", "StoreResult", "Stored", "Ticket", "TwoLevelBackend"]
