"""Styles and scripts: read once at the start and served from memory, so that no path of a request meets the disk."""

from functools import cache
from hashlib import sha256
from importlib.resources import files

from aiohttp import web

from scheduler.http.web.guard import public

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain; charset=utf-8",
    ".png": "image/png",
}
"""What is served, by the end of its name; everything else beside it stays here."""

FOR_EVER = "public, max-age=31536000, immutable"


class Assets:
    """The static files, each under an address that changes with its content."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, str]] = {}
        for entry in files("scheduler.http.web").joinpath("static").iterdir():
            kind = next((kind for end, kind in TYPES.items() if entry.name.endswith(end)), None)
            if kind is not None:
                self._kept[entry.name] = (entry.read_bytes(), kind)
        self._marks = {name: sha256(content).hexdigest()[:12] for name, (content, _) in self._kept.items()}

    def address(self, name: str) -> str:
        """Return where a file is to be asked for. Raises KeyError where there is none."""
        return f"/static/{name}?v={self._marks[name]}"

    def add_to(self, app: web.Application) -> None:
        """Serve them, without a session: the login page needs them."""

        async def answer(request: web.Request) -> web.Response:
            found = self._kept.get(request.match_info["name"])
            if found is None:
                raise web.HTTPNotFound
            content, kind = found
            current = request.query.get("v") == self._marks[request.match_info["name"]]
            headers = {"Content-Type": kind, "Cache-Control": FOR_EVER if current else "no-cache"}
            return web.Response(body=content, headers=headers)

        app.router.add_get("/static/{name}", public(answer))


@cache
def bundled() -> Assets:
    """Return the files of this installation, read once."""
    return Assets()
