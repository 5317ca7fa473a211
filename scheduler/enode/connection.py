"""One authorised request to Enode, and what each status means to the caller."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import msgspec

from scheduler.core.errors import (
    CommandRejected,
    NotFound,
    ProviderProtocolError,
    ProviderThrottled,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from scheduler.enode import wire
from scheduler.enode.events import API_VERSION
from scheduler.enode.mapping import LONGEST_DETAIL, clean
from scheduler.enode.tokens import Account, Tokens
from scheduler.ports import Clock
from scheduler.web_client import Answer, AnswerLost, NeverSent, NotJson, Throttled, WebClient, WebError

PAGE_SIZE: Final = 50
PAGES: Final = 2_000
PARALLEL: Final = 6
COMMANDS: Final = 24
"""Commands under way at once: at a change of the price many cars of a fleet have theirs, and each is sent only once."""

READS_PER_S: Final = 20.0


class Lane(StrEnum):
    """Requests that are held apart: what holds reading does not hold commands (S23)."""

    READ = "read"
    COMMAND = "command"
    WAKE = "wake"
    MANAGE = "manage"


class Connection:
    """Sends requests of an account: token, version, few at once, reads at an even pace.

    Args:
        web: the HTTP client.
        account: addresses and credentials.
        clock: the daemon's clock.
        parallel: how many requests of one lane may be under way at once.
        commands: the same of commands.
        reads_per_s: greatest rate of reads.
    """

    def __init__(
        self,
        web: WebClient,
        account: Account,
        clock: Clock,
        *,
        parallel: int = PARALLEL,
        commands: int = COMMANDS,
        reads_per_s: float = READS_PER_S,
        on_refused: Callable[[ProviderUnauthorized], None] = lambda _: None,
    ) -> None:
        self._web = web
        self._account = account
        self._clock = clock
        self._tokens = Tokens(web, account, clock)
        self._tokens.on_refused = on_refused
        self._lanes = {lane: asyncio.Semaphore(commands if lane is Lane.COMMAND else parallel) for lane in Lane}
        self._read_gap_ns = round(1e9 / reads_per_s)
        self._next_read_ns = 0

    async def request(
        self,
        method: str,
        path: str,
        *,
        lane: Lane,
        subject: str = "",
        idempotent: bool | None = None,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        conflict_answers: bool = False,
        leaves_within_s: float | None = None,
    ) -> Answer:
        """Make a request and return its 2xx answer.

        Args:
            method: GET, POST, ….
            path: begins with a slash; ids in it are quoted by `at`.
            lane: which requests share limits with it.
            subject: the vehicle (or charger) it is about, whose own limit holds nobody else's requests.
            idempotent: by default, whether the method is GET, PUT or DELETE.
            params: the query.
            body: sent as JSON.
            conflict_answers: a 409 is a good answer too.
            leaves_within_s: it is not sent when its turn, or a token, comes later than this.

        Raises:
            ProviderThrottled: it was not sent, since its turn came too late.
            ProviderError: by what the caller should do next.
        """
        safe = method in {"GET", "PUT", "DELETE"} if idempotent is None else idempotent
        asked_ns = self._clock.monotonic_ns()

        async def sent(token: str) -> Answer:
            waited_s = (self._clock.monotonic_ns() - asked_ns) / 1e9
            if leaves_within_s is not None and waited_s > leaves_within_s:
                text = f"{method} {path}: its turn came after {waited_s:.0f} s, too late to be sent"
                raise ProviderThrottled(text, retry_after_s=leaves_within_s)
            return await self._send(
                method, path, token, lane=lane, subject=subject, idempotent=safe, params=params, body=body
            )

        async with self._lanes[lane]:
            if lane is Lane.READ:
                await self._pace()
            token = await self._tokens.get()
            answer = await sent(token)
            if answer.status == 401:  # noqa: PLR2004 - not carried out, so it may be repeated, once
                self._tokens.reject(token)
                token = await self._tokens.get()
                answer = await sent(token)
                if answer.status == 401:  # noqa: PLR2004
                    self._tokens.useless()
                    raise ProviderUnauthorized(f"{answer.what} answered 401 to a token just fetched")
        if conflict_answers and answer.status == 409:  # noqa: PLR2004
            return answer
        return self._judged(answer, idempotent=safe)

    async def pages(
        self, path: str, *, lane: Lane = Lane.READ, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[msgspec.Raw]:
        """Yield the objects of a list, all pages, in the order of the API.

        Raises:
            ProviderProtocolError: no list, a cursor that comes again, or more than 2,000 pages.
            ProviderError: as `request`.
        """
        query = {"pageSize": str(PAGE_SIZE), **(params or {})}
        seen: set[str] = set()
        while True:
            answer = await self.request("GET", path, lane=lane, params=query)
            objects, after = _page(answer)
            for one in objects:
                yield one
            if not after:
                return
            if after in seen or len(seen) >= PAGES:
                raise ProviderProtocolError(f"{answer.what}: the list does not end")
            seen.add(after)
            query["after"] = after

    async def _pace(self) -> None:
        """Wait for this read's turn."""
        now_ns = self._clock.monotonic_ns()
        turn_ns = max(now_ns, self._next_read_ns)
        self._next_read_ns = turn_ns + self._read_gap_ns
        if turn_ns > now_ns:
            await self._clock.sleep((turn_ns - now_ns) / 1e9)

    async def _send(
        self,
        method: str,
        path: str,
        token: str,
        *,
        lane: Lane,
        subject: str,
        idempotent: bool,
        params: Mapping[str, str] | None,
        body: Any,
    ) -> Answer:
        try:
            return await self._web.call(
                method,
                self._account.api_url.rstrip("/") + path,
                bucket=f"enode:{lane}:{subject}" if subject else f"enode:{lane}",
                idempotent=idempotent,
                headers={"Authorization": f"Bearer {token}", "Enode-Version": API_VERSION},
                params=params,
                body=body,
            )
        except Throttled as error:
            raise ProviderThrottled(str(error), retry_after_s=error.retry_after_s) from error
        except NeverSent as error:
            raise ProviderUnavailable(str(error)) from error
        except (AnswerLost, WebError) as error:
            raise ProviderUnavailable(str(error), ambiguous=not idempotent) from error

    def _judged(self, answer: Answer, *, idempotent: bool) -> Answer:
        """Return an answer that is good, and raise what another one means."""
        if answer.ok:
            return answer
        reason = self._web.redact(_reason(answer))
        text = f"{answer.what} answered {answer.status}: {reason}" if reason else f"{answer.what} said {answer.status}"
        match answer.status:
            case 404 | 410:
                raise NotFound(text)
            case 408 | 425:
                raise ProviderUnavailable(text, ambiguous=not idempotent)
            case status if status >= 500:  # noqa: PLR2004 - a gateway may answer after the request was carried out
                raise ProviderUnavailable(text, ambiguous=not idempotent)
            case status if status >= 400:  # noqa: PLR2004
                raise CommandRejected(text, status=status, reason=reason)
        error = ProviderProtocolError(text)
        error.ambiguous = not idempotent
        raise error


def at(*parts: str) -> str:
    """Return a path of parts, each quoted: an id can never become another path.

    Raises:
        ProviderProtocolError: a part that is empty or that means another folder.
    """
    if any(part in {"", ".", ".."} for part in parts):
        raise ProviderProtocolError("an id that is empty or a dot")
    return "/" + "/".join(quote(part, safe="") for part in parts)


def object_of(answer: Answer) -> bytes:
    """Return the JSON of an answer.

    Raises:
        ProviderProtocolError: not JSON by its content type or its first character.
    """
    content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not (content_type == "application/json" or content_type.endswith("+json")):
        raise ProviderProtocolError(f"{answer.what} answered {answer.status} with {content_type or 'no content type'}")
    return answer.body


def objects_of(answer: Answer) -> list[msgspec.Raw]:
    """Return the members of a plain JSON array, unread."""
    return _page(answer)[0]


def _page(answer: Answer) -> tuple[list[msgspec.Raw], str | None]:
    body = object_of(answer)
    if body.lstrip()[:1] == b"[":  # plain arrays: a few calls, and all lists of older versions
        try:
            return answer.json(list[msgspec.Raw]), None
        except NotJson as error:
            raise ProviderProtocolError(str(error)) from error
    page = wire.read(wire.Page, body)
    if page.data is None or "pagination" in page.spoilt:
        raise ProviderProtocolError(f"{answer.what} answered without a list")
    return page.data, page.pagination.after if page.pagination else None


def _reason(answer: Answer) -> str:
    """Return the provider's words in an error body, empty when there are none."""
    try:
        problem = wire.read(wire.ProblemJson, object_of(answer))
    except ProviderProtocolError:
        return ""
    return clean(problem.detail or problem.message or problem.title or problem.error, LONGEST_DETAIL)
