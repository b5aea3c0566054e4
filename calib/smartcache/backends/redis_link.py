"""The connection to one Redis server: every command has a timeout and a circuit breaker, and never raises.

An address may contain a password, and an exception's text may contain the address: logs and messages show only host,
port and database, and of an error only its kind.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from calib.errors import ConfigError, MissingExtra
from calib.smartcache.breaker import BreakerState, CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from calib.smartcache.settings import SmartCacheSettings

_LOG: Final = logging.getLogger("calib.smartcache")
_MAX_CONCURRENT: Final = 32
"""Maximum number of concurrent commands: each uses a connection."""
FIRST_PATIENCE: Final = 4
"""Timeout factor of the first command."""
FAILED: Final = object()
"""The result of a command that failed."""


def safe_address(url: str) -> str:
    """Return an address without user, password and options, for logs and messages.

    >>> safe_address("redis://me:secret@db.example:6380/2?password=secret")
    'redis://db.example:6380/2'
    >>> safe_address("redis://me:se/cret@db.example")
    'redis://(not shown)'
    """
    try:
        split = urlsplit(url)
        host, port = split.hostname or "", split.port
    except ValueError:
        return "redis://(not shown)"
    # An unescaped '/', '#' or '?' in the password ends the host too early: the rest may contain the password.
    if "@" in split.path + split.query + split.fragment:
        return "redis://(not shown)"
    if split.scheme == "unix":
        return f"unix://{split.path}"
    path = split.path if split.path.strip("/").isdigit() else ""
    return f"{split.scheme}://{host}" + (f":{port}" if port else "") + path


class RedisLink:
    """Runs scripts and commands on one server.

    Parameters
    ----------
    url
        A ``redis://``, ``rediss://`` or ``unix://`` address for redis-py.
    settings
        Timeout and circuit breaker.
    now_ns
        Monotonic time, for the breaker.

    Raises
    ------
    calib.errors.MissingExtra
        If redis-py is not installed.
    calib.errors.ConfigError
        If the address is invalid; the message does not repeat it.
    """

    def __init__(self, url: str, settings: SmartCacheSettings, now_ns: Callable[[], int]) -> None:
        try:
            import redis.asyncio
        except ImportError as error:
            raise MissingExtra(
                "SmartCache on Redis needs redis-py", hint="Install calib with its extra: pip install 'calib[redis]'"
            ) from error
        self.address = safe_address(url)
        self.errors: Counter[str] = Counter()
        self.breaker = CircuitBreaker(settings.breaker_failures, settings.breaker_open_s, settings.breaker_cap_s)
        self.answered = False
        self._met = False
        self._url = url
        self._timeout_s = settings.redis_timeout_s
        self._now_ns = now_ns
        self._redis = redis.asyncio
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._free = asyncio.Semaphore(_MAX_CONCURRENT)
        self._sha: dict[str, str] = {}
        try:
            self._make(redis.asyncio.Redis)
        except Exception:
            raise ConfigError(
                "redis_url is not a valid redis-py address (not shown: it may contain a password)",
                hint="Write redis://[user:password@]host:port/database, and escape special characters: %2F for /",
            ) from None

    async def script(self, text: str, keys: Sequence[str], arguments: Sequence[Any], *, patience: int = 1) -> Any:
        """Return the result of a script, or `FAILED`; ``patience`` multiplies the timeout."""
        sha = self._sha.get(text)
        if sha is None:
            sha = self._sha[text] = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

        packed = _packed(b"EVALSHA", sha, len(keys), *keys, *arguments)

        async def run(client: Any) -> Any:
            try:
                return await _send_with_retry(client, packed)
            except Exception as error:
                if "NOSCRIPT" not in f"{type(error).__name__} {error}".upper():
                    raise
            return await client.eval(text, len(keys), *keys, *arguments)  # a restarted server has lost its scripts

        return await self.run(run, patience=patience)

    async def run(self, command: Callable[[Any], Awaitable[Any]], *, patience: int = 1) -> Any:
        """Return the result of ``command(client)``, or `FAILED`."""
        began_ns = self._now_ns()
        if not self.breaker.allows(began_ns):
            self.errors["left_alone"] += 1
            return FAILED
        if not self._met:
            patience = FIRST_PATIENCE  # it also connects, and a bot's event loop is busiest at its start
        try:
            client = self._loop_client()
            async with self._free, asyncio.timeout(self._timeout_s * patience):
                answer = await command(client)
        except asyncio.CancelledError:
            self.breaker.abandoned(self._now_ns())
            raise
        except Exception as error:
            self._failed(error, began_ns)
            return FAILED
        self.breaker.succeeded()
        self.answered = self._met = True
        return answer

    def ping(self) -> bool:
        """Check synchronously whether the server responds; blocks for at most twice the timeout."""
        import redis

        try:
            with self._make(redis.Redis) as client:
                self.answered = bool(client.ping())
        except Exception as error:
            self._count(_kind(error))
            self.answered = False
        return self.answered

    async def close(self) -> None:
        """Close the connections."""
        client, self._client, self._loop = self._client, None, None
        if client is not None:
            try:
                await client.aclose()
            except Exception as error:
                self._count(_kind(error))

    def _loop_client(self) -> Any:
        """Return the client of the running loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._loop = loop
            self._free = asyncio.Semaphore(_MAX_CONCURRENT)
            self._client = self._make(self._redis.Redis)
        return self._client

    def _make(self, kind: Any) -> Any:
        """Create a client without redis-py's own retries: the circuit breaker decides when to retry."""
        if kind is self._redis.Redis:
            from redis.asyncio.retry import Retry
        else:
            from redis.retry import Retry  # type: ignore[assignment]  # the synchronous variant
        from redis.backoff import NoBackoff

        return kind.from_url(
            self._url,
            protocol=2,
            # In the event loop one timeout covers the whole command; redis-py's would apply to each part separately.
            socket_timeout=None if kind is self._redis.Redis else self._timeout_s,
            socket_connect_timeout=None if kind is self._redis.Redis else self._timeout_s,
            retry=Retry(NoBackoff(), 0),
        )

    def _failed(self, error: Exception, began_ns: int) -> None:
        kind = _kind(error)
        self._count(kind)
        if kind in ("read_only", "full", "reply"):
            self.breaker.succeeded()  # the server responds: other commands may succeed
            self.answered = True
            return
        self.answered = False
        self._met = True
        before = self.breaker.state
        self.breaker.failed(began_ns, self._now_ns())
        if self.breaker.state is BreakerState.OPEN and before is BreakerState.CLOSED:
            _LOG.warning("%s: circuit breaker opened after %s", self.address, kind)

    def _count(self, kind: str) -> None:
        self.errors[kind] += 1
        if self.errors[kind] == 1:
            _LOG.warning("%s: %s (logged once, then only counted)", self.address, kind)


async def _send_with_retry(client: Any, packed: bytes) -> Any:
    """Send a command, and retry once on a fresh connection if the connection broke.

    A server that restarts or closes idle connections breaks all connections of the pool. Every script is safe to run
    twice.
    """
    try:
        return await _send(client, packed)
    except Exception as error:
        if not _is_broken(error):
            raise
        await client.connection_pool.disconnect(inuse_connections=False)
    return await _send(client, packed)


def _is_broken(error: Exception) -> bool:
    """Return whether the connection broke, so that a retry on another may succeed."""
    from redis import exceptions

    refused = (exceptions.AuthenticationError, exceptions.BusyLoadingError)
    return isinstance(error, (exceptions.ConnectionError, OSError)) and not isinstance(error, refused)


async def _send(client: Any, packed: bytes) -> Any:
    """Send a packed command on a pooled connection and return the reply; `execute_command` would double the cost.

    A connection with a partially read reply is closed: otherwise the next command would read the rest of it.
    """
    pool = client.connection_pool
    connection = await pool.get_connection()
    try:
        await connection.send_packed_command([packed], check_health=False)
        return await connection.read_response()
    except BaseException as error:
        if not isinstance(error, _server_errors()):
            await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)


def _packed(*words: object) -> bytes:
    """Return a command in the Redis wire protocol.

    >>> _packed(b"GET", "k", 1)
    b'*3\\r\\n$3\\r\\nGET\\r\\n$1\\r\\nk\\r\\n$1\\r\\n1\\r\\n'
    """
    parts = [word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogatepass") for word in words]
    return b"*%d\r\n%b" % (len(parts), b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]))


@cache
def _server_errors() -> type[Exception]:
    """Return the exception type of error replies of the server."""
    from redis.exceptions import ResponseError

    return ResponseError


def _kind(error: Exception) -> str:
    """Return the kind of an error in one word; the exception's text may contain the address."""
    import redis.exceptions as known

    text = str(error)
    if "READONLY" in text or isinstance(error, known.ReadOnlyError):
        return "read_only"
    if "OOM" in text or isinstance(error, known.OutOfMemoryError):
        return "full"
    match error:
        case known.TimeoutError() | TimeoutError():
            return "timeout"
        case known.AuthenticationError() | known.NoPermissionError():
            return "not_authorised"
        case known.BusyLoadingError():
            return "loading"
        case known.ConnectionError() | OSError():
            return "connection"
        case known.ResponseError() if not isinstance(error, known.InvalidResponse):
            return "reply"
    return "garbage"
