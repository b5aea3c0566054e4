"""Messages of every venue in the published forms, and what each says, worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from calib.market import Delta, Snapshot
from calib.market.venues import Alive, BookMessage, Other, VenueEvent


class Worked(NamedTuple):
    """A frame, the name of its stream where the connection has but one, and its events."""

    frame: str
    events: tuple[VenueEvent, ...]
    stream: str = ""


_BINANCE_ACK: Final = Worked('{"result":null,"id":1}', (Alive(),))
_BINANCE_ERROR: Final = Worked('{"code":2,"msg":"Invalid request","id":1}', (Other("error: Invalid request"),))
_USDM_DATA: Final = (
    '{"e":"depthUpdate","E":1571889248278,"T":1571889248276,"s":"BTCUSDT","U":390497796,"u":390497878,"pu":390497794,'
    '"b":[["7403.89","0.002"],["7403.90","0"]],"a":[["7405.96","3.340"]]}'
)
_USDM_DELTA: Final = Delta(
    [("7403.89", "0.002"), ("7403.90", "0")], [("7405.96", "3.340")], 390497878, 390497796, 390497794
)
_USDM_WHOLE: Final = Snapshot([("7403.89", "0.002"), ("7403.90", "0")], [("7405.96", "3.340")], 390497878, depth=10)

WORKED: Final[dict[str, list[Worked]]] = {
    "binance-spot": [
        Worked(
            '{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","0"]]}',
            (BookMessage("BNBBTC", Delta([("0.0024", "10")], [("0.0026", "0")], 160, 157), None, 1672515782136000),),
        ),
        Worked(  # with timeUnit=MICROSECOND
            '{"stream":"bnbbtc@depth","data":{"e":"depthUpdate","E":1672515782136123,"s":"BNBBTC","U":161,"u":161,"b":[],"a":[]}}',
            (BookMessage("BNBBTC", Delta([], [], 161, 161), None, 1672515782136123),),
        ),
        Worked(
            '{"stream":"bnbbtc@depth5@100ms","data":{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}}',
            (BookMessage("BNBBTC", Snapshot([("0.0024", "10")], [("0.0026", "100")], 160, depth=5), 5),),
        ),
        Worked(
            '{"lastUpdateId":161,"bids":[],"asks":[]}',
            (BookMessage("BNBBTC", Snapshot([], [], 161, depth=20), 20),),
            "bnbbtc@depth20",
        ),
        Worked('{"u":1,"s":"BNBBTC","b":"25.3","B":"31.2","a":"25.4","A":"40.6"}', (Other("unknown"),)),
        Worked('{"e":"trade","E":1,"s":"BNBBTC","t":12,"p":"1","q":"1","T":1,"m":true}', (Other("trade"),)),
        _BINANCE_ACK,
        _BINANCE_ERROR,
    ],
    "binance-usdm": [
        Worked(_USDM_DATA, (BookMessage("BTCUSDT", _USDM_DELTA, None, 1571889248276000),)),
        Worked(_USDM_DATA, (BookMessage("BTCUSDT", _USDM_WHOLE, 10, 1571889248276000),), "btcusdt@depth10@100ms"),
        Worked(
            f'{{"stream":"btcusdt@rpiDepth@500ms","data":{_USDM_DATA}}}',  # other levels than the book's
            (Other("btcusdt@rpiDepth@500ms"),),
        ),
        _BINANCE_ACK,
        _BINANCE_ERROR,
    ],
    "binance-coinm": [
        Worked(
            '{"e":"depthUpdate","E":1591270260907,"T":1591270260891,"s":"BTCUSD_200626","ps":"BTCUSD","U":17285681,'
            '"u":17285702,"pu":17285675,"b":[["9517.6","10"]],"a":[["9518.5","45"]]}',
            (
                BookMessage(
                    "BTCUSD_200626",
                    Delta([("9517.6", "10")], [("9518.5", "45")], 17285702, 17285681, 17285675),
                    None,
                    1591270260891000,
                ),
            ),
        ),
        _BINANCE_ACK,
    ],
    "bybit": [
        Worked(
            '{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT",'
            '"b":[["16493.50","0.006"]],"a":[["16611.00","0.029"]],"u":18521288,"seq":7961638724},"cts":1672304484976}',
            (
                BookMessage(
                    "BTCUSDT",
                    Snapshot([("16493.50", "0.006")], [("16611.00", "0.029")], 18521288),
                    50,
                    1672304484976000,
                ),
            ),
        ),
        Worked(
            '{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT",'
            '"b":[["30247.20","30.028"]],"a":[["30248.70","0"]],"u":18521289,"seq":7961638725},"cts":1687940967464}',
            (
                BookMessage(
                    "BTCUSDT", Delta([("30247.20", "30.028")], [("30248.70", "0")], 18521289), 50, 1687940967464000
                ),
            ),
        ),
        Worked(  # the service was restarted, and the book is empty
            '{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"s":"BTCUSDT","b":[],"a":[],"u":1,"seq":1}}',
            (BookMessage("BTCUSDT", Snapshot([], [], 1), 50, 1000),),
        ),
        Worked('{"success":true,"ret_msg":"pong","conn_id":"0","op":"ping"}', (Alive(),)),
        Worked(
            '{"success":false,"ret_msg":"handler not found","op":"subscribe"}', (Other("error: handler not found"),)
        ),
        Worked('{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[]}', (Other("publicTrade.BTCUSDT"),)),
    ],
    "okx": [
        Worked(
            '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["8476.98","415","0","13"]],'
            '"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":-855196043,"prevSeqId":-1,"seqId":123456}]}',
            (
                BookMessage(
                    "BTC-USDT",
                    Snapshot([("8476.97", "256")], [("8476.98", "415")], 123456, checksum=-855196043),
                    400,
                    1597026383085000,
                ),
            ),
        ),
        Worked(  # the checksum 0 is absent
            '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[["8476.98","0","0","0"]],'
            '"bids":[],"ts":"1597026383185","checksum":0,"prevSeqId":123456,"seqId":123457}]}',
            (
                BookMessage(
                    "BTC-USDT",
                    Delta([], [("8476.98", "0")], 123457, prev_id=123456),
                    400,
                    1597026383185000,
                ),
            ),
        ),
        Worked(
            '{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[],"bids":[],"ts":"1","seqId":1}]}',
            (Other("bbo-tbt"),),
        ),
        Worked('{"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}', (Alive(),)),
        Worked('{"event":"error","code":"60012","msg":"Invalid request"}', (Other("error: Invalid request"),)),
        Worked("pong", (Alive(),)),
    ],
    "kraken": [
        Worked(
            '{"channel":"book","type":"snapshot","data":[{"symbol":"MATIC/USD","bids":[{"price":0.5666,"qty":4831.75496356}],'
            '"asks":[{"price":0.5668,"qty":4410.79769741}],"checksum":2439117997}]}',
            (
                BookMessage(
                    "MATIC/USD",
                    Snapshot(
                        [(Decimal("0.5666"), Decimal("4831.75496356"))],
                        [(Decimal("0.5668"), Decimal("4410.79769741"))],
                        0,
                        checksum=2439117997,
                    ),
                ),
            ),
        ),
        Worked(
            '{"channel":"book","type":"update","data":[{"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.3947558}],'
            '"asks":[],"checksum":2114181697,"timestamp":"2023-10-06T17:35:55.440295Z"}]}',
            (
                BookMessage(
                    "MATIC/USD",
                    Delta([(Decimal("0.5657"), Decimal("1098.3947558"))], [], 1696613755440295, checksum=2114181697),
                    None,
                    1696613755440295,
                ),
            ),
        ),
        Worked('{"channel":"heartbeat"}', (Alive(),)),
        Worked('{"method":"subscribe","result":{"channel":"book"},"success":true}', (Alive(),)),
        Worked(
            '{"method":"subscribe","error":"Currency pair not supported","success":false}',
            (Other("error: Currency pair not supported"),),
        ),
        Worked('{"channel":"status","type":"update","data":[{"system":"online"}]}', (Other("status"),)),
    ],
    "coinbase": [
        Worked(
            '{"channel":"l2_data","client_id":"","timestamp":"2023-02-09T20:32:50.714964855Z","sequence_num":0,"events":['
            '{"type":"snapshot","product_id":"BTC-USD","updates":[{"side":"bid","event_time":"1970-01-01T00:00:00Z",'
            '"price_level":"21921.73","new_quantity":"0.063"},{"side":"offer","price_level":"21921.74","new_quantity":"2"}]}]}',
            (
                BookMessage(
                    "BTC-USD",
                    Snapshot([("21921.73", "0.063")], [("21921.74", "2")], 0),
                    None,
                    1675974770714964,
                ),
            ),
        ),
        Worked(
            '{"channel":"l2_data","sequence_num":1,"events":[{"type":"update","product_id":"BTC-USD","updates":['
            '{"side":"bid","price_level":"21921.73","new_quantity":"0"}]},{"type":"update","product_id":"ETH-USD","updates":['
            '{"side":"offer","price_level":"1600","new_quantity":"4"}]}]}',
            (
                BookMessage("BTC-USD", Delta([("21921.73", "0")], [], 1)),
                BookMessage("ETH-USD", Delta([], [("1600", "4")], 1)),
            ),
        ),
        Worked('{"channel":"heartbeats","sequence_num":2,"events":[{"heartbeat_counter":"3049"}]}', (Alive(2),)),
        Worked('{"channel":"subscriptions","sequence_num":3,"events":[]}', (Alive(3),)),
        Worked('{"channel":"ticker","sequence_num":4,"events":[]}', (Other("ticker", 4),)),
        Worked('{"type":"error","message":"rate limit exceeded"}', (Other("error: rate limit exceeded"),)),
    ],
    "hyperliquid": [
        Worked(
            '{"channel":"l2Book","data":{"coin":"BTC","time":1754450974231,"levels":[[{"px":"113377.0","sz":"7.6699","n":17}],'
            '[{"px":"113397.0","sz":"0.11543","n":3}]]}}',
            (
                BookMessage(
                    "BTC",
                    Snapshot([("113377.0", "7.6699")], [("113397.0", "0.11543")], 1754450974231, depth=20),
                    20,
                    1754450974231000,
                ),
            ),
        ),
        Worked('{"channel":"pong"}', (Alive(),)),
        Worked('{"channel":"subscriptionResponse","data":{"method":"subscribe"}}', (Alive(),)),
        Worked('{"channel":"trades","data":[]}', (Other("trades"),)),
        Worked('{"channel":"error","data":"Already subscribed"}', (Other("error: Already subscribed"),)),
    ],
    "kucoin": [
        Worked(
            '{"type":"message","topic":"/market/level2:BTC-USDT","subject":"trade.l2update","data":{"changes":{"asks":['
            '["18906","0.00331","14103845"],["18907.3","0.58751503","14103844"]],"bids":[["18891.9","0.15688","14103847"]]},'
            '"sequenceEnd":14103847,"sequenceStart":14103844,"symbol":"BTC-USDT","time":1663747970273}}',
            (
                BookMessage(
                    "BTC-USDT",
                    Delta(
                        [("18891.9", "0.15688")], [("18906", "0.00331"), ("18907.3", "0.58751503")], 14103847, 14103844
                    ),
                    None,
                    1663747970273000,
                ),
            ),
        ),
        Worked(  # price 0, even with a size, only advances the id
            '{"type":"message","topic":"/market/level2:BTC-USDT","subject":"trade.l2update","data":{"changes":{"asks":['
            '["0","1","14103848"]],"bids":[["0.00","0","14103849"]]},"sequenceEnd":14103849,"sequenceStart":14103848,'
            '"symbol":"BTC-USDT","time":1663747970274}}',
            (BookMessage("BTC-USDT", Delta([], [], 14103849, 14103848), None, 1663747970274000),),
        ),
        Worked(
            '{"type":"message","topic":"/contractMarket/level2:XBTUSDTM","subject":"level2","data":{"sequence":18,'
            '"change":"5000.0,sell,83","timestamp":1551770400000}}',
            (BookMessage("XBTUSDTM", Delta([], [("5000.0", "83")], 18, 18), None, 1551770400000000),),
        ),
        Worked('{"id":"hQvf8jkno","type":"welcome"}', (Alive(),)),
        Worked('{"id":"1","type":"pong","timestamp":1}', (Alive(),)),
        Worked('{"id":"1","type":"error","code":404,"data":"topic not found"}', (Other("error: topic not found"),)),
        Worked('{"type":"message","topic":"/market/match:BTC-USDT","data":{}}', (Other("/market/match:BTC-USDT"),)),
    ],
    "deribit": [
        Worked(
            '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.100ms","data":{"type":"snapshot",'
            '"timestamp":1554373962454,"instrument_name":"BTC-PERPETUAL","change_id":297217,'
            '"bids":[["new",5042.34,30.0]],"asks":[["new",5042.64,40.0]]}}}',
            (
                BookMessage(
                    "BTC-PERPETUAL", Snapshot([(5042.34, 30.0)], [(5042.64, 40.0)], 297217), None, 1554373962454000
                ),
            ),
        ),
        Worked(
            '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.100ms","data":{"type":"change",'
            '"timestamp":1554373911330,"prev_change_id":297217,"instrument_name":"BTC-PERPETUAL","change_id":297218,'
            '"bids":[["delete",5042.34,0.0],["change",5041.94,50.0]],"asks":[]}}}',
            (
                BookMessage(
                    "BTC-PERPETUAL",
                    Delta([(5042.34, 0), (5041.94, 50.0)], [], 297218, prev_id=297217),
                    None,
                    1554373911330000,
                ),
            ),
        ),
        Worked(
            '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.ETH-PERPETUAL.none.10.100ms","data":{'
            '"timestamp":1554375447971,"instrument_name":"ETH-PERPETUAL","change_id":109615,"bids":[[160,40]],"asks":[[161,20]]}}}',
            (BookMessage("ETH-PERPETUAL", Snapshot([(160, 40)], [(161, 20)], 109615, depth=10), 10, 1554375447971000),),
        ),
        Worked('{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}', (Alive(),)),
        Worked('{"jsonrpc":"2.0","id":1,"result":["book.BTC-PERPETUAL.100ms"]}', (Alive(),)),
        Worked('{"jsonrpc":"2.0","id":1,"error":"bad"}', (Other("error: bad"),)),
        Worked(
            '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.BTC-PERPETUAL.100ms","data":{}}}',
            (Other("ticker.BTC-PERPETUAL.100ms"),),
        ),
    ],
    "gate": [
        Worked(
            '{"time":1606294781,"time_ms":1606294781236,"channel":"spot.order_book_update","event":"update","result":{'
            '"t":1606294781123,"e":"depthUpdate","E":1606294781,"s":"BTC_USDT","U":48776301,"u":48776306,'
            '"b":[["19137.74","0.0001"],["19088.37","0"]],"a":[["19137.75","0.6135"]]}}',
            (
                BookMessage(
                    "BTC_USDT",
                    Delta([("19137.74", "0.0001"), ("19088.37", "0")], [("19137.75", "0.6135")], 48776306, 48776301),
                    None,
                    1606294781123000,
                ),
            ),
        ),
        Worked(
            '{"time":1615366381,"channel":"futures.order_book_update","event":"update","result":{"t":1615366381417,'
            '"s":"BTC_USD","U":2517661101,"u":2517661113,"b":[{"p":"54672.1","s":0}],"a":[{"p":"54743.6","s":95}],"l":"100"}}',
            (
                BookMessage(
                    "BTC_USD", Delta([("54672.1", 0)], [("54743.6", 95)], 2517661113, 2517661101), 100, 1615366381417000
                ),
            ),
        ),
        Worked(
            '{"channel":"spot.obu","event":"update","result":{"t":1,"full":true,"s":"ob.BTC_USDT.50","u":7,'
            '"b":[["9","1"]],"a":[["10","1"]]}}',
            (BookMessage("BTC_USDT", Snapshot([("9", "1")], [("10", "1")], 7), 50, 1000),),
        ),
        Worked(  # a side without a change is left out
            '{"channel":"spot.obu","event":"update","result":{"t":2,"s":"ob.BTC_USDT.50","U":8,"u":9,"b":[["9","0"]]}}',
            (BookMessage("BTC_USDT", Delta([("9", "0")], [], 9, 8), 50, 2000),),
        ),
        Worked('{"time":1,"channel":"spot.pong","event":"","result":null}', (Alive(),)),
        Worked('{"time":1,"channel":"spot.obu","event":"subscribe","result":{"status":"success"}}', (Alive(),)),
        Worked('{"channel":"spot.tickers","event":"update","result":{}}', (Other("spot.tickers"),)),
    ],
    "bitget": [
        Worked(
            '{"action":"snapshot","arg":{"instType":"usdt-futures","topic":"books","symbol":"BTCUSDT"},"data":[{"a":['
            '["117000.2","3"]],"b":[["117000.1","2"]],"checksum":0,"pseq":0,"seq":"1343064377779269632",'
            '"ts":"1755937421270"}],"ts":1755937421337}',
            (
                BookMessage(
                    "BTCUSDT",
                    Snapshot([("117000.1", "2")], [("117000.2", "3")], 1343064377779269632),
                    None,
                    1755937421270000,
                ),
            ),
        ),
        Worked(
            '{"action":"update","arg":{"instType":"usdt-futures","topic":"books","symbol":"BTCUSDT"},"data":[{"a":[],'
            '"b":[["117000.1","0"]],"checksum":0,"pseq":1343064377779269632,"seq":1343064377779269700,"ts":"1755937421370"}]}',
            (
                BookMessage(
                    "BTCUSDT",
                    Delta([("117000.1", "0")], [], 1343064377779269700, prev_id=1343064377779269632),
                    None,
                    1755937421370000,
                ),
            ),
        ),
        Worked("pong", (Alive(),)),
        Worked(
            '{"event":"error","code":30001,"msg":"channel does not exist"}', (Other("error: channel does not exist"),)
        ),
        Worked('{"action":"snapshot","arg":{"topic":"books5","symbol":"BTCUSDT"},"data":[]}', (Other("books5"),)),
    ],
    "bitget-classic": [
        Worked(
            '{"action":"snapshot","arg":{"instType":"SPOT","channel":"books","instId":"BTCUSDT"},"data":[{"asks":['
            '["26274.9","0.0009"]],"bids":[["26274.8","0.0009"]],"checksum":0,"seq":123,"ts":"1695710946294"}],"ts":1695710946294}',
            (
                BookMessage(
                    "BTCUSDT", Snapshot([("26274.8", "0.0009")], [("26274.9", "0.0009")], 123), None, 1695710946294000
                ),
            ),
        ),
        Worked(
            '{"action":"update","arg":{"instType":"SPOT","channel":"books","instId":"BTCUSDT"},"data":[{"asks":[],'
            '"bids":[["26274.8","0"]],"checksum":-12,"seq":130,"ts":"1695710946394"}]}',
            (BookMessage("BTCUSDT", Delta([("26274.8", "0")], [], 130, checksum=-12), None, 1695710946394000),),
        ),
        Worked("pong", (Alive(),)),
    ],
}

BODIES: Final[dict[str, tuple[object, int | None]]] = {
    "binance-spot": ({"lastUpdateId": 7, "bids": [["9", "1"]], "asks": [["10", "2"]]}, 7),
    "binance-usdm": ({"lastUpdateId": 7, "E": 1, "T": 1, "bids": [["9", "1"]], "asks": [["10", "2"]]}, 7),
    "binance-coinm": ({"lastUpdateId": 7, "pair": "X", "bids": [["9", "1"]], "asks": [["10", "2"]]}, 7),
    "bybit": ({"retCode": 0, "result": {"s": "X", "b": [["9", "1"]], "a": [["10", "2"]], "u": 177400507}}, None),
    "okx": (
        {"code": "0", "data": [{"asks": [["10", "2", "0", "1"]], "bids": [["9", "1", "0", "1"]], "ts": "1"}]},
        None,
    ),
    "kraken": ({"error": [], "result": {"XXBTZUSD": {"asks": [["10", "2", 1]], "bids": [["9", "1", 1]]}}}, None),
    "coinbase": (
        {"pricebook": {"bids": [{"price": "9", "size": "1"}], "asks": [{"price": "10", "size": "2"}]}},
        None,
    ),
    "hyperliquid": ({"coin": "X", "time": 5, "levels": [[{"px": "9", "sz": "1"}], [{"px": "10", "sz": "2"}]]}, None),
    "kucoin": ({"code": "200000", "data": {"sequence": "7", "bids": [["9", "1"]], "asks": [["10", "2"]]}}, 7),
    "deribit": ({"result": {"change_id": 7, "bids": [["9", "1"]], "asks": [["10", "2"]]}}, 7),
    "gate": ({"id": 7, "asks": [["10", "2"]], "bids": [["9", "1"]]}, 7),
    "bitget": ({"code": "00000", "data": {"a": [["10", "2"]], "b": [["9", "1"]], "ts": "1"}}, None),
    "bitget-classic": ({"code": "00000", "data": {"asks": [["10", "2"]], "bids": [["9", "1"]], "ts": "1"}}, None),
}
"""A REST answer of every venue, of one level a side, and the id that can be compared with the stream's."""
