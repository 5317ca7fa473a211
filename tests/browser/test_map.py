"""The home is picked on a map: the owner names tiles, clicks, and the coordinates stand in the form."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.browser.owner import CHROMIUM
from tests.browser.site import browsing
from tests.fake_onboarding import USER
from tests.fakes_daemon import FakeDaemon

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no chromium here"),
    pytest.mark.timeout(90),
]

DESK = {"width": 1000, "height": 900}
PLACE = f"/setup/place?user={USER}"
TILE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
ZOOM, MIDDLE = 4, (50.0, 10.0)
"""What the map shows while no coordinates are typed."""


class Tiles(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(TILE)))
        self.end_headers()
        self.wfile.write(TILE)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def tiles() -> Iterator[tuple[str, list[str]]]:
    """Serve one grey pixel as every tile, and yield the address of the tiles with what was asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Asked", (Tiles,), {"asked": asked}))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{{z}}/{{x}}/{{y}}.png", asked
    finally:
        server.shutdown()
        thread.join(timeout=5)
        server.server_close()


def place_clicked(page: Any, *, right: int, down: int) -> tuple[float, float]:
    """Click so many pixels beside the middle of the map, and return what the form then says."""
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2 + down)
    latitude, longitude = (page.get_by_label(name).input_value() for name in ("Latitude", "Longitude"))
    return float(latitude), float(longitude)


def test_a_click_on_the_map_is_where_home_is():
    with (
        tiles() as (address, asked),
        playwright.sync_playwright() as drivers,
        browsing(drivers, FakeDaemon(), viewport=DESK) as person,
    ):
        page = person.page
        person.go(PLACE)
        assert page.locator("#map").count() == 0
        page.get_by_role("link", name="give the address of a map").click()
        page.get_by_label("Address of map tiles").fill(address)
        page.get_by_label("Credit shown on the map").fill("Grey Maps")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url(f"{person.base}/setup?done=chosen")
        person.go(PLACE)
        playwright.expect(page.locator("main")).to_contain_text("Map: Grey Maps")
        page.locator("#map img.leaflet-tile-loaded").first.wait_for()
        assert f"/{ZOOM}/8/5.png" in asked  # the tile in which 50° N, 10° E lies
        page.locator("#map").scroll_into_view_if_needed()
        person.look("map")

        middle = place_clicked(page, right=0, down=0)
        assert middle == pytest.approx(MIDDLE, abs=0.2)
        latitude, longitude = place_clicked(page, right=64, down=-64)
        assert longitude - middle[1] == pytest.approx(64 * 360 / (256 * 2**ZOOM), abs=0.01)
        assert latitude > middle[0] + 3
        playwright.expect(page.locator("#map path.leaflet-interactive")).to_have_count(1)

        page.get_by_label("Latitude").fill("59,9139")
        page.get_by_label("Longitude").fill("10.7522")
        page.keyboard.press("Tab")
        typed = place_clicked(page, right=0, down=0)
        assert typed == pytest.approx((59.9139, 10.7522), abs=0.01)  # the map has followed what was typed
        assert person.faults == []
