"""Requests that fail: tried again, and told without a secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from calib.cli import main
from calib.errors import UnreadableInput, UnwritableOutput
from calib.storage import place_of, source_of, write_whole
from calib.storage.requests import Attempts, reason_of
from tests.storage.conftest import KEY_ID, SECRET

DATA = bytes(range(256)) * 20


class _Shaky(BaseHTTPRequestHandler):
    """A store with one object, which fails as its server says."""

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        begin, _, end = self.headers.get("Range", f"bytes=0-{len(DATA) - 1}").removeprefix("bytes=").partition("-")
        self._answer(DATA[int(begin) : int(end) + 1], f"bytes {begin}-{end}/{len(DATA)}")

    def do_PUT(self) -> None:
        self._answer(b"")

    def _answer(self, body: bytes, part: str = "") -> None:
        server: Any = self.server
        server.asked += 1
        fault = server.faults.pop(0) if server.faults else ""
        if fault and fault != "cut":
            text = f"<Error><Code>Denied</Code><AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId>{SECRET}</Error>".encode()
            self.send_response(int(fault))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else text)
            return
        self.send_response(206 if part else 200)
        self.send_header("Content-Length", str(len(body) if part else len(DATA)))
        self.send_header("ETag", '"tag"')
        self.send_header("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
        self.wfile.write(body[:10] if fault == "cut" else body)
        self.close_connection = fault == "cut"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shaky(credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shaky) as server:
        state: Any = server
        state.faults, state.asked = [], 0
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        yield state
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("faults", [[], ["503", "500"], ["", "cut"], ["", "503", "cut", "502"]])
def test_what_passes_is_tried_again(shaky: Any, faults: list[str]) -> None:
    shaky.faults = list(faults)
    place = place_of("s3://desk/feeds/a")
    with source_of(place).open(place) as stored:  # type: ignore[attr-defined]
        assert b"".join(iter(lambda: stored.read(1000), b"")) == DATA
    assert shaky.faults == []
    assert shaky.asked >= 2 + sum(fault != "" for fault in faults)


@pytest.mark.parametrize(("status", "what"), [("403", "refuses access"), ("400", "status 400")])
def test_a_refusal_is_told_without_a_secret(shaky: Any, capsys: Any, status: str, what: str) -> None:
    shaky.faults = [status] * 20
    assert main.run(["aggregate", "--feeds", "s3://desk/feeds", "-v"]) == 3
    said = capsys.readouterr()
    assert what in said.err
    assert KEY_ID not in said.err + said.out
    assert SECRET not in said.err + said.out
    shaky.faults = ["404", *[status] * 20]
    with pytest.raises(UnwritableOutput, match=what) as caught:
        write_whole(place_of("s3://desk/out/a"), b"x")
    error: BaseException | None = caught.value
    assert error is not None
    assert error.__suppress_context__
    assert error.__cause__ is None


def test_a_store_that_does_not_answer_is_told(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(Attempts, "retry_config", staticmethod(lambda: {"max_retries": 1}))
    place = place_of("s3://desk/feeds")
    with pytest.raises(UnreadableInput, match="the store does not answer") as caught:
        source_of(place).names(place)
    assert "AWS_ENDPOINT_URL" in caught.value.hint


class GenericError(Exception):
    """What the client raises of a connection."""


def test_the_pauses_grow_and_end() -> None:
    pauses: list[float] = []
    tries = []

    def failing() -> None:
        tries.append(1)
        raise GenericError("connection closed")

    with pytest.raises(GenericError):
        Attempts(pauses.append).of(failing)
    assert len(tries) == 3
    assert 0.1 <= pauses[0] <= 0.3 < 0.4 * 1.5 + 1e-9 >= pauses[1] >= 0.2

    def refused() -> None:
        tries.append(1)
        raise PermissionError

    tries.clear()
    with pytest.raises(PermissionError):
        Attempts(pauses.append).of(refused)
    assert len(tries) == 1


def test_the_words_are_ours() -> None:
    what, hint = reason_of(RuntimeError(f"status code: 500 {SECRET}"))
    assert what == "the store answers with status 500"
    assert SECRET not in what + hint
