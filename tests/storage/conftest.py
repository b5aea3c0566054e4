"""A store of one's own: moto's S3 server on the loopback, with one bucket."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

SECRET = "SECRET-THAT-NOBODY-MAY-SEE"
KEY_ID = "KEY-ID-THAT-NOBODY-MAY-SEE"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """The address of the server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual variables, and no setting of the developer's own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def desk(endpoint: str, credentials: None) -> S3Store:
    """A client of somebody else on a new bucket; its name is that of the store."""
    from moto.s3.models import s3_backends

    name = f"desk-{next(_numbers)}"
    backend: Any = s3_backends["123456789012"]["aws"]
    backend.create_bucket(name, "us-east-1")
    return S3Store(name, client_options={"allow_http": True})


def put(store: S3Store, key: str, data: bytes) -> None:
    """Write an object without any condition."""
    obstore.put(store, key, data, use_multipart=False)


def everything(store: S3Store, prefix: str) -> dict[str, bytes]:
    """Each object below a prefix, by what its key is there."""
    found = obstore.list(store, prefix).collect()
    return {each["path"].removeprefix(f"{prefix}/"): bytes(obstore.get(store, each["path"]).bytes()) for each in found}
