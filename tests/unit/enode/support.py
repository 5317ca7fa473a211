"""An Enode that answers what a test lays out for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aioresponses import CallbackResult

from scheduler.core.observation import Stamp
from scheduler.enode.client import EnodeClient
from scheduler.enode.connection import Connection
from scheduler.enode.provider import EnodeProvider
from scheduler.enode.tokens import Account
from scheduler.web_client import WebClient
from tests.aioresponses_shim import answers
from tests.web_support import StepClock

API = "https://enode-api.sandbox.enode.io"
TOKEN = "https://oauth.sandbox.enode.io/oauth2/token"
SECRET = "client-secret-0123456789"
NO_BODY = object()


class Enode:
    """`told` are the requests as (method, path, body); tokens are given out as token-1, token-2, …."""

    def __init__(self, mocked, clock, web) -> None:
        self.mocked = mocked
        self.clock = clock
        self.web = web
        self.connection = Connection(web, Account.of("sandbox", client_id="me", client_secret=SECRET), clock)
        self.client = EnodeClient(self.connection)
        self.provider = EnodeProvider(
            self.client, stamp=lambda: Stamp(at=clock.now(), mono_ns=clock.monotonic_ns(), run=1)
        )
        self.tokens = 0

    def gives_tokens(self, *, life_s=3599) -> None:
        def give(_url, **_request):
            self.tokens += 1
            token = {"access_token": f"token-{self.tokens}", "expires_in": life_s, "token_type": "bearer"}
            return CallbackResult(status=200, payload=token)

        self.mocked.post(TOKEN, callback=give, repeat=True)

    def answers(self, method, path, *, times=1, **answer) -> None:
        answer.setdefault("content_type", "application/json")
        for _ in range(times):
            self.mocked.add(API + path, method=method, **answer)

    @property
    def told(self):
        """What was asked, in order, without the token requests."""
        calls = [(key, call) for key, made in self.mocked.requests.items() for call in made]
        return [(key[0], key[1].path, call.kwargs) for key, call in calls if str(key[1]) != TOKEN]


@asynccontextmanager
async def enode(*, tokens: bool = True) -> AsyncIterator[Enode]:
    clock = StepClock()
    with answers() as mocked:
        async with WebClient(clock) as web:
            provider = Enode(mocked, clock, web)
            if tokens:
                provider.gives_tokens()
            yield provider
