"""The access token: fetched once, shared, renewed before it ends and after a 401.

Wrong credentials are not tried again for 15 minutes (P04): Enode's answer would be the same, and the remedy is a
person's.
"""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import urlsplit

from scheduler.core.errors import ProviderProtocolError, ProviderThrottled, ProviderUnauthorized, ProviderUnavailable
from scheduler.enode import wire
from scheduler.ports import Clock
from scheduler.web_client import Answer, Throttled, WebClient, WebError

REFUSED_WAIT_S: Final = 900.0
USELESS_WAIT_S: Final = 60.0
RENEW_BEFORE_S: Final = 60.0
USUAL_LIFE_S: Final = 3_600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Where Enode's API is and who we are there.

    Raises:
        ValueError: an address that is not https; http is taken for this machine only.
    """

    api_url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        for url in (self.api_url, self.token_url):
            if not is_private_enough(url):
                raise ValueError(f"{url}: Enode's addresses must be https (http only on this machine)")

    @classmethod
    def of(cls, environment: str, *, client_id: str, client_secret: str) -> Self:
        """Return the account in "production" or "sandbox"."""
        return cls(
            api_url=f"https://enode-api.{environment}.enode.io",
            token_url=f"https://oauth.{environment}.enode.io/oauth2/token",
            client_id=client_id,
            client_secret=client_secret,
        )


def is_private_enough(url: str) -> bool:
    """Tell whether secrets may travel to the address: https, or this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme != "http" or not parts.hostname:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


class Tokens:
    """Gives the access token to many callers and fetches it once for all of them (P03)."""

    def __init__(self, web: WebClient, account: Account, clock: Clock) -> None:
        self._web = web
        self._account = account
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at_ns = 0
        self._refused_until_ns = 0
        self._refusal = ""
        self.on_refused: Callable[[ProviderUnauthorized], None] = lambda _: None
        self._failed_ns = -1
        self._failure = ""
        web.redact.add(account.client_secret)

    async def get(self) -> str:
        """Return a token that is valid by its own time.

        Raises:
            ProviderUnauthorized: the credentials are refused, now or less than 15 min ago.
            ProviderThrottled, ProviderUnavailable: never ambiguous, since nothing was asked of a vehicle.
        """
        if (token := self._fresh()) is not None:
            return token
        began_ns = self._clock.monotonic_ns()
        async with self._lock:
            if (token := self._fresh()) is not None:
                return token  # fetched while we waited
            if self._clock.monotonic_ns() < self._refused_until_ns:
                raise ProviderUnauthorized(self._refusal)
            if self._failed_ns >= began_ns:
                raise ProviderUnavailable(self._failure)  # it failed while we waited: one attempt for all of us
            try:
                return await self._fetch()
            except ProviderUnavailable as error:
                self._failure, self._failed_ns = str(error), self._clock.monotonic_ns()
                raise

    def reject(self, token: str) -> None:
        """Note that the API refused a token. Of many callers with the same one, the first counts."""
        if token == self._token:
            self._token = None

    def useless(self) -> None:
        """Note that a token was refused although it was just fetched: leave the API alone for a minute."""
        self._token = None
        self._refuse("Enode gave a token and then refused it; check the client's environment", USELESS_WAIT_S)

    def _fresh(self) -> str | None:
        return self._token if self._clock.monotonic_ns() < self._renew_at_ns else None

    def _refuse(self, text: str, wait_s: float) -> None:
        self._refusal = text
        self.on_refused(ProviderUnauthorized(text))
        self._refused_until_ns = self._clock.monotonic_ns() + round(wait_s * 1e9)

    async def _fetch(self) -> str:
        pair = f"{self._account.client_id}:{self._account.client_secret}".encode()
        try:
            answer = await self._web.call(
                "POST",
                self._account.token_url,
                bucket="enode:token",
                idempotent=True,  # a second token harms nobody
                headers={"Authorization": "Basic " + base64.b64encode(pair).decode()},
                form={"grant_type": "client_credentials"},
            )
        except Throttled as error:
            raise ProviderThrottled(str(error), retry_after_s=error.retry_after_s) from error
        except WebError as error:
            raise ProviderUnavailable(str(error)) from error
        if answer.status in {400, 401, 403}:
            text = f"Enode refuses the client's credentials ({answer.status}); check client_id and client_secret"
            self._refuse(text, REFUSED_WAIT_S)
            raise ProviderUnauthorized(text)
        if not answer.ok:
            raise ProviderUnavailable(f"{answer.what} answered {answer.status}")
        return self._keep(answer)

    def _keep(self, answer: Answer) -> str:
        given = wire.read(wire.TokenJson, answer.body)
        if not given.access_token:
            raise ProviderProtocolError(f"{answer.what} answered without a token")
        life_s = given.expires_in if given.expires_in and given.expires_in > 0 else USUAL_LIFE_S
        keep_s = max(life_s - RENEW_BEFORE_S, life_s / 2)
        self._renew_at_ns = self._clock.monotonic_ns() + round(min(keep_s, 86_400.0) * 1e9)
        self._token = given.access_token
        self._web.redact.add_passing(given.access_token)
        return given.access_token
