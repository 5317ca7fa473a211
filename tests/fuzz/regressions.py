"""Inputs that once were findings, made small: each was answered by an error that nobody foresaw, and must not be again."""

import json
from typing import Any

DEEP = b"[" * 5000 + b"]" * 5000
EARLY, LATE = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"


def _json(value: Any, head: bytes = b"\x00") -> bytes:
    return head + json.dumps(value).encode()


def _amber(start: str, end: str) -> Any:
    return [{"type": "ActualInterval", "channelType": "general", "startTime": start, "endTime": end, "perKwh": 1.0}]


def _file(*, zone: str = "NO1", start: str = "2026-01-05T11:00:00Z", end: str = "2026-01-05T12:00:00Z") -> Any:
    slots = [{"start": start, "end": end, "price": 1.0}]
    return {"currency": "EUR", "unit": "EUR/kWh", "zone": zone, "slots": slots}


REGRESSIONS: tuple[tuple[str, bytes], ...] = (
    # Half of a character in an id: it was read, and nothing could store it.
    ("enode-charger", rb'{"id":"c\ud800"}'),
    ("enode-action", rb'{"id":"\ud800","state":"PENDING"}'),
    ("enode-event", rb'{"event":"user:vehicle:updated","user":[],"vehicle":{"id":"\ud800"}}'),
    ("enode-vehicle", rb'{"id":"v","isReachable":1,"capabilities":{"a\ud800":{"interventionIds":["x"]}}}'),
    # A schedule that is none, when it was to be switched off.
    ("enode-answer", b"\x0a\x00[1"),
    ("enode-answer", b"\x0a\x000.3"),
    # Instants at the edge of the calendar, and numbers that are no instant.
    ("prices-amber", _json(_amber(EARLY, "2026-01-05T11:30:00Z"))),
    ("prices-amber", _json(_amber("2026-01-05T11:00:00Z", "9999-12-31T23:59:59-12:00"))),
    ("prices-awattar", _json({"data": [{"start_timestamp": 10**17, "end_timestamp": 1, "unit": "EUR/MWh", "marketprice": 1}]})),
    ("prices-easyenergy", _json({"prices": [{"from": "0001-01-01T00:00:00", "price": 1, "priceIncVat": 1, "invoicePrice": 1, "granularity": "quarter", "unit": "kWh"}]})),
    ("prices-electricity-maps", _json({"datetime": LATE, "carbonIntensity": 1.0, "history": [], "forecast": []})),
    ("prices-energy-charts", _json({"unix_seconds": [1767610800, 253402300800], "price": [1, 2], "unit": "EUR/MWh"})),
    ("prices-energy-charts", _json({"unix_seconds": [10**60], "price": [1], "unit": "EUR/MWh"})),
    ("prices-energy-charts", _json({"unix_seconds": [1767610800, 176762166600], "price": [1, 2], "unit": "EUR/MWh"})),
    ("prices-energyzero", _json({"base_with_vat": [{"start": "2026-01-05T11:00:00Z", "end": 253402300800, "price": {"value": "1"}}]})),
    ("prices-energyzero", b"\x00" + b'{"x":' + DEEP + b"}"),
    ("prices-smard", _json({"timestamps": [1767567600000], "series": [[1767613500000000, 1.5]]})),
    ("prices-file", _json(_file(start=EARLY), b"\x05")),
    ("prices-file", b"\x05" + DEEP),
    ("prices-file", _json(_file(end=LATE), b"\x05")),  # beyond what a store can hold
    ("prices-file", _json(_file(zone="\ud800"), b"\x05")),
    # An answer that is no UTF-8 below its first member; an expression that is given what its function does not take.
    ("prices-tibber", b'\x00{"data":{"viewer":{"h\xefmes":[]}}}'),
    ("prices-url", _json({"rows": [{"price": "11"}]}, b"\x04")),
    # What is nested without end, numbers without end, and text that is none.
    ("configuration", b"a = " + b"9" * 5000),
    ("configuration", b"a = " + DEEP),
    ("configuration", b"a." * 2000 + b"a = 1"),
    ("journal", b"\xfe"),
    ("journal", DEEP),
    ("journal", b'{"seq":1,"t":1e999,"m":0,"run":"r","node":"n","k":"SEND","v":"car","cmd":"a","act":"START"}'),
    ("stored-row", b"\x01" + b'{"a":' * 5000 + b"1" + b"}" * 5000),
    # A latitude of hundreds of digits: it could not be written into the sentence that refuses it.
    ("configuration", b"[[home]]\nlongitude = 1\nlatitude = " + b"9" * 400),
    ("home-table", b'{"longitude":1,"latitude":' + b"9" * 400 + b"}"),
    # An expression nested beyond what its parser can follow.
    ("configuration", b'[[prices]]\nname = "a"\nsource = "url"\nurl = "https://x.test/{date}"\nrows = "@"\nstart = "a"\nunit = "EUR/MWh"\ncurrency = "EUR"\nprice = "' + b"[" * 2000 + b'"'),
    # A setting that is null, which a file cannot say.
    ("home-table", b'{"id":"hytta","user_id":"u","max_kw":11.0,"location_id":"l","charger_ids":["c"],"timezone":"Europe/Oslo","vehicle":[{"id":"v9","capacity_kwh":60.0}],"policy":[{"name":"ready-by","at":"07:30","soc_pct":null}]}'),
    # The name of a time zone of a thousand parts: the search for it went too deep.
    ("calendar", b"BEGIN:VCALENDAR\r\nX-WR-TIMEZONE:" + b"a." * 2000 + b"\r\nEND:VCALENDAR\r\n"),
    # Bodies of requests: nested without end, in a charset that nobody knows, and not compressed as they say.
    ("http-api", b"\x17\x01" + DEEP),
    ("http-api", b"\x17\x02{}"),
    ("http-api", _json({"id": "hytta", "user_id": "u", "timezone": "Europe/Oslo"}, b"\x17\x0b")),
)  # fmt: skip
