"""The one HTTP client: time-outs, retries, waiting that was asked for, bounded bodies, and no secret in any error.

Three things can become of a request, and callers must tell them apart: an answer came (`Answer`, whatever its status);
it certainly never left (`NeverSent`, `Throttled`); or nobody knows whether it was carried out (`AnswerLost`). Only
idempotent requests are repeated.
"""

import random
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from scheduler import __version__
from scheduler.buckets import Buckets, asked_wait_s, is_quota_refusal
from scheduler.core.errors import KwhenError
from scheduler.ports import Clock
from scheduler.redaction import Redactor

T = TypeVar("T")

RETRIED_STATUS = frozenset({408, 425, 500, 502, 503, 504})
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0


class WebError(KwhenError):
    """A request that brought no usable answer. Its text names method and address without query, and no secret."""


class NeverSent(WebError):  # noqa: N818
    """Not one byte of the request left: no name, no connection, no trusted certificate."""


class AnswerLost(WebError):  # noqa: N818
    """It may or may not have been carried out: time-out after sending, connection cut, body too large."""


class Throttled(WebError):  # noqa: N818
    """Not carried out: the bucket is held for `retry_after_s`."""

    def __init__(self, text: str, *, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class NotJson(WebError):  # noqa: N818
    """An answer whose content type or body is not the JSON that was expected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A whole answer, of any status. `what` names the request in error texts."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    what: str

    @property
    def ok(self) -> bool:
        """Tell whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004

    def json(self, kind: type[T] | Any = Any) -> T:
        """Return the body read as JSON of that type.

        Raises:
            NotJson: the content type says otherwise, or the body does not fit. The body is not in the text.
        """
        content_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not (content_type == "application/json" or content_type.endswith("+json")):
            raise NotJson(f"{self.what} answered {self.status} with {content_type or 'no content type'}, not JSON")
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise NotJson(f"{self.what} answered {self.status} with JSON that cannot be read") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class WebLimits:
    """Bounds of one call. Times in seconds; `total_s` covers all attempts and the pauses between them.

    While a connection is kept for later, aiohttp looks at it every `idle_s` of the loop's time: set it high where that
    time is virtual and each look stops it.
    """

    call_s: float = 20.0
    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 45.0
    attempts: int = 3
    body_bytes: int = 8 * 1024 * 1024
    connections_per_host: int = 32
    idle_s: float = 15.0


class WebClient:
    """Owns the one session. Use as `async with`, or call `close()`.

    Names are resolved for every new connection, TLS is always verified, redirects are not followed and cookies not
    kept.

    Args:
        clock: for pauses and for the buckets' times.
        redact: takes secrets out of error texts.
        trace_configs: handed to aiohttp.
        on_hold: told when a bucket is held.
        rng: draws the jitter of pauses.
        resolver: answers names, for tests.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        redact: Redactor | None = None,
        limits: WebLimits | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        on_hold: Callable[[str, datetime], None] | None = None,
        rng: random.Random | None = None,
        resolver: aiohttp.abc.AbstractResolver | None = None,
    ) -> None:
        self.redact = redact or Redactor()
        self.buckets = Buckets(clock, on_hold=on_hold)
        self._clock = clock
        self._limits = limits or WebLimits()
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._traces = [*trace_configs, _progress_trace()]
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session and its connections; a later call opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(
        self,
        method: str,
        url: str,
        *,
        bucket: str,
        idempotent: bool,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        called: str = "",
    ) -> Answer:
        """Make a request and return its answer, whatever its status; repeat it only if it is idempotent.

        Args:
            method: GET, POST, ….
            url: absolute.
            bucket: under which name a refusal for too many requests holds later ones.
            idempotent: it may be carried out twice without harm.
            headers: besides content type and user agent.
            params: the query.
            body: sent as JSON when not None.
            form: sent URL-encoded when not None.
            called: what texts say in the place of the address, where that is a secret itself.

        Raises:
            NeverSent, AnswerLost, Throttled: see there.
        """
        request = _request(method, url, headers=headers, params=params, body=body, form=form, called=called)
        began_ns = self._clock.monotonic_ns()
        attempt = 0
        while True:
            attempt += 1
            outcome: Answer | WebError
            try:
                outcome = await self._attempt(request, bucket)
            except WebError as error:
                outcome = error
            if isinstance(outcome, Answer) and outcome.status not in RETRIED_STATUS:
                return outcome
            pause_s = self._pause_s(attempt, outcome, bucket)
            spent_s = (self._clock.monotonic_ns() - began_ns) / 1e9
            if not idempotent or attempt >= self._limits.attempts or spent_s + pause_s > self._limits.total_s:
                if isinstance(outcome, Answer):
                    return outcome
                raise outcome
            await self._clock.sleep(pause_s)

    def _pause_s(self, attempt: int, outcome: Answer | WebError, bucket: str) -> float:
        if isinstance(outcome, Throttled):
            return outcome.retry_after_s + self._rng.uniform(0.0, 1.0)
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (attempt - 1)) * self._rng.uniform(0.5, 1.5)
        return max(pause_s, self.buckets.wait_s(bucket))

    async def _attempt(self, request: "_Request", bucket: str) -> Answer:
        what = self.redact(request.what)
        if (wait_s := self.buckets.wait_s(bucket)) > 0:
            raise Throttled(f"{what} waits {wait_s:.0f} s as asked for", retry_after_s=wait_s)
        progress = SimpleNamespace(started=False, sent=False)
        async with self._translated(what, progress):
            answer = await self._exchange(request, what, progress)
        if answer.ok:
            self.buckets.went_through(bucket)
            return answer
        refused = is_quota_refusal(answer.status, answer.body)
        if refused or (answer.status == 503 and "Retry-After" in answer.headers):  # noqa: PLR2004
            wait_s = self.buckets.hold(bucket, asked_wait_s(answer.headers, answer.body, now=self._clock.now()))
            if refused:
                raise Throttled(f"{what} answered {answer.status}: wait {wait_s:.0f} s", retry_after_s=wait_s)
        return answer

    async def _exchange(self, request: "_Request", what: str, progress: SimpleNamespace) -> Answer:
        async with self._open().request(
            request.method,
            request.url,
            headers=request.headers,
            params=request.params,
            data=request.content,
            allow_redirects=False,
            trace_request_ctx=progress,
        ) as response:
            body = bytearray()
            async for piece in response.content.iter_chunked(65_536):
                body += piece
                if len(body) > self._limits.body_bytes:
                    response.close()
                    raise AnswerLost(f"{what} answered with more than {self._limits.body_bytes} bytes")
            return Answer(status=response.status, headers=response.headers, body=bytes(body), what=what)

    @asynccontextmanager
    async def _translated(self, what: str, progress: SimpleNamespace) -> AsyncIterator[None]:
        """Turn the library's errors into ours. aiohttp's own texts may hold the address: they are left out."""
        try:
            yield
        except aiohttp.InvalidURL:
            raise NeverSent(f"{what}: not an address") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NeverSent(f"{what}: no connection ({_reason(error)})") from None
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            if progress.started and not progress.sent:
                raise NeverSent(f"{what}: not sent in time ({type(error).__name__})") from None
            raise AnswerLost(f"{what}: no whole answer ({type(error).__name__})") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    use_dns_cache=False,  # a new connection asks again: an address never outlives its TTL (N03)
                    limit_per_host=self._limits.connections_per_host,
                    keepalive_timeout=self._limits.idle_s,
                    resolver=self._resolver,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=self._limits.call_s,
                    connect=2 * self._limits.connect_s,  # with the wait for a place in the pool
                    sock_connect=self._limits.connect_s,
                    sock_read=self._limits.read_s,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"kwhen/{__version__}"},
                trace_configs=self._traces,
            )
        return self._session


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    params: Mapping[str, str] | None
    content: bytes | None
    what: str


def _request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None,
    params: Mapping[str, str] | None,
    body: Any,
    form: Mapping[str, str] | None,
    called: str,
) -> _Request:
    content, own = None, {}
    if body is not None:
        content, own = msgspec.json.encode(body), {"Content-Type": "application/json"}
    elif form is not None:
        content, own = URL.build(query=form).raw_query_string.encode(), {}
        own["Content-Type"] = "application/x-www-form-urlencoded"
    return _Request(
        method=method,
        url=url,
        headers={"Accept": "application/json", **own, **(headers or {})},
        params=params,
        content=content,
        what=called or f"{method} {re.sub('//[^/@]*@', '//', url.partition('?')[0])}",
    )


def _reason(error: Exception) -> str:
    """Return why a connection failed, without addresses."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "certificate not trusted"
    return "time-out" if isinstance(error, TimeoutError) else "refused or unreachable"


def _progress_trace() -> aiohttp.TraceConfig:
    """Note on each request's own object whether its first bytes were handed over."""
    trace = aiohttp.TraceConfig()

    async def started(_session: object, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.started = True

    async def sent(_session: object, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.sent = True

    trace.on_request_start.append(started)
    trace.on_request_headers_sent.append(sent)
    return trace
