"""The OpenAPI document of the API: written by hand beside this module, served as it stands."""

from importlib.resources import files

from aiohttp import web

PATH = "/api/v1/openapi.json"


def add_document(app: web.Application) -> None:
    """Serve the document."""
    document = text()

    async def answer(request: web.Request) -> web.Response:  # noqa: ARG001
        return web.Response(text=document, content_type="application/json")

    app.router.add_get(PATH, answer)


def text() -> str:
    """Return the document."""
    return (files("scheduler.http") / "openapi.json").read_text(encoding="utf-8")
