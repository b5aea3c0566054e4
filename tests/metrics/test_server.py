"""The HTTP server."""

from __future__ import annotations

import urllib.request

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from calib.errors import PortUnavailable
from calib.metrics import register, serve


def test_it_serves_the_registry_to_this_machine_alone() -> None:
    registry = CollectorRegistry()
    register(registry)
    with serve(0, registry=registry) as server:
        assert server.url == f"http://127.0.0.1:{server.port}/metrics"
        with urllib.request.urlopen(server.url, timeout=10) as answer:
            assert answer.status == 200
            assert b"# TYPE mm_md_cache_size gauge" in answer.read()


def test_without_a_registry_it_serves_the_client_s_own() -> None:
    made = register(REGISTRY)
    try:
        with serve(0) as server, urllib.request.urlopen(server.url, timeout=10) as answer:
            assert b"# TYPE mm_md_cache_size gauge" in answer.read()
    finally:
        REGISTRY.unregister(made)


def test_a_taken_port_is_said() -> None:
    with serve(0, registry=CollectorRegistry()) as server, pytest.raises(PortUnavailable) as refused:
        serve(server.port, registry=CollectorRegistry())
    assert refused.value.what.startswith(f"cannot listen on 127.0.0.1:{server.port}: ")


def test_a_port_out_of_range_is_said() -> None:
    with pytest.raises(PortUnavailable):
        serve(70_000, registry=CollectorRegistry())


def test_it_listens_no_more_once_closed() -> None:
    server = serve(0, registry=CollectorRegistry())
    server.close()
    with serve(server.port, registry=CollectorRegistry()) as again:
        assert again.port == server.port
