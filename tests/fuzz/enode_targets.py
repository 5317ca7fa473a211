"""What Enode sends: answers of its API, and deliveries to the webhook listener."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache, partial
from typing import Any

import msgspec

from scheduler.core.command import Action
from scheduler.core.errors import ProviderError, ProviderProtocolError
from scheduler.core.observation import Reading, Source
from scheduler.enode.client import EnodeClient
from scheduler.enode.connection import Connection
from scheduler.enode.events import read_event
from scheduler.enode.mapping import action_of, card_of, charger_of, digest_of, reading_of
from scheduler.enode.tokens import Account
from scheduler.enode.values import ChargerClaim
from scheduler.enode.webhook import LARGEST_BODY, PATH, SIGNATURE, WebhookCounters, signature_of, webhook_app
from scheduler.ports import Inbound
from scheduler.redaction import Redactor
from scheduler.web_client import Answer
from storage import mapping
from tests.fuzz.http_wire import Served
from tests.fuzz.seeds import dumped, examples, headed
from tests.fuzz.target import Target
from tests.unit.enode import printed
from tests.web_support import NOON, RECEIVED, StepClock

SECRET = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def storable(value: object) -> None:
    """Assert that a value can be written: a lone surrogate in a text of theirs, say, cannot."""
    try:
        msgspec.json.encode(value)
    except (UnicodeEncodeError, TypeError, ValueError) as error:
        raise AssertionError(f"cannot be stored: {type(error).__name__}") from error


# --- vehicles, chargers, actions, events ------------------------------------------------------------------------------


def _vehicle(data: bytes) -> None:
    reading = reading_of(data, source=Source.POLL, received=RECEIVED)
    assert mapping.decode_reading(mapping.encode_reading(reading)) == reading, "a reading does not come back"
    storable(card_of(data))
    assert len(digest_of(data)) == 64


def _charger(data: bytes) -> None:
    storable(charger_of(data, received_at=NOON))


def _action(data: bytes) -> None:
    report = action_of(data, received_at=NOON)
    assert mapping.decode_report(mapping.encode_report(report)) == report, "a report does not come back"


def _event(data: bytes) -> None:
    news = read_event(data, RECEIVED)
    storable(news)
    if isinstance(news, Reading):
        assert mapping.decode_reading(mapping.encode_reading(news)) == news, "a reading does not come back"
    elif getattr(news, "what", "") == "charger-updated":
        ChargerClaim.load(news.detail)


def _events() -> list[bytes]:
    made = dumped(
        {"event": "user:vehicle:updated", "version": "2024-10-01", "user": {"id": "u"}, "vehicle": {"id": "v"}},
        {"event": "user:charger:updated", "user": {"id": "u"}, "charger": {"id": "c", "chargeState": {}}},
        {"event": "user:charger:deleted", "charger": {"id": "c"}},
        {
            "event": "user:vehicle:smart-charging-status-updated",
            "smartChargingStatus": {"vehicleId": "v", "state": "X"},
        },
        {"event": "user:schedule:execution-updated", "schedule": {"id": "s", "targetId": "v", "targetType": "vehicle"}},
        {"event": "user:vendor-action:updated", "vendorAction": {"id": "a", "targetId": "v", "state": "CONFIRMED"}},
        {"event": "user:credentials:invalidated", "vendor": "TESLA", "user": {"id": "u"}},
        {"event": "system:heartbeat"},
    )
    told = [json.loads(text) for text in examples("webhook-delivery-*.json")]
    return made + dumped(*(one for batch in told if isinstance(batch, list) for one in batch))


# --- answers of the API, through the client ---------------------------------------------------------------------------


class _AnsweringWeb:
    """The web client of a provider that answers everything alike."""

    def __init__(self, body: bytes, status: int, content_type: str, *, token: bool) -> None:
        self.redact = Redactor()
        self._answer = {"status": status, "headers": {"Content-Type": content_type}, "body": body}
        self._token = token

    async def call(self, method: str, url: str, **_: Any) -> Answer:
        if url.endswith("/token") and not self._token:
            body = b'{"access_token":"token-of-nobody","expires_in":3599}'
            return Answer(status=200, headers={"Content-Type": "application/json"}, body=body, what=f"{method} {url}")
        return Answer(**self._answer, what=f"{method} {url}")


async def _all(found: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in found]


async def _read_vehicles(client: EnodeClient) -> list[Any]:
    found = await client.vehicles()
    return [_or_error(card_of, one) for one in found]


async def _read_chargers(client: EnodeClient) -> list[Any]:
    found = await client.chargers()
    return [_or_error(partial(charger_of, received_at=NOON), one) for one in found]


def _or_error(read: Callable[[Any], Any], one: msgspec.Raw) -> Any:
    try:
        return read(one)
    except ProviderProtocolError as error:
        return str(error)


CALLS: tuple[Callable[[EnodeClient], Awaitable[Any]], ...] = (
    _read_vehicles,
    _read_chargers,
    lambda client: client.users(),
    lambda client: client.user("u"),
    lambda client: client.vehicle("v"),
    lambda client: client.charger("c"),
    lambda client: client.action("a"),
    lambda client: client.charge("v", Action.START),
    lambda client: client.cancel("a"),
    lambda client: client.schedules("u"),
    lambda client: client.switch_off_schedule("s"),
    lambda client: client.smart_charging_enabled("v"),
    lambda client: client.locations(),
    lambda client: client.location("l"),
    lambda client: client.interventions(),
    lambda client: client.intervention("i"),
    lambda client: client.link("u", {}),
    lambda client: client.webhooks(),
    lambda client: client.create_webhook({}),
    lambda client: client.test_webhook("w"),
    lambda client: client.vendor_health(),
    lambda client: client.ready(),
)
STATUSES = (200, 200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 409, 422, 500, 503)
TYPES = ("application/json", "application/json", "application/problem+json; charset=utf-8", "text/html", "")
TOKEN = len(CALLS)


def _answer(data: bytes) -> None:
    """First byte: the call, or the fetching of a token; second: status and content type; then the body."""
    call, how = (*data[:2], 0, 0)[:2]
    call %= TOKEN + 1
    status, kind = STATUSES[how % len(STATUSES)], TYPES[how // 16 % len(TYPES)]
    web: Any = _AnsweringWeb(data[2:], status, kind, token=call == TOKEN)
    account = Account(
        api_url="https://api.test", token_url="https://api.test/token", client_id="a", client_secret="b" * 9
    )
    client = EnodeClient(Connection(web, account, StepClock()))
    storable(driven(CALLS[call % TOKEN](client)))


def driven(work: Awaitable[Any]) -> Any:
    """Return what a coroutine returns that has nothing to wait for: without a loop it is much quicker."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as done:
        return done.value
    raise RuntimeError("it waits for something")


def _answers() -> list[bytes]:
    page = {"data": [{"id": "v", "userId": "u"}], "pagination": {"after": None, "before": None}}
    made = dumped(
        page,
        [{"id": "v"}],
        {"access_token": "t" * 20, "expires_in": 3599},
        {"linkUrl": "https://link.test/x", "linkToken": "t"},
        {"isEnabled": True},
        {"id": "s", "targetId": "v", "targetType": "vehicle", "isEnabled": True, "rules": [{"hourMinute": {}}]},
        {"id": "i", "vendor": "TESLA", "resolution": {"title": "t", "description": "d", "access": "Remote"}},
        {"id": "w", "url": "https://x.test", "events": ["*"], "isActive": True, "authentication": {"headerName": "a"}},
        {"title": "no", "detail": "nothing", "status": 400},
        [{"vendor": "TESLA", "displayName": "Tesla", "status": "READY", "linkingStatus": "READY"}],
        {"id": "l", "name": "home", "latitude": 59.9, "longitude": 10.7, "timezoneName": "Europe/Oslo"},
    )
    made += [body for body in examples("*.json") if len(body) < 4000]
    heads = [bytes([call, 0]) for call in range(TOKEN + 1)]
    return [heads[n % len(heads)] + body for n, body in enumerate(made)] + [head + made[0] for head in heads]


# --- the webhook listener ---------------------------------------------------------------------------------------------


@cache
def _listener() -> Served:
    return Served(webhook_app(secrets=lambda: [SECRET], sink=_sink, stamp=lambda: RECEIVED, counters=WebhookCounters()))


async def _sink(work: list[Inbound]) -> int:
    """Take what the store would take, and read it as the loop does later."""
    for one in work:
        for text in (one.user_id, one.vehicle_id or "", one.key or ""):
            storable(text)
        try:
            storable(read_event(one.payload, one.received))
        except ProviderProtocolError:
            continue
    return len(work)


def _signed(how: int, body: bytes, secret: bytes) -> bytes:
    """Return the header lines of a delivery: mostly well signed, else in one of the ways to do it wrong."""
    good = signature_of(body, secret)
    wrong = (
        good.upper(), good[:-1], good[5:], "", "sha1=" + "0" * 40, "sha256=" + good[5:], f" {good} ", good + "\x7f", "é" * 20, "\x80\xff",
        signature_of(body, b"another-secret-of-32-characters!"), good + ", " + good, "sha1=" * 1000,
    )  # fmt: skip
    told = good if how < 192 else wrong[how % len(wrong)]
    return f"{SIGNATURE}: {told}\r\n".encode("latin-1") if how != 255 else b""


LENGTHS = (
    lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
    lambda body: b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"Content-Length: 0\r\n\r\n",
    lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body) + 10, body),
    lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body) // 2, body),
    lambda body: b"Content-Length: %d\r\n\r\n%b" % (LARGEST_BODY + 1, body),
    lambda body: b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
    lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + body,
    lambda body: b"Content-Type: text/plain; charset=nothing\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
    lambda body: b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
    lambda body: body,
)  # fmt: skip
METHODS = (
    b"POST",
    b"POST",
    b"POST",
    b"POST",
    b"POST",
    b"POST",
    b"GET",
    b"PUT",
    b"OPTIONS",
    b"HEAD",
    b"CONNECT",
    b"\x00",
)


def delivery(data: bytes, secret: bytes = SECRET) -> bytes:
    """Return an input as a request. First byte: how it is signed; second: method and framing; then the body."""
    how, framed = (*data[:2], 0, 0)[:2]
    body = data[2:]
    lengths = LENGTHS[0] if framed < 128 else LENGTHS[framed % len(LENGTHS)]
    method = METHODS[framed % len(METHODS)] if framed >= 64 else b"POST"
    head = b"%b %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%b" % (method, PATH.encode(), _signed(how, body, secret))
    return head + lengths(body)


def _delivered(data: bytes) -> None:
    how, framed = (*data[:2], 0, 0)[:2]
    answer = _listener().asked(delivery(data))
    if framed < 64 and how < 192 and answer[9:12] not in {b"200", b"400"}:
        raise AssertionError(f"a well signed delivery was answered {answer[:40]!r}")
    if framed < 64 and how >= 193 and answer[9:12] == b"200" and how % 13 != 6:
        raise AssertionError("a delivery that was not signed was taken")


def deliveries() -> list[bytes]:
    batches = [b"[" + one + b"]" for one in _events()] + examples("webhook-delivery-*.json")
    batches += [
        b"[]",
        b"[" + b",".join(_events()[:8]) + b"]",
        b"[" + b",".join([b'{"event":"system:heartbeat"}'] * 101) + b"]",
    ]
    return headed(batches, b"\x00\x00") + headed(
        batches[:2], b"\xff\x00", b"\xc1\x00", b"\x00\x81", b"\x00\x82", b"\x00\x41"
    )


TARGETS = (
    Target(
        name="enode-vehicle",
        run=_vehicle,
        seeds=lambda: [
            printed.without_comments(printed.VEHICLE),
            *dumped({"id": "v"}),
            *examples("vehicle-[!l]*.json"),
        ],
        expected=(ProviderProtocolError,),
        cost=1.5,
    ),
    Target(
        name="enode-charger",
        run=_charger,
        seeds=lambda: [
            printed.without_comments(printed.CHARGER),
            *dumped({"id": "c"}),
            *examples("charger-[!l]*.json"),
        ],
        expected=(ProviderProtocolError,),
    ),
    Target(
        name="enode-action",
        run=_action,
        seeds=lambda: [
            *dumped({"id": "a", "targetId": "v", "targetType": "vehicle", "kind": "START", "state": "PENDING"}),
            *dumped({"id": "a", "state": "FAILED", "failureReason": {"type": "NO_RESPONSE", "detail": "x"}}),
            *examples("*action*.json"),
        ],
        expected=(ProviderProtocolError,),
    ),
    Target(name="enode-event", run=_event, seeds=_events, expected=(ProviderProtocolError,)),
    Target(name="enode-answer", run=_answer, seeds=_answers, expected=(ProviderError,), head=2, cost=1.5),
    Target(name="webhook", run=_delivered, seeds=deliveries, expected=(), head=2, cost=4.0),
)
