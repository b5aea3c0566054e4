"""A small HTTP server for the metrics of one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from calib.errors import PortUnavailable

if TYPE_CHECKING:
    import threading

    from prometheus_client import CollectorRegistry


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """An HTTP server for metrics, running in its own threads.

    Parameters
    ----------
    addr, port
        The address that it listens on.
    """

    addr: str
    port: int
    _httpd: Any
    _thread: threading.Thread

    @property
    def url(self) -> str:
        """The URL to scrape."""
        host = f"[{self.addr}]" if ":" in self.addr else self.addr
        return f"http://{host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop the server."""
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(port: int, addr: str = "127.0.0.1", *, registry: CollectorRegistry | None = None) -> MetricsServer:
    """Serve a registry at ``http://addr:port/metrics``.

    Parameters
    ----------
    port
        The port; 0 selects a free one, see ``port`` of the result.
    addr
        The address to listen on. With the default only this machine can connect: there is no authentication.
    registry
        The registry to serve; default: ``prometheus_client.REGISTRY``.

    Raises
    ------
    calib.errors.PortUnavailable
        If the port is in use or not permitted.

    >>> from prometheus_client import CollectorRegistry
    >>> with serve(0, registry=CollectorRegistry()) as server:
    ...     server.url == f"http://127.0.0.1:{server.port}/metrics"
    True
    """
    from prometheus_client import REGISTRY, start_http_server

    try:
        httpd, thread = start_http_server(port, addr, REGISTRY if registry is None else registry)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PortUnavailable(
            f"cannot listen on {addr}:{port}: {reason}",
            hint="Choose another port from 1024 to 65535, or 0 for a free port",
        ) from error
    return MetricsServer(addr, httpd.server_port, httpd, thread)
