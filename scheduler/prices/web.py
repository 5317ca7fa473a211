"""The one HTTP client as price sources see it: every outcome is one of the three that a fetch may have."""

from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec
from yarl import URL

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.web_client import Answer, Throttled, WebClient, WebError

T = TypeVar("T")

NO_CONTENT = 204
REFUSALS = range(300, 500)
"""A redirection is one too: what has moved must be told to us, since a token must not follow."""


class SourceWeb:
    """Fetches for one price source (the `Web` of the ports).

    Args:
        client: the one client.
        token: the source's secret, empty where none is set.
        token_at: where it may be put, for who has to mend it.
    """

    def __init__(self, client: WebClient, *, token: str = "", token_at: str = "") -> None:
        self._client = client
        self._token = token
        self._token_at = token_at

    def token(self) -> str:
        """Return the source's secret. Raises `PricesRefused` when none is set."""
        if not self._token:
            raise PricesRefused(f"it wants a token: set {self._token_at}")
        return self._token

    async def json(
        self,
        url: str,
        kind: type[T],
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        absent: Collection[int] = (),
    ) -> T:
        """Return the answer's JSON as that type. Raises `PricesUnavailable` when it does not fit."""
        answer = await self._answer(url, params=params, headers=headers, body=body, absent=absent)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.ValidationError as error:
            raise PricesUnavailable(f"{answer.what} answered something else than expected: {error}") from None
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise PricesUnavailable(f"{answer.what} answered {answer.status} with what is no JSON") from None

    async def raw(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        but: Collection[int] = (),
    ) -> bytes:
        """Return the answer's body as it came; also that of the error statuses in `but`."""
        headers = {"Accept": "*/*", **(headers or {})}
        return (await self._answer(url, params=params, headers=headers, but=but)).body

    async def _answer(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: object = None,
        but: Collection[int] = (),
        absent: Collection[int] = (),
    ) -> Answer:
        bucket = f"prices:{URL(url).host}"
        method = "GET" if body is None else "POST"
        try:
            answer = await self._client.call(
                method, url, bucket=bucket, idempotent=True, params=params, headers=headers, body=body
            )
        except Throttled as error:
            raise PricesUnavailable(str(error), retry_after_s=error.retry_after_s) from None
        except WebError as error:
            raise PricesUnavailable(str(error)) from None
        if answer.status == NO_CONTENT or answer.status in absent:
            raise PricesNotPublished(f"{answer.what} answered that there is nothing yet")
        if not answer.ok and answer.status not in but:
            raise self._refusal(answer) if answer.status in REFUSALS else PricesUnavailable(_told(answer))
        return answer

    def _refusal(self, answer: Answer) -> PricesRefused:
        if answer.status in (401, 403):
            which = "look at the token" if self._token else "it may want a token"
            return PricesRefused(f"{_told(answer)}: {which} ({self._token_at})")
        if answer.status < 400:  # noqa: PLR2004 - a redirection
            return PricesRefused(f"{_told(answer)}: the service has moved; set url to its new address")
        return PricesRefused(f"{_told(answer)}: look at the settings of this source")


def _told(answer: Answer) -> str:
    return f"{answer.what} answered {answer.status}"
