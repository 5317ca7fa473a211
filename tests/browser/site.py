"""The dashboard of a made-up daemon, served beside the test, and a browser that is logged in to it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.browser.owner import AXE, CHROMIUM
from tests.web_site import PASSWORD, site_of

PATIENCE_MS = 10_000


@dataclass(kw_only=True)
class Browsing:
    """A page of a browser, the address of the dashboard, and what was found wrong on the way."""

    page: Any
    base: str
    faults: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.base}{path}")

    def look(self, name: str) -> None:
        """Note what axe finds serious, and what is wider than the screen."""
        if (wide := self.page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
            self.faults.append(f"{name}: {wide} px too wide")
        self.page.evaluate(AXE.read_text() + "; 0")
        told = self.page.evaluate("axe.run()")
        assert len(told["passes"]) > 5  # it has looked at the page
        self.faults += [
            f"{name}: {one['id']} at {one['nodes'][0]['html'][:200]}"
            for one in told["violations"]
            if one["impact"] in {"serious", "critical"}
        ]

    def hear(self, said: Any) -> None:
        """Note what the browser complains of, but for the answers that a form is meant to get."""
        if said.type == "error" and "status of 4" not in said.text:
            self.faults.append(said.text)


@contextmanager
def beside() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run a loop in a thread of its own and yield what has it do something."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


@contextmanager
def browsing(drivers: Any, daemon: Any, **look: Any) -> Iterator[Browsing]:
    """Serve a daemon's dashboard and yield a browser there; `look` is of the browser's context, its size for one.

    The drivers end the browser: a close has no limit of time, and could wait for ever.
    """
    site = site_of(daemon)
    with beside() as do:
        base = do(site.__aenter__()).origin
        browser = drivers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        try:
            page = browser.new_context(reduced_motion="reduce", **look).new_page()
            page.set_default_timeout(PATIENCE_MS)
            person = Browsing(page=page, base=base)
            page.on("console", person.hear)
            page.on("pageerror", lambda error: person.faults.append(str(error)))
            person.go("/login")
            page.get_by_label("Password").fill(PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(f"{base}/")
            yield person
        finally:
            do(site.__aexit__(None, None, None))
