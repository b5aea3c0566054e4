"""The program of each venue's how-to runs as it stands, against a venue on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from pathlib import Path
from typing import Final

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from calib.market.venues import VENUES
from tests.market.venues.test_traps import crc

ROOT: Final = Path(__file__).resolve().parents[2]
_L: Final = {"bids": [["99", "1"]], "asks": [["101", "2"]]}


def binance(**extra: object) -> list[object]:
    base = {"e": "depthUpdate", "E": 1, "a": [], **extra}
    return [{"result": None, "id": 1}, {**base, "U": 9, "u": 11, "b": [["100", "3"]]}]


def okx(action: str, seq: int, previous: int, bids: list[list[str]]) -> object:
    row = {"bids": bids, "asks": [["101", "2", "0", "1"]], "ts": "1", "checksum": 0}
    arg = {"channel": "books", "instId": "BTC-USDT"}
    return {"arg": arg, "action": action, "data": [{**row, "seqId": seq, "prevSeqId": previous}]}


def kraken(kind: str, bids: list[tuple[str, str]], shown: list[tuple[str, str]]) -> str:
    levels = ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in bids)
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{levels}],"asks":'
        f'[{{"price":101.0,"qty":2.0}}],"checksum":{crc([("101.0", "2.0")], shown)}}}]}}'
    )


def coinbase(sequence: int, kind: str, price: str) -> object:
    updates = [
        {"side": "bid", "price_level": price, "new_quantity": "3"},
        {"side": "offer", "price_level": "101", "new_quantity": "2"},
    ]
    event = {"type": kind, "product_id": "BTC-USD", "updates": updates}
    return {"channel": "l2_data", "sequence_num": sequence, "events": [event]}


def hyperliquid(at_ms: int, price: str) -> object:
    levels = [[{"px": price, "sz": "3", "n": 1}], [{"px": "101", "sz": "2", "n": 1}]]
    return {"channel": "l2Book", "data": {"coin": "BTC", "time": at_ms, "levels": levels}}


def deribit(kind: str, price: float, **ids: int) -> object:
    book = {"bids": [["new", price, 3.0]], "asks": [["new", 101.0, 2.0]], **ids}
    data = {"type": kind, "instrument_name": "BTC-PERPETUAL", **book}
    return {"method": "subscription", "params": {"channel": "book.BTC-PERPETUAL.100ms", "data": data}}


def bitget(action: str, price: str, arg: dict[str, str], **ids: int) -> object:
    return {"action": action, "arg": arg, "data": [{"bids": [[price, "3"]], "asks": [["101", "2"]], "ts": "1", **ids}]}


def bybit(kind: str, price: str, update_id: int) -> object:
    data = {"s": "BTCUSDT", "b": [[price, "3"]], "a": [["101", "2"]], "u": update_id}
    return {"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": 1, "data": data}


_UTA: Final = {"topic": "books", "symbol": "BTCUSDT"}
_V2: Final = {"channel": "books", "instId": "BTCUSDT"}
_KUCOIN: Final = {
    "symbol": "BTC-USDT", "sequenceStart": 9, "sequenceEnd": 11, "changes": {"bids": [["100", "3", "11"]], "asks": []}
}  # fmt: skip
_GATE: Final = {"t": 1, "s": "BTC_USDT", "U": 9, "u": 11, "b": [["100", "3"]], "a": []}
FRAMES: Final[dict[str, list[object]]] = {
    "binance-spot": binance(s="BTCUSDT"),
    "binance-usdm": binance(s="BTCUSDT", pu=8),
    "binance-coinm": binance(s="BTCUSD_PERP", pu=8),
    "bybit": [{"success": True, "op": "subscribe"}, bybit("snapshot", "99", 7), bybit("delta", "100", 8)],
    "okx": [okx("snapshot", 7, -1, [["99", "1"]]), okx("update", 9, 7, [["100", "3"]]), "pong"],
    "kraken": [
        {"channel": "heartbeat"},
        kraken("snapshot", [("99.0", "1.0")], [("99.0", "1.0")]),
        kraken("update", [("100.0", "3.00")], [("100.0", "3.00"), ("99.0", "1.0")]),
    ],
    "coinbase": [
        coinbase(0, "snapshot", "99"),
        {"channel": "subscriptions", "sequence_num": 1, "events": []},
        coinbase(2, "update", "100"),
    ],
    "hyperliquid": [{"channel": "subscriptionResponse", "data": {}}, hyperliquid(1, "99"), hyperliquid(2, "100")],
    "kucoin": [
        {"type": "welcome", "id": "1"},
        {"type": "message", "topic": "/market/level2:BTC-USDT", "data": _KUCOIN},
    ],
    "deribit": [
        {"jsonrpc": "2.0", "id": 1, "result": []},
        deribit("snapshot", 99.0, change_id=7),
        deribit("change", 100.0, change_id=9, prev_change_id=7),
    ],
    "gate": [{"channel": "spot.order_book_update", "event": "update", "result": _GATE}],
    "bitget": [bitget("snapshot", "99", _UTA, seq=7, pseq=0), bitget("update", "100", _UTA, seq=9, pseq=7)],
    "bitget-classic": [bitget("snapshot", "99", _V2, seq=7), bitget("update", "100", _V2, seq=90)],
}
ANSWERS: Final[dict[str, object]] = {
    "binance-spot": {"lastUpdateId": 10, **_L},
    "binance-usdm": {"lastUpdateId": 10, **_L},
    "binance-coinm": {"lastUpdateId": 10, **_L},
    "kucoin": {"code": "200000", "data": {"sequence": "10", **_L}},
    "gate": {"id": 10, **_L},
}


BREAKS: Final = ("bybit", "gate")
"""Of one with pushed and one with fetched snapshots: they connect a second time."""


def book_line(name: str) -> str:
    """What the program prints of the book that the frames make."""
    return f"{VENUES[name].symbol} (100.0, 3.0) (101.0, 2.0)"


async def printed(name: str, script: Path) -> str:
    """What the program prints until the book is there; of `BREAKS`, a broken frame comes first."""
    connections: list[list[object]] = []

    async def venue(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await conversation(socket)

    async def conversation(socket: ServerConnection) -> None:
        said: list[object] = []
        connections.append(said)
        while len(said) < len(VENUES[name].subscribe):
            said.append(await socket.recv())
        if len(connections) == 1 and name in BREAKS:
            await socket.send("{")
        else:
            for frame in FRAMES[name]:
                await socket.send(frame if isinstance(frame, str) else json.dumps(frame))
        await socket.wait_closed()

    async def rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(ANSWERS[name]).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with serve(venue, "127.0.0.1", 0) as server, await asyncio.start_server(rest, "127.0.0.1", 0) as desk:
        ports = [next(iter(one.sockets)).getsockname()[1] for one in (server, desk)]
        arguments = [str(script), f"ws://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=pipe, stderr=pipe, cwd=ROOT)
        assert process.stdout is not None
        expected, lines = book_line(name), [""]
        try:
            async with asyncio.timeout(30):
                while lines[-1] != expected:
                    line = (await process.stdout.readline()).decode()
                    assert line, "the program ended"
                    lines.append(line.strip())
        finally:
            if process.returncode is None:
                process.terminate()
            _, error = await process.communicate()
            assert b"Traceback" not in error, error.decode()
    assert (b"reconnecting: " in error) == (name in BREAKS)
    assert [json.loads(str(text)) for text in connections[0]]
    return lines[-1]


@pytest.mark.parametrize("name", sorted(VENUES))
def test_the_program_connects_recovers_and_prints_the_book(name: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / "venues" / f"{name}.md").read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert program is not None
    assert 35 <= program[1].count("\n") <= 75
    script = tmp_path / "book.py"
    script.write_text(program[1], encoding="utf-8")
    assert asyncio.run(printed(name, script)) == book_line(name)
