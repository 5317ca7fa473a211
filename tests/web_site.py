"""The dashboard over TCP, and browsers that may or may not be logged in to it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from argon2 import PasswordHasher
from yarl import URL

from scheduler.http.web.app import web_app
from scheduler.http.web.passwords import Passwords
from scheduler.http.web.sessions import COOKIE
from tests.web_support import serving

PASSWORD = "a long enough password"
TOKEN = "the token of a program"
HOSTS = ("127.0.0.1", "localhost")
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Not for guarding anything: it only saves the tests their time."""


class Site:
    """A served dashboard. `visitor` has a cookie jar of its own; `origin` is what its own pages have as Origin."""

    def __init__(self, origin: str, passwords: Passwords, visitor: aiohttp.ClientSession) -> None:
        self.origin = origin
        self.passwords = passwords
        self.visitor = visitor

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        """Return status and text; redirects are not followed."""
        async with self.visitor.get(f"{self.origin}{path}", allow_redirects=False, **options) as answer:
            return answer.status, await answer.text()

    async def page(self, path: str) -> str:
        """Return a page that must be there."""
        status, text = await self.get(path, headers={"Accept": "text/html"})
        assert status == 200, (path, status, text[:500])
        return text

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> aiohttp.ClientResponse:
        """Send a form as a page of the site would, but for the headers that are given ("" leaves one out)."""
        sent = {"Origin": self.origin, "Accept": "text/html"} | headers
        kept = {name: value for name, value in sent.items() if value}
        answer = await self.visitor.post(f"{self.origin}{path}", data=fields, headers=kept, allow_redirects=False)
        await answer.read()
        return answer

    async def log_in(self, password: str = PASSWORD) -> aiohttp.ClientResponse:
        """Log in."""
        return await self.post("/login", {"password": password})

    async def csrf(self) -> str:
        """Return the token that the forms of this visitor have."""
        found = re.search(r'name="csrf" content="([^"]+)"', await self.page("/settings"))
        assert found is not None
        return found[1]

    def bring(self, session_id: str | None) -> None:
        """Have the visitor bring along another session's id."""
        self.visitor.cookie_jar.update_cookies({COOKIE: session_id or ""}, URL(self.origin))

    @property
    def cookie(self) -> str | None:
        """The session's id, as the visitor keeps it."""
        return next((c.value for c in self.visitor.cookie_jar if c.key == COOKIE), None)


@asynccontextmanager
async def site_of(
    daemon: Any, *, password: str | None = PASSWORD, redact: Any = str, hosts: tuple[str, ...] = HOSTS
) -> AsyncIterator[Site]:
    """Serve the dashboard of a daemon and yield it with a visitor that is not logged in."""
    passwords = Passwords(daemon.store, QUICK)
    if password is not None:
        await passwords.put(password)
    app = web_app(daemon, hosts=hosts, token=TOKEN, passwords=passwords, redact=redact)
    jar = aiohttp.CookieJar(unsafe=True)  # an address is no name, and cookies of addresses are not kept otherwise
    async with serving(app) as origin, aiohttp.ClientSession(cookie_jar=jar) as visitor:
        yield Site(origin, passwords, visitor)
