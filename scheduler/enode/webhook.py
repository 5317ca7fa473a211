"""The webhook listener: it verifies, stores and answers. Everything else happens later, from the inbox.

A delivery is an array of up to 100 events, signed over its raw bytes. It is answered 2xx only when its events are
durable; any other answer makes Enode send it again.
"""

import asyncio
import hmac
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec
from aiohttp import web

from scheduler.core.errors import ProviderProtocolError, StoreError
from scheduler.core.observation import Stamp
from scheduler.enode import wire
from scheduler.enode.events import known
from scheduler.enode.intake import Intake, Sink
from scheduler.enode.mapping import digest_of
from scheduler.ports import Inbound

PATH: Final = "/webhooks/enode"
SIGNATURE: Final = "x-enode-signature"
LARGEST_BODY: Final = 1024 * 1024
MOST_EVENTS: Final = 100
SHORTEST_SECRET: Final = 16
IN_PROGRESS: Final = 64
STORE_S: Final = 2.5
READ_S: Final = 2.0

Secrets = Callable[[], Sequence[bytes]]
Untrusted = Callable[[bytes, str, Sequence[bytes]], None]


@dataclass(kw_only=True, slots=True)
class WebhookCounters:
    """What came in. `refused` counts answers other than 2xx by their reason, `ignored` unknown events by their name."""

    deliveries: int = 0
    events: int = 0
    stored: int = 0
    unreadable: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    heard_at: datetime | None = None
    """When a signed delivery last came, a heartbeat included: the inbound path is alive."""


class _Vehicle(wire.Wire):
    id: str | None = None


class _Target(wire.Wire):
    target_id: str | None = None
    target_type: str | None = None


class _Envelope(wire.Wire):
    """As much of an event as the inbox needs."""

    event: str | None = None
    version: str | None = None
    user: wire.IdOnly | None = None
    vehicle: _Vehicle | None = None
    vendor_action: _Target | None = None


class Refused(Exception):  # noqa: N818
    """A delivery that is not taken: HTTP status, and the reason that is counted."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def signature_of(body: bytes, secret: bytes) -> str:
    """Return the value of `x-enode-signature` for a body."""
    return "sha1=" + hmac.digest(secret, body, "sha1").hex()


def is_signed(body: bytes, signature: str, secrets: Sequence[bytes]) -> bool:
    """Tell whether the signature is that of one of the secrets. All are tried, each in constant time."""
    given = signature.encode("utf-8", "surrogateescape")
    good = False
    for secret in secrets:
        good |= hmac.compare_digest(signature_of(body, secret).encode(), given)
    return good


def inbound_of(body: bytes, *, received: Stamp, counters: WebhookCounters) -> list[Inbound]:
    """Return a delivery as work for the inbox; unknown and unreadable events are counted and left out.

    Raises:
        Refused: not a JSON array, or one of more than 100.
    """
    try:
        events = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "not an array") from None
    if len(events) > MOST_EVENTS:
        raise Refused(400, "too many events")
    work = []
    for raw in events:
        counters.events += 1
        try:
            envelope = wire.read(_Envelope, raw)
        except ProviderProtocolError:
            counters.unreadable += 1  # sending it again would not make it better
            continue
        if not known(envelope.event, envelope.version):
            name = (envelope.event or "without a name")[:100]
            counters.ignored[name if name in counters.ignored or len(counters.ignored) < MOST_EVENTS else "other"] += 1
            continue
        work.append(
            Inbound(
                kind="event",
                user_id=(envelope.user.id if envelope.user else None) or "",
                vehicle_id=_vehicle_of(envelope),
                payload=bytes(raw),
                received=received,
                key=digest_of(raw),
            )
        )
    return work


def _vehicle_of(envelope: _Envelope) -> str | None:
    if envelope.vehicle is not None:
        return envelope.vehicle.id
    action = envelope.vendor_action
    return action.target_id if action is not None and action.target_type in {"vehicle", None} else None


class Listener:
    """Takes deliveries. See `webhook_app`."""

    def __init__(
        self, *, secrets: Secrets, sink: Sink, stamp: Callable[[], Stamp], max_bytes: int, counters: WebhookCounters
    ) -> None:
        check_secrets(secrets())
        self._secrets = secrets
        self._intake = Intake(sink, count=self._stored, patience_s=lambda: STORE_S)
        self._stamp = stamp
        self._max_bytes = max_bytes
        self._counters = counters
        self.on_untrusted: Untrusted = lambda _body, _signature, _secrets: None
        self._in_progress = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request. The body is never logged and never echoed."""
        if request.method != "POST":
            raise web.HTTPNotFound
        if self._in_progress >= IN_PROGRESS:
            return self._refuse(Refused(503, "too many at once"))
        self._in_progress += 1
        try:
            await self._take(request)
        except Refused as refused:
            return self._refuse(refused)
        finally:
            self._in_progress -= 1
        return web.Response()

    async def _take(self, request: web.Request) -> None:
        body = await self._read(request)
        secrets = [s for s in self._secrets() if len(s) >= SHORTEST_SECRET]
        if not is_signed(body, signature := request.headers.get(SIGNATURE, ""), secrets):
            self.on_untrusted(body, signature, secrets)
            raise Refused(401, "signature")
        received = self._stamp()
        counters = self._counters
        work = inbound_of(body, received=received, counters=counters)
        if work:
            try:
                await self._intake.put(work)
            except (StoreError, TimeoutError):
                raise Refused(503, "store") from None
        counters.deliveries += 1
        counters.heard_at = received.at

    def _stored(self, new: int) -> None:
        self._counters.stored += new

    async def _read(self, request: web.Request) -> bytes:
        """Return the body, read no further than the limit."""
        if (request.content_length or 0) > self._max_bytes:
            raise Refused(413, "too large")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused(415, "encoded")
        if request.content.is_eof():  # it came together with the head, as small ones do
            whole = request.content.read_nowait()
            if len(whole) > self._max_bytes:
                raise Refused(413, "too large")
            return whole
        body = bytearray()
        try:
            async with asyncio.timeout(READ_S):
                async for piece in request.content.iter_any():
                    body += piece
                    if len(body) > self._max_bytes:
                        raise Refused(413, "too large")
        except TimeoutError:
            raise Refused(408, "slow") from None
        except (ConnectionError, web.RequestPayloadError):  # it hung up, or is not framed as it says
            raise Refused(400, "cut off") from None
        return bytes(body)

    def _refuse(self, refused: Refused) -> web.Response:
        self._counters.refused[refused.reason] += 1
        response = web.Response(status=refused.status)
        if refused.status == 503:  # noqa: PLR2004
            response.headers["Retry-After"] = "5"
        if refused.status in {408, 413, 415}:
            response.force_close()  # what is left of the body is not wanted
        return response


def check_secrets(secrets: Sequence[bytes]) -> None:
    """Refuse to listen without a secret that deserves the name (S15).

    Raises:
        ValueError: none, or one of less than 16 bytes.
    """
    if not secrets:
        raise ValueError("a webhook secret is missing: without one anybody could report plugged-in vehicles")
    if any(len(secret) < SHORTEST_SECRET for secret in secrets):
        raise ValueError(f"a webhook secret must have at least {SHORTEST_SECRET} bytes")


def webhook_app(
    *,
    secrets: Secrets,
    sink: Sink,
    stamp: Callable[[], Stamp],
    max_bytes: int = LARGEST_BODY,
    counters: WebhookCounters | None = None,
    on_untrusted: Untrusted = lambda _body, _signature, _secrets: None,
) -> web.Application:
    """Return an application that answers `POST /webhooks/enode`, and everything else with 404.

    Serve it with `access_log=None`.

    Args:
        secrets: those valid now; more than one while a new one takes over. Asked for at every delivery.
        sink: makes the work durable and returns how much of it was new.
        stamp: reads the clocks.
        max_bytes: greatest size of a delivery.
        counters: where to count.
        on_untrusted: gets the body, the signature and the secrets of a delivery whose signature is wrong.

    Raises:
        ValueError: no secret, or one that is too short.
    """
    app = web.Application(client_max_size=max_bytes)
    counters = counters if counters is not None else WebhookCounters()
    listener = Listener(secrets=secrets, sink=sink, stamp=stamp, max_bytes=max_bytes, counters=counters)
    listener.on_untrusted = on_untrusted
    app.router.add_route("*", PATH, listener.handle)
    return app
